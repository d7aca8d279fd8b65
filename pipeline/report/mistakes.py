"""The report's section on the champion's mistakes: which classes it confuses, how certain it is of wrong answers."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.calibration import calibration_error, reliability_table
from pipeline.documents import records
from pipeline.report import drawing
from pipeline.report.results import Results
from pipeline.report.text import Table, interval, number, percent, points, text_table

WORST_MISTAKES = 12
PAIRS, EXAMPLES = 3, 6


def confusion(results: Results) -> dict[str, Any] | None:
    """The champion's mistakes; None where nothing was tested."""
    if results.predictions is None:
        return None
    classes = results.summary["classes"]
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (results.predictions["actual"].to_numpy(), results.predictions["predicted"].to_numpy()), 1)
    wrong = int(counts.sum() - np.trace(counts))
    mistakes = counts - np.diag(np.diag(counts))
    actual, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    labels = [str(label) for label in results.summary["labels"]]
    sentence = f"{wrong:,} of {counts.sum():,} test sequences are put in a wrong class"
    if wrong:
        sentence += f"; most often {labels[actual]} is taken for {labels[predicted]} ({mistakes.max()} times)"
    table = reliability_table(results.predictions)
    error = calibration_error(table)
    title = f"Off by {points(error)} points on average"
    drawn = {
        "confusion": drawing.confusion_matrix(
            counts, labels, f"{wrong:,} of {counts.sum():,} wrong", f"Confusion matrix: {sentence}."
        ),
        "reliability": drawing.reliability(table, title, f"Reliability diagram: {title}."),
    }
    pictures = {
        "most_confused": _most_confused(results.predictions, mistakes),
        "most_confident": _most_confident(results.predictions),
    }
    for name, chosen in pictures.items():
        if len(chosen) and results.test_x is not None and results.summary["features"] > 1:
            drawn[name] = drawing.mistakes(
                results.test_x[chosen["index"].to_numpy()],
                [
                    f"{labels[row['actual']]}, not {labels[row['predicted']]}\n{percent(row['probability'])}"
                    for row in records(chosen)
                ],
                f"Pictures of {len(chosen)} wrong answers: what is there, what the network says, and how sure it is.",
            )
    return {
        "sentence": f"{sentence}.",
        "figures": drawn,
        "error": error,
        "pairs": _pairs(mistakes, labels),
        "wrong": _answers(pd.concat(pictures.values()).drop_duplicates(), labels),
        "reliability": _reliability(table),
    }


def _most_confused(predictions: pd.DataFrame, mistakes: np.ndarray) -> pd.DataFrame:
    """Of the pairs of classes most often confused, the wrong answers with the highest probability."""
    order = np.argsort(-mistakes, axis=None, kind="stable")[:PAIRS]
    actual, predicted = np.unravel_index(order, mistakes.shape)
    found = [
        predictions[(predictions["actual"] == one) & (predictions["predicted"] == other)].nlargest(
            EXAMPLES, "probability"
        )
        for one, other in zip(actual, predicted, strict=True)
        if mistakes[one, other]
    ]
    return pd.concat(found) if found else predictions.head(0)


def _most_confident(predictions: pd.DataFrame) -> pd.DataFrame:
    """The wrong answers that were given the highest probability."""
    return predictions[predictions["actual"] != predictions["predicted"]].nlargest(WORST_MISTAKES, "probability")


def _answers(chosen: pd.DataFrame, labels: list[str]) -> Table:
    rows = [row | {"actual": labels[row["actual"]], "predicted": labels[row["predicted"]]} for row in records(chosen)]
    return text_table(rows, {
        "index": ("test sample", number), "actual": ("is", str), "predicted": ("taken for", str),
        "probability": ("probability given", percent),
    })  # fmt: skip


def _pairs(mistakes: np.ndarray, labels: list[str]) -> Table:
    """Every pair of classes that was confused, the most frequent first."""
    order = np.argsort(-mistakes, axis=None, kind="stable")
    pairs = zip(*np.unravel_index(order, mistakes.shape), strict=True)
    rows = [
        {"actual": labels[one], "predicted": labels[other], "times": mistakes[one, other]}
        for one, other in pairs
        if mistakes[one, other]
    ]
    return text_table(rows, {"actual": ("is", str), "predicted": ("taken for", str), "times": ("times", number)})


def _reliability(table: pd.DataFrame) -> Table:
    rows = [row | {"interval": interval(row["low"], row["high"])} for row in records(table)]
    return text_table(rows, {
        "samples": ("answers", number), "probability": ("mean probability", percent),
        "accuracy": ("right", percent), "interval": ("95 % interval, %", str),
    })  # fmt: skip
