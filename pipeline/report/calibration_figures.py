"""The figures on the model's probabilities: the reliability diagram, and accuracy against coverage."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.calibration import MeasuredCalibration
from pipeline.documents import records
from pipeline.params.network import CELLS
from pipeline.report.drawing import percent_tick, styled, to_svg
from pipeline.report.palette import INK, MARK

COLOUR = CELLS["lstm"].colour  # the page's links have it, too


def reliability(tables: Mapping[str, pd.DataFrame], title: str, alt: str) -> str:
    """Accuracy against the probability that the model gives to its answers, as SVG; each a `reliability_table`.

    The last of the tables stands out.
    """
    hover: dict[str, str] = {}
    low = float(min(min(table["probability"].min(), table["low"].min()) for table in tables.values()))
    with styled():
        figure = Figure(figsize=(5.4, 4.6), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        axes = figure.subplots()
        axes.plot([low, 1], [low, 1], "--", color=INK, linewidth=1)
        for place, (name, table) in enumerate(tables.items()):
            last = place == len(tables) - 1
            colour, mark = (COLOUR, "o") if last else (INK, "x")
            axes.vlines(table["probability"], table["low"], table["high"], color=colour, alpha=1 if last else 0.4)
            for index, row in enumerate(records(table)):
                gid = f"bin-{place}-{index}"
                label = name if index == 0 else None
                axes.plot(row["probability"], row["accuracy"], mark, color=colour, gid=gid, label=label)
                hover[gid] = (
                    f"{row['samples']:,} answers given {row['probability']:.2%} on average ({name}): "
                    f"{row['accuracy']:.2%} are right"
                )
        if len(tables) > 1:
            axes.legend(title="probabilities", loc="upper left", alignment="left")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(percent_tick)
        axes.set_xlabel("probability given to the answer")
        axes.set_ylabel("answers that are right")
        return to_svg(figure, alt, hover)


def coverage_curve(table: pd.DataFrame, measured: MeasuredCalibration) -> str:
    """Accuracy among the answers that the model is most certain of, against their share, as SVG; `coverage_table`.

    A ring is where it is sure of its answers.
    """
    hover: dict[str, str] = {}
    rows = records(table)
    alt = (
        f"Accuracy against coverage: {rows[0]['accuracy']:.2%} of all answers are right, {rows[-1]['accuracy']:.2%} of "
        f"the {rows[-1]['coverage']:.0%} most certain ones."
    )
    with styled():
        figure = Figure(figsize=(6.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(table["coverage"], table["accuracy"], color=COLOUR, linewidth=1)
        axes.vlines(table["coverage"], table["low"], table["high"], color=COLOUR)
        for index, row in enumerate(rows):
            axes.plot(row["coverage"], row["accuracy"], "o", color=COLOUR, gid=f"coverage-{index}")
            hover[f"coverage-{index}"] = (
                f"{row['answered']:,} answers, {row['coverage']:.2%}, with a probability of at least "
                f"{row['probability']:.2%}: {row['accuracy']:.2%} are right"
            )
        if measured.sure and measured.sure_right is not None:
            share, accuracy = measured.sure / measured.samples, measured.sure_right / measured.sure
            axes.plot(share, accuracy, "o", markersize=15, markerfacecolor="none", markeredgecolor=MARK,
                      markeredgewidth=2, gid="sure")  # fmt: skip
            hover["sure"] = f"sure: {share:.2%} of the sequences, of which {accuracy:.2%} are right"
        axes.xaxis.set_major_formatter(percent_tick)
        axes.yaxis.set_major_formatter(percent_tick)
        axes.set_xlabel("test sequences answered, the most certain first")
        axes.set_ylabel("answers that are right")
        return to_svg(figure, alt, hover)
