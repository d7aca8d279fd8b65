"""Does the search find what a grid finds, with no more compute? Searches replayed on a table of real trainings.

    .venv/bin/python -m benchmarks.searching           # searching.json, and the table of docs/engine.md
    .venv/bin/python -m benchmarks.searching --train   # first searching.csv, from data/sequences as `prepare` leaves it

The table has the validation accuracy after every epoch of every configuration of a finite space, trained once. A replay
is a study by the real engine, sampler and pruner, and only the training is looked up. So a hundred repetitions of a
search cost minutes, and the best of the space is known. The rules, which were set before the first replay:

- The grids are the conventional ones, with the last state only: every cell with every number of units, once at one
  rate for each cell, once at every rate. All of their networks are trained to the end.
- A search has the compute of the grid: multiplications of one pass, times epochs. It has run the trials, in order, that
  fit into it together. A pruned trial counts by its epochs until then. A configuration that is proposed again counts
  again, though the engine does not train it again.
- It has found the most accurate of its trials that were trained to the end, and succeeds if that one is at most
  `TOLERANCE` less accurate than the grid's best.
- The search has no `parameter_budgets`: every budget is a search of its own, and the question is about one.
- Repetitions differ in the study's seed: 0, 1, 2, … All trainings have one seed, the table's.
"""

import argparse
import contextlib
import importlib.metadata
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from optuna.storages import InMemoryStorage
from rich.console import Console

from benchmarks.limits import CLASSES, FEATURES, TIMESTEPS
from benchmarks.results import FOLDER, with_table
from pipeline import paths
from pipeline.data.sequences import SequencesSummary, SplitSummary
from pipeline.params.document import ExecutionParams
from pipeline.params.network import multiplications, network_name
from pipeline.params.settings import Configuration
from pipeline.report.text import percent
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.engine import run_study
from pipeline.training.cluster import Cluster
from pipeline.training.journal import Journal
from pipeline.training.task import TrainingTask
from pipeline.training.trials import EpochMetrics, TrainingResult, Trial, TrialRecord
from tests.helpers.cluster import ToyCluster, looked_up
from tests.helpers.sequences import params_with

TABLE, RESULTS, PAGE = FOLDER / "searching.csv", FOLDER / "searching.json", FOLDER.parent / "docs" / "engine.md"
MARKERS = ("<!-- searching -->", "<!-- /searching -->")

# As `training` of params.yaml on 2026-11-27, but for fewer epochs and images.
TRAINING: dict[str, Any] = {
    "optimizer": "adamw", "weight_decay": 0.004, "learning_rate_schedule": "cosine", "warmup_epochs": 1,
    "global_clipnorm": 1.0, "batch_size": 128, "epochs": 8, "train_samples": 10_000,
}  # fmt: skip
SPACE: dict[str, Any] = {
    "cell": ["simple_rnn", "lstm", "gru"], "units": [6, 12, 24, 48], "pooling": ["last", "mean_max"],
    "learning_rate": [0.001, 0.002, 0.004, 0.01, 0.02],
}  # fmt: skip
# MNIST's rows as far as a replay asks about them.
SPLITS: dict[str, Any] = {
    name: SplitSummary(samples=samples, per_class=(samples // CLASSES,) * CLASSES, sha256="")
    for name, samples in (("train", 54_000), ("validation", 6_000), ("test", 10_000))
}
SUMMARY = SequencesSummary(
    dataset="mnist", view="rows", seed=0, classes=CLASSES, labels=tuple(range(CLASSES)), timesteps=TIMESTEPS,
    features=FEATURES, **SPLITS,
)  # fmt: skip
# The rates of params.yaml's grid, and all of them.
GRIDS: list[dict[str, Sequence[float]]] = [
    {"simple_rnn": [0.001], "lstm": [0.004], "gru": [0.004]},
    dict.fromkeys(SPACE["cell"], SPACE["learning_rate"]),
]
TOLERANCE = 0.0005  # accuracies as fractions
REPETITIONS, MANY_REPETITIONS = 10, 100
MOST_TRIALS = 1000  # more than any compute here pays for

# Sampler, pruner, startup and window of `search` in params.yaml, and what it begins with, as far as it is in the space:
# the book's network, and the gated cells, each with the most units that there are.
SEARCH: dict[str, Any] = {
    "sampler": "tpe", "pruner": "successive_halving", "startup_trials": 3, "window": 8,
    "enqueue": [
        {"cell": "simple_rnn", "units": 48, "pooling": "last", "learning_rate": 0.001},
        {"cell": "lstm", "units": 48, "pooling": "last", "learning_rate": 0.004},
        {"cell": "gru", "units": 48, "pooling": "mean_max", "learning_rate": 0.004},
    ],
}  # fmt: skip
SEARCHES: dict[str, dict[str, Any]] = {
    "the search: TPE, successive halving, the obvious first": SEARCH,
    "… nothing enqueued": SEARCH | {"enqueue": []},
    "… nothing enqueued, a window of 2": SEARCH | {"enqueue": [], "window": 2},
    "… nothing enqueued, Hyperband": SEARCH | {"enqueue": [], "pruner": "hyperband"},
    "random proposals, successive halving": SEARCH | {"enqueue": [], "sampler": "random"},
    "random proposals, all trained to the end": SEARCH | {"enqueue": [], "sampler": "random", "pruner": None},
}


class Grid(NamedTuple):
    """A grid: how many networks, the compute that they need together, and the most accurate of them."""

    networks: int
    compute: int
    best: Configuration
    accuracy: float


class Repetition(NamedTuple):
    """What a search with the compute of a grid has come to."""

    trials: int
    accuracy: float


class TableCluster(ToyCluster):
    """Trainings that are looked up."""

    def result(self, task: TrainingTask) -> TrainingResult:
        found = looked_up(task, accuracies()[identity(task.configuration)])
        return replace(found, best_epoch=len(found.epochs))  # as without patience


class _ComputeSpent(Exception):
    """The next trial needs more compute than is left."""


class _Purse:
    """Follows a study until its compute is spent."""

    def __init__(self, compute: int) -> None:
        self._left = compute
        self.records: list[TrialRecord] = []

    def trial_started(self, trial: Trial) -> None: ...

    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None:
        assert record.result is not None
        self._left -= compute(record.trial.configuration, len(record.result.epochs))
        if self._left < 0:
            raise _ComputeSpent
        self.records.append(record)


def identity(configuration: Configuration) -> tuple[Any, ...]:
    """The fields that tell the configurations of the space apart."""
    return tuple(getattr(configuration, axis) for axis in SPACE)


@cache
def accuracies() -> dict[tuple[Any, ...], list[float]]:
    """Validation accuracies after each epoch, of every configuration of the space."""
    table = pd.read_csv(TABLE).set_index(list(SPACE))
    curves = table.filter(regex=r"^accuracy_\d+$").to_numpy().tolist()
    return dict(zip(table.index, curves, strict=True))


def compute(configuration: Configuration, epochs: int) -> int:
    """Multiplications of one pass, times epochs; a training's are as many times more for every network."""
    return epochs * multiplications(configuration.network, *SUMMARY.sizes)


def definition_of(study: dict[str, Any], summary: SequencesSummary = SUMMARY) -> StudyDefinition:
    return StudyDefinition(
        "searching", params_with({"searching": {"training": TRAINING, "space": SPACE} | study}), summary
    )


def grid_of(rates: Mapping[str, Sequence[float]]) -> Grid:
    """Every cell at its `rates`, with every number of units and the last state only."""
    configurations = [
        trial.configuration
        for trial in definition_of({"sampler": "grid"}).fixed_trials
        if trial.configuration.pooling == "last"
        and trial.configuration.learning_rate in rates[trial.configuration.cell]
    ]
    best = max(configurations, key=lambda configuration: accuracies()[identity(configuration)][-1])
    needed = sum(compute(configuration, configuration.epochs) for configuration in configurations)
    return Grid(len(configurations), needed, best, accuracies()[identity(best)][-1])


def replay(search: dict[str, Any], seed: int, allowed: int) -> list[TrialRecord]:
    """The trials, in order, that the search with this seed can train with the compute `allowed`."""
    purse = _Purse(allowed)
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(_ComputeSpent):
        folder = Path(name)
        study = definition_of({"trials": MOST_TRIALS, "seed": seed} | search)
        journal = Journal(folder / "journal", folder / "record")
        run_study(study, folder, TableCluster(0), InMemoryStorage(), journal, [purse])
    return purse.records


def within(records: Iterable[TrialRecord], allowed: int) -> Repetition:
    """What the search has found when it has trained those of its first trials that the compute `allowed` pays for."""
    spent, count, most = 0, 0, 0.0
    for record in records:
        assert record.result is not None
        spent += compute(record.trial.configuration, len(record.result.epochs))
        if spent > allowed:
            break
        count += 1
        if record.state == "COMPLETE":
            most = max(most, record.result.best.validation_accuracy or 0.0)
    return Repetition(count, most)


def as_good(accuracy: float, best: float) -> bool:
    return accuracy >= best - TOLERANCE - 1e-9


def measure(search: dict[str, Any], repetitions: int) -> list[dict[str, Any]]:
    """For each grid, how often repetitions of a search succeed that has its compute."""
    best_of_all = max(curve[-1] for curve in accuracies().values())
    grids = [grid_of(rates) for rates in GRIDS]
    largest = max(grid.compute for grid in grids)
    # With less compute the same trials are proposed, only fewer.
    studies = [replay(search, seed, largest) for seed in range(repetitions)]
    rows = []
    for grid in grids:
        outcomes = [within(records, grid.compute) for records in studies]
        grids_best = [as_good(outcome.accuracy, grid.accuracy) for outcome in outcomes]
        best = [as_good(outcome.accuracy, best_of_all) for outcome in outcomes]
        rows.append({
            "networks": grid.networks,
            "trials": int(np.median([outcome.trials for outcome in outcomes])),
            "as_good_as_the_grid": sum(grids_best),
            "first_as_good_as_the_grid": sum(grids_best[:REPETITIONS]),
            "as_good_as_the_best": sum(best),
            "median_accuracy": float(np.median([outcome.accuracy for outcome in outcomes])),
        })  # fmt: skip
    return rows


def document() -> dict[str, Any]:
    """searching.json: the table in short, the grids, and what every search has come to."""
    table = pd.read_csv(TABLE)
    last = {key: curve[-1] for key, curve in accuracies().items()}
    grids = [grid_of(rates) for rates in GRIDS]
    best = int(table[f"accuracy_{TRAINING['epochs']}"].to_numpy().argmax())
    return {
        "configurations": len(table),
        "trained": sorted(set(table["trained_at"].str[:10])),
        "processor": sorted(set(table["processor"])),
        "best": {axis: table[axis].tolist()[best] for axis in SPACE} | {"accuracy": max(last.values())},
        "as_good_as_best": sum(as_good(accuracy, max(last.values())) for accuracy in last.values()),
        "grids": [
            {"networks": grid.networks, "compute": grid.compute, "accuracy": grid.accuracy}
            | {axis: getattr(grid.best, axis) for axis in SPACE}
            | {"as_good": sum(as_good(accuracy, grid.accuracy) for accuracy in last.values())}
            for grid in grids
        ],
        "repetitions": MANY_REPETITIONS,
        "searches": {name: measure(search, MANY_REPETITIONS) for name, search in SEARCHES.items()},
        "optuna": importlib.metadata.version("optuna"),
        "date": date.today().isoformat(),
    }  # fmt: skip


def named(row: Mapping[str, Any]) -> str:
    """A configuration of the space in words, for example: GRU 1×48 mean+max at a rate of 0.01."""
    return f"{network_name({'depth': 1, 'bidirectional': False, **row})} at a rate of {row['learning_rate']}"


def markdown_table(found: Mapping[str, Any]) -> str:
    """The tables of docs/engine.md: one for the compute of each grid."""
    lines, many = [], found["repetitions"]
    for place, grid in enumerate(found["grids"]):
        lines += [
            f"With the compute of {grid['networks']} networks. The best of that grid is {named(grid)},",
            f"{percent(grid['accuracy'])}; {grid['as_good']} of {found['configurations']} configurations are as good.",
            "",
            f"| | trials | as good, of {REPETITIONS} | … of {many} | as good as the best of all, of {many} | found |",
            "|---|---|---|---|---|---|",
        ]
        for name, rows in found["searches"].items():
            row = rows[place]
            counts = (row["first_as_good_as_the_grid"], row["as_good_as_the_grid"], row["as_good_as_the_best"])
            cells = (name, row["trials"], *counts, percent(row["median_accuracy"]))
            lines.append(f"| {' | '.join(map(str, cells))} |")
        lines.append("")
    lines += [
        f"The best of all is {named(found['best'])}, {percent(found['best']['accuracy'])}. As good are "
        f"{found['as_good_as_best']}, itself included.",
        f"Trained on {' and '.join(found['processor'])}, {' to '.join(found['trained'])}; replayed by "
        f"`python -m benchmarks.searching` with Optuna {found['optuna']}, {found['date']}.",
    ]
    return "\n".join(lines)


def train_table(console: Console) -> None:
    """Train every configuration, the longest first. If it is stopped, the next call goes on from there."""
    definition = definition_of({"sampler": "grid"}, SequencesSummary.read(paths.SEQUENCES_SUMMARY))
    journal = Journal(paths.journal_folder(), paths.RECORD)
    console.print(f"{definition.total} trainings, which take about {definition.expected_seconds(1) / 60:.0f} minutes")
    with Cluster(ExecutionParams(workers=1)) as cluster:
        records = run_study(definition, paths.SEQUENCES, cluster, InMemoryStorage(), journal)
    rows = []
    for record in records:
        assert record.result is not None, record.error
        curve = {f"accuracy_{m.epoch}": round(m.validation_accuracy or 0.0, 5) for m in record.result.epochs}
        origin = {name: getattr(record.result, name) for name in ("weights_sha256", "trained_at", "processor")}
        rows.append(dict(zip(SPACE, identity(record.trial.configuration), strict=True)) | curve | origin)
    pd.DataFrame(rows).to_csv(TABLE, index=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", action="store_true", help="train the table first")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    if arguments.train:
        train_table(console)
    found = document()
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), markdown_table(found), MARKERS), encoding="utf-8")
    console.print(markdown_table(found), markup=False)


if __name__ == "__main__":
    main()
