"""A law of error against samples and parameters, fitted to studies that follow one, or not."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.scaling import NAMES, checked_laws, fitted_laws
from tests.helpers.trials import table, trial

LAW = (8.0, 0.55, 3.0, 0.6, 0.004)
SIZES = {4: 500, 16: 2_500, 64: 20_000}


def study(seed: int = 0, spread: float = 0.05, most: float = 1.0, samples: tuple[int, ...] = ()) -> pd.DataFrame:
    """A grid of GRU whose errors follow `LAW` up to a factor of log-normal noise; on most samples `most` times it."""
    rng = np.random.default_rng(seed)
    a, alpha, b, beta, c = LAW
    rows: list[dict[str, object]] = []
    for units, parameters in SIZES.items():
        for count in samples or (1_000, 3_000, 10_000, 54_000):
            for repetition in range(3):
                error = (a * count**-alpha + b * parameters**-beta + c) * np.exp(rng.normal(0, spread))
                error *= most if count == 54_000 else 1.0
                rows.append(trial(len(rows), units, 1 - error, repetition, train_samples=count, parameters=parameters))
    return table(*rows)


def test_a_law_is_found_where_there_is_one() -> None:
    law = fitted_laws(study(spread=1e-6))["gru"]
    assert law.estimate == pytest.approx(LAW, rel=1e-3)
    assert law.error(54_000, 20_000) == pytest.approx(8 * 54_000**-0.55 + 3 * 20_000**-0.6 + 0.004, rel=1e-4)
    balanced, low, high = law.balanced_parameters(540_000)
    assert balanced == pytest.approx((3 / (8 * 540_000**-0.55)) ** (1 / 0.6), rel=1e-2)
    assert low <= balanced <= high


def test_its_intervals_hold_the_truth_and_widen_with_noise() -> None:
    law, noisier = (fitted_laws(study(1, spread))["gru"] for spread in (0.02, 0.1))
    for name, truth in zip(NAMES, LAW, strict=True):
        low, high = law.interval(name)
        assert low <= truth <= high
    widths = [np.diff(each.prediction_interval(540_000, 20_000)) for each in (law, noisier)]
    assert widths[0] < widths[1]


def test_a_law_of_fewer_samples_tells_the_error_on_the_most() -> None:
    tested = checked_laws(study())
    assert tested["train_samples"].tolist() == [54_000] * 3
    assert tested["fitted_up_to"].tolist() == [10_000] * 3
    assert tested["inside"].all()
    assert tested["predicted"].tolist() == pytest.approx(tested["error"].tolist(), rel=0.2)


def test_an_error_that_the_law_does_not_foresee_is_outside() -> None:
    tested = checked_laws(study(spread=0.02, most=2.0))
    assert not tested["inside"].any()
    assert (tested["error"] > tested["predicted_high"]).all()


def test_too_little_has_no_law() -> None:
    assert fitted_laws(study(samples=(1_000, 54_000))) == {}
    assert checked_laws(study(samples=(1_000, 3_000, 54_000))).empty
    assert checked_laws(table()).empty
