"""What unequal lengths cost: an epoch on padded sequences, divided by one on as many full ones.

    .venv/bin/python -m benchmarks.padding   # writes padding.csv

The two epochs take turns in one process with one TensorFlow thread, and its processor time counts: other work on the
machine slows both. A ratio is that of one turn.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd

from benchmarks.limits import CLASSES, FEATURES, TIMESTEPS, random_data
from benchmarks.results import FOLDER
from pipeline.params.network import Cell
from pipeline.params.settings import Configuration
from pipeline.training.graphs import StepSettings, traced_graphs
from pipeline.training.machine import processor
from pipeline.training.process import configure_tensorflow
from pipeline.training.reading import AS_THEY_ARE, Reading

TABLE = FOLDER / "padding.csv"
CELLS: tuple[Cell, ...] = ("lstm", "gru")
UNITS = (64, 128, 256)
SAMPLES, BATCH_SIZE, TURNS = 256, 128, 15


def cut(x: np.ndarray) -> np.ndarray:
    """The same sequences, each ended somewhere in its second half: a quarter of all steps are NaN."""
    samples, timesteps, _ = x.shape
    lengths = np.random.default_rng(1).integers(timesteps // 2, timesteps + 1, samples)
    return np.where(np.arange(timesteps)[:, None] < lengths[:, None, None], x, np.float32(np.nan))


def epoch_of(configuration: Configuration, x: np.ndarray, y: np.ndarray, reading: Reading) -> Callable[[], float]:
    """Trains one epoch each time that it is called, and returns its seconds of processor time."""
    import tensorflow as tf

    traced = traced_graphs(StepSettings.of(configuration), TIMESTEPS, FEATURES, CLASSES, reading)
    inputs, labels, order = tf.constant(x), tf.constant(y), tf.range(len(y), dtype=tf.int64)
    rates = tf.fill(((len(y) + BATCH_SIZE - 1) // BATCH_SIZE,), np.float32(1e-3))

    def epoch() -> float:
        started = time.process_time()
        loss, _, _ = traced.train_epoch(inputs, labels, order, rates, tf.constant(0))
        seconds = time.process_time() - started
        assert np.isfinite(float(loss)), "a step that is none has an effect"
        return seconds

    return epoch


def ratios(configuration: Configuration) -> list[float]:
    """Processor time of an epoch on padded sequences, divided by that on full ones, in each turn."""
    data = random_data(SAMPLES)
    full = epoch_of(configuration, data.x, data.y, AS_THEY_ARE)
    padded = epoch_of(configuration, cut(data.x), data.y, Reading(padded=True))
    for epoch in (full, padded):
        epoch()  # warms up
    found = []
    for _ in range(TURNS):
        seconds = full()
        found.append(padded() / seconds)
    return found


def measure() -> pd.DataFrame:
    """One row a network: median and extremes of the ratio."""
    configure_tensorflow("avx2")
    rows = []
    for bidirectional in (False, True):
        for cell in CELLS:
            for units in UNITS:
                found = ratios(
                    Configuration(cell=cell, units=units, bidirectional=bidirectional, batch_size=BATCH_SIZE)
                )
                rows.append((cell, units, bidirectional, median(found), min(found), max(found)))
    columns = ["cell", "units", "bidirectional", "ratio", "ratio_low", "ratio_high"]
    return pd.DataFrame(rows, columns=columns).round(2).assign(processor=processor())


def main() -> None:
    measured = measure()
    measured.to_csv(TABLE, index=False)
    print(measured.to_string(index=False))


if __name__ == "__main__":
    main()
