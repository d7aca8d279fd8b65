"""The answer: one sentence that follows from choice.json, and a figure with every configuration that competed."""

import dataclasses
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from pipeline.analysis.choice import Finalist, choose_champion
from pipeline.analysis.configurations import configurations
from pipeline.params.network import network_name
from pipeline.report.answer import answer, answer_figure, finding
from pipeline.report.palette import MARK
from pipeline.report.results import Results
from pipeline.studies.results import trials_table
from tests.helpers.pages import ReadPage, hovers, texts
from tests.helpers.results import capacity_records, search_records
from tests.helpers.trials import seeds, study


@pytest.fixture(scope="module")
def studies() -> dict[str, pd.DataFrame]:
    return {
        "capacity": configurations(trials_table(capacity_records(seeds=2))),
        "search": configurations(trials_table(search_records())),
    }


@pytest.fixture(scope="module")
def choice() -> Finalist:
    return choose_champion({"search": trials_table(search_records())}, 6000).choice


def test_it_says_what_to_use(page: ReadPage, results: Results) -> None:
    assert results.choice is not None
    assert results.chosen is not None
    chosen = results.choice.choice
    assert f"Use LSTM 2×170: with {chosen.parameters:,} parameters" in page.text
    assert f"{100 * chosen.validation_accuracy:.2f} %" in page.text
    assert f"one prediction {chosen.parameters / 1e6:.3g} ms" in page.text
    assert f"training, in the study {results.chosen['fit_seconds']:.0f} s" in page.text
    (candidates,) = page.parts[""]
    assert [row[3] for row in candidates[1:]] == ["1"] * 12


def test_a_choice_stands_without_its_studies(results: Results) -> None:
    made = answer(dataclasses.replace(results, studies={}))
    assert made.headline.startswith("Use LSTM 2×170"), "what has been chosen stands in choice.json"
    assert "one prediction" not in dict(made.facts)
    assert "no study has a complete trial" in texts(made.figures["answer"])


def test_finding_names_the_saving() -> None:
    # With few validation samples the bar is low, with many only the best passes it.
    trials = {"some": study(seeds(10, [0.95, 0.951]), seeds(52, [0.96, 0.961])).assign(merge_mode="concat")}
    assert finding(choose_champion(trials, 10)) == (
        "GRU 1×10 is within one standard error of the best, GRU 1×52, with 81% fewer parameters"
    )
    assert finding(choose_champion(trials, 10**6)).startswith("GRU 1×52 is the most accurate")


def test_figure_shows_every_configuration_twice(studies: dict[str, pd.DataFrame], choice: Finalist) -> None:
    svg = answer_figure(studies, choice, "A finding", "What it shows")
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


def test_figure_is_the_same_byte_for_byte(studies: dict[str, pd.DataFrame], choice: Finalist) -> None:
    assert answer_figure(studies, choice, "t", "a") == answer_figure(studies, choice, "t", "a")


def test_figure_marks_nothing_that_was_not_chosen(studies: dict[str, pd.DataFrame], choice: Finalist) -> None:
    assert MARK in answer_figure(studies, choice, "t", "a")
    assert MARK not in answer_figure(studies, None, "t", "a")


def test_figure_of_one_perfect_configuration(studies: dict[str, pd.DataFrame]) -> None:
    alone = studies["search"].head(1).assign(validation_accuracy=1.0)
    assert len(hovers(answer_figure({"only": alone}, None, "t", "a"))) == 2


def test_figure_of_nothing_says_so() -> None:
    assert "no study has a complete trial" in texts(answer_figure({}, None, "t", "a"))
