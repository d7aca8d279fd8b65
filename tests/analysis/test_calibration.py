"""Reliability in bins of equal size, the calibration error over them, and accuracy against coverage."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analysis import calibration
from pipeline.analysis.calibration import (
    calibration_error,
    coverage_table,
    measured_calibration,
    reliability_table,
)


def drawn(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are exactly right, and whether the answers are."""
    rng = np.random.default_rng(seed)
    probability = rng.uniform(0.5, 1, samples)
    return probability, rng.random(samples) < probability


def predictions(probability: np.ndarray, right: np.ndarray, calibrated: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"actual": 0, "predicted": ~right * 1, "probability": probability, "calibrated": calibrated})


def test_reliability_is_that_of_bins_of_equal_size() -> None:
    probability, right = drawn(1000)
    result = reliability_table(probability, right)
    assert result["samples"].tolist() == [100] * 10
    assert result["probability"].is_monotonic_increasing
    first = np.argsort(probability)[:100]
    assert result["accuracy"].iloc[0] == right[first].mean()
    assert (result["low"] <= result["accuracy"]).all()
    assert len(reliability_table(probability[:3], right[:3])) == 3


def test_the_error_is_the_mean_distance_over_the_bins() -> None:
    probability, right = drawn(1003)
    table = reliability_table(probability, right)
    distances = (table["probability"] - table["accuracy"]).abs()
    assert calibration_error(probability, right) == pytest.approx(np.average(distances, weights=table["samples"]))
    assert calibration_error(probability, right) < 0.05, "drawn to be right"
    assert calibration_error(np.ones(1003), right) == pytest.approx(1 - right.mean())


def test_the_temperature_is_shown_to_help_where_it_does() -> None:
    probability, right = drawn(2000)
    found = measured_calibration(predictions(probability**0.25, right, probability), 4.0, 0.9)
    assert found.error == pytest.approx(calibration_error(probability**0.25, right), abs=1e-6)
    assert found.error_low < found.error < found.error_high
    assert found.error_low > 0.1 > found.calibrated_error_high
    assert found.calibrated_error_low == 0, "as good as exactly right"
    assert found.change == pytest.approx(found.calibrated_error - found.error, abs=1e-6)
    assert found.change_low < found.change < found.change_high < 0
    assert found.sure == (probability >= 0.9).sum()
    assert found.sure_right == right[probability >= 0.9].sum()
    assert found == measured_calibration(predictions(probability**0.25, right, probability), 4.0, 0.9)


def test_intervals_have_the_true_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probabilities 0.9 for answers of which 80 % are right are off by 0.1; 0.8 are not."""
    monkeypatch.setattr(calibration, "DRAWS", 100)
    rng = np.random.default_rng(0)
    covered = np.zeros(2)
    for _ in range(60):
        found = measured_calibration(
            predictions(np.full(1000, 0.9), rng.random(1000) < 0.8, np.full(1000, 0.8)), 2.0, None
        )
        covered += found.error_low <= 0.1 <= found.error_high, found.calibrated_error_low == 0
    assert (covered >= 54).all()


def test_probabilities_that_are_not_changed_are_off_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "DRAWS", 50)
    probability, right = drawn(20)
    found = measured_calibration(predictions(probability, right, probability), 1.0, None)
    assert (found.error, found.error_low, found.error_high) == (
        found.calibrated_error, found.calibrated_error_low, found.calibrated_error_high,
    )  # fmt: skip
    assert (found.change, found.change_low, found.change_high) == (0, 0, 0)
    assert found.sure is None
    assert found.sure_right is None


def test_coverage_is_told_with_the_smallest_probability_that_is_answered() -> None:
    probability = np.arange(1, 101) / 100
    right = probability > 0.1
    table = coverage_table(probability, right)
    assert table["answered"].tolist() == [100, 99, 98, 97, 95, 90, 80, 70, 60, 50]
    assert table["probability"].tolist() == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.06, 0.11, 0.21, 0.31, 0.41, 0.51])
    assert table["accuracy"].tolist()[:2] == [0.9, pytest.approx(90 / 99)]
    assert table["accuracy"].tolist()[5:] == [1] * 5
    assert (table["low"] < table["accuracy"]).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.5001, 0.9, 1.0]), st.booleans()), min_size=1, max_size=60))
def test_the_higher_the_threshold_the_fewer_answers(samples: list[tuple[float, bool]]) -> None:
    probability, right = np.array([one for one, _ in samples]), np.array([is_right for _, is_right in samples])
    table = coverage_table(probability, right)
    assert table["answered"].iloc[0] == len(samples)
    assert (table["answered"].diff().iloc[1:] < 0).all()
    assert (table["probability"].diff().iloc[1:] > 0).all()
    for row in table.itertuples():
        assert row.answered == (probability >= row.probability).sum()
        assert row.accuracy == right[probability >= row.probability].mean()
