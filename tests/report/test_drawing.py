"""The figures are well-formed, deterministic SVG that shows every point it was given."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.capacity import capacity_table
from pipeline.analysis.choice import choose_champion
from pipeline.analysis.configurations import configurations
from pipeline.params.network import network_name
from pipeline.report import drawing
from pipeline.studies.results import curves_table, trials_table
from tests.helpers.results import capacity_records, search_records

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def studies() -> dict[str, pd.DataFrame]:
    return {
        "capacity": configurations(trials_table(capacity_records(seeds=2))),
        "search": configurations(trials_table(search_records())),
    }


@pytest.fixture(scope="module")
def choice() -> dict[str, Any]:
    return choose_champion({"search": trials_table(search_records())}, 6000)["choice"]


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def hovers(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def test_answer_shows_every_configuration_twice(studies: dict[str, pd.DataFrame], choice: dict[str, Any]) -> None:
    svg = drawing.answer(studies, choice, "A finding", "What it shows")
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
    assert f"recommended: {network_name(choice)}" in shown
    assert ElementTree.fromstring(svg).get("aria-label") == "What it shows"


def test_answer_is_the_same_byte_for_byte(studies: dict[str, pd.DataFrame], choice: dict[str, Any]) -> None:
    assert drawing.answer(studies, choice, "t", "a") == drawing.answer(studies, choice, "t", "a")


def test_answer_marks_nothing_that_was_not_chosen(studies: dict[str, pd.DataFrame], choice: dict[str, Any]) -> None:
    assert drawing.MARK in drawing.answer(studies, choice, "t", "a")
    assert drawing.MARK not in drawing.answer(studies, None, "t", "a")


def test_answer_of_one_perfect_configuration(studies: dict[str, pd.DataFrame]) -> None:
    alone = studies["search"].head(1).assign(validation_accuracy=1.0)
    assert len(hovers(drawing.answer({"only": alone}, None, "t", "a"))) == 2


def test_answer_of_nothing_says_so() -> None:
    assert "no study has a complete trial" in texts(drawing.answer({}, None, "t", "a"))


def test_ids_are_only_those_that_are_referred_to(studies: dict[str, pd.DataFrame]) -> None:
    svg = drawing.answer(studies, None, "t", "a")
    ids = [element.get("id") for element in ElementTree.fromstring(svg).iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(f"#{name}" in svg for name in ids)


def test_themed_follows_the_page(studies: dict[str, pd.DataFrame], choice: dict[str, Any]) -> None:
    svg = drawing.themed(drawing.answer(studies, choice, "t", "a"))
    assert not any(colour in svg for colour in drawing.THEME)
    assert {"var(--gru)", "var(--ink)", "var(--mark)"} <= {part for part in drawing.THEME.values() if part in svg}
    root = ElementTree.fromstring(svg)
    assert root.get("width") is None
    assert root.get("viewBox") is not None


def test_learning_curves_draw_two_lines_a_seed_and_measure() -> None:
    curves = curves_table(capacity_records(seeds=2))
    two = curves[curves["number"] < 2]
    svg = drawing.learning_curves(two, "simple_rnn", "Smallest", "alt", curves)
    root = ElementTree.fromstring(svg)
    styles = [element.get("style", "") for element in root.iter(f"{SVG}path") if "clip-path" in element.attrib]
    last = two[two["epoch"] == two["epoch"].max()]["validation_accuracy"].mean()
    assert len(hovers(svg)) == 2 * two["epoch"].nunique()
    assert f"epoch {two['epoch'].max()}: validation accuracy {last:.2%}" in hovers(svg)[-1]
    dashed = [style for style in styles if "stroke-dasharray" in style]
    coloured = [style for style in styles if drawing.COLOURS["simple_rnn"] in style]
    assert len(dashed) == 4  # two seeds in two panels
    assert len(coloured) == 4
    assert {"Smallest", "train", "validation", "epoch"} <= set(texts(svg))


def test_confusion_matrix_writes_counts_and_colours_mistakes() -> None:
    counts = np.array([[50, 2, 0], [0, 48, 4], [1, 0, 51]])
    svg = drawing.confusion_matrix(counts, ["a", "b", "c"], "7 wrong", "alt")
    shown = texts(svg)
    assert {"50", "48", "51", "2", "4", "1", "7 wrong"} <= set(shown)
    assert "0" not in shown
    assert svg.count(f"fill: {drawing.MARK}") == 3
    assert hovers(svg) == ["a taken for b: 2 times", "b taken for c: 4 times", "c taken for a: 1 time"]


def test_confusion_matrix_of_many_classes_leaves_the_counts_out() -> None:
    shown = texts(drawing.confusion_matrix(np.eye(30, dtype=int) * 7, [str(n) for n in range(30)], "t", "alt"))
    assert "7" not in shown


def test_network_names() -> None:
    row = {"cell": "lstm", "depth": 2, "units": 64, "bidirectional": True}
    assert network_name(row) == "bi-LSTM 2×64"
    assert network_name(row | {"cell": "simple_rnn", "bidirectional": False}) == "SimpleRNN 2×64"


def test_maps_and_gaps_show_every_configuration() -> None:
    table = capacity_table(trials_table(capacity_records(seeds=2)))
    fewer = table.assign(train_samples=1000, generalization_gap=table["generalization_gap"] + 0.02)
    both = pd.concat([fewer, table])
    shown = texts(drawing.capacity_maps(both, "maps"))
    for _, row in both.iterrows():
        assert f"{100 * row['validation_accuracy']:.1f}" in shown
        assert f"{100 * row['generalization_gap']:.1f}" in shown
    assert {"1,000", "5,000"} <= set(shown)
    assert len(hovers(drawing.capacity_maps(both, "maps"))) == 2 * len(both)
    gaps = drawing.gap_against_samples(both, "gaps")
    assert len(hovers(gaps)) == 2 * len(table)
    assert f"GRU 1×8, 1,000 samples: gap {100 * fewer.iloc[0]['generalization_gap']:.2f} points" in " ".join(
        hovers(gaps)
    )
