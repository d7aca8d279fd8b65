"""The kinds of study, and the axes that they vary."""

import math
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Discriminator, Field, Tag, model_validator

from pipeline.documents import Frozen
from pipeline.params.network import (
    CELLS,
    RECURRENT_SETTINGS,
    Cell,
    Depth,
    Dropout,
    MergeMode,
    NetworkSpec,
    Pooling,
    Units,
)
from pipeline.params.settings import (
    MOST_TRIALS,
    Configuration,
    Epochs,
    LearningRate,
    Optimizer,
    Positive,
    Seed,
    Seeds,
    TrainingSettings,
    View,
)


class IntegerRange(Frozen):
    """An interval of whole numbers to sample from, both ends included; `log: true` samples the logarithm evenly."""

    low: Positive
    high: Units
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must not be above high, got {self.low} and {self.high}")
        return self


class DepthRange(IntegerRange):
    high: Depth


class RealRange(Frozen):
    """An interval of real numbers to sample from; `log: true` samples the logarithm evenly."""

    low: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(gt=0)]
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must not be above high, got {self.low} and {self.high}")
        if self.log and self.low == 0:
            raise ValueError("low must be above 0 where log is true, got 0")
        return self


class DropoutRange(RealRange):
    high: Annotated[float, Field(gt=0, lt=1)]


T = TypeVar("T")
R = TypeVar("R")
Choices = Annotated[tuple[T, ...], Field(min_length=1, strict=False)]
Axis = Annotated[
    Annotated[tuple[T, ...], Field(min_length=1, strict=False), Tag("choices")] | Annotated[R, Tag("range")],
    Discriminator(lambda value: "range" if isinstance(value, dict | IntegerRange | RealRange) else "choices"),
]


RateByCell = dict[Cell, LearningRate | None]


class Axes(Frozen):
    """The axes of a study: for each a list of values. An axis that is left out takes the default.

    Their order is that of a grid's trials and of a sampler's draws: another order gives other results.
    """

    cell: Choices[Cell]
    units: Choices[Units] | IntegerRange
    depth: Choices[Depth] | DepthRange = (1,)
    bidirectional: Choices[bool] = (False,)
    dropout: Choices[Dropout] | DropoutRange = (0.0,)
    recurrent_dropout: Choices[Dropout] | DropoutRange = (0.0,)
    merge_mode: Choices[MergeMode] = ("concat",)
    unroll: Choices[bool] = (False,)
    pooling: Choices[Pooling] = ("last",)
    layer_normalization: Choices[bool] = (False,)
    residual: Choices[bool] = (False,)
    optimizer: Choices[Optimizer] = ()
    learning_rate: Choices[LearningRate | None] | RealRange | RateByCell = ()
    batch_size: Choices[Positive] = ()
    train_samples: Choices[Positive | None] = ()
    epochs: Choices[Epochs] = ()
    view: Choices[View | None] = (None,)

    @model_validator(mode="after")
    def _every_combination_is_a_network(self) -> Self:
        cells = [cell for cell in self.cell if not CELLS[cell].recurrent]
        for name in RECURRENT_SETTINGS:
            if cells and getattr(self, name) != (NetworkSpec.model_fields[name].default,):
                raise ValueError(f"cell {cells[0]} is not recurrent: give it a study without {name}")
        if True in self.residual and True in self.bidirectional and "last" in self.pooling:
            raise ValueError("residual and bidirectional layers need a pooling: leave `last` out of it")
        return self


class Grid(Axes):
    """Every combination of the axes' values is a configuration.

    `learning_rate` may name one rate for each cell instead: a rate that suits an LSTM is too high for a SimpleRNN.
    """

    units: Choices[Units]
    depth: Choices[Depth] = (1,)
    dropout: Choices[Dropout] = (0.0,)
    recurrent_dropout: Choices[Dropout] = (0.0,)
    learning_rate: Annotated[
        Annotated[Choices[LearningRate | None], Tag("choices")] | Annotated[RateByCell, Tag("by_cell")],
        Discriminator(lambda value: "by_cell" if isinstance(value, dict) else "choices"),
    ] = ()
    patience: Choices[Positive | None] = ()

    @model_validator(mode="after")
    def _every_cell_has_a_rate(self) -> Self:
        if isinstance(self.learning_rate, dict) and set(self.learning_rate) != set(self.cell):
            raise ValueError(
                f"learning_rate must name a rate for each cell, {', '.join(self.cell)}, and for no other, "
                f"got {', '.join(self.learning_rate)}"
            )
        return self


class Space(Axes):
    """A sampler draws from the axes: numbers from a range as well as from a list."""

    units: Axis[Units, IntegerRange]
    depth: Axis[Depth, DepthRange] = (1,)
    dropout: Axis[Dropout, DropoutRange] = (0.0,)
    recurrent_dropout: Axis[Dropout, DropoutRange] = (0.0,)
    learning_rate: Axis[LearningRate | None, RealRange] = ()


class Enqueued(Frozen):
    """A trial that a sampled study begins with: values of some of its axes."""

    cell: Cell | None = None
    units: Units | None = None
    depth: Depth | None = None
    bidirectional: bool | None = None
    dropout: Dropout | None = None
    recurrent_dropout: Dropout | None = None
    merge_mode: MergeMode | None = None
    pooling: Pooling | None = None
    layer_normalization: bool | None = None
    residual: bool | None = None
    optimizer: Optimizer | None = None
    learning_rate: LearningRate | None = None
    batch_size: Positive | None = None


class StudyBase(Frozen):
    """The settings that all studies share.

    `held_out: validation` trains on the training data and measures on the validation data. `held_out: fold` measures a
    training with seed s on tenth number s modulo 10 of training and validation data together, and trains on the other
    nine: means over seeds then speak of seeds and of samples. `held_out: test` is for reproducing a published table:
    train on training and validation data together, measure on the test data, choose nothing by it; the columns
    `validation_*` then hold the test figures. `training` is what this study's defaults have other than `training` of
    params.yaml.
    """

    held_out: Literal["validation", "fold", "test"] = "validation"
    seed: Seed = 0
    window: Positive = 8
    training: TrainingSettings = TrainingSettings()

    @property
    def views(self) -> tuple[View | None, ...]:
        """The views that its trials ask for, None where it is that of `data`."""
        return ()

    @property
    def of_images(self) -> bool:
        """Whether it asks for a view that images have and sequences of one's own have not."""
        return any(view not in (None, "rows") for view in self.views)


class ListEntry(Configuration):
    """A configuration of a fixed list; `seeds: null` is as many as the study says."""

    seeds: Seeds | None = None


class ListStudy(StudyBase):
    """A fixed list of configurations, each trained with `seeds` seeds, or with as many as its entry says."""

    sampler: Literal["list"]
    trials: Choices[ListEntry]
    seeds: Seeds = 1

    @property
    def views(self) -> tuple[View | None, ...]:
        return tuple(entry.view for entry in self.trials)


class GridStudy(StudyBase):
    """Every combination of the values in `space`, each trained with `seeds` seeds."""

    sampler: Literal["grid"]
    space: Grid
    seeds: Seeds = 1

    @model_validator(mode="after")
    def _can_be_listed(self) -> Self:
        values = [len(axis) for name in Grid.model_fields if isinstance(axis := getattr(self.space, name), tuple)]
        if (trials := math.prod(filter(None, values)) * self.seeds) > MOST_TRIALS:
            raise ValueError(f"space and seeds make {trials:,} trials: at most {MOST_TRIALS:,}")
        return self

    @property
    def views(self) -> tuple[View | None, ...]:
        return self.space.view


class SampledStudy(StudyBase):
    """`trials` configurations proposed one after the other by an Optuna sampler, each trained once.

    The sampler draws at random, and the pruner prunes nothing, until they know the results of `startup_trials`.

    With `parameter_budgets` the trials take turns at these: each gets as many units, within the range of `units`, as
    its budget allows (the fewest where it allows none), and is proposed and pruned by the results of its own
    budget's trials alone. So the study finds the best network of every size, the Pareto front of accuracy against
    parameters, and prunes none for being small.

    `enqueue` are trials to begin with; the sampler draws the axes that one of them leaves out. With `parameter_budgets`
    one that names its units counts for the smallest budget that holds it, the others are tried within each budget.
    """

    sampler: Literal["tpe", "cmaes", "random"]
    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)]
    pruner: Literal["median", "percentile", "successive_halving", "hyperband"] | None = None
    startup_trials: Positive = 4
    parameter_budgets: Choices[Positive] | None = None
    enqueue: Annotated[tuple[Enqueued, ...], Field(strict=False)] = ()
    space: Space

    @property
    def views(self) -> tuple[View | None, ...]:
        return self.space.view

    @model_validator(mode="after")
    def _space_holds_what_is_enqueued(self) -> Self:
        for place, entry in enumerate(self.enqueue):
            for name in entry.model_fields_set:
                axis = getattr(self.space, name)
                value = getattr(entry, name)
                if value is None:
                    raise ValueError(
                        f"enqueue.{place}.{name}: must have a value; leave it out for the sampler to draw it"
                    )
                is_range = isinstance(axis, IntegerRange | RealRange)
                inside = axis.low <= value <= axis.high if is_range else value in axis
                if not inside:
                    raise ValueError(f"enqueue.{place}.{name}: {value} is not in space.{name}")
            drawn = [
                name for name in ("cell", "depth", "bidirectional", "merge_mode", "pooling", "layer_normalization")
                if name not in entry.model_fields_set and self._varies(name)
            ]  # fmt: skip
            if self.parameter_budgets and "units" in entry.model_fields_set and drawn:
                raise ValueError(
                    f"enqueue.{place}: with units it must also have {drawn[0]}: they decide which budget it counts for"
                )
        return self

    def _varies(self, name: str) -> bool:
        axis = getattr(self.space, name)
        return not isinstance(axis, tuple) or len(axis) > 1

    @model_validator(mode="after")
    def _budgets_decide_the_units(self) -> Self:
        if self.parameter_budgets and len(set(self.parameter_budgets)) < len(self.parameter_budgets):
            raise ValueError("parameter_budgets must differ from each other")
        if self.parameter_budgets and not isinstance(self.space.units, IntegerRange):
            raise ValueError(
                "parameter_budgets decide how many units a network gets, so space.units must be a range, "
                "{low: …, high: …}"
            )
        return self


class RaceStudy(StudyBase):
    """Networks compared until it is clear which is the smallest that is as good as the best, or until `max_blocks`.

    In block b every network that is still in the race is trained once, with seed b and tenth number b held out. After
    each block from the second on those leave that are shown to be worse than the leader by more than `tolerance`, a
    difference of accuracies as fractions. `confidence` is that of all of the race's statements together, however often
    it looks; with fewer than five blocks it would err more often. `entrants` names the studies that send networks, see
    `studies.entrants`.
    """

    sampler: Literal["race"] = "race"
    held_out: Literal["fold"] = "fold"
    entrants: Choices[str]
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.002
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    max_blocks: Annotated[int, Field(ge=5, le=10)] = 10


AnyStudy = ListStudy | GridStudy | SampledStudy | RaceStudy
Study = Annotated[AnyStudy, Field(discriminator="sampler")]
