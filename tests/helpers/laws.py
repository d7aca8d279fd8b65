"""Studies whose errors follow a known law."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tests.helpers.trials import table, trial

TRUTH = (8.0, 0.55, 3.0, 0.6, 0.004)  # a, α, b, β and c
SIZES = {4: 500, 16: 2_500, 64: 20_000}  # units and parameters
SAMPLES = (1_000, 3_000, 10_000, 54_000)
SEEDS = 3
HELD_OUT = 6_000  # samples

# At ten times the samples: the balanced size, and how many times that of the present one.
BALANCED = (3.0 / (8.0 * 540_000**-0.55)) ** (1 / 0.6)
GROWTH = 10 ** (0.55 / 0.6)


def true_error(samples: ArrayLike, parameters: ArrayLike) -> np.ndarray:
    """The error of `TRUTH`."""
    a, alpha, b, beta, c = TRUTH
    return np.asarray(a * np.power(samples, -alpha) + b * np.power(parameters, -beta) + c)


def lawful_study(
    seed: int = 0,
    spread: float = 0.05,
    samples: tuple[int, ...] = SAMPLES,
    seeds: int = SEEDS,
    most: float = 1.0,
) -> pd.DataFrame:
    """trials.csv of a grid of GRU whose errors follow `TRUTH` but for noise: its logarithm is normal, `spread` its
    deviation. On 54,000 samples they are `most` times as large."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for units, parameters in SIZES.items():
        for count in samples:
            for repetition in range(seeds):
                error = float(true_error(count, parameters)) * np.exp(rng.normal(0, spread))
                error *= most if count == 54_000 else 1.0
                rows.append(trial(len(rows), units, 1 - error, repetition, train_samples=count, parameters=parameters))
    return table(*rows)
