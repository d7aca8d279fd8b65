"""Costs: the Pareto fronts, the times of one sequence and of a batch, the best within each budget."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.documents import records
from pipeline.report.baseline import Baseline
from pipeline.report.cost import cost, pareto_fronts
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage, hovers, texts

BASELINE = Baseline("1", "accuracy", 0.1135, "test sequences")


@pytest.fixture
def network() -> dict[str, Any]:
    return {"cell": "gru", "depth": 1, "units": 8, "bidirectional": False, "parameters": 1002}


def test_on_the_front_more_parameters_mean_more_accuracy(page: ReadPage) -> None:
    front = page.parts["cost"][0]
    parameters = [int(row[2].replace(",", "")) for row in front[1:]]
    assert parameters == sorted(parameters)
    fastest = [float(row[3].removesuffix(" %")) for row in front[1:] if "parameters" in row[8]]
    assert fastest == sorted(fastest)


def test_costs_are_those_of_one_sequence_and_of_a_batch(page: ReadPage, results: Results) -> None:
    assert results.choice is not None
    chosen = results.choice.choice
    alone, batch = chosen.parameters / 1e6, chosen.parameters / 1e6 * 128**0.5
    assert (
        f"GRU 2×51 mean+max, answers one sequence in {alone:.3g} ms (median of 50 calls; half of them took" in page.text
    )
    assert f"answers 128 at once in {batch:.3g} ms" in page.text
    assert "at 96 GFLOP/s on one thread" in page.text


def test_times_that_were_not_measured_are_left_out(results: Results) -> None:
    made = cost(dataclasses.replace(results, prediction_times=None))
    assert made is not None
    assert made.prediction is None
    assert len(made.equal_budgets) == 2
    assert "not measured" in texts(made.figures["pareto_fronts"])
    assert cost(dataclasses.replace(results, studies={})) is None


def test_fronts_name_the_networks_that_nothing_beats(network: dict[str, Any]) -> None:
    table = pd.DataFrame(
        [network | {"validation_accuracy": 0.95, "fit_seconds": 10, "predict_ms": 0.5},
         network | {"units": 32, "parameters": 6282, "validation_accuracy": 0.94, "fit_seconds": 9, "predict_ms": 0.6}]
    )  # fmt: skip
    fronts = pd.DataFrame({"parameters": [True, False], "training": [True, True], "prediction": [True, False]})
    svg = pareto_fronts(table, fronts, BASELINE, None, "alt")
    assert len(hovers(svg)) == 6
    unbeaten = [text.endswith(", on the Pareto front") for text in hovers(svg)]
    assert unbeaten == [True, False, True, True, True, False]
    assert hovers(svg)[4] == "GRU 1×8: validation accuracy 95.00%, 0.5 ms a prediction, on the Pareto front"


def test_networks_of_one_name_are_told_apart(results: Results) -> None:
    """Twins of two networks: as large and as accurate, with another dropout and rate."""
    race = results.studies["race"]
    twin = race.trials[race.trials["units"].isin([51, 78])].assign(dropout=0.3, learning_rate=0.002)
    twin["number"] += 1000
    both = dataclasses.replace(race, trials=pd.concat([race.trials, twin], ignore_index=True))
    made = cost(dataclasses.replace(results, studies=results.studies | {"race": both}))
    assert made is not None
    names = [row[0] for row in made.front.rows]
    assert "GRU 2×51 mean+max, dropout 0.122, rate 0.00473" in names
    assert "GRU 2×51 mean+max, dropout 0.3, rate 0.002" in names
    assert any("GRU 2×78 mean+max, dropout" in text for row in made.equal_budgets[0].rows for text in row)
    assert "GRU 2×51 mean+max: " not in " ".join(hovers(made.figures["pareto_fronts"]))


def test_what_was_not_measured_is_said(network: dict[str, Any]) -> None:
    table = pd.DataFrame([network | {"validation_accuracy": 0.95, "fit_seconds": 10, "predict_ms": np.nan}])
    fronts = pd.DataFrame({"parameters": [True], "training": [True], "prediction": [False]})
    svg = pareto_fronts(table, fronts, BASELINE, records(table)[0], "alt")
    assert len(hovers(svg)) == 2
    assert "not measured" in texts(svg)
