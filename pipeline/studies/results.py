"""The folder of one study: its tables and documents, written and read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.data.sequences import SequencesSummary
from pipeline.documents import Document, Frozen, read_table
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.network import Cell, MergeMode, Pooling
from pipeline.params.settings import Optimizer, Schedule
from pipeline.params.studies import ListStudy, RaceStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.entrants import entrants_of, why_nobody
from pipeline.studies.race_results import race_table
from pipeline.training.diagram import with_stable_names
from pipeline.training.identity import training_versions
from pipeline.training.trials import State, TrialRecord

TABLES = ("trials", "curves", "during_fit", "timings")
MISTAKES = "mistakes.csv"  # of a study that is measured on the test data: to be compared with others there
FILES = (*(f"{table}.csv" for table in TABLES), "networks.json", "best.json")


class TrialRow(Frozen):
    """A row of trials.csv: nothing in it depends on the clock. Figures that a failed trial lacks are None.

    Figures are those of the best epoch. Losses are in nats, accuracies and the gap are fractions. `train_samples` and
    `view` are as used, `learning_rate` is the optimizer's default where none was asked for. `patience` is there where
    the study's trials differ in it, and what changes images where a trial asks for it.
    """

    number: int
    state: State
    cell: Cell
    units: int
    depth: int
    bidirectional: bool
    dropout: float
    optimizer: Optimizer
    learning_rate: float
    batch_size: int
    train_samples: int
    epochs: int
    seed: int
    parameters: int | None = None
    best_epoch: int | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    generalization_gap: float | None = None
    weights_sha256: str | None = None
    recurrent_dropout: float
    merge_mode: MergeMode
    unroll: bool
    view: str
    pooling: Pooling
    layer_normalization: bool
    residual: bool
    learning_rate_schedule: Schedule
    warmup_epochs: float
    weight_decay: float
    global_clipnorm: float | None
    label_smoothing: float
    ema_momentum: float | None
    patience: Annotated[int | None, Field(exclude_if=lambda value: value is None)] = None
    shift_pixels: Annotated[float, Field(exclude_if=lambda value: value == 0)] = 0.0
    rotation_degrees: Annotated[float, Field(exclude_if=lambda value: value == 0)] = 0.0
    elastic_pixels: Annotated[float, Field(exclude_if=lambda value: value == 0)] = 0.0


#: Those of every trials.csv.
TRIAL_COLUMNS = [name for name, field in TrialRow.model_fields.items() if field.exclude_if is None]
#: Those that a trials.csv has where they tell something.
OTHER_COLUMNS = [name for name in TrialRow.model_fields if name not in TRIAL_COLUMNS]


class StudySummary(Document):
    """best.json: how many trials ended how, and the one with the best held-out accuracy.

    `environment` has the processors that trained and the versions: the same arguments give the same bits only there.
    """

    study: str
    optuna_study: str
    fingerprint: str
    held_out: str
    environment: dict[str, str]
    states: dict[str, int]
    best: TrialRow | None


class NetworkText(Frozen):
    """One network in text: Keras's own summary, and its diagram in Graphviz's language."""

    summary: str
    diagram: str


@dataclass(frozen=True)
class StudyResults:
    """The files of one study. `networks` are by file name; for the tables see the functions that make them."""

    summary: StudySummary
    trials: pd.DataFrame
    curves: pd.DataFrame
    during_fit: pd.DataFrame
    timings: pd.DataFrame
    networks: dict[str, NetworkText]


def write_results(folder: Path, definition: StudyDefinition, records: Sequence[TrialRecord]) -> StudyResults:
    """Write all files of a finished study; returns their content."""
    results = StudyResults(
        study_summary(definition, records),
        trials_table(records),
        curves_table(records),
        during_fit_table(records),
        timings_table(records),
        network_texts(records),
    )
    for table in TABLES:
        paths.write_csv(folder / f"{table}.csv", getattr(results, table))
    paths.write_json(folder / "networks.json", {name: text.model_dump() for name, text in results.networks.items()})
    if definition.study.held_out == "test":
        paths.write_csv(folder / MISTAKES, mistakes_table(records))
    if isinstance(definition.study, RaceStudy):
        paths.write_csv(folder / paths.RACE.name, race_table(definition, results.trials))
    results.summary.write(folder / "best.json")
    return results


def remove_results(folder: Path) -> None:
    """Make `folder` hold no results, as those of other data would be taken for the study's own."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()


def study_definition(name: str, params: Params, summary: SequencesSummary) -> StudyDefinition:
    """The definition of study `name`; that of a race has the networks that the results of other studies send.

    Raises PipelineError where these are not there, or send nobody.
    """
    study = params.study(name)
    if not isinstance(study, RaceStudy):
        return StudyDefinition(name, params, summary)
    sources = {
        source: (
            study_definition(source, params, summary),
            pd.DataFrame(columns=TRIAL_COLUMNS)
            if isinstance(params.study(source), ListStudy)  # which sends networks, whatever became of them
            else read_results(source, params, summary).trials,
        )
        for source in study.entrants
    }
    entrants = entrants_of(sources)
    if not entrants:
        raise PipelineError(f"{name}: nobody takes part, for {'; '.join(why_nobody(sources))}")
    return StudyDefinition(name, params, summary, entrants)


def read_results(name: str, params: Params, summary: SequencesSummary) -> StudyResults:
    """The results of study `name` of params.yaml over the sequences that are there now.

    Raises PipelineError where there are none, where a file is missing, and where they are of other data, of other
    parameters or of other versions of the libraries: such results never answer.
    """
    folder, stage = paths.study_folder(name), paths.study_stage(name)
    if summary.is_own and params.study(name).of_images:
        raise PipelineError(f"study {name} does not run on {summary.title}: it asks for views that only images have")
    if not (folder / "best.json").exists():
        raise PipelineError(f"study {name} has not run: `dvc repro {stage}` makes {folder}")
    study = StudySummary.read(folder / "best.json")
    if study.fingerprint != study_definition(name, params, summary).fingerprint:
        raise PipelineError(
            f"{folder} does not hold study {name} as params.yaml, data/sequences and the installed libraries say: run "
            f"`dvc repro --force {stage}` first"
        )
    if missing := [file for file in FILES if not (folder / file).exists()]:
        raise PipelineError(f"{folder} lacks {', '.join(missing)}: `dvc repro {stage}` makes them")
    tables = {table: read_table(folder / f"{table}.csv") for table in TABLES}
    networks = {file: NetworkText(**text) for file, text in paths.read_json(folder / "networks.json").items()}
    return StudyResults(study, networks=networks, **tables)


def has_results(name: str) -> bool:
    """Whether study `name` has ever finished; whether its results are those of params.yaml, `read_results` says."""
    return (paths.study_folder(name) / "best.json").exists()


def study_summary(definition: StudyDefinition, records: Sequence[TrialRecord]) -> StudySummary:
    """The content of best.json."""
    complete = [row for row in trial_rows(records) if row.state == "COMPLETE"]
    processors = sorted({record.result.processor for record in records if record.result})
    return StudySummary(
        study=definition.name,
        optuna_study=definition.optuna_study,
        fingerprint=definition.fingerprint,
        held_out=definition.study.held_out,
        environment={"processor": ", ".join(processors)} | training_versions(),
        states=dict(sorted(Counter(record.state for record in records).items())),
        best=max(complete, key=lambda row: row.validation_accuracy or 0.0, default=None),
    )


def trials_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """One row per trial: the columns of `TrialRow`."""
    rows = trial_rows(records)
    columns = [*TRIAL_COLUMNS, *(name for name in OTHER_COLUMNS if any(getattr(row, name) for row in rows))]
    counts = [name for name in ("parameters", "best_epoch", "patience") if name in columns]
    table = pd.DataFrame([{name: getattr(row, name) for name in columns} for row in rows], columns=columns)
    return table.astype(dict.fromkeys(counts, "Int64"))


def trial_rows(records: Sequence[TrialRecord]) -> list[TrialRow]:
    """The records of a study as rows of trials.csv."""
    differ = len({record.trial.configuration.patience for record in records}) > 1
    return [trial_row(record, tell_patience=differ) for record in records]


def trial_row(record: TrialRecord, *, tell_patience: bool = False) -> TrialRow:
    """A record as a row of trials.csv."""
    configuration, result = record.trial.configuration, record.result
    told = {*TRIAL_COLUMNS, *OTHER_COLUMNS} - {"patience"} | {*["patience"] * tell_patience}
    settings = configuration.model_dump(include=told)
    as_used = {
        "learning_rate": configuration.effective_learning_rate,
        "train_samples": record.train_samples,
        "view": record.view,
    }
    figures = {} if result is None else {
        "parameters": result.parameters,
        "best_epoch": result.best_epoch,
        "train_loss": result.best.train_loss,
        "train_accuracy": result.best.train_accuracy,
        "validation_loss": result.best.validation_loss,
        "validation_accuracy": result.best.validation_accuracy,
        "generalization_gap": result.generalization_gap,
        "weights_sha256": result.weights_sha256,
    }  # fmt: skip
    trial = record.trial
    return TrialRow(**settings | as_used | figures, number=trial.number, seed=trial.seed, state=record.state)


def curves_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """One row per trial and epoch: number, epoch, train_loss, train_accuracy, validation_loss, validation_accuracy."""
    names = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    return _epoch_table(records, {name: name for name in names})


def during_fit_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """Keras's running means as `fit` prints them, one row per trial and epoch: number, epoch, loss, accuracy."""
    return _epoch_table(records, {"loss": "during_fit_loss", "accuracy": "during_fit_accuracy"})


def timings_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """All that depends on the clock or the machine, one row per trained trial.

    Columns: number, fit_seconds, seconds_per_epoch, predict_microseconds_per_sequence, worker (Dask's address),
    processor, trained_at (UTC). A training that was taken from the journal keeps those of the time when it was done.
    """
    names = ["predict_microseconds_per_sequence", "worker", "processor", "trained_at"]
    rows = [
        {
            "number": record.trial.number,
            "fit_seconds": result.fit_seconds,
            "seconds_per_epoch": result.fit_seconds / len(result.epochs),
        }
        | {name: getattr(result, name) for name in names}
        for record in records
        if (result := record.result) is not None
    ]
    return pd.DataFrame(rows, columns=["number", "fit_seconds", "seconds_per_epoch", *names])


def mistakes_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """One row per trial and held-out sample that its weights classify wrongly: number, index (from 0)."""
    rows = [
        {"number": record.trial.number, "index": index}
        for record in records
        if record.result is not None
        for index in record.result.mistakes
    ]
    return pd.DataFrame(rows, columns=["number", "index"])


def network_texts(records: Sequence[TrialRecord]) -> dict[str, NetworkText]:
    """Each network of the study once, by its file name; with the view, where that gives it another text."""
    texts: dict[str, dict[NetworkText, str]] = {}  # the views that have each text, the first one of each
    for record in records:
        if record.result is not None:
            diagram = with_stable_names(record.result.model_dot)
            text = NetworkText(summary=record.result.model_summary, diagram=diagram)
            texts.setdefault(record.trial.configuration.network.file_name, {}).setdefault(text, record.view)
    return {
        name if len(views) == 1 else f"{name}-{view}": text
        for name, views in sorted(texts.items())
        for text, view in views.items()
    }


def _epoch_table(records: Sequence[TrialRecord], attributes: Mapping[str, str]) -> pd.DataFrame:
    rows = [
        {"number": record.trial.number, "epoch": metrics.epoch}
        | {column: getattr(metrics, attribute) for column, attribute in attributes.items()}
        for record in records
        if record.result is not None
        for metrics in record.result.epochs
    ]
    return pd.DataFrame(rows, columns=["number", "epoch", *attributes])
