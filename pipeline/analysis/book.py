"""The book's networks, compared with the published figures and with each other."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.comparisons import holm, mcnemar
from pipeline.analysis.configurations import (
    CONFIGURATION,
    PLAIN,
    accuracy_interval,
    all_complete_trials,
    complete_trials,
    configurations,
    is_configuration,
    told_apart_by,
)
from pipeline.params.settings import DEFAULT_LEARNING_RATES

# Published by Advanced Deep Learning with Keras and its author about these networks on MNIST: one run a row, on all
# 60,000 training images. The book's chapter on MLPs and CNNs prints train accuracies too, of other rows.
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
    pooling="last", layer_normalization=False, residual=False, learning_rate_schedule="constant", warmup_epochs=0.0,
    weight_decay=0.0, global_clipnorm=np.nan, label_smoothing=0.0, ema_momentum=np.nan, **PLAIN,
)  # fmt: skip

BOOK_COLUMNS = [
    "cell", "units", "optimizer", "parameters", "seeds", "book_train_accuracy", "book_test_accuracy",
    "train_accuracy_during_fit", "train_accuracy", "test_accuracy", "test_accuracy_sd", "test_accuracy_low",
    "test_accuracy_high", "depth", "dropout", "epochs", "source",
]  # fmt: skip

NEAR_THE_BOOK = 0.003  # a difference that another version of the library and another seed explain

LAST_EPOCHS = 5


def book_table(trials: pd.DataFrame, during_fit: pd.DataFrame, test_samples: int) -> pd.DataFrame:
    """The book study and the published figures: a row per configuration, the columns `BOOK_COLUMNS` and those in which
    rows differ that are alike in these.

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
    groups = fitted.groupby(CONFIGURATION, sort=False, dropna=False)
    running = groups["train_accuracy_during_fit"].mean().reset_index()
    intervals = [accuracy_interval(group.tolist(), test_samples) for _, group in groups["validation_accuracy"]]
    running[["test_accuracy_low", "test_accuracy_high"]] = intervals
    published = ["book_train_accuracy", "book_test_accuracy", "source"]
    table = configurations(trials).merge(running, on=CONFIGURATION, how="left")
    table = table.merge(PUBLISHED, on=list(PUBLISHED.columns.difference(published)), how="left")
    names = {"validation_accuracy": "test_accuracy", "validation_accuracy_sd": "test_accuracy_sd"}
    columns = [*BOOK_COLUMNS, *told_apart_by(table, [name for name in BOOK_COLUMNS if name in CONFIGURATION])]
    return table.rename(columns=names)[columns].astype({"source": object})


def far_from_the_book(trials: pd.DataFrame, curves: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `book_table` more than `NEAR_THE_BOOK` away from the published test accuracy.

    With them, as `lowest` and `highest`, the test accuracies that the same trainings went through in their last
    `LAST_EPOCHS` epochs: a single published run may have stopped at any of them.
    """
    complete = all_complete_trials(trials)
    row = [name for name in CONFIGURATION if name in table]
    last = curves.merge(complete[["number", *row]], on="number")
    last = last[last["epoch"] > last["epochs"] - LAST_EPOCHS]
    ranges = last.groupby(row, dropna=False)["validation_accuracy"].agg(lowest="min", highest="max").reset_index()
    far = table[(table["test_accuracy"] - table["book_test_accuracy"]).abs() > NEAR_THE_BOOK]
    return far.merge(ranges, on=row, how="left")


def neighbours_compared(
    rows: Sequence[Mapping[str, Any]], trials: pd.DataFrame, mistakes: pd.DataFrame, test_samples: int
) -> list[tuple[int, float]]:
    """Each of some rows of `book_table` against the next: by how many test samples more it is right, and the p-value.

    The first models of both are compared on the same samples, by McNemar's exact test adjusted by Holm's method.
    `mistakes` is the study's mistakes.csv.
    """
    complete = all_complete_trials(trials)
    right = []
    for row in rows:
        first = complete.loc[is_configuration(complete, row), "number"].min()
        wrong = mistakes.loc[mistakes["number"] == first, "index"]
        right.append(~np.isin(np.arange(test_samples), wrong))
    tests = [mcnemar(one, other) for one, other in pairwise(right)]
    adjusted = holm([test.p_value for test in tests])
    return [(test.b - test.c, float(p_value)) for test, p_value in zip(tests, adjusted, strict=True)]
