"""What several seeds in one computation bring: trainings an hour, divided by those of one seed after the other.

    .venv/bin/python -m benchmarks.seeds   # writes seeds.csv

The same four trainings take turns, one after the other and together, in a process with one TensorFlow thread, its
memory set up like a worker's. Its processor time counts: other work on the machine slows both. A ratio is that of one
turn. An epoch includes the evaluations after it; that both ways come to the same weights is checked.
"""

import functools
import json
import sys
import time
from statistics import median

import numpy as np
import pandas as pd

from benchmarks.limits import random_data
from benchmarks.results import FOLDER
from benchmarks.work import KERAS_CELLS, ROOT, environment, run_python
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import Configuration
from pipeline.training.forkserver import KEEP_FREED_MEMORY
from pipeline.training.graphs import traced_graphs
from pipeline.training.inputs import TrainingData
from pipeline.training.machine import processor
from pipeline.training.process import configure_tensorflow
from pipeline.training.seeds import MOST_SEEDS, _traced, train_seeds
from pipeline.training.train import TrainingFailed, train
from pipeline.training.trials import EpochMetrics

TABLE = FOLDER / "seeds.csv"
UNITS = (8, 16, 32)
SAMPLES, HELD_OUT, BATCH_SIZE = 3000, 600, 128
EPOCHS, TURNS = 6, 3
LONG = 50  # epochs of the training that the last ratio is of


def data() -> TrainingData:
    rows = random_data(SAMPLES + HELD_OUT)
    return TrainingData(rows.x[:SAMPLES], rows.y[:SAMPLES], rows.classes, rows.x[SAMPLES:], rows.y[SAMPLES:])


def _note(moments: list[float], metrics: EpochMetrics) -> bool:
    moments.append(time.process_time())
    return False


def turn(configuration: Configuration, rows: TrainingData) -> dict[str, float]:
    """Processor seconds of the start and of an epoch of all seeds, one after the other and together."""
    traced_graphs.cache_clear()
    _traced.cache_clear()
    seeds = range(MOST_SEEDS)
    starts, epochs, alone = [], [], []
    for seed in seeds:
        moments = [time.process_time()]
        alone.append(train(configuration, rows, seed, functools.partial(_note, moments))[1])
        epoch = median(np.diff(moments[1:]))
        epochs.append(epoch)
        starts.append(moments[1] - moments[0] - epoch)
    moments = [time.process_time()]

    def note(place: int, metrics: EpochMetrics) -> None:
        if place == 0:
            _note(moments, metrics)

    outcomes = train_seeds(configuration, [rows] * MOST_SEEDS, seeds, note)
    for own, outcome in zip(alone, outcomes, strict=True):
        assert not isinstance(outcome, TrainingFailed)
        assert outcome[1].weights_sha256 == own.weights_sha256, "together they are others than alone"
    epoch = median(np.diff(moments[1:]))
    return {
        "alone_start": sum(starts),
        "alone_epoch": sum(epochs),
        "together_start": moments[1] - moments[0] - epoch,
        "together_epoch": epoch,
    }


def measure(network: NetworkSpec) -> dict[str, float]:
    """Medians of the seconds, median and extremes of the ratios; in a process of its own."""
    configure_tensorflow("avx2")
    rows = data()
    configuration = Configuration(**network.model_dump(), batch_size=BATCH_SIZE, epochs=EPOCHS)
    turns = pd.DataFrame([turn(configuration, rows) for _ in range(TURNS)])
    ratios = turns["alone_epoch"] / turns["together_epoch"]
    alone, together = (turns[f"{way}_start"] + LONG * turns[f"{way}_epoch"] for way in ("alone", "together"))
    return {f"{name}_seconds": turns[name].median() for name in turns} | {
        "ratio": ratios.median(),
        "ratio_low": ratios.min(),
        "ratio_high": ratios.max(),
        f"ratio_of_{LONG}_epochs": (alone / together).median(),
    }


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(NetworkSpec.model_validate_json(sys.argv[1]))))
        return
    found = []
    for units in UNITS:
        for cell in KERAS_CELLS:
            network = json.dumps({"cell": cell, "units": units})
            row = run_python(["-m", "benchmarks.seeds", network], ROOT, environment(ROOT) | KEEP_FREED_MEMORY)
            found.append({"cell": cell, "units": units, "seeds": MOST_SEEDS} | row)
            print(found[-1], flush=True)
    measured = pd.DataFrame(found).round(3).assign(processor=processor())
    measured.to_csv(TABLE, index=False)
    print(measured.to_string(index=False))


if __name__ == "__main__":
    main()
