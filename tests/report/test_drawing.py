"""What figures share: SVG whose ids are referred to, in the page's colours where it is inside the page."""

import xml.etree.ElementTree as ElementTree

import pytest

from pipeline.params.network import network_name
from pipeline.report.answer import answer
from pipeline.report.drawing import themed
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


def test_network_names() -> None:
    row = {"cell": "lstm", "depth": 2, "units": 64, "bidirectional": True}
    assert network_name(row) == "bi-LSTM 2×64"
    assert network_name(row | {"cell": "simple_rnn", "bidirectional": False}) == "SimpleRNN 2×64"
