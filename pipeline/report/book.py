"""Section "Compared with the book": the chapter's networks trained here, and the published numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from pipeline.analysis.book import LAST_EPOCHS, NEAR_THE_BOOK, far_from_the_book, neighbours_compared
from pipeline.analysis.comparisons import SIGNIFICANCE
from pipeline.analysis.configurations import CONFIGURATION, distinct
from pipeline.documents import records
from pipeline.params.network import CELLS
from pipeline.report.results import Results
from pipeline.report.text import NOTHING, Column, Table, interval, number, p_words, percent, points, text_table


@dataclass(frozen=True)
class Book:
    """`matched` says whether any of the configurations is a published one."""

    findings: tuple[str, ...]
    matched: bool
    table: Table


def book(results: Results) -> Book | None:
    """The chapter's networks compared with the published numbers, which are for images.

    None without a study called book, and for sequences of one's own.
    """
    table = results.book_table
    if table.empty or results.summary.is_own:
        return None
    study = results.studies["book"]
    far = far_from_the_book(study.trials, study.curves, table)
    order = order_finding(table, study.trials, results.book_mistakes, results.summary.test.samples)
    findings = [_running_mean(table), *_nearness(table, far), order, _output_layer(table)]
    return Book(
        findings=tuple(sentence for sentence in findings if sentence),
        matched=bool(table["book_test_accuracy"].notna().any()),
        table=_table(table),
    )


def _running_mean(table: pd.DataFrame) -> str:
    """Why the book's train accuracy lies below its test accuracy, with the numbers of this run."""
    running = (table["train_accuracy_during_fit"] - table["test_accuracy"]).mean()
    after = (table["train_accuracy"] - table["test_accuracy"]).mean()
    return (
        "The train accuracy that the book prints is Keras's running mean during the last epoch. Here it lies "
        f"{_side(running)} test accuracy, on average over the rows. It is taken with dropout on and over weights that "
        f"still change. The same networks measured after training with dropout off lie {_side(after)} test accuracy "
        "on their own training data: that is the generalization gap."
    )


def _nearness(table: pd.DataFrame, far: pd.DataFrame) -> list[str]:
    """How near the test accuracies are to the published ones, and the last epochs of each that is not near."""
    published = table[table["book_test_accuracy"].notna()]
    if published.empty:
        return []
    near = len(published) - len(far)
    sentences = [
        f"{near} of the {len(published)} published test accuracies are met within {points(NEAR_THE_BOOK)} points."
    ]
    for row in records(far):
        difference = row["test_accuracy"] - row["book_test_accuracy"]
        inside = row["lowest"] <= row["book_test_accuracy"] <= row["highest"]
        sentences.append(
            f"{_setting(row)} lies {_side(difference)} the published {percent(row['book_test_accuracy'])}. In the last "
            f"{LAST_EPOCHS} epochs of the same trainings the test accuracy moved between {percent(row['lowest'])} and "
            f"{percent(row['highest'])}: "
            + (
                "the published figure is inside, so a single run that ends at one epoch or another can explain it."
                if inside
                else "the published figure is outside, so more than the moment of stopping differs."
            )
        )
    return sentences


def order_finding(
    table: pd.DataFrame, trials: pd.DataFrame, mistakes: pd.DataFrame | None, test_samples: int
) -> str | None:
    """Whether CNN, MLP and SimpleRNN come in the order of the book; None where one of them is missing."""
    order = ["cnn", "mlp", "simple_rnn"]
    if mistakes is None or not set(order) <= set(table["cell"]):
        return None
    best = [max(records(table[table["cell"] == cell]), key=lambda row: row["test_accuracy"]) for cell in order]
    figures = ", ".join(
        f"{CELLS[row['cell']].title} {percent(row['test_accuracy'])} "
        f"({interval(row['test_accuracy_low'], row['test_accuracy_high'])})"
        for row in best
    )
    in_order = all(one["test_accuracy"] > other["test_accuracy"] for one, other in pairwise(best))
    sentences = [
        f"The best rows of each kind, with their 95 % intervals: {figures}.",
        f"The order of the means is {'' if in_order else 'not '}the book's: CNN, MLP, SimpleRNN.",
    ]
    compared = neighbours_compared(best, trials, mistakes, test_samples)
    for (one, other), (more_right, p_value) in zip(pairwise(best), compared, strict=True):
        names = [CELLS[row["cell"]].title for row in ((one, other) if more_right >= 0 else (other, one))]
        sentences.append(
            f"{' is shown to be better than '.join(names)} ({p_words(p_value)})."
            if p_value <= SIGNIFICANCE
            else f"Between {' and '.join(names)} no difference is shown ({p_words(p_value)})."
        )
    sentences.append(
        "The p-values are McNemar's, of the first models on the same sequences, adjusted by Holm's method for the two "
        "tests, but not for the choice of the best rows."
    )
    return " ".join(sentences)


def _output_layer(table: pd.DataFrame) -> str | None:
    """The gain from an output layer inside the cell over SimpleRNN; None where the two were not trained alike."""
    setting = [name for name in CONFIGURATION if name in table and name != "cell"]
    pairs = table[table["cell"] == "elman_output"].merge(table[table["cell"] == "simple_rnn"], on=setting)
    if pairs.empty:
        return None
    row = records(pairs)[0]
    difference = row["test_accuracy_x"] - row["test_accuracy_y"]
    return (
        f"The output o = V h + c of Figure 1.5.2 adds to SimpleRNN {row['parameters_x'] - row['parameters_y']:,} "
        f"parameters, and {points(difference)} points of test accuracy ({percent(row['test_accuracy_x'])} against "
        f"{percent(row['test_accuracy_y'])}, {row['units']} units, {row['optimizer']}). In one layer it can express "
        "nothing new: it is a linear map in front of the linear map of the softmax layer."
    )


def _setting(row: Mapping[str, Any]) -> str:
    title = CELLS[row["cell"]].title
    return f"{title} {row['units']} with {row['optimizer']} ({percent(row['test_accuracy'])} here)"


def _side(difference: float) -> str:
    return f"{points(abs(difference))} points {'below' if difference < 0 else 'above'}"


def _table(table: pd.DataFrame) -> Table:
    shown = records(table)
    cells = distinct([CELLS[row["cell"]].title for row in shown], shown, ["units", "optimizer"])
    rows = [
        row
        | {"cell": cell, "source": row["source"] if isinstance(row["source"], str) else NOTHING}
        | {"interval": interval(row["test_accuracy_low"], row["test_accuracy_high"])}
        for row, cell in zip(shown, cells, strict=True)
    ]
    columns: dict[str, Column] = {
        "cell": ("cell", str), "units": ("units", number), "optimizer": ("optimizer", str),
        "parameters": ("parameters", number), "seeds": ("seeds", number),
        "book_train_accuracy": ("book: train", percent),
        "train_accuracy_during_fit": ("here: train, during fit", percent),
        "train_accuracy": ("here: train, after fit", percent), "book_test_accuracy": ("book: test", percent),
        "test_accuracy": ("here: test", percent), "test_accuracy_sd": ("sd, points", points),
        "interval": ("95 % interval, %", str), "source": ("published in", str),
    }  # fmt: skip
    return text_table(rows, columns, fold=["seeds", "test_accuracy_sd"])
