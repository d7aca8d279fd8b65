"""Does a worker's memory stay flat over many trainings, and what does replacing a worker cost?

    .venv/bin/python -m benchmarks.memory

Two hundred trainings of a very small network, so that what TensorFlow leaks with each is not lost in the data. A worker
makes way for a new one after `TRAININGS_PER_WORKER` of them: memory may grow within its life, not from life to life.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from pipeline.cluster import TRAININGS_PER_WORKER, Cluster, EpochFinished, TrainingTask
from pipeline.params import Configuration, ExecutionParams
from tests.example_sequences import write_sequences

TRAININGS = 200
NETWORK = Configuration(cell="simple_rnn", units=4, batch_size=32, epochs=1, learning_rate=0.01)


def resident_mebibytes() -> float:
    """Of the worker process, while its network is still there."""
    children = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    return max(child.memory_info().rss for child in children) / 2**20


def main() -> None:
    mebibytes: list[float] = []
    seconds: list[float] = []  # since the last training's epoch
    with tempfile.TemporaryDirectory() as folder:
        write_sequences(Path(folder))
        with Cluster(ExecutionParams(workers=1)) as cluster:
            for seed in range(TRAININGS):
                cluster.submit(seed, TrainingTask(NETWORK, seed, Path(folder), "validation"), priority=seed)
            before = time.perf_counter()
            while len(mebibytes) < TRAININGS:
                if isinstance(cluster.next_event(), EpochFinished):
                    mebibytes.append(resident_mebibytes())
                    seconds.append(time.perf_counter() - before)
                    before += seconds[-1]
    table = Table("trainings", "first, MiB", "last, MiB", "growth, %", "start and first, s", "each other, s")
    for first in range(0, TRAININGS, TRAININGS_PER_WORKER):
        memory, (start, *others) = (values[first : first + TRAININGS_PER_WORKER] for values in (mebibytes, seconds))
        row = (memory[0], memory[-1], 100 * (memory[-1] / memory[0] - 1), start, float(np.mean(others)))
        table.add_row(f"{first + 1}–{first + len(memory)}", *(f"{value:.1f}" for value in row))
    Console().print(table)
    early, late = np.mean(mebibytes[:50]), np.mean(mebibytes[-50:])
    Console().print(f"mean of the first 50: {early:.0f} MiB, of the last 50: {late:.0f} MiB ({late / early - 1:+.1%})")


if __name__ == "__main__":
    main()
