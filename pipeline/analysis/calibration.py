"""Can the model's probabilities be believed?"""

import numpy as np
import pandas as pd
from scipy import stats

from pipeline.analysis.configurations import CONFIDENCE


def reliability_table(predictions: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """How often the model is right where it says that it is: predictions.csv in `bins` of equally many samples.

    Columns: samples, probability (mean, of the predicted class), accuracy, and its Wilson interval, low and high. Bins
    of equal size, because nearly all probabilities are close to 1: Nguyen and O'Connor, Posterior Calibration and
    Exploratory Analysis for Natural Language Processing Models, EMNLP 2015, section 3.
    """
    ordered = predictions.sort_values("probability", kind="stable")
    right = (ordered["actual"] == ordered["predicted"]).to_numpy()
    rows = []
    for part in np.array_split(np.arange(len(ordered)), min(bins, len(ordered))):
        interval = stats.binomtest(int(right[part].sum()), len(part)).proportion_ci(CONFIDENCE, method="wilson")
        rows.append(
            {
                "samples": len(part),
                "probability": ordered["probability"].iloc[part].mean(),
                "accuracy": right[part].mean(),
                "low": interval.low,
                "high": interval.high,
            }
        )
    return pd.DataFrame(rows, columns=["samples", "probability", "accuracy", "low", "high"])


def calibration_error(reliability: pd.DataFrame) -> float:
    """Mean distance of probability and accuracy over the bins of `reliability_table`, weighted by their samples.

    The expected calibration error of Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using
    Bayesian Binning, AAAI 2015, equation 4, on bins of equal size.
    """
    distances = (reliability["probability"] - reliability["accuracy"]).abs()
    return float(np.average(distances, weights=reliability["samples"]))
