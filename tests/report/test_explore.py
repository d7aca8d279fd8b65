"""The picture that answers: the networks of all studies, what is told of each, and nothing that is not known."""

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest

from pipeline.analysis.configurations import complete_trials, configurations
from pipeline.commands.show import STUDY_AND_TRIAL
from pipeline.params.network import CELLS
from pipeline.report import explore as module
from pipeline.report.explore import SHAPES, Explore, explore
from pipeline.report.page import VEGA, assemble, render
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage


@pytest.fixture(scope="module")
def made(results: Results) -> Explore:
    found = explore(results)
    assert found is not None
    return found


def ticked(made: Explore) -> list[dict[str, Any]]:
    """The networks that are drawn at first."""
    boxes = {each.field: {option.value for option in each.options if option.ticked} for each in made.filters}
    return [row for row in made.document["networks"] if all(str(row[field]) in boxes[field] for field in boxes)]


def with_studies(results: Results, **studies: Any) -> Results:
    """The results with only these studies, each changed by these fields."""
    return dataclasses.replace(
        results, studies={name: dataclasses.replace(results.studies[name], **to) for name, to in studies.items()}
    )


def test_every_network_of_every_study_is_there_with_all_its_trainings(results: Results, made: Explore) -> None:
    networks = made.document["networks"]
    for name, study in results.studies.items():
        rows = [network for network in networks if network["study"] == name]
        assert len(rows) == len(configurations(study.trials))
        trained = [int(cells[0]) for row in rows for cells in row["trainings"]["rows"]]
        assert sorted(trained) == complete_trials(study.trials)["number"].tolist()
    assert len({network["tip"] for network in networks}) == len(networks)


def test_at_first_it_shows_what_the_still_picture_shows(results: Results, made: Explore) -> None:
    shown, table = ticked(made), results.competitors.table
    assert [row["parameters"] for row in shown] == table["parameters"].tolist()
    assert [row["accuracy"] for row in shown] == pytest.approx(table["validation_accuracy"].tolist(), abs=1e-5)
    assert [row["accuracy_low"] for row in shown] == pytest.approx(table["validation_accuracy_low"].tolist(), abs=1e-5)
    assert all(row["competes"] for row in shown)
    assert results.choice is not None
    assert [row["parameters"] for row in shown if row["champion"]] == [results.choice.choice.parameters]
    assert {each.field: len(each.options) for each in made.filters} == {"study": 5, "samples": 5, "cell": 3}


def test_a_network_is_told_with_its_trainings_and_how_to_make_them_again(results: Results, made: Explore) -> None:
    network = next(row for row in made.document["networks"] if row["study"] == "capacity" and row["samples"] == 3000)
    fingerprint = results.studies["capacity"].summary.fingerprint
    numbers = [cells[0] for cells in network["trainings"]["rows"]]
    verify, show = network["commands"]
    assert network["tip"].startswith(
        "SimpleRNN 1×4, study capacity, 3,000 training samples, 182 parameters: validation acc"
    )
    assert network["tip"].endswith(" points, 3 seeds")
    assert verify == f"python -m pipeline verify capacity --trials {','.join(numbers)}"
    assert show == f"python -m pipeline show capacity#{numbers[0]}"
    assert STUDY_AND_TRIAL.fullmatch(show.split()[-1])
    assert network["trainings"]["rows"][1][-1] == f"tags.fingerprint = '{fingerprint}' and tags.trial = '{numbers[1]}'"
    assert ["parameters", "182"] in network["facts"]
    assert ["multiplications a sequence", "3,746"] in network["facts"]  # 28 · (4 · (28 + 4 + 1)) + 10 · 5
    curves = results.studies["capacity"].curves
    first = curves[curves["number"] == int(numbers[0])]
    assert network["curves"][0]["epoch"] == first["epoch"].tolist()
    assert network["curves"][0]["validation_loss"] == pytest.approx(first["validation_loss"].tolist(), rel=1e-4)


def test_what_is_measured_on_the_test_data_is_called_so(made: Explore) -> None:
    (studies,) = [each for each in made.filters if each.field == "study"]
    assert [option.label for option in studies.options if option.value == "book"] == [
        "book (measured on the test data)"
    ]
    book = next(row for row in made.document["networks"] if row["study"] == "book")
    assert "test accuracy 9" in book["tip"]
    assert book["trainings"]["headers"][2] == "test accuracy"
    assert not book["competes"]


def test_what_is_not_known_is_not_told(results: Results) -> None:
    alone = with_studies(results, book={"timings": results.studies["book"].timings.assign(fit_seconds=np.nan)})
    made = explore(dataclasses.replace(alone, prediction_times=None, choice=None))
    assert made is not None
    assert list(made.axes) == ["parameters", "multiplications"]
    assert [each.field for each in made.filters] == []
    assert len(ticked(made)) == 4
    network = made.document["networks"][0]
    assert [label for label, _ in network["facts"]] == [
        "test accuracy", "train minus that, points", "parameters", "multiplications a sequence",
    ]  # fmt: skip
    assert network["accuracy_low"] is None
    assert network["tip"].endswith(", 1 seed")
    assert "the champion" not in made.caption
    assert "race" not in made.caption
    assert explore(dataclasses.replace(results, studies={})) is None
    failed = results.studies["search"].trials.assign(state="FAIL")
    assert explore(with_studies(results, search={"trials": failed})) is None


def test_where_no_study_competes_all_are_drawn(results: Results) -> None:
    made = explore(with_studies(results, capacity={}, book={}))
    assert made is not None
    assert len(ticked(made)) == len(made.document["networks"]) == 36 + 4


def test_long_curves_are_thinned_but_keep_their_best_epoch(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EPOCHS", 20)  # of 80 that the study book has
    made = explore(with_studies(results, book={}))
    assert made is not None
    trial = results.studies["book"].trials.iloc[0]
    assert made.document["networks"][0]["curves"][0]["epoch"] == sorted({1, 4, 8, 12, 16, 20, trial["best_epoch"]})
    assert "drawn at one epoch in 4, at the best and at the last" in made.curves


def test_names_cannot_leave_their_text(results: Results) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ["choice", "metrics", "predictions", "race_table", "test_table", "prediction_times"]
    )
    page, made = assemble(dataclasses.replace(results, studies={}, **nothing)), explore(results)
    assert page.explore is None
    assert made is not None
    hostile = "</script><script>alert(1)</script><!--<script>&'\""
    network = made.document["networks"][0] | {"name": hostile, "tip": hostile, "about": hostile}
    changed = dataclasses.replace(made, document=made.document | {"networks": [network]}, caption=hostile)
    html = render(dataclasses.replace(page, explore=changed))
    assert hostile not in html
    assert ReadPage(html).tables
    (document,) = re.findall(r'<script type="application/json" id="explore-data">(.*?)</script>', html, re.DOTALL)
    assert json.loads(document)["networks"][0]["name"] == hostile


def test_the_library_is_one_script_without_an_end_in_it() -> None:
    code = VEGA.read_text(encoding="utf-8")
    assert len(code) < 950_000
    assert "Copyright" in code
    assert "</script" not in code
    assert "<!--" not in code


def test_every_cell_has_a_shape() -> None:
    assert {kind.marker for kind in CELLS.values()} == SHAPES.keys()
