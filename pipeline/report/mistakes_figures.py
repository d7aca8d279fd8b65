"""The figures of the section on the test: confusion matrix, and pictures of wrong answers."""

from collections.abc import Callable, Sequence
from itertools import zip_longest

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.drawing import styled, to_svg
from pipeline.report.palette import MARK
from pipeline.report.text import plural, shortened

MATRIX_CLASSES = 20  # with more classes than this the counts in a confusion matrix cannot be read
CONFUSIONS_SHOWN = 20
LONGEST_BESIDE = 18  # characters of a label beside a figure
ONE_LINE = 50  # characters of labels side by side below a matrix


def confusion_matrix(counts: np.ndarray, labels: Sequence[str], title: str, alt: str) -> str:
    """The counts (classes, classes) of actual (rows) against predicted (columns) classes, as SVG.

    It is for at most `MATRIX_CLASSES` classes; `confusions` is for more. Right answers are only numbers: the colour is
    for the mistakes, which they would drown.
    """
    classes = len(counts)
    mistakes = counts.astype(float)
    np.fill_diagonal(mistakes, 0)
    worst = max(mistakes.max(), 1)
    short = shortened(labels, LONGEST_BESIDE)
    upright = len("  ".join(short)) > ONE_LINE
    height = min(5.4, 1.8 + 0.36 * classes) + 0.09 * upright * max(map(len, short))
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(5.4, height), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        axes = figure.subplots()
        axes.grid(visible=False)
        for row, column in np.argwhere(mistakes > 0):
            gid = f"confused-{row}-{column}"
            axes.fill_between([column - 0.5, column + 0.5], row - 0.5, row + 0.5, color=MARK, linewidth=0,
                              alpha=0.12 + 0.5 * mistakes[row, column] / worst, gid=gid)  # fmt: skip
            hover[gid] = f"{labels[row]} taken for {labels[column]}: {plural(int(counts[row, column]), 'time')}"
        for row, column in np.argwhere(counts > 0):
            weight = "bold" if row == column else "normal"
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=9, weight=weight)
        axes.set_yticks(range(classes), short)
        axes.set_xticks(range(classes), short)
        if upright:
            axes.tick_params(axis="x", rotation=90)
        axes.set_xlim(-0.5, classes - 0.5)
        axes.set_ylim(classes - 0.5, -0.5)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("actual class")
        return to_svg(figure, alt, hover)


def confusions(counts: np.ndarray, labels: Sequence[str], title: str, alt: str) -> str:
    """Of these counts (classes, classes) of actual against predicted classes the most frequent mistakes, as SVG.

    There has to be a mistake.
    """
    mistakes = counts - np.diag(np.diag(counts))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:CONFUSIONS_SHOWN]
    pairs = [(row, column) for row, column in zip(*np.unravel_index(order, counts.shape), strict=True)
             if mistakes[row, column]]  # fmt: skip
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(6.2, 1.2 + 0.28 * len(pairs)), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        axes = figure.subplots()
        for place, (row, column) in enumerate(pairs):
            gid, times = f"confused-{row}-{column}", int(mistakes[row, column])
            axes.barh(place, times, color=MARK, alpha=0.62, gid=gid)
            hover[gid] = f"{labels[row]} taken for {labels[column]}: {plural(times, 'time')}"
        short = shortened(labels, LONGEST_BESIDE)
        axes.set_yticks(range(len(pairs)), [f"{short[row]} → {short[column]}" for row, column in pairs])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("test sequences")
        return to_svg(figure, alt, hover)


def pictures_of(samples: np.ndarray, titles: Sequence[str], alt: str) -> str:
    """Images (n, rows, columns) as pictures, each with its title, as SVG."""

    def draw(axes: Axes, image: np.ndarray) -> None:
        axes.axis("off")
        axes.imshow(image, cmap="gray", interpolation="nearest", aspect="auto")

    return _panels(samples, titles, alt, draw)


def lines_of(samples: np.ndarray, titles: Sequence[str], alt: str) -> str:
    """Sequences (n, timesteps, features) as lines over time, a line for each feature in its own unit, as SVG.

    All panels have the same axes. A sequence ends where its values are NaN.
    """
    low, high = float(np.nanmin(samples)), float(np.nanmax(samples))
    room = 0.05 * (high - low) or 1.0

    def draw(axes: Axes, sequence: np.ndarray) -> None:
        axes.plot(np.arange(1, len(sequence) + 1), sequence, linewidth=0.9)
        axes.set_xlim(1, len(sequence))
        axes.set_ylim(low - room, high + room)
        axes.tick_params(labelsize=7)

    return _panels(samples, titles, alt, draw)


def _panels(samples: np.ndarray, titles: Sequence[str], alt: str, draw: Callable[[Axes, np.ndarray], None]) -> str:
    columns = min(len(samples), 6)
    rows = -(-len(samples) // columns)
    with styled():
        figure = Figure(figsize=(1.5 * columns, 1.75 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for axes, sample, title in zip_longest(panels, samples, titles):
            if sample is None:
                axes.axis("off")
                continue
            draw(axes, sample)
            axes.set_title(title, fontsize=9)
        return to_svg(figure, alt)
