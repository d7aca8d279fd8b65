"""Class by class, below "The test": how many of each class's sequences the champion finds."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.recall import recall_table
from pipeline.documents import records
from pipeline.params.network import CELLS
from pipeline.report.drawing import percent_tick, styled, to_svg
from pipeline.report.mistakes_figures import LONGEST_BESIDE
from pipeline.report.results import Results
from pipeline.report.text import Table, interval, number, percent, plural, shortened, text_table

LOWEST_SHOWN = 20  # classes in the figure


@dataclass(frozen=True)
class Recall:
    finding: str
    figures: dict[str, str]
    caption: str
    table: Table


def recall(results: Results) -> Recall | None:
    """The recall of every class, and a figure of all or of the lowest; None where nothing was tested."""
    if results.predictions is None:
        return None
    labels = [str(label) for label in results.summary.labels]
    table = recall_table(results.predictions, len(labels))
    lowest = table.sort_values(["recall", "label"], kind="stable").head(LOWEST_SHOWN)
    finding, shown = _finding(table, lowest, labels), table if len(table) == len(lowest) else lowest
    caption = (
        "Recall is the share of a class's test sequences that are put in it. Bars are Wilson's 95 % intervals over "
        "sequences: the fewer a class has, the wider."
    )
    if len(table) > len(lowest):
        caption += f" Of the {len(table)} classes these {len(lowest)} have the lowest."
    return Recall(
        finding=finding,
        figures={"recall": recall_figure(shown, labels, f"The recall of {len(shown)} classes. {finding}")},
        caption=caption,
        table=_table(table, labels),
    )


def _finding(table: pd.DataFrame, lowest: pd.DataFrame, labels: Sequence[str]) -> str:
    row, equal = records(lowest)[0], int((lowest["recall"] == lowest["recall"].min()).sum())
    if row["recall"] == 1:
        absent = len(labels) - len(table)
        found = "Of every class all test sequences are found"
        return f"{found}." if not absent else f"{found}, but for {absent} without any: nothing is known of these."
    name = labels[row["label"]]
    which = f"The class with the lowest recall is {name}" if equal == 1 else f"No class has a lower recall than {name}"
    return (
        f"{which}: {row['right']:,} of its "
        f"{plural(row['samples'], 'test sequence')} {'is' if row['samples'] == 1 else 'are'} found, "
        f"{percent(row['recall'])} (95 % interval {interval(row['low'], row['high'])})."
    )


def _table(table: pd.DataFrame, labels: Sequence[str]) -> Table:
    rows = [
        row | {"label": labels[row["label"]], "interval": interval(row["low"], row["high"])} for row in records(table)
    ]
    return text_table(rows, {
        "label": ("class", str), "samples": ("test sequences", number), "right": ("found", number),
        "recall": ("recall", percent), "interval": ("95 % interval, %", str),
    })  # fmt: skip


def recall_figure(table: pd.DataFrame, labels: Sequence[str], alt: str) -> str:
    """The recall of classes with its interval, a row for each, as SVG; `recall.recall_table`."""
    colour = CELLS["lstm"].colour  # the page's links have it, too
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(6.2, 0.9 + 0.28 * len(table)), layout="constrained")
        axes = figure.subplots()
        short = shortened(labels, LONGEST_BESIDE)
        for place, row in enumerate(records(table)):
            axes.hlines(place, row["low"], row["high"], color=colour)
            axes.plot(row["recall"], place, "o", color=colour, gid=f"class-{place}")
            hover[f"class-{place}"] = (
                f"{labels[row['label']]}: {row['right']:,} of {plural(row['samples'], 'sequence')} found, "
                f"{row['recall']:.2%}"
            )
        axes.set_yticks(range(len(table)), [short[label] for label in table["label"]])
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(percent_tick)
        axes.set_xlabel("recall")
        return to_svg(figure, alt, hover)
