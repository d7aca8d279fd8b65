"""params.yaml as frozen, validated models: read once at the edge, trusted everywhere else."""

import re
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from pipeline.documents import Frozen
from pipeline.errors import PipelineError, without_credentials
from pipeline.params.file import read_document, shown
from pipeline.params.settings import DataParams, Metric, Seeds, TrainingParams
from pipeline.params.studies import AnyStudy, Choices, ListStudy, RaceStudy, SampledStudy, Study
from pipeline.paths import PARAMS

RACE = "race"
MOST_SENTENCES = 20
MEMBERS = ("choices", "range", "by_cell", "int", "float")  # pydantic's names of those of a union


class ChampionParams(Frozen):
    """Which studies compete, by which metric, and with how many seeds the winner is trained again.

    All that is chosen is chosen by `metric`: trials by a sampler and a pruner, epochs by patience, networks by a race.
    It then is what the columns called accuracy hold. `balanced_accuracy` is the mean of the classes' recalls,
    `macro_f1` the mean of their F1 scores: with them a rare class counts as much as a frequent one.
    """

    studies: Choices[str]
    seeds: Seeds
    metric: Metric = "accuracy"


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def _check_name(name: Any, what: str) -> None:
    """Raise ValueError for a name that would not do as a part of file names, commands, addresses and DVC's keys."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        quotes = "" if isinstance(name, str) else ", in quotes where YAML reads no text"
        raise ValueError(
            f"{shown(name)} is no name for {what}: a name is a letter, then letters, digits, - and _, at most 64 in "
            f"all{quotes}"
        )


def as_name(text: str) -> str:
    """A name that is as much like `text`, such as that of a file, as the rule of names allows."""
    name = re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:48]
    return name if name[:1].isalpha() else f"data-{name}".rstrip("-")


class TrackingParams(Frozen):
    experiment: str = "mnist-rnn"

    @field_validator("experiment")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        _check_name(name, "an experiment and its model")
        return name


class ExecutionParams(Frozen):
    """How the work is done. It changes no result, so no stage of dvc.yaml declares it."""

    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    scheduler: str | None = None

    @field_validator("scheduler")
    @classmethod
    def _scheduler_is_an_address(cls, address: str | None) -> str | None:
        if address is None:
            return None
        wanted = "must be the address of a Dask scheduler, such as tcp://host:8786 or tls://host:8786, or null"
        try:
            parts = urlsplit(address)
            fits = parts.scheme in ("tcp", "tls", "ws", "wss") and parts.hostname and parts.port
        except ValueError:  # such as a port above 65535
            fits = False
        if not fits or "@" in address or address != address.strip():
            raise ValueError(f"{wanted}, got {without_credentials(shown(address))}")
        return address


class Params(Frozen):
    """The whole of params.yaml.

    `race` stands there beside `studies`, because it is a stage of its own that waits for some of them. Here it is the
    study of that name.
    """

    data: DataParams
    training: TrainingParams
    studies: dict[str, Study]
    champion: ChampionParams
    tracking: TrackingParams = TrackingParams()
    execution: ExecutionParams = ExecutionParams()

    @model_validator(mode="before")
    @classmethod
    def _race_is_a_study(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        if not isinstance(studies := document.get("studies"), dict):  # which is told, and nothing of a race
            return {name: value for name, value in document.items() if name != RACE}
        for name in studies:
            _check_name(name, "one of the studies")
        if RACE in studies:
            raise ValueError(
                f"studies: no study may be called {RACE!r}: the race stands beside the studies, as `race:`, rename "
                "this one"
            )
        if stray := [
            name for name, study in studies.items() if isinstance(study, dict) and study.get("sampler") == RACE
        ]:
            raise ValueError(
                f"studies.{stray[0]}.sampler: there is one race, and it stands beside the studies, as `race:`"
            )
        if RACE not in document:
            return document
        if not isinstance(race := document[RACE], dict):
            raise ValueError(f"{RACE}: must be a section with `entrants`, got {shown(race)}")
        if "window" in race or race.get("sampler", RACE) != RACE:
            fixed = "window" if "window" in race else "sampler"
            raise ValueError(f"{RACE}.{fixed}: unknown key; a race has none of its own")
        others = {name: value for name, value in document.items() if name != RACE}
        return others | {"studies": studies | {RACE: race | {"sampler": RACE}}}

    @model_validator(mode="after")
    def _race_has_one_protocol(self) -> Self:
        race = self.studies.get(RACE)
        if race is not None and race.training.model_fields_set:
            raise ValueError("race.training: the race has no settings of its own, it trains as `training` says")
        for name in race.entrants if isinstance(race, RaceStudy) else ():
            if name not in self.studies or name == RACE:
                others = ", ".join(other for other in self.studies if other != RACE)
                raise ValueError(f"race.entrants names {shown(name)}, which is not among the studies: {others}")
            study = self.studies[name]
            if study.held_out == "test" and not isinstance(study, ListStudy):
                raise ValueError(
                    f"race.entrants names {name!r}, which is measured on the test data: give it another held_out, or "
                    "leave it out"
                )
            differing = ["view"] * any(study.views)
            if isinstance(study, SampledStudy):
                differing += [axis for axis in ("epochs", "train_samples") if getattr(study.space, axis)]
                differing += ["training"] * bool(study.training.model_fields_set)
            if differing:
                raise ValueError(
                    f"race.entrants names {name!r}, which trains otherwise than the race does: it may have no "
                    f"{differing[0]} of its own"
                )
        return self

    @model_validator(mode="after")
    def _names_of_records_differ(self) -> Self:
        if "champion" in self.studies:
            raise ValueError(
                "studies: no study may be called 'champion', rename it: data/record keeps the champion by that name"
            )
        return self

    @model_validator(mode="after")
    def _champion_can_choose(self) -> Self:
        for name in self.champion.studies:
            if name == RACE and len(self.champion.studies) > 1:
                raise ValueError("champion.studies names the race and others: a race decides alone, `studies: [race]`")
            if name not in self.studies:
                raise ValueError(
                    f"champion.studies names {shown(name)}, which is not among the studies: {', '.join(self.studies)}"
                )
            if self.studies[name].held_out == "test":
                raise ValueError(
                    f"champion.studies names {name!r}, which is measured on the test data: "
                    "a champion may be chosen by validation data only"
                )
        if len(held_out := {self.studies[name].held_out for name in self.champion.studies}) > 1:
            raise ValueError(
                f"champion.studies names studies with different held_out ({', '.join(sorted(held_out))}): accuracies "
                "on different sequences do not compare"
            )
        return self

    def study(self, name: str) -> AnyStudy:
        """The study called `name`; raises PipelineError if there is none."""
        if name not in self.studies:
            raise PipelineError(f"there is no study {name!r} in {PARAMS}; the studies are {', '.join(self.studies)}")
        return self.studies[name]


def load_params(path: Path = PARAMS) -> Params:
    """Read and validate params.yaml; raises PipelineError with a line for every mistake in it."""
    return validate_params(read_document(path), str(path))


def validate_params(document: Any, source: str) -> Params:
    """Validate a parsed params.yaml; raises PipelineError with a line for every mistake in it."""
    try:
        return Params.model_validate(document)
    except ValidationError as error:
        sentences = list(dict.fromkeys(_sentences(error, document, source)))
        if len(sentences) > MOST_SENTENCES:
            sentences[MOST_SENTENCES:] = [f"{source}: and {len(sentences) - MOST_SENTENCES} more mistakes"]
        raise PipelineError("\n".join(sentences)) from error


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
    place = _place_in(document, detail["loc"]) or "the document"
    given = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return f"{source}: {place}: unknown key; check its spelling"
        case "missing":
            return f"{source}: {place}: missing"
        case "too_short":
            return f"{source}: {place}: must have at least one value, got {shown(given)}"
        case "union_tag_invalid":
            kinds, sampler = detail["ctx"]["expected_tags"], shown(given["sampler"])
            return f"{source}: {place}.sampler: must be one of {kinds}, got {sampler}"
        case "union_tag_not_found":
            return f"{source}: {place}.sampler: missing"
        case "value_error":
            return f"{source}: {'' if not detail['loc'] else f'{place}: '}{detail['ctx']['error']}"
    message = detail["msg"].replace("Input should be", "must be").replace("greater than or equal to", "at least")
    return f"{source}: {place}: {message}, got {shown(given)}"


def _place_in(document: Any, location: tuple[int | str, ...]) -> str:
    """Where in the document the mistake is; pydantic's names of union members are left out."""
    parts: list[str] = []
    if location[:2] == ("studies", RACE):  # it stands beside the studies
        location = location[1:]
    for index, part in enumerate(location):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and isinstance(part, int):
            document = document[part]
        elif index < len(location) - 1 or part in MEMBERS:
            continue
        elif isinstance(document, dict) and part == document.get("sampler", RACE):  # which of the kinds of study it is
            continue
        parts.append(str(part))
    return ".".join(parts)
