"""Class by class: how many of its sequences a model finds."""

import numpy as np
import pandas as pd
from scipy import stats

from pipeline.analysis.configurations import CONFIDENCE

RECALL_COLUMNS = ["label", "samples", "right", "recall", "low", "high"]


def recall_table(predictions: pd.DataFrame, classes: int) -> pd.DataFrame:
    """Of each class with samples in predictions.csv, how many there are, how many of them are right, and their share.

    `label` is the class's number, `low` and `high` are Wilson's interval of the recall, over samples.
    """
    actual = predictions["actual"].to_numpy()
    samples = np.bincount(actual, minlength=classes)
    right = np.bincount(actual[actual == predictions["predicted"].to_numpy()], minlength=classes)
    rows = []
    for label in np.flatnonzero(samples):
        count, found = int(samples[label]), int(right[label])
        interval = stats.binomtest(found, count).proportion_ci(CONFIDENCE, method="wilson")
        rows.append((int(label), count, found, found / count, interval.low, interval.high))
    return pd.DataFrame(rows, columns=RECALL_COLUMNS)
