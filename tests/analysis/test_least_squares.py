"""The least sum of squares is found, for many rows at once."""

import numpy as np
import pytest
from scipy import optimize

from pipeline.analysis.least_squares import HIGH, LOW, STARTS, fit, fit_from

SAMPLES, PARAMETERS = (
    axis.ravel() for axis in np.meshgrid([1_000.0, 3_000.0, 10_000.0, 54_000.0], [500.0, 2_500.0, 20_000.0])
)


def log_error(law: np.ndarray) -> np.ndarray:
    a, alpha, b, beta, c = law
    return np.log(np.maximum(a * SAMPLES**-alpha + b * PARAMETERS**-beta + c, 1e-12))


def least_of_scipy(log_errors: np.ndarray) -> float:
    """The least sum of squares that SciPy finds from the same exponents on."""
    sums = []
    for alpha, beta in STARTS:
        third = np.exp(log_errors.mean()) / 3
        start = np.array([third * 5_000**alpha, alpha, third * 3_000**beta, beta, third])
        found = optimize.least_squares(
            lambda law: log_error(law) - log_errors, start, bounds=(LOW, HIGH), x_scale="jac", max_nfev=500
        )
        sums.append(2 * found.cost)
    return min(sums)


@pytest.mark.parametrize(
    "truth", [(8.0, 0.55, 3.0, 0.6, 0.004), (60.0, 0.8, 20.0, 0.8, 0.0), (2.0, 0.3, 0.0, 1.0, 0.01)]
)
def test_no_other_law_is_nearer(truth: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    for spread in (0.03, 0.3):
        log_errors = log_error(np.array(truth)) + rng.normal(0, spread, len(SAMPLES))
        law, squares = fit(SAMPLES, PARAMETERS, log_errors)
        assert squares == pytest.approx(((log_error(law) - log_errors) ** 2).sum(), rel=1e-9)
        assert squares <= 1.001 * least_of_scipy(log_errors)
        assert (law >= LOW).all()
        assert (law <= HIGH).all()


def test_from_a_near_law_each_row_finds_its_own() -> None:
    rng = np.random.default_rng(1)
    truth = np.array((8.0, 0.55, 3.0, 0.6, 0.004))
    rows = log_error(truth) + rng.normal(0, 0.1, (100, len(SAMPLES)))
    together = fit_from(truth, SAMPLES, PARAMETERS, rows)
    sums = [((log_error(law) - row) ** 2).sum() for law, row in zip(together, rows, strict=True)]
    least = [fit(SAMPLES, PARAMETERS, row)[1] for row in rows]
    assert np.mean(np.array(sums) <= 1.001 * np.array(least)) >= 0.99


def test_an_error_is_at_most_1() -> None:
    rows = np.array([log_error(np.array((8.0, 0.55, 3.0, 0.6, 0.004)))] * 2)
    rows[1, 0] = 900.0
    far = fit_from(np.array((8.0, 0.55, 3.0, 0.6, 0.004)), SAMPLES, PARAMETERS, rows)
    assert np.isfinite(far).all()
    assert (np.exp(log_error(far[1])) < 3).all()
