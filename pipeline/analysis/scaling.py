"""How the error falls with training samples and with parameters: a law fitted to a study, and how far to trust it.

Pure functions on pandas frames. Errors are fractions of the held-out samples that are classified wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult, least_squares

from pipeline.analysis.configurations import CONFIDENCE, complete_trials

NAMES = ("a", "alpha", "b", "beta", "c")

# Of the logarithms of a, b and c, and of the exponents themselves.
LOW = np.array([-12.0, 0.05, -12.0, 0.05, -16.0])
HIGH = np.array([12.0, 2.0, 12.0, 2.0, 0.0])
STARTS = [
    np.array([np.log(a), alpha, np.log(b), beta, np.log(0.002)])
    for a, alpha in ((1.0, 0.4), (30.0, 0.8)) for b, beta in ((1.0, 0.5), (10.0, 0.9))
]  # fmt: skip
RESAMPLES = 100
NOISES = 20  # for each of them
MOST_SAMPLES_SHARE = 0.5  # a law is tested on the largest number of samples, fitted on those up to half of it


@dataclass(frozen=True)
class Law:
    """ε(n, m) = a n^-α + b m^-β + c of one cell: n training samples, m parameters.

    The form of Rosenfeld and others, A Constructive Prediction of the Generalization Error Across Scales, ICLR 2020
    (equation 5), for errors far below those of a guess; with one term only it is that of Hestness and others, Deep
    Learning Scaling Is Predictable, Empirically, 2017.

    `estimate` has a, α, b, β and c; `resampled` (resamples, 5) the same for data drawn anew: the mean of each
    combination of n and m as the law has it, times noise as large as what the fit has left over (a parametric
    bootstrap: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 2.2). The logarithm of that
    noise is `spread` times Student's t with `degrees` of freedom, as the spread is itself estimated.
    """

    cell: str
    estimate: NDArray[np.float64]
    resampled: NDArray[np.float64]
    spread: float
    degrees: int

    def error(self, samples: ArrayLike, parameters: ArrayLike) -> NDArray[np.float64]:
        """The law's error for so many samples and parameters."""
        return _error(self.estimate, np.asarray(samples, float), np.asarray(parameters, float))

    def interval(self, name: str) -> tuple[float, float]:
        """95 % interval of one of the law's five numbers."""
        return _quantiles(self.resampled[:, NAMES.index(name)])

    def prediction_interval(self, samples: float, parameters: float) -> tuple[float, float]:
        """95 % interval for the error that a network of this size would be measured to have: of law and of noise."""
        errors = np.array([_error(law, np.array(samples), np.array(parameters)) for law in self.resampled])
        noise = np.random.default_rng(0).standard_t(self.degrees, (NOISES, len(errors)))
        return _quantiles(errors * np.exp(self.spread * noise))

    def balanced_parameters(self, samples: float) -> tuple[float, float, float]:
        """The size at which the network's term is as large as that of the data, and its 95 % interval.

        A larger network mostly waits for data: twice the data then bring more than twice the parameters.
        """
        sizes = np.array([_balanced(law, samples) for law in self.resampled])
        return _balanced(self.estimate, samples), *_quantiles(sizes)


def fitted_laws(trials: pd.DataFrame) -> dict[str, Law]:
    """A law for each cell of a study's complete trials, by cell.

    A cell needs more means than the law has numbers, over three sizes and three numbers of samples at least; others
    have no law.
    """
    return {
        str(cell): law
        for cell, rows in _means(trials).groupby("cell", sort=False)
        if (law := _fit(str(cell), rows)) is not None
    }


def checked_laws(trials: pd.DataFrame) -> pd.DataFrame:
    """What laws that are fitted on fewer samples say of the most: a row for each network trained on the most.

    Columns: cell, train_samples, parameters, fitted_up_to (samples), error (measured, a mean over seeds), predicted,
    predicted_low, predicted_high, and inside (whether the error lies in the interval).
    """
    means = _means(trials)
    columns = ["cell", "train_samples", "parameters", "fitted_up_to", "error", "predicted", "predicted_low",
               "predicted_high", "inside"]  # fmt: skip
    if means.empty:
        return pd.DataFrame(columns=columns)
    most = means["train_samples"].max()
    fewer = means[means["train_samples"] <= MOST_SAMPLES_SHARE * most]
    rows = []
    for cell, known in fewer.groupby("cell", sort=False):
        law = _fit(str(cell), known)
        for row in means[(means["train_samples"] == most) & (means["cell"] == cell)].itertuples():
            if law is None:
                continue
            low, high = law.prediction_interval(row.train_samples, row.parameters)
            rows.append((cell, row.train_samples, row.parameters, known["train_samples"].max(), row.error,
                         float(law.error(row.train_samples, row.parameters)), low, high,
                         low <= row.error <= high))  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _means(trials: pd.DataFrame) -> pd.DataFrame:
    """Mean error of each combination of cell, samples and parameters, one layer networks only."""
    complete = complete_trials(trials)
    one_layer = complete[(complete["depth"] == 1) & ~complete["bidirectional"].astype(bool)]
    errors = one_layer.assign(error=1 - one_layer["validation_accuracy"])
    return errors.groupby(["cell", "train_samples", "parameters"], sort=False)["error"].mean().reset_index()


def _fit(cell: str, means: pd.DataFrame) -> Law | None:
    known = means[means["error"] > 0]
    if min(known["train_samples"].nunique(), known["parameters"].nunique()) < 3 or len(known) <= len(NAMES):
        return None
    samples, parameters, errors = (known[name].to_numpy(float) for name in ("train_samples", "parameters", "error"))
    fits = [_least_squares(start, samples, parameters, np.log(errors)) for start in STARTS]
    estimate = min(fits, key=lambda fit: float(fit.cost)).x
    fitted = np.log(_error(_plain(estimate), samples, parameters))
    degrees = len(known) - len(NAMES)
    spread = float(np.sqrt(np.sum((np.log(errors) - fitted) ** 2) / degrees))
    rng = np.random.default_rng(0)
    resampled = [
        _least_squares(estimate, samples, parameters, fitted + spread * rng.standard_t(degrees, len(known))).x
        for _ in range(RESAMPLES)
    ]
    return Law(cell, _plain(estimate), np.array([_plain(law) for law in resampled]), spread, degrees)


def _least_squares(
    start: NDArray[np.float64],
    samples: NDArray[np.float64],
    parameters: NDArray[np.float64],
    log_errors: NDArray[np.float64],
) -> OptimizeResult:
    inside = np.clip(start, LOW + 1e-6, HIGH - 1e-6)
    return least_squares(
        lambda law: np.log(_error(_plain(law), samples, parameters)) - log_errors, inside, bounds=(LOW, HIGH)
    )


def _plain(law: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([np.exp(law[0]), law[1], np.exp(law[2]), law[3], np.exp(law[4])])


def _error(
    law: NDArray[np.float64], samples: NDArray[np.float64], parameters: NDArray[np.float64]
) -> NDArray[np.float64]:
    a, alpha, b, beta, c = law
    return a * samples**-alpha + b * parameters**-beta + c


def _balanced(law: NDArray[np.float64], samples: float) -> float:
    a, alpha, b, beta, _ = law
    return float((b / (a * samples**-alpha)) ** (1 / beta))


def _quantiles(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
