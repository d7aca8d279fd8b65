"""Rows of trials.csv with given accuracies, for tests whose answer is known beforehand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.studies.results import TRIAL_COLUMNS


def seeds(units: int, accuracies: Sequence[float] | np.ndarray, **changes: Any) -> pd.DataFrame:
    """One configuration trained with seeds 0, 1, …: a one-layer GRU with 100 parameters a unit, but for `changes`."""
    row: dict[str, Any] = {
        "number": 0, "state": "COMPLETE", "cell": "gru", "units": units, "depth": 1, "bidirectional": False,
        "dropout": 0.0, "optimizer": "adam", "learning_rate": 0.001, "batch_size": 128, "train_samples": 5000,
        "epochs": 10, "parameters": 100 * units, "best_epoch": 7, "train_loss": 0.1, "train_accuracy": 0.99,
        "validation_loss": 0.2, "weights_sha256": "0" * 64, "recurrent_dropout": 0.0, "merge_mode": None,
        "unroll": False, "view": "rows",
    }  # fmt: skip
    frame = pd.DataFrame({"seed": range(len(accuracies)), "validation_accuracy": accuracies}, dtype=object)
    return frame.assign(**row, generalization_gap=0.99 - frame["validation_accuracy"]).assign(**changes)


def study(*configurations: pd.DataFrame) -> pd.DataFrame:
    """The configurations as one trials.csv."""
    table = pd.concat(configurations, ignore_index=True) if configurations else pd.DataFrame(columns=TRIAL_COLUMNS)
    return table.assign(number=range(len(table)))[TRIAL_COLUMNS].infer_objects()
