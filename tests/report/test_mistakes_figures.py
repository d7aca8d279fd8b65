"""The confusion matrix writes what can be read, and colours mistakes only."""

import numpy as np

from pipeline.report.mistakes_figures import confusion_matrix, confusions
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


def test_of_a_hundred_classes_the_most_frequent_confusions_are_shown() -> None:
    counts = np.eye(100, dtype=int) * 7
    counts[np.arange(99), np.arange(1, 100)] = np.arange(1, 100)
    svg = confusions(counts, [f"the word number {n}" for n in range(100)], "4,950 wrong", "alt")
    assert hovers(svg)[0] == "the word number 98 taken for the word number 99: 99 times"
    assert len(hovers(svg)) == 20
    assert {"4,950 wrong", "the word number 98 → the word number 99"} <= set(texts(svg))


def test_labels_below_a_matrix_stand_upright_where_they_find_no_place() -> None:
    two = confusion_matrix(np.eye(2, dtype=int), ["movement", "no movement at all"], "t", "alt")
    assert {"movement", "no movement at all"} <= set(texts(two))
    assert two.count("rotate(-90") == 1, "the name of an axis"
    twelve = confusion_matrix(np.eye(12, dtype=int), [f"gesture {n}" for n in range(12)], "t", "alt")
    assert twelve.count("rotate(-90") == 13
