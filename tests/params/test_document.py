"""params.yaml: what is right is read, what is wrong is named with its path and what to do."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import PipelineError
from pipeline.params.document import load_params, validate_params
from pipeline.params.settings import TrainingSettings
from pipeline.params.studies import ListStudy, RaceStudy

RIGHT = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))


def with_value(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(RIGHT)
    *parents, last = path.split(".")
    place = document
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[last] = value
    return document


def test_the_projects_own_params_are_right() -> None:
    params = validate_params(RIGHT, "params.yaml")
    book = params.study("book")
    assert isinstance(book, ListStudy)
    table_1_5_1 = [t for t in book.trials if t.cell == "simple_rnn"]
    assert [(t.units, t.optimizer, t.seeds or book.seeds) for t in table_1_5_1] == [
        (256, "sgd", 1),
        (256, "rmsprop", 1),
        (256, "adam", 1),
        (512, "sgd", 1),
    ]
    assert all(t.dropout == 0.2 for t in table_1_5_1)
    assert {t.cell for t in book.trials} == {"simple_rnn", "lstm", "gru", "mlp", "cnn"}
    plain = TrainingSettings(optimizer="adam", epochs=20)
    assert (
        params.training.model_copy(update=book.training.model_dump(exclude_unset=True)).model_dump(
            exclude={"instructions"}
        )
        == plain.model_dump()
    ), "every part of the recipe is off, and no training stops early"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.batchsize", 64, "training.batchsize: unknown key; check its spelling"),
        (
            "studies.champion",
            RIGHT["studies"]["views"],
            "studies: no study may be called 'champion', rename it: data/record",
        ),
        ("training.epochs", "ten", "training.epochs: must be a valid integer, got 'ten'"),
        ("training.learning_rate", "1e-3", "training.learning_rate: must be a valid number, got '1e-3'"),
        ("training.warmup_epochs", float("inf"), "training.warmup_epochs: must be a finite number, got inf"),
        ("training.weight_decay", float("nan"), "training.weight_decay: must be a finite number, got nan"),
        ("studies.search.space.learning_rate.high", float("inf"), "learning_rate.high: must be a finite number, got"),
        ("studies", None, "studies: must be a valid dictionary, got None"),
        (
            "studies.a/b",
            {"sampler": "grid", "space": {"cell": ["gru"], "units": [4]}},
            "is no name for one of the studies",
        ),
        (
            "tracking.experiment",
            "team/digits",
            "tracking.experiment: 'team/digits' is no name for an experiment and its",
        ),
        ("studies.capacity.space.units", [32, 0], "studies.capacity.space.units.1: must be at least 1, got 0"),
        ("studies.search.space.units.low", -4, "studies.search.space.units.low: must be at least 1, got -4"),
        ("studies.search.space.units.low", 999, "low must not be above high, got 999 and 256"),
        ("studies.search.space.dropout.high", 1.0, "studies.search.space.dropout.high: must be less than 1, got 1.0"),
        ("studies.book.trials.2.units", 0, "studies.book.trials.2.units: must be at least 1, got 0"),
        ("studies.capacity.space.cell", ["lstmm"], "studies.capacity.space.cell.0: must be 'simple_rnn', 'elman_"),
        ("studies.search.space.cell", ["mlp"], "studies.search.space: cell mlp is not recurrent"),
        (
            "studies.capacity.space.learning_rate",
            {"lstm": 0.1},
            "studies.capacity.space: learning_rate must name a rate for each cell, simple_rnn, lstm, gru, and for no",
        ),
        (
            "studies.capacity.space.learning_rate",
            {"simple_rnn": 0.0, "lstm": 0.1, "gru": 0.1},
            "studies.capacity.space.learning_rate.simple_rnn: must be greater than 0, got 0.0",
        ),
        ("studies.search.space.units", [4, 256], "studies.search: parameter_budgets decide how many units a network"),
        ("studies.search.parameter_budgets", [0], "studies.search.parameter_budgets.0: must be at least 1, got 0"),
        ("studies.book.trials.6.bidirectional", True, "studies.book.trials.6: cell mlp is not recurrent"),
        ("studies.capacity.space.cell", [], "studies.capacity.space.cell: must have at least one value, got []"),
        (
            "studies.search.sampler",
            "tpee",
            "studies.search.sampler: must be one of 'list', 'grid', 'tpe', 'cmaes', 'random'",
        ),
        (
            "studies.search.pruner",
            "mean",
            "studies.search.pruner: must be 'median', 'percentile', 'successive_halving' or 'hyperband', got 'mean'",
        ),
        ("champion.studies", ["serach"], "champion.studies names 'serach', which is not among the studies: book"),
        ("champion.studies", ["book"], "champion.studies names 'book', which is measured on the test data"),
        (
            "execution.scheduler",
            "",
            "execution.scheduler: must be the address of a Dask scheduler, such as tcp://host:87",
        ),
        ("execution.scheduler", "tcp://h:port", "must be the address of a Dask scheduler, such as tcp://host:8786 or"),
        ("execution.scheduler", "tcp://h:99999", "or null, got 'tcp://h:99999'"),
        ("execution.scheduler", "http://h:9", "must be the address of a Dask scheduler"),
        ("execution.scheduler", "tcp://[::1", "must be the address of a Dask scheduler"),
        ("execution.scheduler", "tcp://u:secret@h:9", "or null, got 'tcp://***@h:9'"),
        ("champion.studies", ["capacity", "search"], "names studies with different held_out (fold, validation)"),
        ("data.view", "diagonals", "data.view: must be 'rows', 'columns', 'pixels' or 'permuted_pixels'"),
        ("data.validation", 0, "data.validation: must be a number of samples, at least 1, or a fraction"),
    ],
)
def test_a_mistake_is_one_line_with_its_path(path: str, value: Any, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        validate_params(with_value(path, value), "params.yaml")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("params.yaml: ")
    assert message in line


RACE = {"entrants": ["search", "capacity", "book"]}
SPACE = RIGHT["studies"]["search"]["space"]


def with_race(race: object, **changes: Any) -> dict[str, Any]:
    """The project's params.yaml with this race, and with these changes of `search`."""
    document = copy.deepcopy(RIGHT)
    document["studies"]["search"] |= changes
    return document | {"race": race}


def test_the_race_is_a_study_that_stands_beside_the_others() -> None:
    params = validate_params(with_race(RACE | {"tolerance": 0.003}), "params.yaml")
    race = params.study("race")
    assert isinstance(race, RaceStudy)
    assert (race.held_out, race.entrants, race.tolerance) == ("fold", ("search", "capacity", "book"), 0.003)
    assert (race.confidence, race.max_blocks, race.seed) == (0.95, 10, 0)
    assert list(params.studies)[-1] == "race"


@pytest.mark.parametrize(
    ("race", "message"),
    [
        ({"tolerance": 0.0}, "race.tolerance: must be greater than 0, got 0.0"),
        ({"tolerance": "2e-3"}, "race.tolerance: must be a valid number, got '2e-3'"),
        ({"tolerance": 1.0}, "race.tolerance: must be less than 1, got 1.0"),
        ({"confidence": 0.5}, "race.confidence: must be greater than 0.5, got 0.5"),
        ({"max_blocks": 4}, "race.max_blocks: must be at least 5, got 4"),
        ({"max_blocks": 11}, "race.max_blocks: must be less than or equal to 10, got 11"),
        ({"held_out": "validation"}, "race.held_out: must be 'fold', got 'validation'"),
        ({"tolerence": 0.1}, "race.tolerence: unknown key; check its spelling"),
        ({"sampler": "tpe"}, "race.sampler: unknown key; a race has none of its own"),
        ({"window": 3}, "race.window: unknown key; a race has none of its own"),
        ({"entrants": []}, "race.entrants: must have at least one value, got []"),
        ({"training": {"epochs": 0}}, "race.training.epochs: must be at least 1, got 0"),
        (
            {"training": {"epochs": 3}},
            "race.training: the race has no settings of its own, it trains as `training` says",
        ),
        (
            {"entrants": ["serach"]},
            "race.entrants names 'serach', which is not among the studies: book, capacity, search, views, ablation",
        ),
        (
            {"entrants": ["race"]},
            "race.entrants names 'race', which is not among the studies: book, capacity, search, views, ablation",
        ),
    ],
)
def test_a_mistake_in_the_race_is_named_where_it_stands(race: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        validate_params(with_race(RACE | race), "params.yaml")
    assert str(caught.value) == f"params.yaml: {message}"


@pytest.mark.parametrize("race", [None, 5])
def test_a_race_that_is_no_section_is_named(race: object) -> None:
    with pytest.raises(PipelineError) as caught:
        validate_params(with_race(race), "params.yaml")
    assert str(caught.value) == f"params.yaml: race: must be a section with `entrants`, got {race!r}"


def test_no_other_study_is_a_race() -> None:
    with pytest.raises(PipelineError) as caught:
        validate_params(with_value("studies.another", RACE | {"sampler": "race"}), "params.yaml")
    assert str(caught.value) == (
        "params.yaml: studies.another.sampler: there is one race, and it stands beside the studies, as `race:`"
    )


def test_a_race_without_entrants_is_named() -> None:
    with pytest.raises(PipelineError, match=r"^params\.yaml: race\.entrants: missing$"):
        validate_params(with_race({}), "params.yaml")


@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({"space": SPACE | {"epochs": [6]}}, "epochs"),
        ({"space": SPACE | {"train_samples": [1000]}}, "train_samples"),
        ({"training": {"batch_size": 32}}, "training"),
        ({"space": SPACE | {"view": ["columns"]}}, "view"),
    ],
)
def test_a_search_that_sends_networks_trains_as_the_race_does(changes: dict[str, Any], own: str) -> None:
    with pytest.raises(PipelineError) as caught:
        validate_params(with_race(RACE, **changes), "params.yaml")
    assert str(caught.value) == (
        "params.yaml: race.entrants names 'search', which trains otherwise than the race does: it may have no "
        f"{own} of its own"
    )


@pytest.mark.parametrize(("name", "entry"), [("views", None), ("book", {"cell": "gru", "units": 4, "view": "columns"})])
def test_a_grid_or_list_that_sends_networks_has_no_views(name: str, entry: dict[str, Any] | None) -> None:
    document = with_race(RACE | {"entrants": [name]})
    if entry is not None:
        document["studies"][name]["trials"].append(entry)
    with pytest.raises(PipelineError) as caught:
        validate_params(document, "params.yaml")
    assert str(caught.value) == (
        f"params.yaml: race.entrants names '{name}', which trains otherwise than the race does: it may have no view of "
        "its own"
    )


def test_no_study_is_called_race_where_there_is_a_race() -> None:
    document = with_race(RACE)
    document["studies"]["race"] = document["studies"]["views"]
    with pytest.raises(PipelineError) as caught:
        validate_params(document, "params.yaml")
    assert str(caught.value) == (
        "params.yaml: studies: no study may be called 'race': the race stands beside the studies, as `race:`, rename "
        "this one"
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"cell": "mlp"}, "studies.search: enqueue.1.cell: mlp is not in space.cell"),
        ({"cell": "gru", "learning_rate": 0.5}, "studies.search: enqueue.1.learning_rate: 0.5 is not in space.learn"),
        ({"cell": None}, "studies.search: enqueue.1.cell: must have a value; leave it out for the sampler to draw it"),
        ({"patience": 3}, "studies.search.enqueue.1.patience: unknown key; check its spelling"),
        ({"cell": "gru", "units": 0}, "studies.search.enqueue.1.units: must be at least 1, got 0"),
        (
            {"cell": "gru", "units": 8, "depth": 1, "pooling": "last"},
            "studies.search: enqueue.1: with units it must also have bidirectional: they decide which budget it counts",
        ),
    ],
)
def test_what_is_enqueued_lies_in_the_space(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        validate_params(with_value("studies.search.enqueue", [{"cell": "lstm"}, entry]), "params.yaml")
    assert str(caught.value).startswith(f"params.yaml: {message}")


def test_every_mistake_is_named() -> None:
    document = with_value("training.epochs", 0)
    document["data"]["seed"] = -1
    with pytest.raises(PipelineError) as caught:
        validate_params(document, "params.yaml")
    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_section_is_named() -> None:
    with pytest.raises(PipelineError, match=r"params\.yaml: champion: missing"):
        validate_params({key: value for key, value in RIGHT.items() if key != "champion"}, "params.yaml")


def test_an_unknown_study_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        PipelineError, match=r"no study 'serach' in params\.yaml; the studies are book, capacity, search"
    ):
        validate_params(RIGHT, "params.yaml").study("serach")


def test_a_broken_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"not found in .*: run"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("data: {", encoding="utf-8")
    with pytest.raises(PipelineError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("", encoding="utf-8")
    with pytest.raises(PipelineError, match="is empty"):
        load_params(tmp_path / "params.yaml")
