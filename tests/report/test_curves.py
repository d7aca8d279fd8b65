"""Learning curves: two lines a seed and measure, of the networks that the section names."""

import dataclasses
import xml.etree.ElementTree as ElementTree

from pipeline.params.network import CELLS
from pipeline.report.curves import curves, learning_curves
from pipeline.report.results import Results
from pipeline.studies.results import curves_table
from tests.helpers.pages import SVG, ReadPage, hovers, texts
from tests.helpers.results import capacity_records


def test_smallest_chosen_and_largest_are_shown(page: ReadPage, results: Results) -> None:
    assert [len(table) for table in page.parts["curves"]] == [1 + 3 * 10]
    assert curves(dataclasses.replace(results, studies={})) is None
    assert curves(dataclasses.replace(results, choice=None)) is None


def test_learning_curves_draw_two_lines_a_seed_and_measure() -> None:
    every = curves_table(capacity_records(seeds=2))
    two = every[every["number"] < 2]
    svg = learning_curves(two, "simple_rnn", "Smallest", "alt", every)
    root = ElementTree.fromstring(svg)
    styles = [element.get("style", "") for element in root.iter(f"{SVG}path") if "clip-path" in element.attrib]
    last = two[two["epoch"] == two["epoch"].max()]["validation_accuracy"].mean()
    assert len(hovers(svg)) == 2 * two["epoch"].nunique()
    assert f"epoch {two['epoch'].max()}: validation accuracy {last:.2%}" in hovers(svg)[-1]
    dashed = [style for style in styles if "stroke-dasharray" in style]
    coloured = [style for style in styles if CELLS["simple_rnn"].colour in style]
    assert len(dashed) == 4  # two seeds in two panels
    assert len(coloured) == 4
    assert {"Smallest", "train", "validation", "epoch"} <= set(texts(svg))
