"""Who is sent to a race, by rule: made-up results whose entrants are known beforehand."""

from typing import Any

import pandas as pd
import pytest

from pipeline.params.network import Cell, NetworkSpec, parameter_count
from pipeline.params.settings import Configuration
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.entrants import Studies, entrants_of, largest_admitted, refused_by, why_nobody
from tests.helpers.sequences import params_with
from tests.helpers.studies import SUMMARY
from tests.helpers.trials import table, trial

SEARCH: dict[str, Any] = {
    "sampler": "tpe", "trials": 8, "parameter_budgets": [300, 3000],
    "space": {"cell": ["gru", "lstm"], "units": {"low": 2, "high": 64}, "learning_rate": {"low": 0.001, "high": 0.1}},
}  # fmt: skip
GRID: dict[str, Any] = {
    "sampler": "grid", "seeds": 2, "training": {"epochs": 9, "batch_size": 16},
    "space": {
        "cell": ["gru", "lstm"], "units": [4, 8], "train_samples": [48, 96],
        "learning_rate": {"gru": 0.02, "lstm": 0.03},
    },
}  # fmt: skip
BOOK: dict[str, Any] = {
    "sampler": "list", "held_out": "test",
    "trials": [
        {"cell": "simple_rnn", "units": 16, "dropout": 0.2, "optimizer": "sgd", "epochs": 20},
        {"cell": "lstm", "units": 64, "dropout": 0.2, "optimizer": "sgd"},  # 17,859 parameters
        {"cell": "mlp", "units": 8},
        {"cell": "elman_output", "units": 8, "optimizer": "rmsprop", "learning_rate": 0.5},
    ],
}  # fmt: skip
SHARED = {"batch_size": 32, "epochs": 3, "optimizer": "adam"}  # as `params_with` has it


def studies(**tables: tuple[dict[str, Any], pd.DataFrame]) -> Studies:
    params = params_with({name: study for name, (study, _) in tables.items()} | {"other": GRID})
    return {name: (StudyDefinition(name, params, SUMMARY), found) for name, (_, found) in tables.items()}


def entrants(**tables: tuple[dict[str, Any], pd.DataFrame]) -> list[Configuration]:
    return entrants_of(studies(**tables))


def of_search(*rows: tuple[int, Cell, int, float, float, str]) -> pd.DataFrame:
    """trials.csv of a search: number, cell, units, learning rate, accuracy, state."""
    return table(*(
        trial(number, units, accuracy, cell=cell, learning_rate=rate, state=state, train_samples=96,
              parameters=parameter_count(NetworkSpec(cell=cell, units=units), 6, 4, 3))
        for number, cell, units, rate, accuracy, state in rows
    ))  # fmt: skip


def of_grid(accuracies: dict[tuple[str, int, int], list[float]]) -> pd.DataFrame:
    """trials.csv of `GRID`: cell, units and samples → accuracies with seeds 0 and 1; others have 0.5."""
    rows = [
        (cell, units, samples, seed) for cell in ("gru", "lstm") for units in (4, 8) for samples in (48, 96)
        for seed in (0, 1)
    ]  # fmt: skip
    return table(*(
        trial(number, units, accuracies.get((cell, units, samples), [0.5, 0.5])[seed], seed, cell=cell,
              train_samples=samples, learning_rate={"gru": 0.02, "lstm": 0.03}[cell])
        for number, (cell, units, samples, seed) in enumerate(rows)
    ))  # fmt: skip


NOTHING = table()
FOUND = of_search(
    (0, "gru", 5, 0.01, 0.80, "COMPLETE"),
    (1, "gru", 20, 0.02, 0.90, "COMPLETE"),
    (2, "gru", 4, 0.03, 0.85, "COMPLETE"),  # the best of 300
    (3, "lstm", 15, 0.04, 0.95, "COMPLETE"),  # the best of 3000
    (4, "gru", 6, 0.05, 0.99, "PRUNED"),
    (5, "gru", 19, 0.06, float("nan"), "FAIL"),
    (6, "gru", 3, 0.07, 0.70, "COMPLETE"),
    (7, "lstm", 14, 0.08, 0.85, "COMPLETE"),
)


def test_a_search_sends_the_best_of_each_budget() -> None:
    """Which is not the best of all, of these sizes or not; pruned and failed trials send nothing."""
    found = entrants(search=(SEARCH, FOUND))
    assert [(each.cell, each.units, each.learning_rate) for each in found] == [("gru", 4, 0.03), ("lstm", 15, 0.04)]
    assert {name: {getattr(each, name) for each in found} for name in SHARED} == {
        name: {value} for name, value in SHARED.items()
    }
    assert {each.train_samples for each in found} == {None}, "all there are"


def test_a_search_also_sends_the_next_that_validation_data_cannot_tell_from_the_best() -> None:
    """One standard error of an accuracy of 0.9 on 60 samples is 0.039."""
    trials = of_search(
        (0, "gru", 4, 0.01, 0.90, "COMPLETE"),
        (1, "lstm", 15, 0.02, 0.90, "COMPLETE"),
        (2, "gru", 4, 0.03, 0.89, "COMPLETE"),  # the same network, trained otherwise
        (3, "lstm", 13, 0.04, 0.88, "COMPLETE"),  # the third
        (4, "gru", 3, 0.05, 0.87, "COMPLETE"),
        (5, "lstm", 14, 0.06, 0.89, "COMPLETE"),
        (6, "gru", 2, 0.07, 0.83, "COMPLETE"),
    )
    found = entrants(search=(SEARCH, trials))
    assert [(each.cell, each.units, each.learning_rate) for each in found] == [
        ("gru", 3, 0.05), ("gru", 4, 0.01), ("lstm", 14, 0.06), ("lstm", 15, 0.02),
    ]  # fmt: skip
    far = trials.assign(validation_accuracy=trials["validation_accuracy"].where(trials["number"] < 2, 0.83))
    assert [each.units for each in entrants(search=(SEARCH, far))] == [4, 15]


def test_a_search_without_budgets_sends_its_best() -> None:
    study = {name: value for name, value in SEARCH.items() if name != "parameter_budgets"}
    assert [(each.cell, each.units) for each in entrants(search=(study, FOUND))] == [("lstm", 15)]


def test_what_is_enqueued_is_sent_for_its_own_budget() -> None:
    """Trial 0 counts for 3000, so that trial 1 is the first of 300."""
    study = SEARCH | {"enqueue": [{"cell": "gru", "units": 20}]}
    trials = of_search(
        (0, "gru", 20, 0.01, 0.70, "COMPLETE"),
        (1, "gru", 4, 0.02, 0.99, "COMPLETE"),
        (2, "lstm", 15, 0.03, 0.60, "COMPLETE"),
    )
    assert [each.units for each in entrants(search=(study, trials))] == [4, 20]


@pytest.mark.parametrize("trials", [NOTHING, FOUND.assign(state="PRUNED"), FOUND.assign(state="FAIL")])
def test_a_search_without_complete_trials_sends_nothing(trials: pd.DataFrame) -> None:
    assert entrants(search=(SEARCH, trials)) == []


def test_a_grid_sends_its_best_on_all_samples_at_its_cells_rate() -> None:
    trials = of_grid({("gru", 8, 48): [0.99, 0.99], ("lstm", 4, 96): [0.80, 0.92], ("gru", 4, 96): [0.95, 0.75]})
    (found,) = entrants(grid=(GRID, trials))
    assert (found.cell, found.units, found.learning_rate) == ("lstm", 4, 0.03), "0.86 against 0.85 on average"
    assert {name: getattr(found, name) for name in SHARED} == SHARED, "not as the grid trains"
    assert found.train_samples is None


def test_a_grid_on_fewer_samples_sends_nothing() -> None:
    few = GRID | {"space": GRID["space"] | {"train_samples": [24, 48]}}
    trials = of_grid({("gru", 8, 48): [0.99, 0.99]})
    assert entrants(grid=(few, trials[trials["train_samples"] == 48])) == []


def test_a_list_sends_its_recurrent_networks_as_everybody_is_trained() -> None:
    found = entrants(book=(BOOK, NOTHING))
    assert [(each.cell, each.units, each.dropout) for each in found] == [
        ("elman_output", 8, 0.0), ("simple_rnn", 16, 0.2), ("lstm", 64, 0.2),
    ]  # fmt: skip
    for each in found:
        assert {name: getattr(each, name) for name in SHARED} == SHARED
        assert each.learning_rate is None


def test_no_network_comes_along_that_is_more_than_twice_the_largest_budget() -> None:
    book = entrants(search=(SEARCH, NOTHING), book=(BOOK, NOTHING))
    assert [each.cell for each in book] == ["elman_output", "simple_rnn"]
    small = SEARCH | {"parameter_budgets": [50, 80]}
    best = of_grid({("gru", 8, 96): [0.9, 0.9]})
    assert entrants(search=(small, NOTHING), grid=(GRID, best)) == []
    assert [each.units for each in entrants(search=(SEARCH, NOTHING), grid=(GRID, best))] == [8]


def test_those_refused_for_their_size_are_known() -> None:
    """LSTM-64 of the book, twice; not the MLP, which is no recurrent network, nor the grid's second best."""
    twice = BOOK | {"trials": [*BOOK["trials"], {"cell": "lstm", "units": 64, "dropout": 0.2, "optimizer": "adam"}]}
    best = of_grid({("gru", 8, 96): [0.9, 0.9]})
    sources = studies(search=(SEARCH, NOTHING), book=(twice, NOTHING), grid=(GRID, best))
    assert largest_admitted(sources) == 6000
    assert [(each.cell, each.units) for each in refused_by(sources)] == [("lstm", 64)]
    small = studies(search=(SEARCH | {"parameter_budgets": [50, 80]}, NOTHING), book=(BOOK, NOTHING), grid=(GRID, best))
    assert [each.cell for each in refused_by(small)] == ["elman_output", "gru", "simple_rnn", "lstm"]
    assert entrants_of(small) == []
    assert refused_by(studies(book=(BOOK, NOTHING))) == [], "without budgets there is no limit"


def test_where_nobody_is_sent_the_rule_is_named() -> None:
    few = GRID | {"space": GRID["space"] | {"train_samples": [24, 48]}}
    some = of_grid({("gru", 8, 48): [0.99, 0.99]})
    mlp = BOOK | {"trials": [{"cell": "mlp", "units": 8}]}
    small = SEARCH | {"parameter_budgets": [50, 80]}
    sources = studies(
        views=(few, some[some["train_samples"] == 48]), mlps=(mlp, NOTHING), book=(BOOK, NOTHING),
        search=(small, FOUND), nothing=(small, FOUND.assign(state="FAIL")),
    )  # fmt: skip
    assert entrants_of(sources) == []
    assert why_nobody(sources) == [
        "views has trained no network on all 96 samples",
        "mlps has no recurrent network",
        "book sends no network of more than 160 parameters, 2 times the largest budget",
        "search has found no network within the budget that it was proposed for",
        "nothing has no complete trial: see the column `state` of data/studies/nothing/trials.csv",
    ]


def test_entrants_come_once_and_by_size() -> None:
    twice = {"sampler": "list", "trials": [{"cell": "gru", "units": 8, "epochs": 2}, {"cell": "gru", "units": 8}]}
    best = of_grid({("lstm", 8, 96): [0.9, 0.9]})
    found = entrants(search=(SEARCH, FOUND), grid=(GRID, best), book=(BOOK, NOTHING), more=(twice, NOTHING))
    sizes = [parameter_count(each.network, 6, 4, 3) for each in found]
    assert sizes == sorted(sizes)
    assert len(set(found)) == len(found) == 6
    assert [(each.cell, each.units) for each in found] == [
        ("gru", 4), ("elman_output", 8), ("gru", 8), ("simple_rnn", 16), ("lstm", 8), ("lstm", 15),
    ]  # fmt: skip
