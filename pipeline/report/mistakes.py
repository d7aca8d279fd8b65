"""Section "The test": the champion on the test data, the classes it confuses, and how certain it is of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis.calibration import calibration_error, reliability_table
from pipeline.documents import records
from pipeline.report.mistakes_figures import confusion_matrix, lines_of, pictures_of, reliability
from pipeline.report.results import Results
from pipeline.report.text import Table, interval, number, percent, points, text_table

WORST_MISTAKES = 12
PAIRS, EXAMPLES = 3, 6


@dataclass(frozen=True)
class Mistakes:
    """`error` is the mean distance between the probabilities given and the accuracy; `figures` have no pictures where
    a sequence is none."""

    finding: str
    error: float
    figures: dict[str, str]
    pairs: Table
    wrong: Table
    reliability: Table


def mistakes(results: Results) -> Mistakes | None:
    """The champion's mistakes; None where nothing was tested."""
    if results.predictions is None:
        return None
    predictions, classes = results.predictions, results.summary.classes
    labels = [str(label) for label in results.summary.labels]
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (predictions["actual"].to_numpy(), predictions["predicted"].to_numpy()), 1)
    confused = counts - np.diag(np.diag(counts))
    wrong = f"{confused.sum():,} of {counts.sum():,}"
    finding = f"{wrong} test sequences are put in a wrong class{_most_often(confused, labels)}."
    calibration = reliability_table(predictions)
    error = calibration_error(calibration)
    title = f"Off by {points(error)} points on average"
    shown = {
        "most_confused": _most_confused(predictions, confused),
        "most_confident": _most_confident(predictions),
    }
    return Mistakes(
        finding=finding,
        error=error,
        figures={
            "confusion": confusion_matrix(counts, labels, f"{wrong} wrong", f"Confusion matrix: {finding}"),
            "reliability": reliability(calibration, title, f"Reliability diagram: {title}."),
            **{name: svg for name, rows in shown.items() if (svg := _pictures(results, rows, labels))},
        },
        pairs=_pairs(confused, labels),
        wrong=_answers(pd.concat(shown.values()).drop_duplicates(), labels),
        reliability=_reliability(calibration),
    )


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
        f"{labels[row['actual']]}, not {labels[row['predicted']]}\n{percent(row['probability'])}"
        for row in records(wrong)
    ]
    alt = f"Pictures of {len(wrong)} wrong answers, with the actual class, the predicted one and its probability."
    return (lines_of if own else pictures_of)(results.test_x[wrong["index"].to_numpy()], titles, alt)


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


def _reliability(table: pd.DataFrame) -> Table:
    rows = [row | {"interval": interval(row["low"], row["high"])} for row in records(table)]
    return text_table(rows, {
        "samples": ("answers", number), "probability": ("mean probability", percent),
        "accuracy": ("right", percent), "interval": ("95 % interval, %", str),
    })  # fmt: skip
