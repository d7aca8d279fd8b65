"""The cost of the sliding window: idle workers, and bookkeeping for each trial.

    .venv/bin/python -m benchmarks.window

Workers are simulated, in virtual time, on costs that differ a hundredfold; the window is the project's own. The
bookkeeping is measured: a study of 1,000 trials whose trainings take no time. The same study without a database, and
without a sampler that learns, shows the share of each.
"""

import heapq
import tempfile
import time
from pathlib import Path

import numpy as np
from optuna.storages import InMemoryStorage
from rich.console import Console
from rich.table import Table

from pipeline.data.sequences import SequencesSummary, SplitSummary
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.engine import run_study
from pipeline.studies.window import sliding_window
from pipeline.training.journal import Journal
from tests.helpers.cluster import ToyCluster
from tests.helpers.sequences import params_with

TRIALS, REPETITIONS = 200, 20
SPACE = {
    "cell": ["gru", "lstm"],
    "units": {"low": 2, "high": 64, "log": True},
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "epochs": [5],
}
SPLIT = SplitSummary(samples=90, per_class=(30, 30, 30), sha256="")
SEQUENCES = SequencesSummary(
    dataset="none", view="rows", seed=0, classes=3, labels=(0, 1, 2), timesteps=6, features=4,
    train=SPLIT, validation=SPLIT, test=SPLIT,
)  # fmt: skip


def busy_share(window: int, workers: int, costs: list[float]) -> float:
    """Share of the workers' time that is spent on trials, from the first start to the last end."""
    waiting: list[int] = []
    running: list[tuple[float, int]] = []
    finished: set[int] = set()
    clock = 0.0

    def wait(number: int) -> None:
        nonlocal clock
        while number not in finished:
            while waiting and len(running) < workers:
                trial = waiting.pop(0)
                heapq.heappush(running, (clock + costs[trial], trial))
            clock, done = heapq.heappop(running)
            finished.add(done)

    sliding_window(
        len(costs), window, ask=lambda _: None, start=lambda number, _: waiting.append(number), wait=wait,
        tell=lambda *_: None,
    )  # fmt: skip
    return sum(costs) / (workers * clock)


def bookkeeping_milliseconds(trials: int, sampler: str, storage: str) -> tuple[float, float]:
    """Milliseconds for each trial of a study that trains nothing, on the clock and of the processor: sampling,
    storage, journal. The pruner's time in a worker is left out."""
    study = {"sampler": sampler, "trials": trials, "pruner": "median", "window": 8, "space": SPACE}
    with tempfile.TemporaryDirectory() as folder:
        definition = StudyDefinition("search", params_with({"search": study}), SEQUENCES)
        cluster, journal = ToyCluster(0), Journal(Path(folder, "journal"), Path(folder, "record"))
        optuna_storage = InMemoryStorage() if storage == "memory" else f"sqlite:///{folder}/optuna.db"
        started, processor_started = time.perf_counter(), time.process_time()
        run_study(definition, Path(folder), cluster, optuna_storage, journal)
        seconds = time.perf_counter() - started - cluster.seconds
        processor_seconds = time.process_time() - processor_started - cluster.processor_seconds
    return 1000 * seconds / trials, 1000 * processor_seconds / trials


def main() -> None:
    rng = np.random.default_rng(0)
    console = Console()
    table = Table("workers", "window", "busy, %", "without a window, %", title=f"{TRIALS} trials, costs 1 to 100")
    studies = [np.exp(rng.uniform(0, np.log(100), TRIALS)).tolist() for _ in range(REPETITIONS)]
    for workers in (2, 8):
        for factor in (2, 4, 8):
            shares = [busy_share(factor * workers, workers, costs) for costs in studies]
            free = [busy_share(TRIALS, workers, costs) for costs in studies]
            table.add_row(
                str(workers), f"{factor} × workers", f"{100 * np.mean(shares):.1f}", f"{100 * np.mean(free):.1f}"
            )
    console.print(table)
    table = Table("trials", "sampler", "storage", "clock, ms", "processor, ms", title="bookkeeping for each trial")
    for trials in (100, 1000):
        for sampler, storage in (("random", "memory"), ("tpe", "memory"), ("tpe", "SQLite")):
            milliseconds = bookkeeping_milliseconds(trials, sampler, storage)
            table.add_row(str(trials), sampler, storage, *(f"{value:.1f}" for value in milliseconds))
    console.print(table)


if __name__ == "__main__":
    main()
