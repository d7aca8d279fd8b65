"""Statistics per configuration, and intervals, against worked examples, scipy's own results and simulations."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.analysis.configurations import (
    CONFIGURATION,
    accuracy_interval,
    all_complete_trials,
    complete_trials,
    distinct,
    interval_over_seeds,
    is_configuration,
    mean_interval,
    overlapping_interval,
    standard_error,
    told_apart_by,
)
from pipeline.analysis.configurations import configurations as configurations_of
from pipeline.params.settings import Configuration
from tests.helpers.trials import table, trial


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


def test_interval_of_students_sleep_data() -> None:
    gains = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]  # Student (1908), table on page 20
    low, high = mean_interval(gains)
    assert (low, high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)  # as R's t.test prints it
    assert (low, high) == pytest.approx(tuple(stats.ttest_1samp(gains, 0).confidence_interval(0.95)))


def test_interval_needs_values_that_differ() -> None:
    for values in ([], [0.5], [0.5, np.nan], [0.25, 0.25], [0.1 + 0.2, 0.3]):
        assert np.isnan(mean_interval(values)).all()
    assert mean_interval([0.0, 0.0, 0.0]) == (0.0, 0.0)


@pytest.mark.parametrize("number", [2, 3, 5, 8])
def test_interval_covers_its_nominal_share(number: int) -> None:
    draws = np.random.default_rng(number).normal(0.98, 0.0015, (1000, 2, number))
    counted = np.round(6000 * draws) / 6000  # accuracies are counts of 6,000 images
    low, high = np.array([mean_interval(second - first) for first, second in counted]).T
    given_one = ~np.isnan(low)
    assert given_one.mean() > 0.95  # two seeds tie now and then
    assert ((low <= 0) & (high >= 0))[given_one].mean() == pytest.approx(0.95, abs=0.02)


def test_the_interval_covers_the_mean_of_overlapping_folds() -> None:
    """Any two folds' differences correlate by the share of samples held out, a tenth, as the correction takes it."""
    rng = np.random.default_rng(0)
    differences = 0.5 + rng.normal(0, np.sqrt(0.1), (500, 1)) + rng.normal(0, np.sqrt(0.9), (500, 10))
    bounds = np.array([overlapping_interval(pd.Series(row)) for row in differences])
    covered = ((bounds[:, 0] < 0.5) & (bounds[:, 1] > 0.5)).mean()
    assert covered == pytest.approx(0.95, abs=0.02), "without the correction it would be 0.85"


def test_folds_widen_the_interval_and_other_seeds_do_not() -> None:
    values = [0.970, 0.975, 0.978]
    reach = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) * np.sqrt(1 / 3 + 1 / 9)
    mean = np.mean(values)
    assert interval_over_seeds(values, "fold") == pytest.approx((mean - reach, mean + reach))
    assert interval_over_seeds(values, "validation") == mean_interval(values)
    trials = table(*(trial(seed, 8, accuracy, seed) for seed, accuracy in enumerate(values)))
    row = configurations_of(trials, "fold").iloc[0]
    assert row[["validation_accuracy_low", "validation_accuracy_high"]].tolist() == pytest.approx(
        [mean - reach, mean + reach]
    )
    assert row["validation_accuracy_sd"] == pytest.approx(np.std(values, ddof=1)), "the folds' own, as it is"
    for too_little in ([], [0.5], [0.5, np.nan], [0.25, 0.25], [0.0, 0.0]):
        assert np.isnan(overlapping_interval(too_little)).all()


def test_no_number_of_folds_makes_the_standard_error_vanish() -> None:
    assert standard_error(0.3, 9, "validation") == pytest.approx(0.1)
    assert standard_error(0.3, [9, 1e9], "fold").tolist() == pytest.approx([0.3 * np.sqrt(2) / 3, 0.1])


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


SETTINGS = st.fixed_dictionaries(
    {
        "cell": st.sampled_from(["gru", "lstm"]),
        "units": st.integers(1, 2),
        "learning_rate": st.sampled_from([None, 0.1]),
        "bidirectional": st.booleans(),
        "merge_mode": st.sampled_from([None, "concat"]),
    }
)


@settings(max_examples=50, deadline=None)
@given(st.lists(SETTINGS, min_size=1, max_size=6))
def test_rows_of_a_configuration_are_those_that_agree_in_everything(rows: list[dict[str, Any]]) -> None:
    """Also where a setting is missing, and whether the table has it as None or, as read from a file, as NaN."""
    made = pd.DataFrame([trial(0, 8, 0.9) | row for row in rows], index=range(10, 10 + len(rows)))
    read = pd.read_csv(io.StringIO(made.to_csv())).set_index("Unnamed: 0")
    for wanted in rows:
        expected = [row == wanted for row in rows]
        for rows_table in (made, read):
            found = is_configuration(rows_table, trial(0, 8, 0.9) | wanted)
            assert found.tolist() == expected
            assert found.dtype == bool
            assert found.index.equals(rows_table.index)
            as_read = {name: np.nan if value is None else value for name, value in wanted.items()}
            assert is_configuration(rows_table, trial(0, 8, 0.9) | as_read).tolist() == expected


def test_every_setting_tells_configurations_apart() -> None:
    assert set(CONFIGURATION) == set(Configuration.model_fields)
    on: dict[str, Any] = {"global_clipnorm": 1.0, "ema_momentum": 0.9, "patience": 2}  # which are None by default
    rows = pd.DataFrame([trial(0, 8, 0.9, **on)])
    assert is_configuration(rows, trial(7, 8, 0.1, seed=5, **on)).all(), "number, seed and accuracy are no settings"
    for name in CONFIGURATION:
        assert not is_configuration(rows, trial(0, 8, 0.9, **on) | {name: "another"}).any(), name
        assert not is_configuration(rows, trial(0, 8, 0.9, **on) | {name: None}).any(), name
    assert is_configuration(complete_trials(table()), trial(0, 8, 0.9)).tolist() == []


def test_trials_that_differ_in_patience_alone_are_two_configurations() -> None:
    rows = [
        trial(number, 8, 0.9, seed=number % 2, patience=patience) for number, patience in enumerate([1, 1, None, None])
    ]
    trials = pd.read_csv(io.StringIO(pd.DataFrame(rows).to_csv(index=False)))
    assert configurations_of(trials)["seeds"].tolist() == [2, 2]
    assert configurations_of(trials)["patience"].tolist() == pytest.approx([1, np.nan], nan_ok=True)
    assert configurations_of(trials.drop(columns="patience"))["seeds"].tolist() == [2]


def test_a_training_that_is_there_twice_counts_once() -> None:
    once = [trial(0, 8, 0.90, seed=0), trial(1, 8, 0.92, seed=1)]
    result = configurations_of(table(*once, trial(2, 8, 0.92, seed=1)))
    pd.testing.assert_frame_equal(result, configurations_of(table(*once)))
    assert result["seeds"].tolist() == [2]
    assert len(all_complete_trials(table(*once, trial(2, 8, 0.92, seed=1)))) == 3


def test_the_columns_that_tell_rows_apart() -> None:
    rows = table(trial(0, 8, 0.9), trial(1, 8, 0.9, dropout=0.1), trial(2, 16, 0.9, optimizer="sgd", pooling="mean"))
    assert told_apart_by(rows, ["units"]) == ["dropout"]
    assert told_apart_by(rows, ["cell"]) == ["units", "dropout", "optimizer", "pooling"]
    assert told_apart_by(rows, ["units", "dropout"]) == []


def test_names_that_are_the_same_get_the_settings_that_differ() -> None:
    rows = [
        trial(0, 8, 0.9, patience=1), trial(1, 8, 0.9, patience=None), trial(2, 8, 0.9, patience=1, unroll=True),
        trial(3, 16, 0.9, patience=2, learning_rate_schedule="cosine"),
    ]  # fmt: skip
    names = ["GRU 1×8", "GRU 1×8", "GRU 1×8", "GRU 1×16"]
    assert distinct(names, rows) == [
        "GRU 1×8, unroll no, patience 1", "GRU 1×8, unroll no, patience none", "GRU 1×8, unroll yes, patience 1",
        "GRU 1×16",
    ]  # fmt: skip
    assert distinct(names[:2], rows[:2], besides=["patience"]) == names[:2]
