"""The data, and how one network is trained on them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.documents import Frozen
from pipeline.params.network import NetworkSpec

Optimizer = Literal["sgd", "rmsprop", "adam"]

LearningRate = Annotated[float, Field(gt=0)]

Positive = Annotated[int, Field(ge=1)]

Seed = Annotated[int, Field(ge=0)]

View = Literal["rows", "columns", "pixels", "permuted_pixels"]


def _count_or_fraction(value: int | float) -> int | float:
    if (isinstance(value, int) and value >= 1) or 0 < value < 1:
        return value
    raise ValueError(f"must be a number of samples, at least 1, or a fraction of them between 0 and 1, got {value}")


CountOrFraction = Annotated[int | float, AfterValidator(_count_or_fraction)]


# Keras's own defaults, written out so that trials.csv names the rate that was used.
DEFAULT_LEARNING_RATES: dict[str, float] = {"sgd": 0.01, "rmsprop": 0.001, "adam": 0.001}


class DataParams(Frozen):
    """The data to learn from, and how images become sequences."""

    dataset: str
    view: View = "rows"
    validation: CountOrFraction
    seed: Seed = 0


class TrainingSettings(Frozen):
    """How a network is trained. `learning_rate: null` is Keras's default, `patience: null` trains every
    epoch and keeps the last weights, `train_samples: null` is all of the training data."""

    optimizer: Optimizer = "adam"
    learning_rate: LearningRate | None = None
    batch_size: Positive = 128
    train_samples: Positive | None = None
    epochs: Positive = 20
    patience: Positive | None = None


class Configuration(NetworkSpec, TrainingSettings):
    """One network and how it is trained: all of a trial but its seed. `view: null` is that of `data`."""

    view: View | None = None

    @property
    def network(self) -> NetworkSpec:
        return NetworkSpec(**{name: getattr(self, name) for name in NetworkSpec.model_fields})

    @property
    def effective_learning_rate(self) -> float:
        return self.learning_rate or DEFAULT_LEARNING_RATES[self.optimizer]
