"""One number by which a network's probabilities become believable, and the probability from which answers are sure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from pipeline import paths
from pipeline.analysis.configurations import CONFIDENCE
from pipeline.documents import Document

LOWEST, HIGHEST = 0.05, 20.0  # of a temperature
SMALLEST = float(np.finfo(np.float32).tiny)  # probability whose logarithm is taken
DIGITS = 4  # that count of a temperature, and decimals of `answers_from`: further ones differ between processors

SURE = 0.995  # of the answers called sure so many are right
# Which part of all samples may be answered, the most certain ones first.
COVERAGES = (1.0, 0.995, 0.99, 0.98, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


class Calibration(Document):
    """calibration.json: the temperature of the champion's probabilities, and which answers are sure.

    Both come from `samples` validation samples, by a network like the champion's that has not learned from them.
    `temperature` is 1 where no other one is shown to fit better. Its 95 % interval has None for an end that is not
    known: it lies beyond any temperature that is tried. `answers_from` is the smallest probability, after calibration,
    of answers that are sure, as `smallest_sure` finds it; None where it is not known.
    """

    samples: int
    temperature: float
    temperature_low: float | None
    temperature_high: float | None
    answers_from: float | None

    @classmethod
    def of_champion(cls) -> Self | None:
        """That of the champion's folder; None where an earlier version has made it."""
        return cls.read(paths.CALIBRATION) if paths.CALIBRATION.exists() else None


def calibrate(probabilities: NDArray[np.float32], y: NDArray[np.int64]) -> Calibration:
    """The calibration by these answers (n, classes) to samples of the classes `y` (n,), which were not learned from."""
    temperature, low, high = fit_temperature(probabilities, y)
    answers = with_temperature(probabilities, temperature)
    return Calibration(
        samples=len(y),
        temperature=temperature,
        temperature_low=low,
        temperature_high=high,
        answers_from=smallest_sure(answers.max(axis=1), answers.argmax(axis=1) == y),
    )


def with_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """softmax(log p / T) of each row (n, classes): Guo et al., On Calibration of Modern Neural Networks, ICML 2017,
    equation 9.

    The logarithms of probabilities are a network's logits, but for a number that softmax takes no notice of. In float64
    no two probabilities become the same, so that the most probable class stays what it is.
    """
    if temperature == 1:
        return probabilities.astype(np.float64)
    return _softmax(_logits(probabilities) / temperature)


def fit_temperature(
    probabilities: NDArray[np.float32], y: NDArray[np.int64]
) -> tuple[float, float | None, float | None]:
    """The temperature whose probabilities of the classes `y` have the highest likelihood, and its 95 % interval.

    The interval has the temperatures whose log-likelihood is less than 1.92 below the highest one (Wilks, Annals of
    Mathematical Statistics 9 (1938), 60-62). Where it contains 1 the network's own probabilities are as good as any,
    and the temperature is 1. An end that lies beyond `LOWEST` or `HIGHEST` is not known, and None: a few samples that
    are all right would make the network certain of everything. Then the temperature is the end that is known, the
    nearest one to 1.

    The likelihood has one maximum, as its logarithm is concave in 1 / T.
    """
    if not len(y):
        return 1.0, None, None
    logits = _logits(probabilities)
    logits -= logits.max(axis=1, keepdims=True)
    true = logits[np.arange(len(y)), y]

    def loss(inverse: float) -> float:
        return float((np.log(np.exp(inverse * logits).sum(axis=1)) - inverse * true).sum())

    def slope(inverse: float) -> float:
        return float(((_softmax(inverse * logits) * logits).sum(axis=1) - true).sum())

    likeliest = _root(slope)
    reach = stats.chi2.ppf(CONFIDENCE, 1) / 2

    def beyond(inverse: float) -> float:
        return loss(inverse) - loss(likeliest) - reach

    ends = [
        None if beyond(limit) <= 0 else float(optimize.brentq(beyond, *sorted((limit, likeliest))))
        for limit in (1 / HIGHEST, 1 / LOWEST)
    ]
    low, high = (None if end is None else _rounded(1 / end) for end in reversed(ends))
    if beyond(1.0) <= 0:
        return 1.0, low, high
    known = [end for end in (low, high) if end is not None]
    return _rounded(1 / likeliest) if len(known) == 2 else known[0], low, high


def smallest_sure(probability: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """The smallest probability whose answers are shown to be right in `SURE` of the cases; None where none is shown.

    Of each of `COVERAGES` the smallest probability is tried, all answers first: then it is 0. At least `SURE` of the
    answers from there on are right, with 95 % confidence, whatever the distribution of the samples: the bound is the
    exact one of Clopper and Pearson (Biometrika 26 (1934), 404-413), and the confidence is shared out among the
    coverages, after Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017, section 3.
    """
    error = (1 - CONFIDENCE) / len(COVERAGES)
    ordered = np.sort(probability)[::-1]
    for coverage in COVERAGES if len(ordered) else ():
        threshold = 0.0 if coverage == 1 else _rounded_up(float(ordered[answered(coverage, len(ordered)) - 1]))
        sure = probability >= threshold
        wrong, count = int((sure & ~right).sum()), int(sure.sum())
        if wrong < count and stats.beta.ppf(1 - error, wrong + 1, count - wrong) <= 1 - SURE:
            return threshold
    return None


def _rounded_up(probability: float) -> float:
    """To `DIGITS` decimals; to those of predictions.csv where it would become 1, which hardly any answer reaches."""
    rounded = math.ceil(10**DIGITS * probability) / 10**DIGITS
    return rounded if rounded < 1 else math.ceil(10**6 * probability) / 10**6


def answered(coverage: float, samples: int) -> int:
    """How many of so many samples have an answer at this coverage, at least one."""
    return max(1, round(coverage * samples))


def _logits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _root(slope: Callable[[float], float]) -> float:
    """Where a rising function of 1 / T is 0, or the nearest limit."""
    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low) >= 0:
        return low
    return high if slope(high) <= 0 else float(optimize.brentq(slope, low, high))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
