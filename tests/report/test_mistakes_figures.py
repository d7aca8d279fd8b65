"""The confusion matrix writes what can be read, and colours mistakes only."""

import numpy as np

from pipeline.report.mistakes_figures import confusion_matrix
from pipeline.report.palette import MARK
from tests.helpers.pages import hovers, texts


def test_confusion_matrix_writes_counts_and_colours_mistakes() -> None:
    counts = np.array([[50, 2, 0], [0, 48, 4], [1, 0, 51]])
    svg = confusion_matrix(counts, ["a", "b", "c"], "7 wrong", "alt")
    shown = texts(svg)
    assert {"50", "48", "51", "2", "4", "1", "7 wrong"} <= set(shown)
    assert "0" not in shown
    assert svg.count(f"fill: {MARK}") == 3
    assert hovers(svg) == ["a taken for b: 2 times", "b taken for c: 4 times", "c taken for a: 1 time"]


def test_confusion_matrix_of_many_classes_leaves_the_counts_out() -> None:
    shown = texts(confusion_matrix(np.eye(30, dtype=int) * 7, [str(n) for n in range(30)], "t", "alt"))
    assert "7" not in shown
