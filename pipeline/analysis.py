"""What the studies' tables say: statistics per configuration, the choice, and the tables of the report.

Pure functions on pandas frames. Accuracies and gaps are fractions, losses are in nats.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from pipeline.errors import PipelineError

CONFIGURATION = [
    "cell", "units", "depth", "bidirectional", "dropout", "optimizer", "learning_rate", "batch_size",
    "train_samples", "epochs", "recurrent_dropout", "merge_mode", "unroll", "view",
]  # fmt: skip
MEASURES = ["validation_accuracy", "train_accuracy", "validation_loss", "generalization_gap"]
CHOICE_KEYS = [
    "study", *CONFIGURATION, "seeds", "parameters", "best_epoch", "validation_accuracy", "validation_accuracy_sd",
    "generalization_gap", "within_one_standard_error",
]  # fmt: skip
CONFIDENCE = 0.95
RESAMPLES = 2000
ROUNDING = 1e-9  # far below one sample in any data set: values nearer than this are the same

# Table 1.5.1 of Advanced Deep Learning with Keras: one run a row, on all 60,000 training images of MNIST.
BOOK_SETTING: dict[str, Any] = {
    "cell": "simple_rnn", "depth": 1, "bidirectional": False, "dropout": 0.2, "batch_size": 128,
    "train_samples": 60_000, "epochs": 20,
}  # fmt: skip
BOOK_ROWS = pd.DataFrame(
    [(256, "sgd", 0.9726, 0.9800), (256, "rmsprop", 0.9672, 0.9760), (256, "adam", 0.9679, 0.9740),
     (512, "sgd", 0.9788, 0.9830)],
    columns=["units", "optimizer", "book_train_accuracy", "book_test_accuracy"],
).assign(**BOOK_SETTING)  # fmt: skip
BOOK_COLUMNS = [
    "cell", "units", "optimizer", "parameters", "seeds", "book_train_accuracy", "book_test_accuracy",
    "train_accuracy_during_fit", "train_accuracy", "test_accuracy", "test_accuracy_sd",
]  # fmt: skip

RULE = (
    "Among the configurations trained on the most samples, the smallest network whose mean validation accuracy "
    "is within one standard error of the best one's; the standard error is the best one's, the larger of that "
    "over its seeds and the binomial one of the validation data."
)


def complete_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The rows of trials.csv that ran to their end and have a validation accuracy.

    Pruned trials are left out because a training cut short has a smaller gap than its network would have.
    """
    kept = trials[(trials["state"] == "COMPLETE") & trials["validation_accuracy"].notna()]
    return kept.astype({"parameters": "int64", "best_epoch": "int64"})


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of `table` as dictionaries from column to value."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def configurations(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration of the complete trials, in the order in which they first appear.

    Columns: those of `CONFIGURATION`, seeds, parameters, best_epoch (mean), and for each of `MEASURES` its
    mean (under its own name), standard deviation `_sd` (ddof 1) and 95 % bootstrap interval `_low`, `_high`.
    With one seed the last three are NaN. With the two or three seeds that are usual here the interval is
    about the seeds' own range: read it as a picture of the spread.
    """
    rows = [
        dict(zip(CONFIGURATION, key, strict=True))
        | {"seeds": len(group), "parameters": group["parameters"].iloc[0], "best_epoch": group["best_epoch"].mean()}
        | {name: value for measure in MEASURES for name, value in _statistics(group[measure], measure).items()}
        for key, group in complete_trials(trials).groupby(CONFIGURATION, sort=False, dropna=False)
    ]
    columns = [f"{measure}{suffix}" for measure in MEASURES for suffix in ("", "_sd", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*CONFIGURATION, "seeds", "parameters", "best_epoch", *columns])


def _statistics(values: pd.Series, name: str) -> dict[str, float]:
    low, high = bootstrap_interval(values.to_numpy(dtype=float))
    return {name: values.mean(), f"{name}_sd": values.std(ddof=1), f"{name}_low": low, f"{name}_high": high}


def bootstrap_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % BCa bootstrap interval of the mean of `values` (n,); NaN for fewer than two values or any NaN."""
    if len(values) < 2 or np.isnan(values).any():
        return float("nan"), float("nan")
    if np.ptp(values) < ROUNDING:  # nothing to resample, and BCa would divide by zero
        return float(values.min()), float(values.max())
    interval = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, rng=np.random.default_rng(0)
    ).confidence_interval
    return float(interval.low), float(interval.high)


def choose_champion(studies: Mapping[str, pd.DataFrame], validation_samples: int) -> dict[str, Any]:
    """Choose a configuration by the one-standard-error rule: the content of choice.json.

    `studies` are the trials.csv of the studies that compete. Ties in size go to the higher accuracy.
    Raises PipelineError where no study has a complete trial.
    """
    tables = {name: configurations(trials) for name, trials in studies.items()}
    filled = [table.assign(study=name) for name, table in tables.items() if len(table)]
    if not filled:
        raise PipelineError(
            f"no champion can be chosen: none of the studies {', '.join(studies)} has a complete trial; "
            "see the column `state` of data/studies/*/trials.csv"
        )
    everything = pd.concat(filled, ignore_index=True)
    samples = int(everything["train_samples"].max())
    compared = everything[everything["train_samples"] == samples].sort_values(
        ["validation_accuracy", "parameters"], ascending=[False, True], kind="stable"
    )
    best = compared.iloc[0]
    standard_error = _standard_error(best, validation_samples)
    threshold = float(best["validation_accuracy"]) - standard_error
    compared = compared.assign(within_one_standard_error=compared["validation_accuracy"] >= threshold)
    near = compared[compared["within_one_standard_error"]]
    choice = near.sort_values(["parameters", "validation_accuracy"], ascending=[True, False], kind="stable").iloc[0]
    candidates = [_plain(row) for row in records(compared[CHOICE_KEYS])]
    return {
        "rule": RULE,
        "compared_train_samples": samples,
        "left_out": _left_out(tables, samples),
        "standard_error": standard_error,
        "threshold": threshold,
        "best": candidates[0],
        "candidates": candidates,
        "choice": _plain(choice[CHOICE_KEYS].to_dict()) | {"refit_epochs": max(1, round(choice["best_epoch"]))},
    }


def _standard_error(best: pd.Series, validation_samples: int) -> float:
    accuracy, seeds = best["validation_accuracy"], best["seeds"]
    binomial = np.sqrt(accuracy * (1 - accuracy) / validation_samples)
    over_seeds = best["validation_accuracy_sd"] / np.sqrt(seeds) if seeds >= 2 else 0.0
    return float(max(binomial, over_seeds))


def _left_out(tables: Mapping[str, pd.DataFrame], samples: int) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for name, table in tables.items():
        if table.empty:
            entries.append({"study": name, "reason": "it has no complete trial", "configurations": 0})
        for count, group in table[table["train_samples"] < samples].groupby("train_samples"):
            reason = f"trained on {count:,} samples, not on {samples:,}"
            entries.append({"study": name, "reason": reason, "configurations": len(group)})
    return entries


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row with Python's own types, None for NaN: JSON knows no others."""
    values = {str(key): value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
    return {key: None if pd.isna(value) else value for key, value in values.items()}


def book_table(trials: pd.DataFrame, during_fit: pd.DataFrame) -> pd.DataFrame:
    """The book study beside the book's Table 1.5.1: the columns `BOOK_COLUMNS`, a row per configuration.

    The study holds out the test data, so its validation figures are test figures. `train_accuracy` is measured
    after training with dropout off, `train_accuracy_during_fit` is Keras's running mean over the last epoch.
    `book_*` is NaN for configurations that the book has not trained, `test_accuracy_sd` for a single seed.
    """
    complete = complete_trials(trials)
    if complete.empty:
        return pd.DataFrame(columns=BOOK_COLUMNS)
    last = during_fit.sort_values("epoch").groupby("number")["accuracy"].last()
    fitted = complete.assign(train_accuracy_during_fit=complete["number"].map(last))
    running = fitted.groupby(CONFIGURATION, sort=False, as_index=False)["train_accuracy_during_fit"].mean()
    table = configurations(trials).merge(running, on=CONFIGURATION, how="left")
    table = table.merge(BOOK_ROWS, on=list(BOOK_ROWS.columns.difference(["book_train_accuracy", "book_test_accuracy"])),
                        how="left")  # fmt: skip
    names = {"validation_accuracy": "test_accuracy", "validation_accuracy_sd": "test_accuracy_sd"}
    return table.rename(columns=names)[BOOK_COLUMNS]


def capacity_table(trials: pd.DataFrame) -> pd.DataFrame:
    """The capacity study per configuration, smallest network of each cell first: the content of capacity.csv.

    Columns: those of `CONFIGURATION`, parameters, seeds, then mean, sd, low and high of validation accuracy and
    generalization gap, and the mean train accuracy (see `configurations`).
    """
    spread = ["", "_sd", "_low", "_high"]
    columns = [
        *CONFIGURATION, "parameters", "seeds", *(f"validation_accuracy{suffix}" for suffix in spread),
        "train_accuracy", *(f"generalization_gap{suffix}" for suffix in spread),
    ]  # fmt: skip
    table = configurations(trials)[columns]
    return table.sort_values(["train_samples", "cell", "parameters"], kind="stable", ignore_index=True)


def accuracy_interval(accuracies: Sequence[float], test_samples: int) -> tuple[float, float]:
    """95 % interval of the test accuracy of one configuration, clipped to 0–1.

    Several seeds: Student's t interval of their mean, which speaks of the seeds and takes the test images as
    given. One seed, or seeds that agree exactly: Wilson's interval for the `test_samples` images.
    """
    values = np.asarray(accuracies, dtype=float)
    if len(values) > 1 and np.ptp(values) >= ROUNDING:
        low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    else:
        right = round(float(values[0]) * test_samples)
        low, high = stats.binomtest(right, test_samples).proportion_ci(CONFIDENCE, method="wilson")
    return max(0.0, float(low)), min(1.0, float(high))
