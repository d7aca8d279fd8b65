"""One training, from what was asked for to what came out, and the tables that a study writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pipeline.params import Configuration

State = Literal["COMPLETE", "PRUNED", "FAIL"]


@dataclass(frozen=True)
class Trial:
    """What one training is asked for."""

    number: int
    configuration: Configuration
    seed: int

    @property
    def title(self) -> str:
        """Short name for people, for example `#012 lstm 2×128`."""
        c = self.configuration
        return f"#{self.number:03d} {network_title(c.cell, c.units, c.depth, c.bidirectional)}"


def network_title(cell: str, units: int, depth: int, bidirectional: bool) -> str:
    """Short name of a network, for example `bi-lstm 2×128`."""
    return f"{'bi-' if bidirectional else ''}{cell} {depth}×{units}"


@dataclass(frozen=True)
class EpochMetrics:
    """Figures after one epoch; losses in nats, accuracies as fractions.

    `train_*` and `validation_*` are measured after the epoch in inference mode; `during_fit_*` is Keras's
    running mean over the epoch, with dropout on and weights still changing, which is what `fit` prints.
    `validation_*` is None where nothing is held out (the champion's refit).
    """

    epoch: int  # from 1
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    during_fit_loss: float
    during_fit_accuracy: float


@dataclass(frozen=True)
class TrainingResult:
    """What one training gives back. The weights are those of `best_epoch`.

    `model_summary` is Keras's own table and `model_dot` the diagram with shapes in Graphviz's language.
    """

    parameters: int
    epochs: tuple[EpochMetrics, ...]
    best_epoch: int
    pruned: bool
    weights_sha256: str
    fit_seconds: float
    predict_microseconds_per_sequence: float
    model_summary: str
    model_dot: str

    @property
    def best(self) -> EpochMetrics:
        return self.epochs[self.best_epoch - 1]

    @property
    def generalization_gap(self) -> float | None:
        """Train accuracy minus validation accuracy at the best epoch, as a fraction; above 0 is overfitting."""
        if self.best.validation_accuracy is None:
            return None
        return self.best.train_accuracy - self.best.validation_accuracy


@dataclass(frozen=True)
class TrialRecord:
    """A finished trial: what was asked for, how it ended, what came out."""

    trial: Trial
    state: State
    train_samples: int  # as used: never None, unlike the configuration's
    view: str  # as used
    result: TrainingResult | None = None  # None where state is FAIL
    error: str | None = None  # why, where state is FAIL
    worker: str = ""
    reused: bool = False  # taken from a finished training of the same configuration, seed and data


TRIAL_COLUMNS = [
    "number", "state", "cell", "units", "depth", "bidirectional", "dropout", "optimizer", "learning_rate",
    "batch_size", "train_samples", "epochs", "seed", "parameters", "best_epoch", "train_loss", "train_accuracy",
    "validation_loss", "validation_accuracy", "generalization_gap", "weights_sha256",
    "recurrent_dropout", "merge_mode", "unroll", "view",
]  # fmt: skip


def trials_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """One row per trial, nothing in it that depends on the clock; figures are those of the best epoch."""
    return pd.DataFrame([trial_row(record) for record in records], columns=TRIAL_COLUMNS).astype(
        {"parameters": "Int64", "best_epoch": "Int64"}
    )


def trial_row(record: TrialRecord) -> dict[str, Any]:
    """A record as a row of trials.csv; what a failed trial has no value for is left out."""
    configuration, result = record.trial.configuration, record.result
    row: dict[str, Any] = configuration.model_dump(exclude={"patience"}) | {
        "number": record.trial.number,
        "state": record.state,
        "learning_rate": configuration.effective_learning_rate,
        "train_samples": record.train_samples,
        "view": record.view,
        "seed": record.trial.seed,
    }
    if result is not None:
        row |= {
            "parameters": result.parameters,
            "best_epoch": result.best_epoch,
            "train_loss": result.best.train_loss,
            "train_accuracy": result.best.train_accuracy,
            "validation_loss": result.best.validation_loss,
            "validation_accuracy": result.best.validation_accuracy,
            "generalization_gap": result.generalization_gap,
            "weights_sha256": result.weights_sha256,
        }
    return row


def curves_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """One row per trial and epoch: number, epoch, train_loss, train_accuracy, validation_loss, validation_accuracy."""
    names = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    return _epoch_table(records, {name: name for name in names})


def during_fit_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """Keras's running means as `fit` prints them, one row per trial and epoch: number, epoch, loss, accuracy."""
    return _epoch_table(records, {"loss": "during_fit_loss", "accuracy": "during_fit_accuracy"})


def timings_table(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """All that depends on the clock: number, fit_seconds, seconds_per_epoch, predict_..., worker."""
    rows = [
        {
            "number": record.trial.number,
            "fit_seconds": result.fit_seconds,
            "seconds_per_epoch": result.fit_seconds / len(result.epochs),
            "predict_microseconds_per_sequence": result.predict_microseconds_per_sequence,
            "worker": record.worker,
        }
        for record in records
        if (result := record.result) is not None
    ]
    columns = ["number", "fit_seconds", "seconds_per_epoch", "predict_microseconds_per_sequence", "worker"]
    return pd.DataFrame(rows, columns=columns)


def _epoch_table(records: Sequence[TrialRecord], attributes: dict[str, str]) -> pd.DataFrame:
    rows = [
        {"number": record.trial.number, "epoch": metrics.epoch}
        | {column: getattr(metrics, attribute) for column, attribute in attributes.items()}
        for record in records
        if record.result is not None
        for metrics in record.result.epochs
    ]
    return pd.DataFrame(rows, columns=["number", "epoch", *attributes])
