"""One training, from the request to the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pipeline.params.network import network_name
from pipeline.params.settings import Configuration

State = Literal["COMPLETE", "PRUNED", "FAIL"]


@dataclass(frozen=True)
class Trial:
    """The request for one training."""

    number: int
    configuration: Configuration
    seed: int

    @property
    def title(self) -> str:
        """Short name for people, for example `#012 LSTM 2×128`."""
        return f"#{self.number:03d} {network_name(self.configuration)}"


@dataclass(frozen=True)
class EpochMetrics:
    """Figures after one epoch; losses in nats, accuracies as fractions.

    `train_*` and `validation_*` are measured after the epoch in inference mode; `during_fit_*` is Keras's
    running mean over the epoch, with dropout on and weights still changing: the figures that `fit` prints.
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
    """The outcome of one training. The weights are those of `best_epoch`.

    Its seconds, and where and when it was trained, depend on the machine; all the rest is a function of the
    configuration, the data and the seed. Where seeds have trained together, the seconds of each are its share.
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
    worker: str = ""  # Dask's address of the process that trained it
    processor: str = ""  # of that process's machine
    trained_at: str = ""  # UTC, for example 2026-11-26T15:30:00Z
    mistakes: tuple[int, ...] = ()  # the held-out samples that the best epoch's weights classify wrongly, from 0

    @property
    def stopped_after(self) -> int | None:
        """The epoch after which a pruner has stopped it, if one has."""
        return len(self.epochs) if self.pruned else None

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
    """A finished trial: the request, how it ended, and the result."""

    trial: Trial
    state: State
    train_samples: int  # as used: never None, unlike the configuration's
    view: str  # as used
    result: TrainingResult | None = None  # None where state is FAIL
    error: str | None = None  # why, where state is FAIL
    reused: bool = False  # taken from a finished training of the same configuration, seed and data


class Observer(Protocol):
    """Follows a study: progress on the screen, runs in MLflow. Finished trials come in order of number.

    For a finished trial it may return attributes that the Optuna storage keeps with it.
    """

    def trial_started(self, trial: Trial) -> None: ...
    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None: ...
    def trial_finished(self, record: TrialRecord) -> Mapping[str, str] | None: ...
