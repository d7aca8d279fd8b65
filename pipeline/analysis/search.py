"""What a search of so many trials finds: the expected best accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

EXPECTED_COLUMNS = ["cell", "trials", "expected_best"]


def expected_best(accuracies: ArrayLike) -> NDArray[np.float64]:
    """The mean best of n accuracies drawn from `accuracies` (N,) with replacement, for n = 1 … N: (N,).

    With v_1 ≤ … ≤ v_N it is the sum of v_i ((i / N)^n - ((i - 1) / N)^n): Dodge et al., Show Your Work: Improved
    Reporting of Experimental Results, EMNLP 2019, equation 7. It takes the trials for independent draws; a sampler that
    learns from them draws better ones later.
    """
    values = np.sort(np.asarray(accuracies, dtype=float))
    count = len(values)
    draws, ranks = np.arange(1, count + 1)[:, None], np.arange(count + 1) / max(count, 1)
    best: NDArray[np.float64] = np.diff(ranks**draws, axis=1) @ values
    return best


def expected_best_by_cell(trials: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """`expected_best` for each cell of a study, from its trials.csv and curves.csv: columns `EXPECTED_COLUMNS`.

    A pruned trial counts with the accuracy of its last epoch. Failed trials have none and are left out.
    """
    last = curves.sort_values("epoch").groupby("number")["validation_accuracy"].last()
    pruned = trials["state"] == "PRUNED"
    accuracies = trials["validation_accuracy"].where(~pruned, trials["number"].map(last))
    known = trials.assign(accuracy=accuracies)[(trials["state"] != "FAIL") & accuracies.notna()]
    tables = [
        pd.DataFrame(
            {"cell": cell, "trials": range(1, len(rows) + 1), "expected_best": expected_best(rows["accuracy"])}
        )
        for cell, rows in known.groupby("cell", sort=False)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=EXPECTED_COLUMNS)
