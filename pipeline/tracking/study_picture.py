"""A study's networks by their size: accuracy and generalization gap, as a picture for MLflow's page."""

import io
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pipeline.analysis.configurations import configurations
from pipeline.params.network import CELLS, Cell
from pipeline.studies.definition import HELD_OUT_NAMES

SIZES = (2, 4)  # of a dot, in points: the least, and what the most training samples add


def study_picture(trials: pd.DataFrame, held_out: str) -> bytes | None:
    """PNG of the networks in trials.csv; None where none was trained to its end.

    A dot is a mean over seeds, larger for more training samples; a bar is a standard deviation in both directions.
    """
    table = configurations(trials, held_out)
    if table.empty:
        return None
    figure = Figure(figsize=(8, 3.3), layout="constrained", dpi=100)  # as wide as the page on a small screen
    left, right = figure.subplots(1, 2, sharex=True)
    percent = FuncFormatter(lambda value, _: f"{100 * value:.4g}")
    samples = sorted(table["train_samples"].unique())
    for axes, measure, name in (
        (left, "validation_accuracy", f"{HELD_OUT_NAMES[held_out]} accuracy, %"),
        (right, "generalization_gap", "generalization gap, points"),
    ):
        for (cell, count), rows in table.groupby(["cell", "train_samples"], sort=False):
            kind = CELLS[cast(Cell, cell)]
            axes.errorbar(
                rows["parameters"], rows[measure], np.nan_to_num(rows[f"{measure}_sd"]), fmt="o", color=kind.colour,
                elinewidth=0.7, alpha=0.8, markersize=SIZES[0] + SIZES[1] * (samples.index(count) + 1) / len(samples),
                label=kind.title,
            )  # fmt: skip
        axes.set_title(name, fontsize=10, loc="left")
        axes.set_xlabel("parameters", fontsize=9)
        axes.set_xscale("log")
        axes.yaxis.set_major_formatter(percent)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    right.axhline(0, color="black", linewidth=0.7)
    by_title = dict(zip(*reversed(left.get_legend_handles_labels()), strict=True))
    left.legend(by_title.values(), by_title.keys(), fontsize=8, frameon=False)
    if len(samples) > 1:
        figure.supxlabel(f"dots: {samples[0]:,} training samples the smallest, {samples[-1]:,} the largest", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
