"""params.yaml as frozen, validated models: read once at the edge, trusted everywhere else."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, model_validator

from pipeline.errors import PipelineError
from pipeline.network import REFERENCE_CELLS, Cell, Depth, Dropout, Frozen, MergeMode, NetworkSpec, Units
from pipeline.paths import PARAMS

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
    """What to learn from, and how images become sequences."""

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


class IntegerRange(Frozen):
    """An interval of whole numbers to sample from, both ends included; `log: true` samples the logarithm evenly."""

    low: Positive
    high: Positive
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must not be above high, got {self.low} and {self.high}")
        return self


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


class Grid(Frozen):
    """A list of values for each axis; every combination is a configuration. What is left out takes the default.

    `learning_rate` may name one rate for each cell instead: what suits an LSTM is too much for a SimpleRNN.
    """

    cell: Choices[Cell]
    units: Choices[Units]
    depth: Choices[Depth] = (1,)
    bidirectional: Choices[bool] = (False,)
    dropout: Choices[Dropout] = (0.0,)
    recurrent_dropout: Choices[Dropout] = (0.0,)
    merge_mode: Choices[MergeMode] = ("concat",)
    unroll: Choices[bool] = (False,)
    optimizer: Choices[Optimizer] = ()
    learning_rate: Annotated[
        Annotated[Choices[LearningRate | None], Tag("choices")] | Annotated[RateByCell, Tag("by_cell")],
        Discriminator(lambda value: "by_cell" if isinstance(value, dict) else "choices"),
    ] = ()
    batch_size: Choices[Positive] = ()
    train_samples: Choices[Positive | None] = ()
    epochs: Choices[Positive] = ()
    patience: Choices[Positive | None] = ()
    view: Choices[View | None] = (None,)

    @model_validator(mode="after")
    def _every_combination_is_a_network(self) -> Self:
        _refuse_impossible_networks(self)
        return self

    @model_validator(mode="after")
    def _every_cell_has_a_rate(self) -> Self:
        if isinstance(self.learning_rate, dict) and set(self.learning_rate) != set(self.cell):
            raise ValueError(
                f"learning_rate must name a rate for each cell, {', '.join(self.cell)}, and for no other, "
                f"got {', '.join(self.learning_rate)}"
            )
        return self


class Space(Frozen):
    """For each axis a list of values to choose from or a range. What is left out takes the default."""

    cell: Choices[Cell]
    units: Axis[Units, IntegerRange]
    depth: Axis[Depth, IntegerRange] = (1,)
    bidirectional: Choices[bool] = (False,)
    dropout: Axis[Dropout, DropoutRange] = (0.0,)
    recurrent_dropout: Axis[Dropout, DropoutRange] = (0.0,)
    merge_mode: Choices[MergeMode] = ("concat",)
    unroll: Choices[bool] = (False,)
    optimizer: Choices[Optimizer] = ()
    learning_rate: Axis[LearningRate | None, RealRange] = ()
    batch_size: Choices[Positive] = ()
    train_samples: Choices[Positive | None] = ()
    epochs: Choices[Positive] = ()
    view: Choices[View | None] = (None,)

    @model_validator(mode="after")
    def _every_combination_is_a_network(self) -> Self:
        _refuse_impossible_networks(self)
        return self


def _refuse_impossible_networks(space: Grid | Space) -> None:
    cells = [cell for cell in space.cell if cell in REFERENCE_CELLS]
    if cells and (any(space.bidirectional), space.recurrent_dropout, any(space.unroll)) != (False, (0.0,), False):
        raise ValueError(
            f"cell {cells[0]} is not recurrent: give it a study without bidirectional, recurrent_dropout and unroll"
        )


class StudyBase(Frozen):
    """What every study has.

    `held_out: validation` trains on the training data and measures on the validation data. `held_out: test`
    is for reproducing a published table: train on training and validation data together, measure on the test
    data, choose nothing by it; the columns `validation_*` then hold the test figures.
    """

    held_out: Literal["validation", "test"] = "validation"
    seed: Seed = 0
    window: Positive = 8


class ListEntry(Configuration):
    """A configuration of a fixed list; `seeds: null` is as many as the study says."""

    seeds: Positive | None = None


class ListStudy(StudyBase):
    """A fixed list of configurations, each trained with `seeds` seeds, or with as many as its entry says."""

    sampler: Literal["list"]
    trials: Choices[ListEntry]
    seeds: Positive = 1


class GridStudy(StudyBase):
    """Every combination of the values in `space`, each trained with `seeds` seeds."""

    sampler: Literal["grid"]
    space: Grid
    seeds: Positive = 1


class SampledStudy(StudyBase):
    """`trials` configurations proposed one after the other by an Optuna sampler, each trained once.

    The sampler draws at random, and the pruner prunes nothing, until they know the results of `startup_trials`.

    With `parameter_budgets` the trials take turns at these: each gets as many units, within the range of `units`, as
    its budget allows (the fewest where it allows none), and is proposed and pruned by what is known of its own
    budget's trials alone. So the study finds the best network of every size, the Pareto front of accuracy against
    parameters, and prunes none for being small.
    """

    sampler: Literal["tpe", "cmaes", "random"]
    trials: Positive
    pruner: Literal["median", "percentile", "successive_halving", "hyperband"] | None = None
    startup_trials: Positive = 4
    parameter_budgets: Choices[Positive] | None = None
    space: Space

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


Study = Annotated[ListStudy | GridStudy | SampledStudy, Field(discriminator="sampler")]


class ChampionParams(Frozen):
    """Which studies compete, and with how many seeds the winner is trained again."""

    studies: Choices[str]
    seeds: Positive


class TrackingParams(Frozen):
    experiment: str = "mnist-rnn"


class ExecutionParams(Frozen):
    """How the work is done, never what comes out: no stage of dvc.yaml declares it."""

    workers: Positive | None = None
    scheduler: str | None = None


class Params(Frozen):
    """The whole of params.yaml."""

    data: DataParams
    training: TrainingSettings
    studies: dict[str, Study]
    champion: ChampionParams
    tracking: TrackingParams = TrackingParams()
    execution: ExecutionParams = ExecutionParams()

    @model_validator(mode="after")
    def _champion_can_choose(self) -> Self:
        for name in self.champion.studies:
            if name not in self.studies:
                raise ValueError(
                    f"champion.studies names {name!r}, which is not among the studies: {', '.join(self.studies)}"
                )
            if self.studies[name].held_out == "test":
                raise ValueError(
                    f"champion.studies names {name!r}, which is measured on the test data: "
                    "a champion may be chosen by validation data only"
                )
        return self

    @model_validator(mode="after")
    def _champion_is_tested_on_what_it_sees(self) -> Self:
        for name in self.champion.studies:
            study = self.studies[name]
            views = [trial.view for trial in study.trials] if isinstance(study, ListStudy) else study.space.view
            if any(view not in (None, self.data.view) for view in views):
                raise ValueError(
                    f"champion.studies names {name!r}, which trains on other views than data.view, {self.data.view}: "
                    "the test data have that view only"
                )
        return self

    def study(self, name: str) -> ListStudy | GridStudy | SampledStudy:
        """The study called `name`; raises PipelineError if there is none."""
        if name not in self.studies:
            raise PipelineError(f"there is no study {name!r} in {PARAMS}; the studies are {', '.join(self.studies)}")
        return self.studies[name]


def load_params(path: Path = PARAMS) -> Params:
    """Read and validate params.yaml; raises PipelineError with a line for every mistake in it."""
    if not path.exists():
        raise PipelineError(f"{path} not found: run from the project's root, where it lies")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PipelineError(f"{path} is not valid YAML: {error}") from error
    if document is None:
        raise PipelineError(f"{path} is empty: restore it with `git checkout {path}`")
    return validate_params(document, str(path))


def validate_params(document: Any, source: str) -> Params:
    """Validate a parsed params.yaml; raises PipelineError with a line for every mistake in it."""
    try:
        return Params.model_validate(document)
    except ValidationError as error:
        raise PipelineError("\n".join(dict.fromkeys(_sentences(error, document, source)))) from error


def _sentences(error: ValidationError, document: Any, source: str) -> list[str]:
    details = error.errors()
    # A list that shrank because its members were wrong is also reported as too short: keep the cause only.
    places = [detail["loc"] for detail in details]
    return [
        _sentence(dict(detail), document, source)
        for detail in details
        if not any(place != detail["loc"] and place[: len(detail["loc"])] == detail["loc"] for place in places)
    ]


def _sentence(detail: dict[str, Any], document: Any, source: str) -> str:
    place = _place_in(document, detail["loc"])
    given = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return f"{source}: {place}: unknown key; check its spelling"
        case "missing":
            return f"{source}: {place}: missing"
        case "too_short":
            return f"{source}: {place}: must have at least one value, got {given!r}"
        case "union_tag_invalid":
            return (
                f"{source}: {place}.sampler: must be one of {detail['ctx']['expected_tags']}, got {given['sampler']!r}"
            )
        case "union_tag_not_found":
            return f"{source}: {place}.sampler: missing"
        case "value_error":
            return f"{source}: {place + ': ' if place else ''}{detail['ctx']['error']}"
        case "float_type" if isinstance(given, str) and "e" in given:
            return f"{source}: {place}: must be a number, got the text {given!r} (YAML wants 1.0e-3, not 1e-3)"
    message = detail["msg"].replace("Input should be", "must be").replace("greater than or equal to", "at least")
    return f"{source}: {place}: {message}, got {given!r}"


def _place_in(document: Any, location: tuple[int | str, ...]) -> str:
    """Where in the document the mistake is; pydantic's names of union members are left out."""
    parts: list[str] = []
    for index, part in enumerate(location):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and isinstance(part, int):
            document = document[part]
        elif index < len(location) - 1 or part in ("choices", "range", "by_cell"):
            continue
        elif isinstance(document, dict) and part == document.get("sampler"):  # which of the kinds of study it is
            continue
        parts.append(str(part))
    return ".".join(parts)
