"""What a network's answers are worth, by the metric that a study chooses by."""

import numpy as np
from numpy.typing import NDArray

from pipeline.params.settings import Metric


def score(metric: Metric, y: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Of the classes `predicted` (n,) where `y` (n,) is right, a fraction from 0 to 1. Classes that are neither in `y`
    nor predicted do not count; those that are predicted and not in `y` count for macro F1 alone.

    As `balanced_accuracy_score` and `f1_score` of scikit-learn, which no worker has to import.
    """
    if metric == "accuracy":
        return float(np.mean(predicted == y))
    classes = int(max(y.max(), predicted.max())) + 1
    there, said = np.bincount(y, minlength=classes), np.bincount(predicted, minlength=classes)
    right = np.bincount(y[predicted == y], minlength=classes)
    if metric == "balanced_accuracy":
        return float(np.mean(right[there > 0] / there[there > 0]))
    some = there + said > 0
    return float(np.mean(2 * right[some] / (there + said)[some]))
