"""The figure of the answer: every configuration that competed, and the axes around all of them."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from pipeline.analysis.choice import Finalist, choose_champion
from pipeline.analysis.configurations import configurations
from pipeline.params.network import network_name
from pipeline.report.answer_figure import answer_figure
from pipeline.report.baseline import Baseline
from pipeline.report.palette import MARK
from pipeline.studies.results import trials_table
from tests.helpers.pages import hovers, texts
from tests.helpers.results import capacity_records, search_records

BASELINE = Baseline("1", "accuracy", 0.1135, "test sequences")


@pytest.fixture(scope="module")
def studies() -> dict[str, pd.DataFrame]:
    return {
        "capacity": configurations(trials_table(capacity_records(seeds=2))),
        "search": configurations(trials_table(search_records())),
    }


@pytest.fixture(scope="module")
def choice() -> Finalist:
    return choose_champion({"search": trials_table(search_records())}, 6000).choice


def test_figure_shows_every_configuration_twice(studies: dict[str, pd.DataFrame], choice: Finalist) -> None:
    svg = answer_figure(studies, BASELINE, choice, "A finding", "What it shows")
    points = sum(len(table) for table in studies.values())
    assert len(hovers(svg)) == 2 * points
    smallest = studies["capacity"].iloc[0]
    expected = (
        f"SimpleRNN 1×8, 386 parameters, 5,000 training samples: validation accuracy "
        f"{smallest['validation_accuracy']:.2%}, gap {100 * smallest['generalization_gap']:.2f} points, 2 seeds"
    )
    assert hovers(svg).count(expected) == 2
    shown = texts(svg)
    assert {"A finding", "SimpleRNN", "LSTM", "GRU", "1 layer", "2 layers", "99 %", "10,000"} <= set(shown)
    assert {"capacity: 5,000 samples", "search: 54,000 samples"} <= set(shown)
    assert f"champion: {network_name(choice)}" in shown
    assert ElementTree.fromstring(svg).get("aria-label") == "What it shows"


def test_figure_is_the_same_byte_for_byte(studies: dict[str, pd.DataFrame], choice: Finalist) -> None:
    assert answer_figure(studies, BASELINE, choice, "t", "a") == answer_figure(studies, BASELINE, choice, "t", "a")


def test_figure_marks_nothing_that_was_not_chosen(studies: dict[str, pd.DataFrame], choice: Finalist) -> None:
    assert MARK in answer_figure(studies, BASELINE, choice, "t", "a")
    assert MARK not in answer_figure(studies, BASELINE, None, "t", "a")


def test_figure_of_one_perfect_configuration(studies: dict[str, pd.DataFrame]) -> None:
    alone = studies["search"].head(1).assign(validation_accuracy=1.0)
    assert len(hovers(answer_figure({"only": alone}, BASELINE, None, "t", "a"))) == 2


def test_figure_of_nothing_says_so() -> None:
    assert "no study has a complete trial" in texts(answer_figure({}, BASELINE, None, "t", "a"))


ACCURACY = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-9, 1 - 1e-9, 0.5]))
POINT = st.tuples(ACCURACY, st.floats(-1, 1), st.integers(10, 10**7), st.booleans())


@settings(max_examples=25, deadline=None)
@given(points=st.lists(POINT, min_size=1, max_size=6, unique_by=lambda point: point[2]), chosen=st.integers(0, 5))
def test_every_mark_and_the_ring_are_inside_the_axes(
    studies: dict[str, pd.DataFrame], choice: Finalist, points: list[tuple[float, float, int, bool]], chosen: int
) -> None:
    """Whatever the accuracies are, and where intervals reach from 0 to 100 %."""
    rows = [
        {"validation_accuracy": accuracy, "generalization_gap": gap, "parameters": size, "units": size}
        | {
            "validation_accuracy_low": 0.0 if whole else np.nan,
            "validation_accuracy_high": 1.0 if whole else np.nan,
        }
        | {"generalization_gap_low": -1.0 if whole else np.nan, "generalization_gap_high": 1.0 if whole else np.nan}
        for accuracy, gap, size, whole in points
    ]
    table = pd.DataFrame([studies["capacity"].iloc[0].to_dict() | row for row in rows])
    row = rows[chosen % len(rows)]
    named = {name: row[name] for name in ("validation_accuracy", "generalization_gap", "parameters", "units")}
    drawn: list[Figure] = []

    def keep(figure: Figure, *_: object) -> str:
        drawn.append(figure)
        return ""

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("pipeline.report.answer_figure.to_svg", keep)
        answer_figure({"capacity": table}, BASELINE, choice.model_copy(update=named), "A finding", "alt")
    (figure,) = drawn
    figure.draw_without_rendering()
    for axes in figure.axes:
        box, marks = axes.get_window_extent(), [line for line in axes.lines if line.get_marker() != "None"]
        assert len(marks) == len(points) + 1
        for mark in marks:
            (place,) = axes.transData.transform(mark.get_xydata())
            reach = (mark.get_markersize() + mark.get_markeredgewidth()) / 2 * figure.dpi / 72
            assert box.x0 <= place[0] - reach
            assert place[0] + reach <= box.x1
            assert box.y0 <= place[1] - reach
            assert place[1] + reach <= box.y1
        low, high = axes.get_ylim()
        assert np.isfinite([low, high]).all()
