"""Reliability in bins of equal size, and the calibration error over them."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.calibration import calibration_error, reliability_table


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
