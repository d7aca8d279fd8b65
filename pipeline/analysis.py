"""What the studies' tables say: statistics per configuration, the choice, and the tables of the report.

Pure functions on pandas frames. Accuracies and gaps are fractions, losses are in nats.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from pipeline.errors import PipelineError
from pipeline.params import DEFAULT_LEARNING_RATES

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
ROUNDING = 1e-9  # far below one sample in any data set: values nearer than this are the same

# What Advanced Deep Learning with Keras and its author have published about these networks on MNIST: one run a row,
# on all 60,000 training images. The book's chapter on MLPs and CNNs prints train accuracies too, of other rows.
TABLE, NOTEBOOKS = "Table 1.5.1", "author's later notebooks"
PUBLISHED = pd.DataFrame(
    [("simple_rnn", 256, 1, 0.2, "sgd", 20, 0.9726, 0.9800, TABLE),
     ("simple_rnn", 256, 1, 0.2, "rmsprop", 20, 0.9672, 0.9760, TABLE),
     ("simple_rnn", 256, 1, 0.2, "adam", 20, 0.9679, 0.9740, TABLE),
     ("simple_rnn", 512, 1, 0.2, "sgd", 20, 0.9788, 0.9830, TABLE),
     ("lstm", 256, 1, 0.2, "sgd", 20, np.nan, 0.962, NOTEBOOKS),
     ("lstm", 256, 1, 0.2, "adam", 20, np.nan, 0.988, NOTEBOOKS + ": 98.8 to 98.9"),
     ("mlp", 256, 2, 0.45, "adam", 20, np.nan, 0.985, "chapter 1, best MLP"),
     ("cnn", 64, 3, 0.2, "adam", 10, np.nan, 0.994, "chapter 1, best CNN")],
    columns=["cell", "units", "depth", "dropout", "optimizer", "epochs",
             "book_train_accuracy", "book_test_accuracy", "source"],
).assign(
    bidirectional=False, batch_size=128, train_samples=60_000, recurrent_dropout=0.0, merge_mode="concat",
    unroll=False, view="rows", learning_rate=lambda table: table["optimizer"].map(DEFAULT_LEARNING_RATES),
)  # fmt: skip
BOOK_COLUMNS = [
    "cell", "units", "optimizer", "parameters", "seeds", "book_train_accuracy", "book_test_accuracy",
    "train_accuracy_during_fit", "train_accuracy", "test_accuracy", "test_accuracy_sd", "test_accuracy_low",
    "test_accuracy_high", "depth", "dropout", "epochs", "source",
]  # fmt: skip
NEAR_THE_BOOK = 0.003  # what the same training may differ by, in another library's version and with another seed
LAST_EPOCHS = 5
VIEW_COLUMNS = [
    "cell", "units", "depth", "view", "parameters", "train_samples", "epochs", "seeds", "validation_accuracy",
    "validation_accuracy_sd", "difference", "difference_low", "difference_high",
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
    mean (under its own name), standard deviation `_sd` (ddof 1) and the 95 % interval `_low`, `_high` of
    `mean_interval`, that of accuracies clipped to 0–1. With one seed the last three are NaN.
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
    low, high = mean_interval(values)
    if name.endswith("accuracy"):
        low, high = np.clip([low, high], 0, 1)
    return {name: values.mean(), f"{name}_sd": values.std(ddof=1), f"{name}_low": low, f"{name}_high": high}


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


def choose_champion(studies: Mapping[str, pd.DataFrame], validation_samples: int) -> dict[str, Any]:
    """Choose a configuration by the one-standard-error rule: the content of choice.json.

    `studies` are the trials.csv of the studies that compete. Ties in size go to the higher accuracy. The entries
    `best` and `choice` are candidates with `refit_epochs`, for how long to train them without validation data.
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
    standard_error = _standard_error(compared.iloc[0], validation_samples)
    threshold = float(compared["validation_accuracy"].iloc[0]) - standard_error
    compared = compared.assign(within_one_standard_error=compared["validation_accuracy"] >= threshold)
    best, near = compared.iloc[0], compared[compared["within_one_standard_error"]]
    choice = near.sort_values(["parameters", "validation_accuracy"], ascending=[True, False], kind="stable").iloc[0]
    candidates = [_plain(row) for row in records(compared[CHOICE_KEYS])]
    refit = [_plain(row[CHOICE_KEYS].to_dict()) | {"refit_epochs": max(1, round(row["best_epoch"]))}
             for row in (best, choice)]  # fmt: skip
    return {
        "rule": RULE,
        "compared_train_samples": samples,
        "left_out": _left_out(tables, samples),
        "standard_error": standard_error,
        "threshold": threshold,
        "best": refit[0],
        "candidates": candidates,
        "choice": refit[1],
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


def book_table(trials: pd.DataFrame, during_fit: pd.DataFrame, test_samples: int) -> pd.DataFrame:
    """The book study beside what is published: the columns `BOOK_COLUMNS`, a row per configuration.

    The study holds out the `test_samples` test data, so its validation figures are test figures. `train_accuracy` is
    measured after training with dropout off, `train_accuracy_during_fit` is Keras's running mean over the last epoch;
    `test_accuracy_low` and `_high` are those of `accuracy_interval`. `book_*` is NaN and `source` None for
    configurations that nobody published, `test_accuracy_sd` NaN for a single seed.
    """
    complete = complete_trials(trials)
    if complete.empty:
        return pd.DataFrame(columns=BOOK_COLUMNS)
    last = during_fit.sort_values("epoch").groupby("number")["accuracy"].last()
    fitted = complete.assign(train_accuracy_during_fit=complete["number"].map(last))
    groups = fitted.groupby(CONFIGURATION, sort=False)
    running = groups["train_accuracy_during_fit"].mean().reset_index()
    intervals = [accuracy_interval(group.tolist(), test_samples) for _, group in groups["validation_accuracy"]]
    running[["test_accuracy_low", "test_accuracy_high"]] = intervals
    published = ["book_train_accuracy", "book_test_accuracy", "source"]
    table = configurations(trials).merge(running, on=CONFIGURATION, how="left")
    table = table.merge(PUBLISHED, on=list(PUBLISHED.columns.difference(published)), how="left")
    names = {"validation_accuracy": "test_accuracy", "validation_accuracy_sd": "test_accuracy_sd"}
    return table.rename(columns=names)[BOOK_COLUMNS].astype({"source": object})


def far_from_the_book(trials: pd.DataFrame, curves: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `book_table` more than `NEAR_THE_BOOK` away from the published test accuracy.

    With them, as `lowest` and `highest`, the test accuracies that the same trainings went through in their last
    `LAST_EPOCHS` epochs: a single published run may have stopped at any of them.
    """
    keys = ["cell", "units", "depth", "dropout", "optimizer", "epochs"]
    complete = complete_trials(trials)
    last = curves.merge(complete[["number", *keys]], on="number")
    last = last[last["epoch"] > last["epochs"] - LAST_EPOCHS]
    ranges = last.groupby(keys)["validation_accuracy"].agg(lowest="min", highest="max").reset_index()
    far = table[(table["test_accuracy"] - table["book_test_accuracy"]).abs() > NEAR_THE_BOOK]
    return far.merge(ranges, on=keys, how="left")


def views_table(trials: pd.DataFrame) -> pd.DataFrame:
    """Each configuration in each view, beside the first view at equal budget: the columns `VIEW_COLUMNS`.

    `difference` is the mean difference of validation accuracy to the first view, paired by seed, with Student's
    95 % interval; NaN for the first view itself, the interval also for a single seed.
    """
    complete = complete_trials(trials)
    if complete.empty:
        return pd.DataFrame(columns=VIEW_COLUMNS)
    budget = [name for name in CONFIGURATION if name != "view"]
    wide = complete.pivot_table("validation_accuracy", [*budget, "seed"], "view", sort=False)
    rows = []
    for view in wide.columns:
        for key, group in (wide[view] - wide.iloc[:, 0]).dropna().groupby(budget, sort=False):
            difference = dict(zip(budget, key, strict=True)) | {"view": view}
            if view != wide.columns[0]:
                low, high = mean_interval(group)
                difference |= {"difference": group.mean(), "difference_low": low, "difference_high": high}
            rows.append(difference)
    differences = pd.DataFrame(rows, columns=[*CONFIGURATION, "difference", "difference_low", "difference_high"])
    table = configurations(trials).merge(differences, on=CONFIGURATION, how="left")
    return table[VIEW_COLUMNS]


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
        low, high = mean_interval(values)
    else:
        right = round(float(values[0]) * test_samples)
        low, high = stats.binomtest(right, test_samples).proportion_ci(CONFIDENCE, method="wilson")
    return max(0.0, float(low)), min(1.0, float(high))
