"""The temperature finds the factor by which probabilities are off, and sure answers are as right as is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.analysis.temperature import (
    COVERAGES,
    SURE,
    Calibration,
    calibrate,
    fit_temperature,
    smallest_sure,
    with_temperature,
)


def answers(samples: int, factor: float, seed: int = 0, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that a temperature of `factor` makes exactly right, and the classes that were drawn by these."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (samples, classes))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (rng.random((samples, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    powers = np.exp(factor * logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), y


@pytest.mark.parametrize("factor", [0.5, 1.5, 3.0])
def test_the_factor_is_found(factor: float) -> None:
    temperature, low, high = fit_temperature(*answers(4000, factor))
    assert temperature == pytest.approx(factor, rel=0.06)
    assert low is not None
    assert high is not None
    assert 0.9 * factor < low < temperature < high < 1.1 * factor


def test_the_interval_covers_the_factor_in_95_of_100_cases_and_where_that_is_1_it_is_kept() -> None:
    found = [fit_temperature(*answers(100, 2.0, seed)) for seed in range(100)]
    covered = sum((low or 0) <= 2 <= (high or np.inf) for _, low, high in found)
    assert 90 <= covered <= 99
    assert sum(fit_temperature(*answers(100, 1.0, seed))[0] == 1 for seed in range(100)) >= 90


def test_calibrated_probabilities_have_the_true_ones() -> None:
    """softmax(log p / T), by the definition."""
    probabilities = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]], np.float32)
    found = with_temperature(probabilities, 2.0)
    roots = np.sqrt(probabilities[0].astype(float))
    np.testing.assert_allclose(found[0], roots / roots.sum(), rtol=1e-12)
    assert found[1, 0] == pytest.approx(1, abs=1e-15)
    np.testing.assert_array_equal(with_temperature(probabilities, 1.0), probabilities)


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(0, 1, width=32)),
    st.floats(0.05, 20),
)
def test_no_temperature_changes_an_answer(probabilities: np.ndarray, temperature: float) -> None:
    probabilities[:, 0] += np.float32(2) ** -20  # never nothing but zeros
    found = with_temperature(probabilities, temperature)
    assert found.argmax(axis=1).tolist() == probabilities.argmax(axis=1).tolist()
    np.testing.assert_allclose(found.sum(axis=1), 1 if temperature != 1 else probabilities.sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("probability", "right", "samples"),
    [(0.9, 5, 5), (0.999, 5, 5), (0.6, 3, 5), (0.5, 0, 4), (0.8, 1, 1), (1.0, 20, 20)],
)
def test_of_few_samples_no_other_temperature_than_1_is_taken(probability: float, right: int, samples: int) -> None:
    y = np.where(np.arange(samples) < right, 0, 1)
    found = calibrate(np.tile(np.array([probability, 1 - probability], np.float32), (samples, 1)), y)
    assert found.temperature == 1
    assert found.temperature_low is None or found.temperature_high is None, "one end is not known"
    assert found.answers_from is None


def test_without_samples_nothing_is_known() -> None:
    found = calibrate(np.empty((0, 3), np.float32), np.empty(0, np.int64))
    assert found == Calibration(
        samples=0, temperature=1.0, temperature_low=None, temperature_high=None, answers_from=None
    )


def test_that_no_answer_is_wrong_does_not_make_any_certain() -> None:
    """Of 50 of 50 right answers the likelihood is 1.92 below the highest where 0.962 of them are right."""
    same = np.tile(np.array([0.7, 0.3], np.float32), (50, 1))
    temperature, low, high = fit_temperature(same, np.zeros(50, np.int64))
    assert (temperature, low) == (high, None)
    assert with_temperature(same, temperature)[0, 0] == pytest.approx(np.exp(-1.9207 / 50), abs=1e-4)
    temperature, low, high = fit_temperature(same, np.ones(50, np.int64))
    assert (temperature, high) == (low, None), "of 50 wrong ones neither"


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(2, 5), st.integers(0, 10_000))
def test_a_temperature_is_bounded_and_in_its_interval(samples: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.1), samples).astype(np.float32)
    temperature, low, high = fit_temperature(probabilities, rng.integers(0, classes, samples))
    assert 0.05 <= (low or 0.05) <= temperature <= (high or 20) <= 20


def test_sure_answers_are_those_shown_to_be_right() -> None:
    probability = np.linspace(0.5, 1, 10_000, endpoint=False)
    right = np.ones(10_000, bool)
    right[:400:2] = False  # 200 mistakes among the 400 least certain
    assert smallest_sure(probability, right) == pytest.approx(0.525, abs=1e-4), "95 % are answered, none wrong"
    assert smallest_sure(probability, np.ones(10_000, bool)) == 0, "all"
    assert smallest_sure(probability, np.arange(10_000) % 100 > 0) is None, "1 % is wrong everywhere"
    assert smallest_sure(np.ones(2000), np.ones(2000, bool)) == 0
    assert smallest_sure(np.ones(1000), np.ones(1000, bool)) is None, "too few to show it"
    assert smallest_sure(np.empty(0), np.empty(0, bool)) is None


def test_what_is_called_sure_is_seldom_less_right_than_is_said() -> None:
    """Of 100 draws of validation data at most 5 % may promise too much; the truth is known."""
    rng = np.random.default_rng(0)
    many = 1 - np.linspace(0, 1, 20_001) ** 8 / 2
    found = []
    for _ in range(100):
        probability = 1 - rng.random(4000) ** 8 / 2
        found.append(smallest_sure(probability, rng.random(4000) < probability))
    known = [threshold for threshold in found if threshold is not None]
    assert len(known) > 80
    assert sum(many[many >= threshold].mean() < SURE for threshold in known) <= 5


def test_every_coverage_is_a_part_of_all_samples() -> None:
    assert COVERAGES[0] == 1
    assert sorted(COVERAGES, reverse=True) == list(COVERAGES)
    assert min(COVERAGES) > 0
