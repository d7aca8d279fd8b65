"""Made-up results with the shape of real ones: seeded, plausible, written through the pipeline's own tables."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.analysis.calibration import coverage_table, measured_calibration
from pipeline.analysis.choice import Candidate, Choice, Finalist, choose_champion
from pipeline.analysis.configurations import accuracy_interval
from pipeline.analysis.evaluation import Metrics, sha256_of, what_is_tested
from pipeline.analysis.on_test_data import Tested, networks_of, on_test_data
from pipeline.analysis.prediction_times import BATCH_SIZES, COLUMNS, NETWORK
from pipeline.analysis.temperature import Calibration, with_temperature
from pipeline.commands.champion import choose
from pipeline.data.sequences import SequencesSummary, SplitSummary
from pipeline.params.document import RACE, Params, load_params
from pipeline.params.network import parameter_count
from pipeline.params.settings import Configuration
from pipeline.params.studies import GridStudy, IntegerRange, RaceStudy, SampledStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.proposals import budget_places, units_within
from pipeline.studies.race_results import race_standing
from pipeline.studies.results import MISTAKES, study_definition
from pipeline.studies.results import write_results as write_study_results
from pipeline.training.trials import EpochMetrics, State, TrainingResult, Trial, TrialRecord

ROOT = Path(__file__).parents[2]
BOOK = [("sgd", 256), ("rmsprop", 256), ("adam", 256), ("sgd", 512)]
TEST_SAMPLES = 10_000
CALIBRATION = Calibration(samples=6000, temperature=1.25, temperature_low=1.1, temperature_high=1.42, answers_from=0.8)
PROCESSOR = "AMD EPYC (family 25, model 1, no AVX-512)"


@cache
def project_params() -> Params:
    """The project's own params.yaml, but for a grid of four numbers of samples, and a race of ten blocks among the
    networks of three studies."""
    params = load_params(ROOT / "params.yaml")
    grid = params.study("capacity")
    assert isinstance(grid, GridStudy)
    space = grid.space.model_copy(update={"train_samples": (1_000, 3_000, 10_000, 54_000)})
    capacity = grid.model_copy(update={"space": space})
    race = params.study(RACE).model_copy(update={"max_blocks": 10, "entrants": ("book", "capacity", "search")})
    return params.model_copy(update={"studies": params.studies | {"capacity": capacity, RACE: race}})


@cache
def without_race(*studies: str) -> Params:
    """The same with a choice by the rule of one standard error among these studies, by default capacity and search."""
    params = project_params()
    champion = params.champion.model_copy(update={"studies": studies or ("capacity", "search")})
    others = {name: study for name, study in params.studies.items() if name != RACE}
    return params.model_copy(update={"champion": champion, "studies": others})


def record(
    number: int, configuration: Configuration, seed: int, samples: int, state: State = "COMPLETE"
) -> TrialRecord:
    """A trial whose errors fall with capacity and samples, and whose gap grows with capacity.

    Trials of one seed share a part of their errors, as those that are measured on one and the same fold do.
    """
    trial = Trial(number, configuration, seed)
    if state == "FAIL":
        return TrialRecord(trial, state, samples, "rows", error="the loss is not a finite number after epoch 1")
    rng = np.random.default_rng((number, seed, samples))
    fold = np.random.default_rng(seed).normal(0, 0.0006)
    parameters = parameter_count(configuration.network, timesteps=28, features=28, classes=10)
    skill = {"simple_rnn": 0.55, "lstm": 1.0, "gru": 1.15}.get(configuration.cell, 1.0)
    best_error = 4.0 * parameters**-0.35 * samples**-0.28 / skill + 0.007 + fold + rng.normal(0, 0.0004)
    gap = 0.004 * np.log10(parameters) ** 2 * (5000 / samples) ** 0.6 / 2
    length = configuration.epochs if state == "COMPLETE" else 3
    epochs = []
    for epoch in range(1, length + 1):
        error = min(0.89, best_error + 0.6 * np.exp(-0.8 * epoch) + abs(rng.normal(0, 0.0003)))
        train_error = max(error - gap * (1 - np.exp(-0.2 * epoch)), 0.0005)
        epochs.append(
            EpochMetrics(epoch, 3.2 * train_error, 1 - train_error, 3.2 * error + 0.002 * max(0, epoch - 6), 1 - error,
                         3.2 * train_error + 0.03, 1 - train_error - 0.015)
        )  # fmt: skip
    best_epoch = min(epochs, key=lambda metrics: metrics.validation_loss or 0).epoch
    accuracy = epochs[best_epoch - 1].validation_accuracy
    assert accuracy is not None
    result = TrainingResult(
        parameters=parameters,
        epochs=tuple(epochs),
        best_epoch=best_epoch,
        pruned=state == "PRUNED",
        weights_sha256=f"{number:064x}",
        fit_seconds=parameters / 2e4 * samples / 5000,
        predict_microseconds_per_sequence=parameters / 1e3,
        model_summary=f"Model: {configuration.network.file_name}\n",
        model_dot="digraph { a -> b }",
        mistakes=tuple(np.flatnonzero(~answers(accuracy, rng)).tolist()),
        worker="tcp://127.0.0.1:40000",
        processor=PROCESSOR,
        trained_at=f"2026-11-26T15:{number % 60:02d}:30Z",
    )
    return TrialRecord(trial, state, samples, "rows", result)


def answers(accuracy: float, rng: np.random.Generator) -> np.ndarray:
    """Which of the 10,000 test samples a network has right, boolean: the same ones are hard for every network."""
    hardness = np.random.default_rng(0).normal(size=TEST_SAMPLES) + rng.normal(0, 0.35, TEST_SAMPLES)
    right = np.ones(TEST_SAMPLES, dtype=bool)
    right[np.argsort(-hardness)[: round((1 - accuracy) * TEST_SAMPLES)]] = False
    return right


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
        records.append(record(number, configuration, 0, 54_000, _state(number)))
    return records


def _state(number: int) -> State:
    states: Sequence[State] = ("COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "COMPLETE", "PRUNED", "COMPLETE")
    return "FAIL" if number == 9 else states[number % len(states)]


def fixed_records(definition: StudyDefinition) -> list[TrialRecord]:
    """A list or a grid as params.yaml has it."""
    return [
        record(trial.number, trial.configuration, trial.seed, definition.train_samples(trial))
        for trial in definition.fixed_trials
    ]


def budget_records(definition: StudyDefinition) -> list[TrialRecord]:
    """A search by budgets as params.yaml has it, but for its sampler, which draws at random."""
    study, sizes = definition.study, definition.summary.sizes
    assert isinstance(study, SampledStudy)
    assert study.parameter_budgets
    assert isinstance(study.space.units, IntegerRange)
    rng, place_of = np.random.default_rng(2), budget_places(study, sizes)
    records = []
    for number in range(study.trials):
        fields: dict[str, Any] = {
            "cell": str(rng.choice(["simple_rnn", "lstm", "gru"])), "depth": int(rng.integers(1, 3)),
            "bidirectional": bool(rng.random() < 0.4), "pooling": str(rng.choice(["last", "mean_max"])),
            "dropout": float(rng.uniform(0, 0.3)), "learning_rate": float(10 ** rng.uniform(-3.3, -2.3)),
        }  # fmt: skip
        fields["units"] = units_within(fields, study.space.units, study.parameter_budgets[place_of(number)], sizes)
        trial = definition.proposed_trial(number, fields)
        records.append(record(number, trial.configuration, trial.seed, 54_000, _state(number)))
    return records


def race_records(definition: StudyDefinition) -> list[TrialRecord]:
    """A race that goes as its engine lets it go, block by block."""
    rules = definition.study
    assert isinstance(rules, RaceStudy)
    records: list[TrialRecord] = []
    accuracies = np.full((rules.max_blocks, len(definition.entrants)), np.nan)
    for block in range(rules.max_blocks):
        state = race_standing(definition, accuracies[:block])
        if state.ended[0]:
            break
        for place in np.flatnonzero(state.running[0]):
            trained = record(len(records), definition.entrants[place], rules.seed + block, definition.available_samples)
            assert trained.result is not None
            accuracies[block, place] = trained.result.best.validation_accuracy
            records.append(trained)
    return records


def write_study(
    name: str,
    records: Sequence[TrialRecord] | Callable[[StudyDefinition], list[TrialRecord]],
    params: Params | None = None,
) -> None:
    """What the stage study@NAME leaves in data/studies/NAME, under the current folder, over the sequences there."""
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    definition = study_definition(name, params or project_params(), summary)
    write_study_results(paths.study_folder(name), definition, records(definition) if callable(records) else records)


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


def write_results() -> None:
    """All that the report reads, under the current folder, as if every stage before it had run by params.yaml."""
    shutil.copytree(_made_once(), Path(), dirs_exist_ok=True)


@cache
def _made_once() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="results-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with chdir(folder):
        _make_results(project_params())
    return folder


def _make_results(params: Params) -> None:
    write_summary()
    write_study("book", book_records(), params)
    write_study("capacity", fixed_records, params)
    write_study("search", budget_records, params)
    write_study("ablation", fixed_records, params)
    write_study("race", race_records, params)
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    choice = choose(params, summary)
    choice.write(paths.CHOICE)

    rng = np.random.default_rng(0)
    chosen, best = choice.choice, choice.best
    actual = np.arange(TEST_SAMPLES) % 10
    right = np.stack([answers(chosen.validation_accuracy + shift, rng) for shift in (-0.0003, 0.0002, 0.0004)])
    predicted = np.where(right[0], actual, (actual + 1 + rng.integers(0, 9, TEST_SAMPLES) ** 2 // 10) % 10)
    probability = np.where(right[0], 0.99, 0.6) + rng.uniform(0, 0.01, TEST_SAMPLES)
    table = {"index": np.arange(TEST_SAMPLES), "actual": actual, "predicted": predicted, "probability": probability}
    write_calibration(pd.DataFrame(table))
    with paths.atomic_write(paths.TEST, "wb") as file:
        np.savez(file, x=rng.random((TEST_SAMPLES, 28, 28), dtype=np.float32), y=actual)
    write_test_results(chosen, right)
    best_right = np.stack([answers(best.validation_accuracy, rng) for _ in range(3)])
    others = [Tested("most accurate", best.refit, best.parameters, best_right)] if best != chosen else []
    books = book_records()
    tested = networks_of(
        "book", {row.trial.number: row.trial.configuration for row in books}, read_trials("book"),
        pd.read_csv(paths.study_folder("book") / MISTAKES), TEST_SAMPLES,
    )  # fmt: skip
    champion = Tested("champion", chosen.refit, chosen.parameters, right)
    paths.write_csv(paths.TEST_TABLE, on_test_data(champion, [*others, *tested]))
    paths.write_csv(paths.PREDICTION_TIMES, prediction_times_table(choice.candidates, chosen))


def write_test_results(chosen: Finalist, right: np.ndarray) -> None:
    """metrics.json of a champion whose models, a row each, have these test samples right."""
    accuracies = right.mean(axis=1)
    low, high = accuracy_interval(accuracies.tolist(), TEST_SAMPLES)
    model_low, model_high = accuracy_interval(accuracies[:1].tolist(), TEST_SAMPLES)
    data = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    model = paths.CHAMPION / "seed-0.keras"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"a model that nobody asks")
    Metrics(
        dataset="mnist", cell=chosen.cell, units=chosen.units, depth=chosen.depth, bidirectional=chosen.bidirectional,
        parameters=chosen.parameters, seeds=len(right), test_accuracy=accuracies.mean(),
        test_accuracy_sd=accuracies.std(ddof=1), test_accuracy_low=low, test_accuracy_high=high, test_loss=0.0421,
        generalization_gap=0.0061, model_seed=0, model_sha256=sha256_of(model), model_test_accuracy=accuracies[0],
        model_test_accuracy_low=model_low, model_test_accuracy_high=model_high,
        tested=what_is_tested(chosen, data.all_sha256),
    ).write(paths.METRICS)  # fmt: skip


def write_calibration(predictions: pd.DataFrame, calibration: Calibration = CALIBRATION) -> None:
    """predictions.csv, and what its probabilities are worth by this calibration."""
    calibration.write(paths.CALIBRATION)
    probability = predictions["probability"].to_numpy()
    two = np.stack([probability, 1 - probability], axis=1).astype(np.float32)  # as if there were one other class
    predictions = predictions.assign(calibrated=with_temperature(two, calibration.temperature)[:, 0].round(6))
    paths.write_csv(paths.PREDICTIONS, predictions)
    measured = measured_calibration(predictions, calibration.temperature, calibration.answers_from)
    measured.write(paths.MEASURED_CALIBRATION)
    right = (predictions["actual"] == predictions["predicted"]).to_numpy()
    paths.write_csv(paths.COVERAGE, coverage_table(predictions["calibrated"].to_numpy(), right))


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
