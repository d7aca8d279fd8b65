"""What figures share: SVG whose ids are referred to, in the page's colours where it is inside the page."""

import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.params.network import network_name
from pipeline.report.answer import answer
from pipeline.report.drawing import accuracy_axis, fit_to_marks, themed
from pipeline.report.palette import THEME
from pipeline.report.results import Results


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
    assert root.get("viewBox") is not None


def test_a_bar_of_two_seeds_does_not_hide_the_marks() -> None:
    """It may reach from less than nothing to more than everything."""
    accuracies = pd.Series([0.895, 0.99, 0.992])
    axes = Figure().subplots()
    axes.vlines(1, 0.6, 1.2)
    accuracy_axis(axes, accuracies)
    fit_to_marks(axes, accuracies)
    assert axes.get_ylim() == pytest.approx((1 - 1.6 * 0.105, 1 - 0.008 / 1.6))
    plain = Figure().subplots()
    plain.vlines(1, -0.15, 0.15)
    fit_to_marks(plain, pd.Series([0, 0.004, 0.01]))
    assert plain.get_ylim() == pytest.approx((-0.0035, 0.0135))
    fit_to_marks(plain, pd.Series([0.5]))
    assert plain.get_ylim() == pytest.approx((0.49, 0.51))


def test_network_names() -> None:
    row = {"cell": "lstm", "depth": 2, "units": 64, "bidirectional": True}
    assert network_name(row) == "bi-LSTM 2×64"
    assert network_name(row | {"cell": "simple_rnn", "bidirectional": False}) == "SimpleRNN 2×64"
