"""Trainings an hour on a GPU, by how many workers share it, and on two cores of the same machine.

    .venv/bin/python -m benchmarks.gpu              # writes gpu.csv; on an NVIDIA GPU, meant to take 8 minutes
    .venv/bin/python -m benchmarks.gpu --seconds 5  # a shorter try

The work is networks of the study `capacity`, on random sequences of MNIST's shape, which take as long as real ones.
Each row trains for as long, again and again; a training that has begun counts by its epochs. Whether the GPU gives the
same bits again, and whatever the number of workers, is told besides.
"""

import argparse
import itertools
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.limits import CLASSES, FEATURES, TIMESTEPS, random_data
from benchmarks.results import FOLDER
from pipeline.data.sequences import Samples, SequencesSummary, summary_of
from pipeline.params.document import ExecutionParams
from pipeline.params.network import Cell
from pipeline.params.settings import Configuration, Instructions
from pipeline.paths import SEQUENCES_SUMMARY
from pipeline.training.cluster import Cluster
from pipeline.training.task import EpochFinished, Finished, TrainingTask

TABLE = FOLDER / "gpu.csv"
CELLS: tuple[Cell, ...] = ("simple_rnn", "lstm", "gru")
UNITS = (4, 16, 64, 256)
TRAIN, HELD_OUT, EPOCHS = 10_000, 1_000, 3
ON_GPU = (1, 2, 4, 8, 16)
SECONDS = 30.0  # of each row, after its workers have made all graphs


def write_sequences(folder: Path) -> None:
    """What `prepare` leaves, of random numbers."""
    folder.mkdir(parents=True)
    splits: dict[str, Any] = {}
    for name, count in {"train": TRAIN, "validation": HELD_OUT, "test": HELD_OUT}.items():
        data = random_data(count)
        np.savez(folder / f"{name}.npz", x=data.x, y=data.y)
        splits[name] = summary_of(Samples(data.x, data.y), CLASSES)
    SequencesSummary(
        dataset="random", view="rows", seed=0, classes=CLASSES, labels=tuple(range(CLASSES)), timesteps=TIMESTEPS,
        features=FEATURES, **splits,
    ).write(folder / SEQUENCES_SUMMARY.name)  # fmt: skip


def rate(instructions: Instructions, workers: int, seconds: float, folder: Path) -> tuple[float, dict[str, str], str]:
    """Trainings an hour, the weights of those that ended by network and seed, and what trained them."""
    configurations = [
        Configuration(cell=cell, units=units, epochs=EPOCHS, learning_rate=0.001) for units in UNITS for cell in CELLS
    ]
    weights: dict[str, str] = {}
    with Cluster(ExecutionParams(workers=workers)) as cluster:
        tasks = enumerate((seed, each) for seed in itertools.count() for each in configurations)
        asked: dict[int, str] = {}

        def submit() -> None:
            key, (seed, configuration) = next(tasks)
            asked[key] = f"{configuration.cell} {configuration.units} {seed}"
            cluster.submit(key, TrainingTask(configuration, seed, folder, "validation", instructions), priority=key)

        for _ in range(2 * workers):
            submit()
        # Every worker makes the graphs of each network once: as many trainings do not count.
        finished, began, epochs, processor = 0, 0.0, 0, ""
        while not began or time.perf_counter() - began < seconds:
            event = cluster.next_event()
            if isinstance(event, Finished):
                assert event.result is not None, event.error
                weights[asked[event.key]], processor = event.result.weights_sha256, event.result.processor
                finished += 1
                if finished == workers * len(configurations):
                    began, epochs = time.perf_counter(), 0
                submit()
            epochs += isinstance(event, EpochFinished)
        return 3600 * epochs / EPOCHS / (time.perf_counter() - began), weights, processor


def measure(
    seconds: float, there: Instructions = "gpu", shared_by: Sequence[int] = ON_GPU
) -> tuple[pd.DataFrame, list[str]]:
    """A row for each number of workers that share what is `there`, and what is found of the bits."""
    settings: list[tuple[Instructions, int]] = [("avx2", 2), *((there, workers) for workers in (*shared_by, 1))]
    rows, on_gpu = [], []
    parent = Path(tempfile.mkdtemp())
    try:
        write_sequences(parent / "sequences")
        for instructions, workers in settings:
            hourly, weights, processor = rate(instructions, workers, seconds, parent / "sequences")
            rows.append((instructions, workers, round(hourly), processor))
            print(f"{processor}, {workers} workers: {hourly:,.0f} trainings an hour", flush=True)
            if instructions == there:
                on_gpu.append((workers, weights))
    finally:
        shutil.rmtree(parent)
    table = pd.DataFrame(rows, columns=["instructions", "workers", "trainings_per_hour", "processor"])
    table["ratio_to_two_cores"] = (table["trainings_per_hour"] / table["trainings_per_hour"].iloc[0]).round(2)
    _, first = on_gpu[0]
    sentences = []
    for workers, weights in on_gpu[1:]:
        both = sorted(first.keys() & weights.keys())
        same = sum(first[name] == weights[name] for name in both)
        other = [name for name in both if first[name] != weights[name]]
        differing = f", not {', '.join(other[:6])}" * bool(other)
        sentences.append(f"{workers} workers: {same} of {len(both)} trainings have the same bits as before{differing}")
    return table, sentences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each row")
    table, sentences = measure(parser.parse_args().seconds)
    table.to_csv(TABLE, index=False)
    print(table.to_string(index=False), *sentences, sep="\n")


if __name__ == "__main__":
    main()
