"""What figures share: SVG whose ids are referred to, in the page's colours where it is inside the page."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from pipeline.params.network import network_name
from pipeline.report.answer import answer
from pipeline.report.baseline import Baseline
from pipeline.report.drawing import (
    accuracy_axis,
    baseline_line,
    baseline_words,
    cost_axis,
    fit_to_marks,
    styled,
    themed,
    to_svg,
)
from pipeline.report.palette import THEME
from pipeline.report.results import Results
from tests.helpers.pages import hovers, texts


@pytest.fixture(scope="module")
def svg(results: Results) -> str:
    return answer(results).figures["answer"]


def test_ids_are_only_those_that_are_referred_to(svg: str) -> None:
    ids = [element.get("id") for element in ElementTree.fromstring(svg).iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(f"#{name}" in svg for name in ids)


def test_themed_follows_the_page(svg: str) -> None:
    inside = themed(svg)
    assert not any(colour in inside for colour in THEME)
    assert {"var(--gru)", "var(--ink)", "var(--mark)"} <= {part for part in THEME.values() if part in inside}
    root = ElementTree.fromstring(inside)
    assert root.get("width") is None
    assert svg.count("fill: #fefefe") == 1 + inside.count("fill: var(--paper)"), "the page's paper is enough"
    assert root.get("viewBox") is not None


def test_labels_are_drawn_as_they_are_written() -> None:
    """Whatever they look like: mathematics, an id, a colour of the page."""
    labels = ["cost $5_$", r"x$\frac$", "US$ to A$", ' id="foo"', "#1b1b1b", "#c2185b", "<b> & fill: #1b1b1b"]
    with styled():
        axes = Figure().subplots()
        axes.set_yticks(range(len(labels)), labels)
        axes.plot([0, len(labels) - 1], gid="mark")
        svg = to_svg(axes.figure, "alt of #1b1b1b", {"mark": 'hover over id="foo" of #c2185b'})
    for drawn in (svg, themed(svg)):
        assert texts(drawn)[-len(labels) :] == [label.strip() for label in labels]
        assert hovers(drawn) == ['hover over id="foo" of #c2185b']
        assert ElementTree.fromstring(drawn).get("aria-label") == "alt of #1b1b1b"
    assert "stroke: #1b1b1b" in svg
    assert "stroke: var(--ink)" in themed(svg)


def test_a_bar_of_two_seeds_does_not_hide_the_marks() -> None:
    """It may reach from less than nothing to more than everything."""
    accuracies = pd.Series([0.895, 0.99, 0.992])
    axes = Figure().subplots()
    axes.vlines(1, 0.6, 1.2)
    accuracy_axis(axes, accuracies)
    odds = [0.895 / 0.105 / 1.6, 0.992 / 0.008 * 1.6]
    assert axes.get_ylim() == pytest.approx([each / (1 + each) for each in odds])
    plain = Figure().subplots()
    plain.vlines(1, -0.15, 0.15)
    fit_to_marks(plain, pd.Series([0, 0.004, 0.01]))
    assert plain.get_ylim() == pytest.approx((-0.0035, 0.0135))
    fit_to_marks(plain, pd.Series([0.5]))
    assert plain.get_ylim() == pytest.approx((0.49, 0.51))


def test_a_bar_that_is_cut_ends_in_an_arrow_at_the_edge() -> None:
    left, right = Figure().subplots(1, 2, sharey=True)
    left.vlines([1, 2, 3], [0.6, 0.978, 0.6], [0.98, 1.2, 1.2], color="red", alpha=0.5)
    left.vlines([4, 5], [np.nan, 0.985], [np.nan, 0.99])
    right.vlines([6], [-0.1], [0.98])
    fit_to_marks(left, pd.Series([0.98, 0.99]))
    assert [arrows(axes) for axes in (left, right)] == [{1: "v", 2: "^", 3: "v^"}, {6: "v"}]
    of_one = left.collections[2]
    assert isinstance(of_one, PathCollection)
    assert (np.ravel(of_one.get_edgecolor()).tolist(), of_one.get_clip_on()) == ([1, 0, 0, 0.5], False)
    stretched = Figure().subplots()
    stretched.vlines([1, 2], [1e-6, 0.9], [0.99, 1 - 1e-6])
    accuracy_axis(stretched, pd.Series([0.9, 0.99]))
    assert arrows(stretched) == {1: "v", 2: "^"}


def arrows(axes: Axes) -> dict[float, str]:
    """Where bars end in arrows, down and up, by their place on the horizontal axis."""
    found: dict[float, str] = {}
    for collection in axes.collections:
        if isinstance(collection, PathCollection):
            assert collection.get_offset_transform() == axes.get_xaxis_transform()
            for x, y in np.ma.getdata(collection.get_offsets()):
                points_up = np.asarray(collection.get_paths()[0].vertices)[0, 1] < 0  # its ends lie below its tip
                assert y == points_up
                found[float(x)] = found.get(float(x), "") + "v^"[int(points_up)]
    return found


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (927, 99_000, ["1,000", "10,000"]),
        (300, 20_000, ["500", "1,000", "2,000", "5,000", "10,000", "20,000"]),
        (2_600, 8_400, ["3,000", "5,000", "7,000"]),
        (18.1, 21.6, ["19", "20", "21"]),
        (0.01, 0.3, ["0.01", "0.02", "0.05", "0.1", "0.2"]),
        (0.3, 2.1, ["0.5", "1", "2"]),
    ],
)
def test_a_logarithmic_axis_has_two_numbers_or_more(low: float, high: float, shown: list[str]) -> None:
    axes = Figure().subplots()
    axes.plot([low, high], [0, 1])
    axes.margins(x=0)
    cost_axis(axes, "cost")
    marked = zip(axes.get_xticks(), axes.xaxis.get_majorticklabels(), strict=True)
    assert [label.get_text() for tick, label in marked if low <= tick <= high] == shown


def test_an_accuracy_axis_has_no_ticks_beyond_everything() -> None:
    axes = Figure().subplots()
    accuracy_axis(axes, pd.Series([0.5, 1.0]))
    assert axes.get_yscale() == "linear", "a stretched axis has no place for 100 %"
    assert axes.get_ylim() == pytest.approx((0.325, 1.05))
    assert max(axes.get_yticks()) == 1.0
    accuracy_axis(axes, pd.Series([1.0, 1.0]))
    assert axes.get_ylim() == pytest.approx((0.99, 1.002))


def test_the_baseline_is_a_line_where_it_is_in_sight_and_words_where_it_is_not() -> None:
    largest = Baseline("Walking", "accuracy", 0.8, "test sequences")
    near, far = pd.Series([0.75, 0.85]), pd.Series([0.97, 0.99])
    for accuracies, lines in ((near, 1), (far, 0)):
        axes = Figure().subplots()
        accuracy_axis(axes, accuracies)
        baseline_line(axes, largest.score)
        assert len(axes.lines) == lines
    assert baseline_words(largest, near) == (
        "The dotted line is always answering 'Walking', which is right for 80.00 % of the test sequences. "
    )
    assert baseline_words(largest, far) == (
        "Always answering 'Walking' is right for 80.00 % of the test sequences, below this range. "
    )
    assert baseline_words(largest, pd.Series([0.2, 0.3])).endswith(", above this range. ")


def test_network_names() -> None:
    row = {"cell": "lstm", "depth": 2, "units": 64, "bidirectional": True}
    assert network_name(row) == "bi-LSTM 2×64"
    assert network_name(row | {"cell": "simple_rnn", "bidirectional": False}) == "SimpleRNN 2×64"
