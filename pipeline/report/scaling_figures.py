"""The figure of the law of error: lines by the law, points as measured, bars as foretold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from pipeline.analysis.scaling import Law
from pipeline.documents import records
from pipeline.params.network import CELLS, network_name
from pipeline.report.drawing import count_tick, percent_tick, styled, to_svg
from pipeline.report.palette import INK
from pipeline.report.text import plural

PANELS = 3  # in a row
TICKS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]


def error_law(laws: Sequence[Law], names: Sequence[str], checks: Sequence[pd.DataFrame], times: float, alt: str) -> str:
    """Error against training samples, both logarithmic, a panel for each law, as SVG.

    A line for each size, dashed from the most samples to so many `times` as many; the more units, the stronger. Bars,
    just right of the points on the most samples, are the prediction intervals of `checks` (`scaling.checked`, a table
    for each law).
    """
    units = sorted({size for law in laws for size in law.means["units"]})
    strengths = {size: 0.35 + 0.65 * place / max(len(units) - 1, 1) for place, size in enumerate(units)}
    rows = -(-len(laws) // PANELS)
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(9.6, 0.8 + 3.4 * rows), layout="constrained")
        panels = figure.subplots(rows, min(PANELS, len(laws)), sharey=True, squeeze=False)
        for axes in panels.flat[len(laws) :]:
            axes.set_visible(False)
        for place, (axes, law, name, check) in enumerate(zip(panels.flat, laws, names, checks, strict=False)):
            hover |= _draw_law(axes, place, law, check, strengths, times)
            axes.set_title(name)
        panels[0, 0].yaxis.set_major_locator(FixedLocator(TICKS))
        panels[0, 0].yaxis.set_minor_locator(FixedLocator([]))
        panels[0, 0].yaxis.set_major_formatter(percent_tick)
        for axes in panels[:, 0]:
            axes.set_ylabel("error (log scale)")
        handles = [
            Line2D([], [], color=INK, alpha=strength, label=f"{size} units") for size, strength in strengths.items()
        ]
        handles.append(Line2D([], [], color=INK, linestyle="--", label="extrapolated"))
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
        return to_svg(figure, alt, hover)


def _draw_law(
    axes: Axes, place: int, law: Law, check: pd.DataFrame, strengths: dict[int, float], times: float
) -> dict[str, str]:
    """Draw one panel; returns what a pointer resting on its points and bars shows."""
    cell, hover = CELLS[law.settings["cell"]], {}
    least, most = law.means["train_samples"].min(), law.most_samples
    axes.set_xscale("log")
    axes.set_yscale("log")
    for _, line in law.means.groupby("parameters"):
        strength, parameters = strengths[line["units"].iloc[0]], line["parameters"].iloc[0]
        for low, high, style in ((least, most, "-"), (most, times * most, "--")):
            samples = np.geomspace(low, high, 40)
            axes.plot(samples, law.error(samples, parameters), style, color=cell.colour, alpha=strength,
                      linewidth=0.8 + strength)  # fmt: skip
    for row in records(law.means):
        gid = f"law-{place}-{row['parameters']}-{row['train_samples']}"
        axes.plot(row["train_samples"], row["error"], cell.marker, color=cell.colour, markersize=5,
                  alpha=strengths[row["units"]], gid=gid)  # fmt: skip
        predicted = float(law.error(row["train_samples"], row["parameters"]))
        hover[gid] = (
            f"{network_name(row)}, {row['parameters']:,} parameters, {row['train_samples']:,} samples: error "
            f"{row['error']:.2%}, {plural(row['seeds'], 'seed')}; the law has {predicted:.2%}"
        )
    for shift, row in enumerate(records(check), start=1):
        gid = f"foretold-{place}-{row['parameters']}"
        low, high = (float(f"{row[name]:.4g}") for name in ("predicted_low", "predicted_high"))
        axes.vlines(most * 1.18**shift, low, high, color=cell.colour, alpha=strengths[row["units"]], linewidth=2.2,
                    gid=gid)  # fmt: skip
        hover[gid] = (
            f"{network_name(row)}, {row['train_samples']:,} samples, foretold from at most {row['fitted_up_to']:,}: "
            f"{row['predicted']:.2%}, 95 % interval {low:.2%} to {high:.2%}; measured {row['error']:.2%}"
        )
    axes.xaxis.set_major_locator(FixedLocator([*sorted(set(law.means["train_samples"])), times * most]))
    axes.xaxis.set_major_formatter(count_tick)
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.tick_params(axis="x", rotation=30)
    axes.set_xlabel("training samples (log scale)")
    return hover
