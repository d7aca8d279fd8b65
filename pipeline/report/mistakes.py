"""Section "The test": the champion on the test data, and the classes that it confuses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.documents import records
from pipeline.params.settings import METRIC_NAMES
from pipeline.report.baseline import champion_against_baseline, on_test_sequences
from pipeline.report.mistakes_figures import MATRIX_CLASSES, confusion_matrix, confusions, lines_of, pictures_of
from pipeline.report.results import Results
from pipeline.report.tested import model_words
from pipeline.report.text import Table, interval, number, percent, shortened, text_table

WORST_MISTAKES = 12
PAIRS, EXAMPLES = 3, 6
MOST_PAIRS = 50  # rows of their table
LONGEST_ABOVE = 14  # characters of a label above a picture

MATRIX = (
    "Rows are the actual classes, columns the predicted ones. Colour marks mistakes, the stronger the more: look for "
    "the strongest field."
)
FREQUENT = (
    "Too many classes for a matrix: the pairs most often confused, and how many sequences of the first class are taken "
    "for the second."
)


@dataclass(frozen=True)
class Mistakes:
    """`comparisons` say what it is worth to answer without a look, and what the network is worth by the metric
    that it was chosen by; `model` is the one whose answers follow. `figures` have no pictures where a sequence is none,
    and no mistakes of many classes where there are none."""

    comparisons: tuple[str, ...]
    model: str
    finding: str
    figures: dict[str, str]
    confusion_caption: str
    pairs: Table
    pairs_summary: str
    wrong: Table


def mistakes(results: Results) -> Mistakes | None:
    """The champion's mistakes; None where nothing was tested."""
    if results.predictions is None or results.metrics is None:
        return None
    predictions, classes = results.predictions, results.summary.classes
    labels = [str(label) for label in results.summary.labels]
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (predictions["actual"].to_numpy(), predictions["predicted"].to_numpy()), 1)
    confused = counts - np.diag(np.diag(counts))
    wrong = f"{confused.sum():,} of {counts.sum():,}"
    finding = f"{wrong} test sequences are put in a wrong class{_most_often(confused, labels)}."
    pairs = _pairs(confused, labels)
    shown = {
        "most_confused": _most_confused(predictions, confused),
        "most_confident": _most_confident(predictions),
    }
    figures = {
        "confusion": _confusion(counts, labels, f"{wrong} wrong", f"Which classes are confused: {finding}"),
        **{name: _pictures(results, rows, labels) for name, rows in shown.items()},
    }
    return Mistakes(
        comparisons=tuple(_comparisons(results)),
        model=f"The model, seed {results.metrics.model_seed}: {model_words(results.metrics)}.",
        finding=finding,
        figures={name: svg for name, svg in figures.items() if svg is not None},
        confusion_caption=FREQUENT if classes > MATRIX_CLASSES else MATRIX,
        pairs=Table(pairs.headers, pairs.rows[:MOST_PAIRS]),
        pairs_summary=(
            f"The numbers: the {MOST_PAIRS} most frequent of {len(pairs.rows):,} pairs that were confused"
            if len(pairs.rows) > MOST_PAIRS
            else "The numbers: every pair that was confused"
        ),
        wrong=_answers(pd.concat(shown.values()).drop_duplicates(), labels),
    )


def _confusion(counts: np.ndarray, labels: Sequence[str], title: str, alt: str) -> str | None:
    """The matrix, or of too many classes the mistakes alone; None where these make none."""
    if len(counts) <= MATRIX_CLASSES:
        return confusion_matrix(counts, labels, title, alt)
    return confusions(counts, labels, title, alt) if counts.sum() > np.trace(counts) else None


def _comparisons(results: Results) -> list[str]:
    """What it is worth to answer without a look, and what the network is by the metric that it was chosen by."""
    largest = on_test_sequences(results.summary, "accuracy")
    sentences = [f"For comparison: {largest.name} {largest.worth}."]
    if (metrics := results.metrics) is not None and metrics.metric is not None:
        against = champion_against_baseline(results.summary, metrics, metrics.metric)
        sentences.append(
            f"The {METRIC_NAMES[metrics.metric]} of networks of this size, by which networks were chosen, is "
            f"{percent(against.score)} (95 % interval over {against.over}: {interval(against.low, against.high)}). "
            f"For comparison: {against.baseline.name} {against.baseline.worth}."
        )
    return sentences


def _most_often(confused: np.ndarray, labels: Sequence[str]) -> str:
    if not confused.any():
        return ""
    actual, predicted = np.unravel_index(confused.argmax(), confused.shape)
    return f"; most often {labels[int(actual)]} is taken for {labels[int(predicted)]} ({confused.max()} times)"


def _most_confused(predictions: pd.DataFrame, confused: np.ndarray) -> pd.DataFrame:
    """Of the pairs of classes most often confused, the wrong answers with the highest probability."""
    order = np.argsort(-confused, axis=None, kind="stable")[:PAIRS]
    actual, predicted = np.unravel_index(order, confused.shape)
    found = [
        predictions[(predictions["actual"] == one) & (predictions["predicted"] == other)].nlargest(
            EXAMPLES, "probability"
        )
        for one, other in zip(actual, predicted, strict=True)
        if confused[one, other]
    ]
    return pd.concat(found) if found else predictions.head(0)


def _most_confident(predictions: pd.DataFrame) -> pd.DataFrame:
    """The wrong answers that were given the highest probability."""
    return predictions[predictions["actual"] != predictions["predicted"]].nlargest(WORST_MISTAKES, "probability")


def _pictures(results: Results, wrong: pd.DataFrame, labels: Sequence[str]) -> str | None:
    """The sequences of wrong answers, images as pictures, others as lines; None where there are none, or where an image
    is read as a single row of pixels."""
    own = results.summary.is_own
    if wrong.empty or results.test_x is None or (results.summary.features == 1 and not own):
        return None
    titles = [
        _title(labels[row["actual"]], labels[row["predicted"]], percent(row["probability"])) for row in records(wrong)
    ]
    alt = f"Pictures of {len(wrong)} wrong answers, with the actual class, the predicted one and its probability."
    return (lines_of if own else pictures_of)(results.test_x[wrong["index"].to_numpy()], titles, alt)


def _title(actual: str, predicted: str, probability: str) -> str:
    """What stands above a picture that is an inch and a half wide."""
    actual, predicted = shortened([actual, predicted], LONGEST_ABOVE)
    between = " " if len(actual) + len(predicted) <= LONGEST_ABOVE else "\n"
    return f"{actual},{between}not {predicted}\n{probability}"


def _answers(chosen: pd.DataFrame, labels: Sequence[str]) -> Table:
    rows = [row | {"actual": labels[row["actual"]], "predicted": labels[row["predicted"]]} for row in records(chosen)]
    return text_table(rows, {
        "index": ("test sample", number), "actual": ("is", str), "predicted": ("taken for", str),
        "probability": ("probability given", percent),
    })  # fmt: skip


def _pairs(confused: np.ndarray, labels: Sequence[str]) -> Table:
    """Every pair of classes that was confused, the most frequent first."""
    order = np.argsort(-confused, axis=None, kind="stable")
    pairs = zip(*np.unravel_index(order, confused.shape), strict=True)
    rows = [
        {"actual": labels[one], "predicted": labels[other], "times": confused[one, other]}
        for one, other in pairs
        if confused[one, other]
    ]
    return text_table(rows, {"actual": ("is", str), "predicted": ("taken for", str), "times": ("times", number)})
