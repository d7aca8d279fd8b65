"""Statistics against worked examples, scipy's own results and simulated data."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.analysis.book import BOOK_COLUMNS, book_table, far_from_the_book
from pipeline.analysis.calibration import calibration_error, reliability_table
from pipeline.analysis.capacity import capacity_table
from pipeline.analysis.choice import CHOICE_KEYS, choose_champion
from pipeline.analysis.configurations import accuracy_interval
from pipeline.analysis.configurations import configurations as configurations_of
from pipeline.analysis.views import VIEW_COLUMNS, views_table
from pipeline.errors import PipelineError
from pipeline.params.settings import Configuration
from pipeline.studies.results import TRIAL_COLUMNS, curves_table, during_fit_table, trials_table
from tests.helpers.results import book_records, capacity_records, record, search_records


def trial(number: int, units: int, accuracy: float, seed: int = 0, **changes: Any) -> dict[str, object]:
    """A row of trials.csv: a complete one-layer GRU with 100 parameters a unit, unless `changes` say otherwise."""
    row: dict[str, object] = {
        "number": number, "state": "COMPLETE", "cell": "gru", "units": units, "depth": 1, "bidirectional": False,
        "dropout": 0.0, "optimizer": "adam", "learning_rate": 0.001, "batch_size": 128, "train_samples": 5000,
        "epochs": 10, "seed": seed, "parameters": 100 * units, "best_epoch": 7, "train_loss": 0.1,
        "train_accuracy": 0.99, "validation_loss": 0.2, "validation_accuracy": accuracy,
        "generalization_gap": 0.99 - accuracy, "weights_sha256": "0" * 64, "recurrent_dropout": 0.0,
        "merge_mode": "concat", "unroll": False, "view": "rows",
    }  # fmt: skip
    return row | changes


def table(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=TRIAL_COLUMNS)


def test_configurations_are_sets_of_seeds() -> None:
    trials = table(trial(0, 8, 0.90, 0), trial(1, 16, 0.95), trial(2, 8, 0.92, 1), trial(3, 8, 0.97, 2))
    result = configurations_of(trials)
    assert result["units"].tolist() == [8, 16]
    assert result["seeds"].tolist() == [3, 1]
    assert result["parameters"].tolist() == [800, 1600]
    first = result.iloc[0]
    assert first["validation_accuracy"] == pytest.approx(0.93)
    assert first["validation_accuracy_sd"] == pytest.approx(np.sqrt((0.03**2 + 0.01**2 + 0.04**2) / 2))
    half = stats.t.ppf(0.975, 2) * first["validation_accuracy_sd"] / np.sqrt(3)
    assert first["validation_accuracy_low"] == pytest.approx(0.93 - half)
    assert first["validation_accuracy_high"] == 1.0
    assert first["generalization_gap"] == pytest.approx(0.06)
    assert result.iloc[1][["validation_accuracy_sd", "validation_accuracy_low", "generalization_gap_high"]].isna().all()


def test_intervals_of_accuracies_end_at_one() -> None:
    row = configurations_of(table(trial(0, 8, 0.98), trial(1, 8, 1.0, seed=1))).iloc[0]
    assert (row["validation_accuracy_high"], row["generalization_gap_high"]) == (1.0, pytest.approx(0.127, abs=1e-3))
    assert row["validation_accuracy_low"] == pytest.approx(0.99 - 12.7062 * 0.01, abs=1e-6)


def test_pruned_failed_and_unmeasured_trials_are_left_out() -> None:
    trials = table(
        trial(0, 8, 0.9),
        trial(1, 8, 0.5, 1, state="PRUNED"),
        trial(2, 8, np.nan, 2, state="FAIL", parameters=np.nan, best_epoch=np.nan),
        trial(3, 8, np.nan, 3),
    )
    result = configurations_of(trials)
    assert result["seeds"].tolist() == [1]
    assert result["validation_accuracy"].tolist() == [0.9]


def test_every_setting_separates_configurations() -> None:
    changes: dict[str, Any] = {"cell": "lstm", "depth": 2, "bidirectional": True, "dropout": 0.1, "optimizer": "sgd",
               "learning_rate": 0.01, "batch_size": 64, "train_samples": 100, "epochs": 3}  # fmt: skip
    rows = [trial(0, 8, 0.9)] + [trial(n, 8, 0.9, **{key: value}) for n, (key, value) in enumerate(changes.items(), 1)]
    assert len(configurations_of(table(*rows))) == 10


def test_smallest_within_one_standard_error_is_chosen() -> None:
    # The best has p = 0.98; on 10,000 samples the binomial standard error is 0.0014, so the bar is 0.9786.
    trials = table(trial(0, 64, 0.98), trial(1, 32, 0.9787), trial(2, 16, 0.9785), trial(3, 8, 0.90))
    choice = choose_champion({"search": trials}, 10_000)
    assert choice["standard_error"] == pytest.approx(0.0014)
    assert choice["threshold"] == pytest.approx(0.9786)
    assert choice["best"]["units"] == 64
    assert choice["choice"]["units"] == 32
    assert [row["units"] for row in choice["candidates"]] == [64, 32, 16, 8]
    assert [row["within_one_standard_error"] for row in choice["candidates"]] == [True, True, False, False]


def test_standard_error_over_seeds_counts_where_it_is_larger() -> None:
    best = [trial(n, 64, accuracy, n) for n, accuracy in enumerate([0.97, 0.98, 0.99])]
    choice = choose_champion({"grid": table(*best, trial(3, 8, 0.975))}, 1_000_000)
    assert choice["standard_error"] == pytest.approx(0.01 / np.sqrt(3))
    assert choice["best"]["validation_accuracy_sd"] == pytest.approx(0.01)
    assert choice["choice"]["units"] == 8
    assert choice["choice"]["validation_accuracy_sd"] is None


def test_ties_in_size_go_to_the_higher_accuracy() -> None:
    trials = table(trial(0, 8, 0.970, dropout=0.1), trial(1, 8, 0.972), trial(2, 64, 0.973))
    choice = choose_champion({"search": trials}, 1000)
    assert choice["choice"]["validation_accuracy"] == 0.972


def test_only_the_most_training_samples_compete() -> None:
    many = table(trial(0, 8, 0.98, train_samples=54_000))
    few = table(trial(0, 8, 0.99), trial(1, 4, 0.99), trial(2, 4, 0.99, train_samples=1000))
    nothing = table(trial(0, 8, 0.5, state="PRUNED"))
    choice = choose_champion({"few": few, "many": many, "nothing": nothing}, 6000)
    assert choice["compared_train_samples"] == 54_000
    assert [(row["study"], row["units"]) for row in choice["candidates"]] == [("many", 8)]
    assert [(entry["study"], entry["configurations"]) for entry in choice["left_out"]] == [
        ("few", 1),
        ("few", 2),
        ("nothing", 0),
    ]
    assert choice["left_out"][1]["reason"] == "trained on 5,000 samples, not on 54,000"


def test_refit_trains_as_long_as_the_seeds_needed_on_average() -> None:
    seeds = [trial(n, 8, 0.9, n, best_epoch=epoch) for n, epoch in enumerate([4, 5, 8])]
    choice = choose_champion({"grid": table(*seeds)}, 1000)["choice"]
    assert choice["best_epoch"] == pytest.approx(17 / 3)
    assert choice["refit_epochs"] == 6


def test_choice_is_plain_json_and_the_same_again() -> None:
    studies = {"capacity": trials_table(capacity_records()), "search": trials_table(search_records())}
    first, second = (json.dumps(choose_champion(studies, 6000), allow_nan=False) for _ in range(2))
    assert first == second
    assert list(json.loads(first)["choice"]) == [*CHOICE_KEYS, "refit_epochs"]


def test_nothing_complete_is_a_sentence() -> None:
    with pytest.raises(PipelineError, match="none of the studies a, b has a complete trial"):
        choose_champion({"a": table(), "b": table(trial(0, 8, 0.9, state="PRUNED"))}, 1000)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0.5, 0.999)), min_size=1, max_size=12), st.randoms())
def test_choice_is_never_larger_than_the_best_and_needs_no_order(networks: list[tuple[int, float]], random) -> None:  # type: ignore[no-untyped-def]
    rows = [trial(n, units, accuracy, learning_rate=n + 1) for n, (units, accuracy) in enumerate(networks)]
    first = choose_champion({"s": table(*rows)}, 6000)
    assert first["choice"]["parameters"] <= first["best"]["parameters"]
    assert first["choice"]["validation_accuracy"] >= first["threshold"]
    smaller = [row for row in first["candidates"] if row["parameters"] < first["choice"]["parameters"]]
    assert all(row["validation_accuracy"] < first["threshold"] for row in smaller)
    random.shuffle(rows)
    again = choose_champion({"s": table(*rows)}, 6000)
    keys = ("parameters", "validation_accuracy")
    assert [again["choice"][key] for key in keys] == [first["choice"][key] for key in keys]


def test_book_table_stands_beside_the_book() -> None:
    records = book_records(seeds=2)
    trials, during_fit = trials_table(records), during_fit_table(records)
    result = book_table(trials, during_fit, test_samples=10_000)
    assert result.columns.tolist() == BOOK_COLUMNS
    assert result[["units", "optimizer", "parameters", "seeds"]].to_numpy().tolist() == [
        [256, "sgd", 75_530, 2],
        [256, "rmsprop", 75_530, 2],
        [256, "adam", 75_530, 2],
        [512, "sgd", 282_122, 2],
    ]
    assert result["book_train_accuracy"].tolist() == [0.9726, 0.9672, 0.9679, 0.9788]
    assert result["book_test_accuracy"].tolist() == [0.98, 0.976, 0.974, 0.983]
    for row, pair in zip(result.to_dict("records"), zip(records[::2], records[1::2], strict=True), strict=True):
        results = [record.result for record in pair if record.result is not None]
        assert row["train_accuracy_during_fit"] == pytest.approx(
            np.mean([result.epochs[-1].during_fit_accuracy for result in results])
        )
        assert row["test_accuracy"] == pytest.approx(np.mean([result.best.validation_accuracy for result in results]))
        assert row["train_accuracy"] == pytest.approx(np.mean([result.best.train_accuracy for result in results]))
        accuracies = [result.best.validation_accuracy or 0.0 for result in results]
        interval = (row["test_accuracy_low"], row["test_accuracy_high"])
        assert interval == accuracy_interval(accuracies, 10_000)
    assert result["source"].tolist() == ["Table 1.5.1"] * 4


def test_book_numbers_stand_beside_the_books_own_terms_only() -> None:
    base: dict[str, Any] = {"cell": "simple_rnn", "units": 256, "dropout": 0.2, "optimizer": "sgd", "epochs": 20}
    others: list[dict[str, Any]] = [
        {},
        {"epochs": 2},
        {"dropout": 0.1},
        {"depth": 2},
        {"cell": "gru"},
        {"units": 8},
        {"batch_size": 64},
        {"learning_rate": 0.02},
    ]
    configurations = [Configuration.model_validate(base | other) for other in others]
    records = [record(number, configuration, 0, 60_000) for number, configuration in enumerate(configurations)]
    records.append(record(len(others), configurations[0], 0, 4000))
    result = book_table(trials_table(records), during_fit_table(records), 10_000)
    assert len(result) == 9
    assert result["book_test_accuracy"].notna().tolist() == [True] + [False] * 8
    assert result["test_accuracy_sd"].isna().all()


def test_published_numbers_of_the_other_networks() -> None:
    others: list[dict[str, Any]] = [
        {"cell": "lstm", "units": 256, "dropout": 0.2, "optimizer": "sgd", "epochs": 20},
        {"cell": "mlp", "units": 256, "depth": 2, "dropout": 0.45, "optimizer": "adam", "epochs": 20},
        {"cell": "cnn", "units": 64, "depth": 3, "dropout": 0.2, "optimizer": "adam", "epochs": 10},
    ]
    records = [record(n, Configuration.model_validate(other), 0, 60_000) for n, other in enumerate(others)]
    result = book_table(trials_table(records), during_fit_table(records), 10_000)
    assert result["book_test_accuracy"].tolist() == [0.962, 0.985, 0.994]
    assert result["parameters"].tolist() == [294_410, 269_322, 80_266]
    assert result["book_train_accuracy"].isna().all()


def test_rows_far_from_the_book_come_with_what_their_last_epochs_went_through() -> None:
    records = book_records(seeds=2)
    trials, curves = trials_table(records), curves_table(records)
    beside = book_table(trials, during_fit_table(records), 10_000)
    far = far_from_the_book(trials, curves, beside)
    near = (beside["test_accuracy"] - beside["book_test_accuracy"]).abs() <= 0.003
    assert len(far) == (~near).sum() > 0
    row = far.to_dict("records")[0]
    numbers = trials[(trials["optimizer"] == row["optimizer"]) & (trials["units"] == row["units"])]["number"]
    last = curves[curves["number"].isin(numbers) & (curves["epoch"] > 15)]["validation_accuracy"]
    assert (row["lowest"], row["highest"]) == (last.min(), last.max())


def test_views_are_compared_seed_by_seed() -> None:
    rows = [
        trial(number, 8, accuracy, seed=seed, view=view)
        for number, (view, seed, accuracy) in enumerate(
            [("rows", 0, 0.90), ("rows", 1, 0.92), ("rows", 2, 0.94),
             ("columns", 0, 0.91), ("columns", 1, 0.94), ("columns", 2, 0.95)]
        )
    ]  # fmt: skip
    one, other = views_table(table(*rows)).to_dict("records")
    assert (one["view"], other["view"]) == ("rows", "columns")
    assert np.isnan(one["difference"])
    differences = [0.01, 0.02, 0.01]
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert other["difference"] == pytest.approx(np.mean(differences))
    assert (other["difference_low"], other["difference_high"]) == pytest.approx((expected.low, expected.high))
    assert views_table(table(*rows[:1], *rows[3:4]))["difference_low"].isna().all()
    assert views_table(trials_table([])).columns.tolist() == VIEW_COLUMNS


def test_tables_of_nothing_keep_their_columns() -> None:
    records = [record(0, Configuration(cell="gru", units=8), 0, 5000, "FAIL")]
    trials = trials_table(records)
    assert book_table(trials, during_fit_table(records), 10_000).columns.tolist() == BOOK_COLUMNS
    assert capacity_table(trials).empty
    assert "generalization_gap_high" in capacity_table(trials_table([]))


def test_capacity_table_orders_by_size() -> None:
    result = capacity_table(trials_table(capacity_records()))
    assert len(result) == 18
    assert set(result["seeds"]) == {3}
    for _, group in result.groupby("cell"):
        assert group["parameters"].is_monotonic_increasing
    assert not (result["validation_accuracy_low"] > result["validation_accuracy"]).any()
    assert not (result["generalization_gap"] > result["generalization_gap_high"]).any()
    gap = result["train_accuracy"] - result["validation_accuracy"]
    assert gap.to_numpy() == pytest.approx(result["generalization_gap"].to_numpy())


def test_interval_over_seeds_is_students() -> None:
    # mean 0.98, sd 0.01, t(0.975, 2) = 4.302653
    low, high = accuracy_interval([0.97, 0.98, 0.99], 10_000)
    half = 4.302653 * 0.01 / np.sqrt(3)
    assert low == pytest.approx(0.98 - half, abs=1e-6)
    assert high == 1.0  # 0.98 + half is above one


def test_interval_of_one_seed_is_wilsons() -> None:
    z, p, n = 1.959964, 0.98, 10_000
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = ((centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n))
    assert accuracy_interval([0.98], n) == pytest.approx(expected, abs=1e-7)
    assert accuracy_interval([0.98, 0.98, 0.98], n) == pytest.approx(expected, abs=1e-7)


def test_interval_over_seeds_covers_its_nominal_share() -> None:
    draws = np.random.default_rng(0).normal(0.98, 0.001, (1000, 3))
    covered = [low <= 0.98 <= high for low, high in (accuracy_interval(list(row), 10_000) for row in draws)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_reliability_is_that_of_bins_of_equal_size() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.5, 1, 1000)
    predictions = pd.DataFrame(
        {"actual": 0, "predicted": (rng.random(1000) > probability) * 1, "probability": probability}
    )
    result = reliability_table(predictions)
    assert result["samples"].tolist() == [100] * 10
    assert result["probability"].is_monotonic_increasing
    first = predictions.nsmallest(100, "probability")
    assert result["accuracy"].iloc[0] == (first["predicted"] == 0).mean()
    assert (result["low"] <= result["accuracy"]).all()
    assert calibration_error(result) < 0.05, "drawn to be calibrated"
    assert calibration_error(reliability_table(predictions.assign(probability=1.0))) == pytest.approx(
        predictions["predicted"].mean()
    )
