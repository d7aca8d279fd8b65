"""The studies' tables, configuration by configuration: means, deviations and intervals over seeds.

Pure functions on pandas frames. Accuracies and gaps are fractions, losses are in nats.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from pipeline.params.settings import CHANGES_OF_IMAGES
from pipeline.studies.racing import OVERLAP

CONFIGURATION = [
    "cell", "units", "depth", "bidirectional", "dropout", "optimizer", "learning_rate", "batch_size",
    "train_samples", "epochs", "recurrent_dropout", "merge_mode", "unroll", "view", "pooling",
    "layer_normalization", "residual", "learning_rate_schedule", "warmup_epochs", "weight_decay", "global_clipnorm",
    "label_smoothing", "ema_momentum", "patience", *CHANGES_OF_IMAGES,
]  # fmt: skip
PLAIN = {"patience": np.nan} | dict.fromkeys(CHANGES_OF_IMAGES, 0.0)  # they are told where they are not so

MEASURES = ["validation_accuracy", "train_accuracy", "validation_loss", "generalization_gap"]

COLUMNS = [
    *CONFIGURATION, "seeds", "parameters", "best_epoch",
    *(f"{measure}{suffix}" for measure in MEASURES for suffix in ("", "_sd", "_low", "_high")),
]  # fmt: skip
CONFIDENCE = 0.95

ROUNDING = 1e-9  # far below one sample in any data set: values nearer than this are the same


def complete_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The rows of trials.csv that ran to their end and have a validation accuracy, each training once.

    Pruned trials are left out because a training cut short has a smaller gap than its network would have. A training
    that a sampler has proposed again tells nothing new.
    """
    complete = all_complete_trials(trials)
    return complete[~complete.duplicated([*CONFIGURATION, "seed"])]


def all_complete_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The same, with what was proposed again: each counts for the budget that it was proposed for."""
    trials = with_plain_settings(trials)
    kept = trials[(trials["state"] == "COMPLETE") & trials["validation_accuracy"].notna()]
    return kept.astype({"parameters": "int64", "best_epoch": "int64"})


def with_plain_settings(trials: pd.DataFrame) -> pd.DataFrame:
    """`trials` with all of `CONFIGURATION`: a patience of NaN where trials.csv has none, since they do not differ in
    it, and images as they are where it does not say otherwise."""
    return trials.assign(**{name: value for name, value in PLAIN.items() if name not in trials})


def without_plain_settings(table: pd.DataFrame) -> pd.DataFrame:
    """`table` as it is written: with a patience, and what changes images, only where there is any."""
    empty = [name for name in PLAIN if not table[name].fillna(0).any()]
    return table.drop(columns=empty)


def told_apart_by(table: pd.DataFrame, shown: Sequence[str]) -> list[str]:
    """The columns of `CONFIGURATION` in which rows of `table` differ that are alike in all that is `shown`."""
    hidden = [name for name in CONFIGURATION if name in table and name not in shown]
    alike = table.groupby(list(shown), dropna=False)
    return [name for name in hidden if (alike[name].nunique(dropna=False) > 1).any()]


def distinct(names: Sequence[str], rows: Sequence[Mapping[str, Any]], besides: Sequence[str] = ()) -> list[str]:
    """The names of rows; where several have the same, with the settings in which these differ: `GRU 1×8, patience 1`.

    Rows that differ in what stands `besides` the name are told apart already. A setting that rows do not have tells
    nothing.
    """
    keys = [(name, *(setting_in_words(row.get(key)) for key in besides)) for name, row in zip(names, rows, strict=True)]
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for key, row in zip(keys, rows, strict=True):
        alike.setdefault(key, []).append(row)
    differing = {
        key: [name for name in CONFIGURATION if len({setting_in_words(row.get(name)) for row in same}) > 1]
        for key, same in alike.items()
    }
    return [
        ", ".join([key[0], *(f"{name.replace('_', ' ')} {setting_in_words(row.get(name))}" for name in differing[key])])
        for key, row in zip(keys, rows, strict=True)
    ]


def setting_in_words(value: Any) -> str:
    """The value of a setting, for people."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, str):
        return value.replace("_", " ")
    return "none" if pd.isna(value) else f"{value:g}"


def configurations(trials: pd.DataFrame, held_out: str = "validation") -> pd.DataFrame:
    """One row per configuration of the complete trials, in the order in which they first appear.

    Columns: those of `CONFIGURATION`, seeds, parameters, best_epoch (mean), and for each of `MEASURES` its
    mean (under its own name), standard deviation `_sd` (ddof 1) and the 95 % interval `_low`, `_high` of
    `interval_over_seeds`, that of accuracies clipped to 0–1. With one seed the last three are NaN. `held_out` is what
    the study holds out, as in params.yaml.
    """
    rows = [
        dict(zip(CONFIGURATION, key, strict=True))
        | {"seeds": len(group), "parameters": group["parameters"].iloc[0], "best_epoch": group["best_epoch"].mean()}
        | {
            name: value
            for measure in MEASURES
            for name, value in _statistics(group[measure], measure, held_out).items()
        }
        for key, group in complete_trials(trials).groupby(CONFIGURATION, sort=False, dropna=False)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def is_configuration(table: pd.DataFrame, configuration: Mapping[str, Any]) -> pd.Series:
    """Which rows of `table` are of that configuration, as far as it is told, as booleans; None and NaN are the same.

    What changes images is told only where there is any.
    """
    told = {name: value for name, value in PLAIN.items() if name in CHANGES_OF_IMAGES} | dict(configuration)
    table = with_plain_settings(table)
    same = pd.Series(True, index=table.index)
    for name in [name for name in CONFIGURATION if name in told]:
        value = told[name]
        same &= table[name].isna() if pd.isna(value) else table[name] == value
    return same


def _statistics(values: pd.Series, name: str, held_out: str) -> dict[str, float]:
    low, high = interval_over_seeds(values, held_out)
    if name.endswith("accuracy"):
        low, high = np.clip([low, high], 0, 1)
    return {name: values.mean(), f"{name}_sd": values.std(ddof=1), f"{name}_low": low, f"{name}_high": high}


def interval_over_seeds(values: ArrayLike, held_out: str) -> tuple[float, float]:
    """95 % interval of the mean of `values` (n,), one for each seed of a study that holds out `held_out`."""
    # Trainings on few of the samples hardly overlap and would need less: one rule for all is simple, and cautious.
    return overlapping_interval(values) if held_out == "fold" else mean_interval(values)


def standard_error(deviation: float, seeds: ArrayLike, held_out: str) -> NDArray[np.float64]:
    """That of the mean over so many seeds, of their shape, in the unit of the seeds' `deviation`.

    s / √n, but of folds s √(1/n + 1/9): any two trainings share eight ninths of their samples, so their mean varies
    more than if they were independent (Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52
    (2003), 239–281, with one tenth held out). However many there are, it stays above s / 3.
    """
    return deviation * np.sqrt(1 / np.asarray(seeds) + (OVERLAP if held_out == "fold" else 0.0))


def overlapping_interval(values: ArrayLike) -> tuple[float, float]:
    """95 % interval of the mean of `values` (n,), of which each is measured on another fold.

    It is Student's with n - 1 degrees of freedom and the `standard_error` of folds. NaN for fewer than two, for any
    NaN, and where all are the same, which tells nothing of their spread.
    """
    numbers = np.asarray(values, dtype=float)
    if len(numbers) < 2 or np.isnan(numbers).any() or np.ptp(numbers) < ROUNDING:
        return float("nan"), float("nan")
    error = standard_error(numbers.std(ddof=1), len(numbers), "fold")
    low, high = stats.t.interval(CONFIDENCE, len(numbers) - 1, loc=numbers.mean(), scale=error)
    return float(low), float(high)


def mean_interval(values: ArrayLike) -> tuple[float, float]:
    """95 % interval of the mean of `values` (n,) by Student's t distribution with n - 1 degrees of freedom.

    NaN for fewer than two values, for any NaN, and for values that are all the same but not 0: accuracies are
    counts of samples, so two seeds tie now and then, and a tie tells nothing of the spread.

    Student, The Probable Error of a Mean, Biometrika 6 (1908), 1–25. Not the bootstrap: of normal values its
    BCa interval covers the mean 71 % of the time with 3 seeds, 84 % with 5 and 90 % with 10, this one 95 % (the
    reason is in Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69 (2015),
    371–386, "narrowness bias"). Its price with few seeds is width: half of it is 9.0 standard deviations
    with 2 seeds, 2.5 with 3, 1.2 with 5 and 0.8 with 8.
    """
    numbers = np.asarray(values, dtype=float)
    if len(numbers) < 2 or np.isnan(numbers).any():
        return float("nan"), float("nan")
    if np.ptp(numbers) < ROUNDING:
        return (float("nan"), float("nan")) if abs(numbers[0]) >= ROUNDING else (0.0, 0.0)
    low, high = stats.t.interval(CONFIDENCE, len(numbers) - 1, loc=numbers.mean(), scale=stats.sem(numbers))
    return float(low), float(high)


def accuracy_interval(
    accuracies: Sequence[float], test_samples: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """95 % interval of the test accuracy of one configuration, clipped to 0–1; `confidence` is that of Wilson's.

    Several seeds: Student's t interval of their mean, which speaks of the seeds and takes the test images as
    given. One seed, or seeds that agree exactly: Wilson's interval for the `test_samples` images.
    """
    values = np.asarray(accuracies, dtype=float)
    if len(values) > 1 and np.ptp(values) >= ROUNDING:
        low, high = mean_interval(values)
    else:
        right = round(float(values[0]) * test_samples)
        low, high = stats.binomtest(right, test_samples).proportion_ci(confidence, method="wilson")
    return max(0.0, float(low)), min(1.0, float(high))
