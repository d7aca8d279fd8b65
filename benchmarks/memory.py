"""Does a worker's memory stay flat over many trainings?

    .venv/bin/python -m benchmarks.memory

Two hundred trainings of very small networks, so that a leak is not lost in the data: once of one network, whose graphs
are made once, and once of networks all of which differ from the last `KEPT_GRAPHS`.
"""

import tempfile
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from pipeline.params.document import ExecutionParams
from pipeline.params.settings import Configuration
from pipeline.training.cluster import Cluster
from pipeline.training.graphs import KEPT_GRAPHS
from pipeline.training.task import EpochFinished, TrainingTask
from tests.helpers.processes import worker_processes
from tests.helpers.sequences import write_sequences

TRAININGS, SHOWN_EVERY = 200, 25


def network(units: int) -> Configuration:
    return Configuration(cell="simple_rnn", units=units, batch_size=32, epochs=1, learning_rate=0.01)


def resident_mebibytes() -> float:
    """Of the worker process, while its network is still there."""
    [worker] = worker_processes(psutil.Process())
    return float(worker.memory_info().rss) / 2**20


def measure(sequences: Path, different: int) -> list[float]:
    """MiB after each training, one after the other, of networks that differ from the `different` - 1 before."""
    mebibytes: list[float] = []
    with Cluster(ExecutionParams(workers=1)) as cluster:
        for seed in range(TRAININGS):
            task = TrainingTask(network(4 + seed % different), seed, sequences, "validation", "avx2")
            cluster.submit(seed, task, priority=seed)
        while len(mebibytes) < TRAININGS:
            if isinstance(cluster.next_event(), EpochFinished):
                mebibytes.append(resident_mebibytes())
    return mebibytes


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_sequences(Path(folder))
        same, other = measure(Path(folder), 1), measure(Path(folder), KEPT_GRAPHS + 1)
    table = Table("training", "one network, MiB", "different networks, MiB")
    for number in [0, *range(SHOWN_EVERY - 1, TRAININGS, SHOWN_EVERY)]:
        table.add_row(str(number + 1), f"{same[number]:.0f}", f"{other[number]:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
