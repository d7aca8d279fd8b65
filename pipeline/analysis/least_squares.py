"""Laws of the form a n^-α + b m^-β + c fitted to the logarithms of errors: many at once, as resampling needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXPONENTS = (0.05, 2.0)  # α and β are sought between these
LOW = np.array([0, EXPONENTS[0], 0, EXPONENTS[0], 0])
HIGH = np.array([np.inf, EXPONENTS[1], np.inf, EXPONENTS[1], np.inf])
STARTS = [(alpha, beta) for alpha in (0.15, 0.4, 0.8, 1.5) for beta in (0.15, 0.4, 0.8, 1.5)]
STEPS = 40
PRECISION = 1e-8  # of the numbers of a law, as a share of them
SMALLEST = -20.0  # logarithm of an error: far below one sample in any data set


def fit(samples: Floats, parameters: Floats, log_errors: Floats) -> tuple[Floats, float]:
    """The law (5,) with the least sum of squares for the points (k,), and that sum.

    Of the 16 fits that begin at `STARTS`, each with three terms of the same size, the best.
    """
    x, z, shift = _centred(samples, parameters)
    third = np.exp(log_errors.mean()) / 3
    starts = np.array([(third, alpha, third, beta, third) for alpha, beta in STARTS])
    laws, squares = _least_squares(starts, x, z, np.broadcast_to(log_errors, (len(starts), len(x))))
    best = int(squares.argmin())
    return _moved(laws[best], shift), float(squares[best])


def fit_from(law: Floats, samples: Floats, parameters: Floats, log_errors: Floats) -> Floats:
    """The laws (r, 5) for r rows of `log_errors` (r, k), each sought from `law` (5,) on, which is near.

    An error is at most 1, and what is drawn above counts as that.
    """
    x, z, shift = _centred(samples, parameters)
    starts = np.broadcast_to(_moved(law, -shift), (len(log_errors), len(law)))
    return _moved(_least_squares(starts, x, z, np.clip(log_errors, SMALLEST, 0))[0], shift)


def _centred(samples: Floats, parameters: Floats) -> tuple[Floats, Floats, Floats]:
    """Logarithms minus their means, and those means: around its middle a term depends least on its exponent."""
    x, z = np.log(samples), np.log(parameters)
    return x - x.mean(), z - z.mean(), np.array([x.mean(), z.mean()])


def _moved(laws: Floats, shift: Floats) -> Floats:
    """The laws (…, 5) with a and b for coordinates that are larger by `shift`."""
    moved = np.array(laws)
    moved[..., 0] *= np.exp(moved[..., 1] * shift[0])
    moved[..., 2] *= np.exp(moved[..., 3] * shift[1])
    return moved


def _least_squares(starts: Floats, x: Floats, z: Floats, log_errors: Floats) -> tuple[Floats, Floats]:
    """Laws (r, 5) and their sums of squares (r,) for `log_errors` (r, k) at the coordinates `x` and `z` (k,).

    Levenberg's and Marquardt's method with bounds: a number at a bound that wants to go on outwards is held there for a
    step (Bertsekas, Projected Newton Methods for Optimization Problems with Simple Constraints, SIAM Journal on Control
    and Optimization 20, 1982).
    """
    found = np.array(starts)
    running = np.arange(len(starts))  # the rows that still move; below, everything is of these
    laws, wanted, damping = found.copy(), np.array(log_errors), np.full(len(starts), 0.01)
    for _ in range(STEPS):
        residuals = _log_error(laws, x, z) - wanted
        squares = (residuals**2).sum(axis=1)
        tried = np.clip(laws - _step(laws, residuals, damping, x, z), LOW, HIGH)
        better = ((_log_error(tried, x, z) - wanted) ** 2).sum(axis=1) < squares
        moves = (np.abs(tried - laws) > PRECISION * (np.abs(laws) + PRECISION)).any(axis=1)
        found[running] = laws = np.where(better[:, None], tried, laws)
        damping = np.where(better, damping / 5, damping * 4)
        running, laws, wanted, damping = running[moves], laws[moves], wanted[moves], damping[moves]
        if not len(running):
            break
    return found, ((_log_error(found, x, z) - log_errors) ** 2).sum(axis=1)


def _step(laws: Floats, residuals: Floats, damping: Floats, x: Floats, z: Floats) -> Floats:
    """What to subtract from each law: (r, 5)."""
    slopes = _slopes(laws, x, z)
    gradient = np.einsum("rki,rk->ri", slopes, residuals)
    held = ((laws <= LOW) & (gradient > 0)) | ((laws >= HIGH) & (gradient < 0))
    slopes[np.broadcast_to(held[:, None], slopes.shape)] = 0
    curvature = np.matmul(slopes.transpose(0, 2, 1), slopes)
    diagonal = np.arange(len(LOW))
    own = curvature[:, diagonal, diagonal]
    curvature[:, diagonal, diagonal] += damping[:, None] * own + np.where(own > 0, 1e-12, 1)
    return np.asarray(np.linalg.solve(curvature, np.where(held, 0, gradient)[..., None])[..., 0])


def _terms(laws: Floats, x: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
    """n^-α, m^-β and the error: (r, k) each."""
    data, network = np.exp(-laws[:, 1, None] * x), np.exp(-laws[:, 3, None] * z)
    error = laws[:, 0, None] * data + laws[:, 2, None] * network + laws[:, 4, None]
    return data, network, np.maximum(error, np.exp(2 * SMALLEST))


def _log_error(laws: Floats, x: Floats, z: Floats) -> Floats:
    return np.asarray(np.log(_terms(laws, x, z)[2]))


def _slopes(laws: Floats, x: Floats, z: Floats) -> Floats:
    """How the logarithm of the error changes with the law's numbers: (r, k, 5)."""
    data, network, error = _terms(laws, x, z)
    by_alpha, by_beta = -x * laws[:, 0, None] * data, -z * laws[:, 2, None] * network
    return np.stack([data, by_alpha, network, by_beta, np.ones_like(data)], axis=-1) / error[..., None]
