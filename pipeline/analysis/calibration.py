"""Can the model's probabilities be believed, and what if it does not have to answer?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pipeline.analysis.configurations import CONFIDENCE
from pipeline.analysis.temperature import COVERAGES, answered
from pipeline.documents import Document

BINS = 10
DRAWS = 1000  # of the bootstrap
DECIMALS = 6  # of what is written


class MeasuredCalibration(Document):
    """data/reports/calibration.json: how far the probabilities of the champion's model are off on the test data.

    `error` is the `calibration_error` of the network's own probabilities, `calibrated_error` that with the
    `temperature`, `change` the second minus the first, each with its 95 % interval. From the probability `answers_from`
    on the model is sure of `sure` samples and right on `sure_right` of them; all three are None where none is known.
    """

    samples: int
    temperature: float
    error: float
    error_low: float
    error_high: float
    calibrated_error: float
    calibrated_error_low: float
    calibrated_error_high: float
    change: float
    change_low: float
    change_high: float
    answers_from: float | None
    sure: int | None
    sure_right: int | None


def measured_calibration(
    predictions: pd.DataFrame, temperature: float, answers_from: float | None
) -> MeasuredCalibration:
    """The figures of predictions.csv with its probabilities, `calibrated` by this temperature."""
    right = (predictions["actual"] == predictions["predicted"]).to_numpy()
    own, calibrated = (predictions[name].to_numpy() for name in ("probability", "calibrated"))
    error, calibrated_error = (calibration_error(each, right) for each in (own, calibrated))
    rng = np.random.default_rng(0)
    samples = (rng.integers(0, len(right), len(right)) for _ in range(DRAWS))
    drawn = np.array([[calibration_error(each[some], right[some]) for each in (own, calibrated)] for some in samples])
    figures: dict[str, Any] = {}
    for name, value, draws in (
        ("error", error, drawn[:, 0]),
        ("calibrated_error", calibrated_error, drawn[:, 1]),
        ("change", calibrated_error - error, drawn[:, 1] - drawn[:, 0]),
    ):
        low, high = _basic_interval(value, draws)
        figures |= {name: value, f"{name}_low": low, f"{name}_high": high}
    for name, probability in (("error", own), ("calibrated_error", calibrated)):
        if figures[name] <= _by_chance(probability):
            figures[f"{name}_low"] = 0.0
    sure = None if answers_from is None else calibrated >= answers_from
    return MeasuredCalibration(
        samples=len(predictions),
        temperature=temperature,
        answers_from=answers_from,
        sure=None if sure is None else int(sure.sum()),
        sure_right=None if sure is None else int(right[sure].sum()),
        **{name: round(float(value), DECIMALS) for name, value in figures.items()},
    )


def reliability_table(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> pd.DataFrame:
    """How often the model is right where it says that it is: its answers in `BINS` of equally many.

    Columns: samples, probability (mean, of the predicted class), accuracy, and its Wilson interval, low and high. Bins
    of equal size, because nearly all probabilities are close to 1: Nguyen and O'Connor, Posterior Calibration and
    Exploratory Analysis for Natural Language Processing Models, EMNLP 2015, section 3.
    """
    order = np.argsort(probability, kind="stable")
    rows = [
        {"samples": len(part), "probability": probability[part].mean(), **_accuracy(right[part])}
        for part in np.array_split(order, min(BINS, len(order)))
    ]
    return pd.DataFrame(rows, columns=["samples", "probability", "accuracy", "low", "high"])


def calibration_error(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean distance of probability and accuracy over the bins of `reliability_table`, weighted by their samples.

    The expected calibration error of Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using
    Bayesian Binning, AAAI 2015, equation 4, on bins of equal size.
    """
    return _error(probability - right, np.argsort(probability, kind="stable"))


def coverage_table(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> pd.DataFrame:
    """How often the model is right if it only answers the samples that it is most certain of: coverage.csv.

    Of each of `COVERAGES`, which is met exactly unless answers have the same probability, a row: `probability`, the
    smallest that is answered, `answered`, the number of samples from there on, `coverage`, their share of all,
    `accuracy` among them, and its Wilson interval, low and high.
    """
    ordered = np.sort(probability)[::-1]
    rows = {}
    for coverage in COVERAGES:
        smallest = ordered[answered(coverage, len(ordered)) - 1]
        sure = probability >= smallest
        count = int(sure.sum())
        rows[count] = {"coverage": count / len(ordered), "answered": count, "probability": smallest} | _accuracy(
            right[sure]
        )
    return pd.DataFrame(rows.values(), columns=["coverage", "answered", "probability", "accuracy", "low", "high"])


def _accuracy(right: NDArray[np.bool_]) -> dict[str, float]:
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(CONFIDENCE, method="wilson")
    return {"accuracy": float(right.mean()), "low": interval.low, "high": interval.high}


def _basic_interval(value: float, draws: NDArray[np.float64]) -> tuple[float, float]:
    """The basic bootstrap interval (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 5.2),
    made to contain the value itself.

    Chance adds to a calibration error, and a draw from the samples adds to it once more. The basic interval takes that
    away again; an interval of percentiles would miss the truth.
    """
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return min(2 * value - high, value), max(2 * value - low, value)


def _by_chance(probability: NDArray[np.float64]) -> float:
    """What the calibration error would stay below 95 % of the time if these probabilities were exactly right: up to
    there it may be 0. Bröcker and Smith, Increasing the Reliability of Reliability Diagrams, Weather and Forecasting 22
    (2007), section 4."""
    rng = np.random.default_rng(0)
    drawn = (rng.random(len(probability)) < probability for _ in range(DRAWS))
    return float(np.quantile([calibration_error(probability, right) for right in drawn], CONFIDENCE))


def _error(differences: NDArray[np.float64], order: NDArray[np.int64]) -> float:
    """The calibration error of these differences of probability and rightness, put in this order."""
    bins = np.array_split(differences[order], min(BINS, len(order)))
    return float(sum(abs(each.sum()) for each in bins) / len(order))
