"""How the error falls with training samples and with parameters: a law fitted to a study, and how far to trust it.

Pure functions on pandas frames. Errors are fractions of the held-out samples that are classified wrongly. The law is

    ε(n, m) = a n^-α + b m^-β + c    for n training samples and m parameters,

the form of Rosenfeld and others, A Constructive Prediction of the Generalization Error Across Scales, ICLR 2020, for
errors far below that of a guess. With a single power it is that of Hestness and others, Deep Learning Scaling Is
Predictable, Empirically, 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pipeline.analysis.configurations import CONFIDENCE, CONFIGURATION, complete_trials
from pipeline.analysis.least_squares import EXPONENTS, fit, fit_from
from pipeline.documents import records

Floats = NDArray[np.float64]

NAMES = ("a", "alpha", "b", "beta", "c")
LEAST = 3  # numbers of samples, and sizes, that a law needs
RESAMPLES = 500
NOISES = 20  # for each of them
SIGNIFICANT = 6  # digits of an estimate: processors differ in the last of sixteen
TESTED_SHARE = 0.5  # a law that is tested on the most samples is fitted on at most this share of them

# The same for all networks of one law; they differ in units and in training samples.
SETTINGS = [name for name in CONFIGURATION if name not in ("units", "train_samples")]

CHECK_COLUMNS = [
    *CONFIGURATION, "parameters", "fitted_up_to", "error", "predicted", "predicted_low", "predicted_high", "inside",
    "refuting_below", "refuting_above", "refutes",
]  # fmt: skip


@dataclass(frozen=True)
class Law:
    """The law of all networks with the same `settings`, a value for each of `SETTINGS`.

    `means` has a row per network and number of samples: the columns of `CONFIGURATION`, parameters, seeds, error (a
    mean over seeds), log_error_sd (over seeds) and rounding (of the error's logarithm, a deviation). `estimate` is
    (5,): a, α, b, β and c, by least squares of the logarithms of the mean errors. `spread` is the standard deviation of
    what that leaves over, about 0.1 where the means are 10 % off, but no less than their `rounding`.

    `resampled` (resamples, 5) is the same for data drawn anew from the law, with as much noise as the fit has left over
    (a parametric bootstrap: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 2.2). Noise
    multiplies an error: its logarithm is normal. As its spread is itself estimated, each resample has another, in
    `spreads` (resamples,): `spread` √(d / χ²), χ² drawn with `degrees` d, as many as there are means more than numbers
    of the law. For a linear law that gives Student's t intervals.

    What the fit leaves over is noise where the law is true, and what the law has wrong where it is not: intervals are
    the wider, the worse the law fits. All means count alike, and the noise is taken to be the same share of each.
    Trainings with the same seed may share held-out samples: what these do to all errors alike moves a prediction and
    what it is compared with together.
    """

    settings: Mapping[str, Any]
    means: pd.DataFrame
    estimate: Floats
    resampled: Floats
    spread: float
    spreads: Floats

    @property
    def degrees(self) -> int:
        """How many more means there are than numbers of the law."""
        return len(self.means) - len(NAMES)

    @property
    def most_samples(self) -> int:
        """The largest number of training samples."""
        return int(self.means["train_samples"].max())

    def error(self, samples: ArrayLike, parameters: ArrayLike) -> Floats:
        """The law's error for so many samples and parameters, of their common shape."""
        return _error(self.estimate, np.asarray(samples, float), np.asarray(parameters, float))

    def seeds_alone(self) -> tuple[float, float]:
        """What `spread` would be if there were nothing but the noise of seeds, and the p-value of the law's misfit.

        An F test of what the fit leaves over against the trainings of each mean (Draper and Smith, Applied Regression
        Analysis, 1998, chapter 2, "lack of fit"): a small p-value shows that the law is not the whole truth. A large
        one does not show that it is. Held-out samples that trainings of one seed share make p-values rather too large,
        samples that trainings of different seeds share rather too small. NaN, both, where seeds are too few, or a
        training made no mistake. Seeds, too, tell no less than `rounding`: errors that are all the same do not average.
        """
        several = self.means[self.means["seeds"] > 1]
        if several.empty or several["log_error_sd"].isna().any():
            return float("nan"), float("nan")
        degrees = several["seeds"] - 1
        variance = (degrees * several["log_error_sd"] ** 2).sum() / degrees.sum() * (1 / self.means["seeds"]).mean()
        variance = max(variance, _rounding(self.means) ** 2)
        p_value = stats.f.sf(self.spread**2 / variance, self.degrees, degrees.sum())
        return float(np.sqrt(variance)), float(p_value)

    def interval(self, name: str) -> tuple[float, float]:
        """95 % interval of one of `NAMES`; infinite where it has no end.

        An exponent at an end of `EXPONENTS` may lie anywhere beyond, and its factor with it. Where a term is nought,
        both of its numbers may be anything: then they count as below and above all others.
        """
        values = self.resampled[:, NAMES.index(name)]
        if name == "c":
            return _ends(values, values)
        factor, exponent = self._term("a" if name in ("a", "alpha") else "b")
        gone = factor <= 0
        return _ends(
            np.where(gone | (exponent <= EXPONENTS[0]), -np.inf, values),
            np.where(gone | (exponent >= EXPONENTS[1]), np.inf, values),
        )

    def prediction_interval(
        self, samples: float, parameters: float, confidence: float = CONFIDENCE
    ) -> tuple[float, float]:
        """Interval for the mean error that such a network would be measured to have: of law and of noise.

        Where the law is true it holds about that share of such errors: tests/analysis/test_scaling.py has simulations.
        """
        errors = _error(self.resampled, np.array(samples), np.array(parameters))
        noise = np.random.default_rng(1).normal(size=(NOISES, len(errors)))
        low, high = np.quantile(errors * np.exp(self.spreads * noise), [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), min(1.0, float(high))

    def balanced_parameters(self, samples: float) -> tuple[float, float, float]:
        """The size at which the network's term b m^-β is as large as that of the data a n^-α, and its 95 % interval.

        A smaller network has more left to gain from parameters than from samples, a larger one less. NaN where the law
        lacks one of the two terms; the interval's ends are 0 and infinite where it has none, as in `interval`.
        """
        low, high = self._ends_of_sizes(_balanced(self.resampled, samples))
        return float(_balanced(self.estimate[None], samples)[0]), low, high

    def growth(self, factor: float) -> tuple[float, float, float]:
        """How many times as large the balanced network is on `factor` times the samples, and its 95 % interval."""
        low, high = self._ends_of_sizes(factor ** (self.resampled[:, 1] / self.resampled[:, 3]))
        return float(factor ** (self.estimate[1] / self.estimate[3])), low, high

    def _ends_of_sizes(self, sizes: Floats) -> tuple[float, float]:
        """95 % interval of what depends on both terms: anything where one is nought or has its exponent at an end."""
        terms = [self._term(name) for name in ("a", "b")]
        anything = np.any([(factor <= 0) | ~_within(exponent) for factor, exponent in terms], axis=0)
        return _ends(np.where(anything, 0.0, sizes), np.where(anything, np.inf, sizes))

    def _term(self, factor: str) -> tuple[Floats, Floats]:
        """The factors so called, and their exponents, (resamples,) each."""
        place = NAMES.index(factor)
        return self.resampled[:, place], self.resampled[:, place + 1]


def fitted_laws(trials: pd.DataFrame, held_out_samples: int) -> tuple[Law, ...]:
    """A law for each of the settings that a study's complete trials have, in the order of their first appearance.

    Each training is measured on `held_out_samples`. A law takes `LEAST` sizes and numbers of samples, and more means
    than the law has numbers. A mean error of 0 has no logarithm: settings with one have no law.
    """
    groups = _means(trials, held_out_samples).groupby(SETTINGS, sort=False, dropna=False)
    laws = (fitted_law(dict(zip(SETTINGS, key, strict=True)), means) for key, means in groups)
    return tuple(law for law in laws if law is not None)


def fitted_law(settings: Mapping[str, Any], means: pd.DataFrame) -> Law | None:
    """The law of these `means`, of networks that all have these settings; None where they are too few, or one is 0."""
    different = min(means["train_samples"].nunique(), means["parameters"].nunique())
    if different < LEAST or len(means) <= len(NAMES) or (means["error"] <= 0).any():
        return None
    samples, parameters, errors = (means[name].to_numpy(float) for name in ("train_samples", "parameters", "error"))
    estimate, squares = fit(samples, parameters, np.log(errors))
    degrees = len(means) - len(NAMES)
    spread = max(float(np.sqrt(squares / degrees)), _rounding(means))
    rng = np.random.default_rng(0)
    spreads = spread * np.sqrt(degrees / rng.chisquare(degrees, RESAMPLES))
    noise = spreads[:, None] * rng.normal(size=(RESAMPLES, len(means)))
    resampled = fit_from(estimate, samples, parameters, np.log(_error(estimate, samples, parameters)) + noise)
    rounded = np.array([float(f"{value:.{SIGNIFICANT}g}") for value in estimate])
    return Law(settings, means, rounded, resampled, spread, spreads)


def checked(law: Law) -> pd.DataFrame:
    """What the same law, fitted on fewer samples, says of the most: `CHECK_COLUMNS`, a row per network trained on them.

    `error` is the measured mean, `fitted_up_to` a number of samples, at most half of the most, and `inside` whether the
    error lies in the prediction's 95 % interval. No rows where a law cannot be fitted on that few.

    Of a true law about 95 % of the networks lie inside, so any of several lies outside more often than in one study of
    twenty. `refutes` therefore asks for an error below `refuting_below` or above `refuting_above`, the ends of an
    interval of 1 - 0.05 / k for k networks (Bonferroni): any does in about 5 % of true laws, at most.
    """
    most = law.means[law.means["train_samples"] == law.most_samples]
    known = law.means[law.means["train_samples"] <= TESTED_SHARE * law.most_samples]
    earlier = fitted_law(law.settings, known)
    if earlier is None:
        return pd.DataFrame(columns=CHECK_COLUMNS)
    shared = 1 - (1 - CONFIDENCE) / len(most)
    rows = []
    for row in records(most.sort_values("parameters", kind="stable")):
        low, high = earlier.prediction_interval(row["train_samples"], row["parameters"])
        least, greatest = earlier.prediction_interval(row["train_samples"], row["parameters"], shared)
        prediction = {
            "fitted_up_to": earlier.most_samples,
            "predicted": float(earlier.error(row["train_samples"], row["parameters"])),
            "predicted_low": low,
            "predicted_high": high,
            "inside": low <= row["error"] <= high,
            "refuting_below": least,
            "refuting_above": greatest,
            "refutes": not least <= row["error"] <= greatest,
        }
        rows.append(row | prediction)
    return pd.DataFrame(rows, columns=CHECK_COLUMNS)


def _means(trials: pd.DataFrame, held_out_samples: int) -> pd.DataFrame:
    complete = complete_trials(trials)
    error = 1 - complete["validation_accuracy"]
    errors = complete.assign(error=error, log_error=np.log(error.where(error > 0)))
    groups = errors.groupby([*CONFIGURATION, "parameters"], sort=False, dropna=False)
    means = groups.agg(seeds=("error", "size"), error=("error", "mean"), log_error_sd=("log_error", _deviation))
    # An accuracy is a multiple of one held-out sample, and may be off by up to half of one: that is a deviation of
    # 1 / √12 samples. Without it, errors that are all the same would count as known beyond any doubt.
    with np.errstate(divide="ignore"):
        means["rounding"] = 1 / (np.sqrt(12) * held_out_samples * means["error"])
    return means.reset_index()


def _rounding(means: pd.DataFrame) -> float:
    """The least deviation that these means can show."""
    return float(np.sqrt((means["rounding"] ** 2).mean()))


def _deviation(values: pd.Series) -> float:
    """Standard deviation; NaN if a value is."""
    return float(values.std(ddof=1, skipna=False))


def _error(laws: Floats, samples: Floats, parameters: Floats) -> Floats:
    """Of one law (5,) for many points, or of many laws (laws, 5) for one."""
    a, alpha, b, beta, c = laws.T
    return np.asarray(a * samples**-alpha + b * parameters**-beta + c)


def _balanced(laws: Floats, samples: float) -> Floats:
    """The balanced sizes of laws (laws, 5), NaN for those that lack a term: (laws,)."""
    a, alpha, b, beta, _ = laws.T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        sizes = (b / (a * samples**-alpha)) ** (1 / beta)
    return np.where((a > 0) & (b > 0), sizes, np.nan)


def _within(exponents: Floats) -> NDArray[np.bool_]:
    return np.asarray((exponents > EXPONENTS[0]) & (exponents < EXPONENTS[1]))


def _ends(lowest: Floats, highest: Floats) -> tuple[float, float]:
    """95 % interval of values that are known to lie between these."""
    low = np.quantile(lowest, (1 - CONFIDENCE) / 2, method="lower")
    high = np.quantile(highest, (1 + CONFIDENCE) / 2, method="higher")
    return float(low), float(high)
