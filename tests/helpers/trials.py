"""Rows of trials.csv with given accuracies, for tests whose answer is known beforehand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.studies.results import TRIAL_COLUMNS


def trial(number: int, units: int, accuracy: float, seed: int = 0, **changes: Any) -> dict[str, object]:
    """A row of trials.csv: a complete one-layer GRU with 100 parameters a unit, unless `changes` say otherwise."""
    row: dict[str, object] = {
        "number": number, "state": "COMPLETE", "cell": "gru", "units": units, "depth": 1, "bidirectional": False,
        "dropout": 0.0, "optimizer": "adam", "learning_rate": 0.001, "batch_size": 128, "train_samples": 5000,
        "epochs": 10, "seed": seed, "parameters": 100 * units, "best_epoch": 7, "train_loss": 0.1,
        "train_accuracy": 0.99, "validation_loss": 0.2, "validation_accuracy": accuracy,
        "generalization_gap": 0.99 - accuracy, "weights_sha256": "0" * 64, "recurrent_dropout": 0.0,
        "merge_mode": "concat", "unroll": False, "view": "rows", "pooling": "last", "layer_normalization": False,
        "residual": False, "learning_rate_schedule": "constant", "warmup_epochs": 0.0, "weight_decay": 0.0,
        "global_clipnorm": None, "label_smoothing": 0.0, "ema_momentum": None,
    }  # fmt: skip
    return row | changes


def table(*rows: dict[str, object]) -> pd.DataFrame:
    """The rows as one trials.csv."""
    return pd.DataFrame(list(rows), columns=TRIAL_COLUMNS)


def seeds(units: int, accuracies: Sequence[float] | np.ndarray, **changes: Any) -> pd.DataFrame:
    """One configuration trained with seeds 0, 1, …: rows as those of `trial`, but for `changes`.

    Its `merge_mode` is missing, as a column may be that a table's study did not have.
    """
    rows = [trial(0, units, accuracy, seed, merge_mode=None) for seed, accuracy in enumerate(accuracies)]
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS, dtype=object).assign(**changes)


def study(*configurations: pd.DataFrame) -> pd.DataFrame:
    """The configurations as one trials.csv."""
    rows = pd.concat(configurations, ignore_index=True) if configurations else pd.DataFrame(columns=TRIAL_COLUMNS)
    return rows.assign(number=range(len(rows)))[TRIAL_COLUMNS].infer_objects()
