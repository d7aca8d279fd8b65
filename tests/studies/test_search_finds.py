"""The search against a grid, replayed on real trainings that are kept in benchmarks/searching.csv."""

import json
from typing import Any

import pandas as pd
import pytest

from benchmarks import searching
from benchmarks.searching import GRIDS, REPETITIONS, SEARCH, SPACE, TABLE, TRAINING, accuracies, grid_of, replay, within
from pipeline.params.settings import Configuration


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(searching.RESULTS.read_text(encoding="utf-8"))
    return document


def test_the_table_has_a_training_of_every_configuration_and_epoch() -> None:
    assert len(accuracies()) == len(pd.read_csv(TABLE)) == 3 * 4 * 2 * 5
    assert {len(curve) for curve in accuracies().values()} == {TRAINING["epochs"]}
    for place, values in enumerate(SPACE.values()):
        assert {key[place] for key in accuracies()} == set(values)


def test_the_compute_of_a_grid_is_that_of_all_its_trainings() -> None:
    """By hand: 28 steps of u (28 + u + 1), 4 u (28 + u + 1) and 3 u (28 + u + 2), and 10 (u + 1) for the classes."""
    one_pass = sum(28 * u * (29 + u + 4 * (29 + u) + 3 * (30 + u)) + 3 * 10 * (u + 1) for u in (6, 12, 24, 48))
    assert [(grid.networks, grid.compute) for grid in map(grid_of, GRIDS)] == [
        (12, 8 * one_pass),
        (60, 5 * 8 * one_pass),
    ]


def test_a_search_spends_no_more_than_it_may_and_finds_the_best_that_it_trained_to_the_end() -> None:
    grid = grid_of(GRIDS[1])
    records = replay(SEARCH, 0, grid.compute)
    assert {record.state for record in records} == {"COMPLETE", "PRUNED"}
    spent, complete = 0, []
    for number, record in enumerate(records):
        assert record.trial.number == number
        assert record.result is not None
        curve = [metrics.validation_accuracy or 0.0 for metrics in record.result.epochs]
        assert curve == accuracies()[searching.identity(record.trial.configuration)][: len(curve)]
        if record.state == "COMPLETE":
            assert len(curve) == TRAINING["epochs"]
            complete.append(curve[-1])
        spent += searching.compute(record.trial.configuration, len(curve))
    assert 0.8 * grid.compute < spent <= grid.compute
    assert within(records, grid.compute) == (len(records), max(complete))
    assert within(records, spent - 1).trials == len(records) - 1


def test_with_more_compute_a_search_begins_with_the_same_trials() -> None:
    """So one replay answers for every smaller compute, too."""
    small, large = (grid_of(rates).compute for rates in GRIDS)
    fewer, more = replay(SEARCH, 3, small), replay(SEARCH, 3, large)
    assert len(fewer) < len(more)
    assert [record.trial for record in fewer] == [record.trial for record in more[: len(fewer)]]
    assert within(fewer, small) == within(more, small)


def test_with_the_grids_compute_the_search_finds_a_network_as_good_as_the_grids_best(found: dict[str, Any]) -> None:
    measured = searching.measure(SEARCH, REPETITIONS)
    assert all(row["first_as_good_as_the_grid"] >= 9 for row in measured)
    [committed] = [rows for name, rows in found["searches"].items() if searching.SEARCHES[name] == SEARCH]
    first = "first_as_good_as_the_grid"
    assert [row[first] for row in measured] == [row[first] for row in committed]


def test_the_page_has_the_committed_table(found: dict[str, Any]) -> None:
    begin, end = searching.MARKERS
    page = searching.PAGE.read_text(encoding="utf-8")
    assert f"{begin}\n\n{searching.markdown_table(found)}\n\n{end}" in page


def test_a_configuration_in_words() -> None:
    row = Configuration(cell="gru", units=48, pooling="mean_max", learning_rate=0.01).model_dump()
    assert searching.named(row) == "GRU 1×48 mean+max at a rate of 0.01"
