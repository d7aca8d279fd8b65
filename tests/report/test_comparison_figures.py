"""Figures that compare networks show every network once, and which of them stand out."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import comparisons
from pipeline.documents import records
from pipeline.report import comparison_figures
from tests.analysis.test_comparisons import choice_of
from tests.helpers.trials import seeds, study
from tests.report.test_drawing import hovers, texts


@pytest.fixture
def network() -> dict[str, Any]:
    return {"cell": "gru", "depth": 1, "units": 8, "bidirectional": False, "parameters": 1002}


def test_differences_are_in_points_and_say_what_is_known() -> None:
    accuracies = np.linspace(0.90, 0.92, 6)
    trials = study(seeds(8, accuracies), seeds(16, accuracies + np.arange(1, 7) / 1000), seeds(32, [0.89]))
    table = comparisons.paired_comparisons(trials, choice_of(trials, 8))
    svg = comparison_figures.differences(table, choice_of(trials, 8), "What it shows")
    better, single = hovers(svg)
    assert better.endswith("parameters: +0.35 points over 6 seeds; better")
    assert single.endswith("parameters: -1.00 points over 1 seed; too few seeds to tell")
    assert ElementTree.fromstring(svg).get("aria-label") == "What it shows"


def test_fronts_name_the_networks_that_nothing_beats(network: dict[str, Any]) -> None:
    table = pd.DataFrame(
        [network | {"validation_accuracy": 0.95, "fit_seconds": 10, "predict_ms": 0.5},
         network | {"units": 32, "parameters": 6282, "validation_accuracy": 0.94, "fit_seconds": 9, "predict_ms": 0.6}]
    )  # fmt: skip
    fronts = pd.DataFrame({"parameters": [True, False], "training": [True, True], "prediction": [True, False]})
    svg = comparison_figures.pareto_fronts(table, fronts, None, "alt")
    assert len(hovers(svg)) == 6
    unbeaten = [text.endswith(", nothing is better for less") for text in hovers(svg)]
    assert unbeaten == [True, False, True, True, True, False]
    assert hovers(svg)[4] == "GRU 1×8: validation accuracy 95.00%, 0.5 ms a prediction, nothing is better for less"


def test_what_was_not_measured_is_said(network: dict[str, Any]) -> None:
    table = pd.DataFrame([network | {"validation_accuracy": 0.95, "fit_seconds": 10, "predict_ms": np.nan}])
    fronts = pd.DataFrame({"parameters": [True], "training": [True], "prediction": [False]})
    svg = comparison_figures.pareto_fronts(table, fronts, records(table)[0], "alt")
    assert len(hovers(svg)) == 2
    assert "not measured" in texts(svg)
