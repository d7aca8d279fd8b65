"""Figures that compare networks: with the choice, and in what they cost."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.report.drawing import COLOURS, INK, MARK, MARKERS, accuracy_axis, legend, styled, to_svg

COST_AXES = {"parameters": "parameters", "fit_seconds": "seconds to train", "predict_ms": "ms a prediction"}


def differences(table: pd.DataFrame, choice: Mapping[str, Any], alt: str) -> str:
    """How much more accurate each larger network is than the choice, with 95 % intervals, as SVG.

    `table` is that of `comparisons.paired_comparisons`. Filled marks are differences that the adjusted test shows.
    """
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(6.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.axhline(0, color=MARK, linewidth=2)
        for index, row in enumerate(records(table.dropna(subset=["difference"]))):
            colour, gid = COLOURS[row["cell"]], f"difference-{index}"
            shown = row["verdict"] in ("better", "worse")
            axes.vlines(row["parameters"], row["difference_low"], row["difference_high"], color=colour, linewidth=1.2)
            axes.plot(row["parameters"], row["difference"], MARKERS[row["cell"]], color=colour, gid=gid,
                      fillstyle="full" if shown else "none")  # fmt: skip
            hover[gid] = (
                f"{network_name(row)}, {row['parameters']:,} parameters: {100 * row['difference']:+.2f} points over "
                f"{row['seeds']} seed{'s' * (row['seeds'] > 1)}; {row['verdict']}"
            )
        axes.set_title(f"Validation accuracy minus that of {network_name(choice)}, points", color=INK)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:+g}" if value else "0"))
        _log_axis(axes, "trainable parameters (log scale)")
        figure.legend(handles=legend({}, table, None), loc="outside lower left", ncols=6)
        return to_svg(figure, alt, hover)


def pareto_fronts(table: pd.DataFrame, fronts: pd.DataFrame, chosen: Mapping[str, Any] | None, alt: str) -> str:
    """Validation accuracy against each cost, the networks that nothing beats joined by a line, as SVG.

    `table` has a row per configuration with the columns of `COST_AXES`, `fronts` a boolean column for each of them;
    `chosen` is the row to mark.
    """
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(10.5, 4.2), layout="constrained")
        panels = figure.subplots(1, len(COST_AXES), sharey=True)
        for axes, (cost, label), name in zip(panels, COST_AXES.items(), fronts.columns, strict=True):
            known = table.dropna(subset=[cost])
            axes.set_title(label)
            if known.empty:
                axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
                continue
            front = known[fronts.loc[known.index, name]].sort_values(cost)
            axes.plot(front[cost], front["validation_accuracy"], drawstyle="steps-post", color=INK, linewidth=1.2)
            for index, row in zip(known.index, records(known), strict=True):
                gid, best = f"front-{cost}-{index}", bool(fronts.loc[index, name])
                axes.plot(row[cost], row["validation_accuracy"], MARKERS[row["cell"]], color=COLOURS[row["cell"]],
                          fillstyle="full" if best else "none", alpha=1 if best else 0.6, gid=gid)  # fmt: skip
                hover[gid] = (
                    f"{network_name(row)}: validation accuracy {row['validation_accuracy']:.2%}, "
                    f"{row[cost]:,.4g} {label}" + (", nothing is better for less" if best else "")
                )
            if chosen is not None:
                axes.plot(chosen[cost], chosen["validation_accuracy"], "o", markersize=17, markerfacecolor="none",
                          markeredgecolor=MARK, markeredgewidth=2.4, zorder=5, clip_on=False)  # fmt: skip
            _log_axis(axes, f"{label} (log scale)")
        accuracy_axis(panels[0], table["validation_accuracy"])
        panels[0].set_ylabel("validation accuracy")
        figure.legend(handles=legend({}, table, chosen), loc="outside lower left", ncols=6)
        return to_svg(figure, alt, hover)


def _log_axis(axes: Any, label: str) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
