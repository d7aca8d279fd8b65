"""Made-up results with the shape of real ones: seeded, plausible, written through the pipeline's own tables."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.analysis.choice import Candidate, Choice, choose_champion
from pipeline.analysis.configurations import accuracy_interval
from pipeline.analysis.evaluation import AgainstTheBest, Metrics
from pipeline.analysis.prediction_times import BATCH_SIZES, COLUMNS, NETWORK
from pipeline.data.sequences import SequencesSummary, SplitSummary
from pipeline.params.document import Params, load_params
from pipeline.params.network import parameter_count
from pipeline.params.settings import Configuration
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.results import write_results as write_study_results
from pipeline.training.trials import EpochMetrics, State, TrainingResult, Trial, TrialRecord

ROOT = Path(__file__).parents[2]
BOOK = [("sgd", 256), ("rmsprop", 256), ("adam", 256), ("sgd", 512)]
PROCESSOR = "AMD EPYC (family 25, model 1, no AVX-512)"


@cache
def project_params() -> Params:
    """The project's own params.yaml."""
    return load_params(ROOT / "params.yaml")


def record(
    number: int, configuration: Configuration, seed: int, samples: int, state: State = "COMPLETE"
) -> TrialRecord:
    """A trial whose errors fall with capacity and samples, and whose gap grows with capacity."""
    trial = Trial(number, configuration, seed)
    if state == "FAIL":
        return TrialRecord(trial, state, samples, "rows", error="the loss is not a finite number after epoch 1")
    rng = np.random.default_rng((number, seed, samples))
    parameters = parameter_count(configuration.network, timesteps=28, features=28, classes=10)
    skill = {"simple_rnn": 0.55, "lstm": 1.0, "gru": 1.15}.get(configuration.cell, 1.0)
    best_error = 4.0 * parameters**-0.35 * samples**-0.28 / skill + 0.006 + rng.normal(0, 0.0006)
    gap = 0.004 * np.log10(parameters) ** 2 * (5000 / samples) ** 0.6 / 2
    length = configuration.epochs if state == "COMPLETE" else 3
    epochs = []
    for epoch in range(1, length + 1):
        error = min(0.89, best_error + 0.6 * np.exp(-0.8 * epoch) + abs(rng.normal(0, 0.0008)))
        train_error = max(error - gap * (1 - np.exp(-0.2 * epoch)), 0.0005)
        epochs.append(
            EpochMetrics(epoch, 3.2 * train_error, 1 - train_error, 3.2 * error + 0.002 * max(0, epoch - 6), 1 - error,
                         3.2 * train_error + 0.03, 1 - train_error - 0.015)
        )  # fmt: skip
    best_epoch = min(epochs, key=lambda metrics: metrics.validation_loss or 0).epoch
    seconds = parameters / 2e4 * samples / 5000
    result = TrainingResult(
        parameters, tuple(epochs), best_epoch, state == "PRUNED", f"{number:064x}", seconds, parameters / 1e3,
        f"Model: {configuration.network.file_name}\n", "digraph { a -> b }", "tcp://127.0.0.1:40000", PROCESSOR,
        f"2026-11-26T15:{number % 60:02d}:30Z",
    )  # fmt: skip
    return TrialRecord(trial, state, samples, "rows", result)


def book_records(seeds: int = 1) -> list[TrialRecord]:
    configurations = [
        Configuration(cell="simple_rnn", units=units, dropout=0.2, optimizer=optimizer, epochs=20)  # type: ignore[arg-type]
        for optimizer, units in BOOK
    ]
    pairs = [(configuration, seed) for configuration in configurations for seed in range(seeds)]
    return [record(number, configuration, seed, 60_000) for number, (configuration, seed) in enumerate(pairs)]


def capacity_records(seeds: int = 3) -> list[TrialRecord]:
    configurations = [
        Configuration(cell=cell, units=units, depth=depth, train_samples=5000, epochs=15)
        for cell in ("simple_rnn", "lstm", "gru")
        for units in (8, 32, 128)
        for depth in (1, 2)
    ]
    pairs = [(configuration, seed) for configuration in configurations for seed in range(seeds)]
    return [record(number, configuration, seed, 5000) for number, (configuration, seed) in enumerate(pairs)]


def search_records(trials: int = 16) -> list[TrialRecord]:
    rng = np.random.default_rng(1)
    records = []
    for number in range(trials):
        configuration = Configuration(
            cell=str(rng.choice(["simple_rnn", "lstm", "gru"])),  # type: ignore[arg-type]
            units=int(2 ** rng.uniform(4, 8)),
            depth=int(rng.integers(1, 3)),
            bidirectional=bool(rng.random() < 0.4),
            dropout=float(rng.uniform(0, 0.3)),
            learning_rate=float(10 ** rng.uniform(-3.3, -2.3)),
            epochs=8,
        )
        states: Sequence[State] = ("COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "COMPLETE", "PRUNED", "COMPLETE")
        state: State = "FAIL" if number == 9 else states[number % len(states)]
        records.append(record(number, configuration, 0, 54_000, state))
    return records


def write_study(name: str, records: Sequence[TrialRecord], params: Params | None = None) -> None:
    """What the stage study@NAME leaves in data/studies/NAME, under the current folder, over the sequences there."""
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    definition = StudyDefinition(name, params or project_params(), summary)
    write_study_results(paths.study_folder(name), definition, records)


def read_trials(name: str) -> pd.DataFrame:
    return pd.read_csv(paths.study_folder(name) / "trials.csv")


def write_summary(dataset: str = "mnist", classes: int = 10) -> None:
    train, validation, test = (
        SplitSummary(samples=samples, per_class=(samples // classes,) * classes, sha256=str(position) * 64)
        for position, samples in enumerate((54_000, 6_000, 10_000))
    )
    SequencesSummary(
        dataset=dataset, view="rows", seed=0, classes=classes, labels=tuple(range(classes)), timesteps=28, features=28,
        train=train, validation=validation, test=test,
    ).write(paths.SEQUENCES_SUMMARY)  # fmt: skip


def choice_of(*studies: str) -> Choice:
    """The choice between studies under the current folder, from the data that are there."""
    data = SequencesSummary.read(paths.SEQUENCES_SUMMARY).learning_sha256
    return choose_champion({name: read_trials(name) for name in studies}, 6000, data)


def write_results(params: Params | None = None) -> None:
    """All that the report reads, under the current folder, as if every stage before it had run by `params`."""
    write_summary()
    write_study("book", book_records(), params)
    write_study("capacity", capacity_records(), params)
    write_study("search", search_records(), params)
    choice = choice_of("capacity", "search")
    choice.write(paths.CHOICE)

    rng = np.random.default_rng(0)
    actual = np.arange(10_000) % 10
    wrong = rng.random(10_000) < 0.0125
    predicted = np.where(wrong, (actual + rng.integers(1, 4, 10_000) ** 2) % 10, actual)
    probability = np.where(wrong, 0.6, 0.99) + rng.uniform(0, 0.01, 10_000)
    answers = {"index": np.arange(10_000), "actual": actual, "predicted": predicted, "probability": probability}
    paths.write_csv(paths.PREDICTIONS, pd.DataFrame(answers))
    with paths.atomic_write(paths.TEST, "wb") as file:
        np.savez(file, x=rng.random((10_000, 28, 28), dtype=np.float32), y=actual)
    accuracies = [0.9872, 0.9879, 0.9881]
    low, high = accuracy_interval(accuracies, 10_000)
    chosen = choice.choice
    Metrics(
        dataset="mnist", cell=chosen.cell, units=chosen.units, depth=chosen.depth, bidirectional=chosen.bidirectional,
        parameters=chosen.parameters, seeds=3, test_accuracy=sum(accuracies) / 3, test_accuracy_sd=0.00047,
        test_accuracy_low=low, test_accuracy_high=high, test_loss=0.0421, generalization_gap=0.0061,
    ).write(paths.METRICS)  # fmt: skip
    AgainstTheBest(
        samples=10_000, champion_accuracy=0.9872, best_accuracy=0.988, only_champion_right=22, only_best_right=30,
        p_value=0.3317,
    ).write(paths.MCNEMAR)  # fmt: skip
    paths.write_csv(paths.PREDICTION_TIMES, prediction_times_table(choice.candidates, chosen))


def prediction_times_table(candidates: Sequence[Candidate], chosen: Candidate) -> pd.DataFrame:
    """Times that grow with the parameters and are nothing but them: 1 ms for a million of them and one sequence."""
    rows = [
        {name: getattr(candidate, name) for name in NETWORK}
        | {"model": "saved" if candidate.parameters == chosen.parameters else "untrained", "batch_size": size}
        | {"calls": 50, "median_ms": time, "lower_quartile_ms": 0.9 * time, "upper_quartile_ms": 1.2 * time}
        | {"sgemm_gflops": 96.0}
        for candidate in candidates
        for size in BATCH_SIZES
        for time in [candidate.parameters / 1e6 * size**0.5]
    ]
    return pd.DataFrame(rows, columns=COLUMNS).drop_duplicates([*NETWORK, "batch_size"])
