"""The data, and how one network is trained on them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.documents import Frozen
from pipeline.params.network import NetworkSpec

Optimizer = Literal["sgd", "rmsprop", "adam", "adamw"]
Schedule = Literal["constant", "cosine"]
Instructions = Literal["avx2", "native", "gpu"]
Metric = Literal["accuracy", "balanced_accuracy", "macro_f1"]
METRIC_NAMES: dict[Metric, str] = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1",
}  # fmt: skip

LearningRate = Annotated[float, Field(gt=0)]

Positive = Annotated[int, Field(ge=1)]

# More would be a slip of the pen: the trainings of a study are listed before the first one starts.
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Seeds = Annotated[int, Field(ge=1, le=1000)]
MOST_TRIALS = 100_000

Seed = Annotated[int, Field(ge=0, lt=2**32)]  # as far as NumPy, Optuna and Keras go together

View = Literal["rows", "columns", "pixels", "permuted_pixels"]


def _count_or_fraction(value: int | float) -> int | float:
    if (isinstance(value, int) and value >= 1) or 0 < value < 1:
        return value
    raise ValueError(f"must be a number of samples, at least 1, or a fraction of them between 0 and 1, got {value}")


CountOrFraction = Annotated[int | float, AfterValidator(_count_or_fraction)]


# Keras's own defaults, written out so that trials.csv names the rate that was used.
DEFAULT_LEARNING_RATES: dict[str, float] = {"sgd": 0.01, "rmsprop": 0.001, "adam": 0.001, "adamw": 0.001}


class TableColumns(Frozen):
    """Which columns of a table (.csv, .parquet) say what a row is. Every other numeric column is a feature.

    A row is one time step: of the sequence that `sequence` names, at the moment `time`. `label` is the sequence's
    class, the same in all of its rows; so are `group` (whose sequence it is) and `split` ("train" or "test"), where
    there are such columns.
    """

    sequence: str = "sequence"
    time: str = "time"
    label: str = "label"
    group: str | None = None
    split: str | None = None


def _of_images(most: float) -> object:
    """A setting that is 0 for trainings that see each image as it is, and is then in no document: what earlier
    versions have trained has the same name as before."""
    return Field(ge=0, le=most, exclude_if=lambda value: value == 0)


class DataParams(Frozen):
    """The data to learn from, and how they become sequences.

    `view` is for images. The others are for sequences of one's own. `scale: standard` takes off each feature's mean and
    divides by its standard deviation, both over the steps that a network trains on, inside the network; `none` leaves
    the values as they are. `missing: forward` replaces a value that is missing inside a sequence by the one before it,
    `refuse` names the place. `max_timesteps` cuts longer sequences after so many steps. `tokens` says that the values
    are whole numbers that stand for something, such as words: each gets an embedding. `columns` is for tables.
    """

    dataset: str
    view: View = "rows"
    validation: CountOrFraction
    seed: Seed = 0
    scale: Literal["standard", "none"] = "standard"
    missing: Literal["refuse", "forward"] = "refuse"
    max_timesteps: Positive | None = None
    tokens: bool = False
    columns: TableColumns = TableColumns()


class TrainingSettings(Frozen):
    """How a network is trained. `learning_rate: null` is Keras's default, `patience: null` trains every
    epoch and keeps the last weights, `train_samples: null` is all of the training data.

    The other settings are off by default. `learning_rate_schedule: cosine` lets the rate fall along half a cosine to 0
    at the last step (Loshchilov and Hutter, SGDR, ICLR 2017); in `warmup_epochs` before that it rises in a line from 0.
    `weight_decay` takes this share times the rate off every weight at every step (Loshchilov and Hutter, ICLR 2019);
    without it `adamw` is Adam. `global_clipnorm` shortens the gradient of a step to at most this length (Pascanu et
    al., ICML 2013). `label_smoothing` takes so much of the target's probability and spreads it over all classes
    (Szegedy et al., CVPR 2016). `ema_momentum` measures and keeps, instead of the weights, their exponential moving
    average over steps (Polyak and Juditsky, 1992). All have Keras's names and meaning, but not its defaults.

    The last three change every image that is trained on, in each epoch in another way: moved by up to `shift_pixels` in
    both directions, turned by up to `rotation_degrees`, and bent by a smooth field whose standard deviation is
    `elastic_pixels` (Simard et al., ICDAR 2003). Images read pixel by pixel, and other sequences, do not allow that.
    """

    optimizer: Optimizer = "adam"
    learning_rate: LearningRate | None = None
    batch_size: Positive = 128
    train_samples: Positive | None = None
    epochs: Epochs = 20
    patience: Positive | None = None
    learning_rate_schedule: Schedule = "constant"
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    global_clipnorm: Annotated[float, Field(gt=0)] | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ema_momentum: Annotated[float, Field(gt=0, lt=1)] | None = None
    shift_pixels: Annotated[float, _of_images(most=10)] = 0.0
    rotation_degrees: Annotated[float, _of_images(most=180)] = 0.0
    elastic_pixels: Annotated[float, _of_images(most=10)] = 0.0


CHANGES_OF_IMAGES = ("shift_pixels", "rotation_degrees", "elastic_pixels")


class TrainingParams(TrainingSettings):
    """`training` of params.yaml: the defaults of every trial, and what is the same for all.

    `instructions` are those by which processors multiply matrices, which decides last bits: `avx2` gives the same bits
    on every x86-64 processor that has AVX2 and FMA, `native` uses the newest that this one has, `gpu` those of a GPU.
    The other two use no GPU, even where there is one.
    """

    instructions: Instructions = "avx2"

    @property
    def answering(self) -> Instructions:
        """Those of a process that only asks a trained network, which needs no GPU."""
        return "avx2" if self.instructions == "gpu" else self.instructions


class Configuration(NetworkSpec, TrainingSettings):
    """One network and how it is trained: all of a trial but its seed. `view: null` is that of `data`."""

    view: View | None = None

    @property
    def network(self) -> NetworkSpec:
        return NetworkSpec(**{name: getattr(self, name) for name in NetworkSpec.model_fields})

    @property
    def effective_learning_rate(self) -> float:
        return self.learning_rate or DEFAULT_LEARNING_RATES[self.optimizer]
