"""The figures of the section on capacity: maps of accuracy and gap, and the gap against the training samples."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from pipeline.analysis.choice import named
from pipeline.analysis.configurations import CONFIGURATION, setting_in_words, told_apart_by
from pipeline.documents import records
from pipeline.params.network import CELLS, Cell
from pipeline.report.drawing import count_tick, depth_legend, fit_to_marks, line_style, points_tick, styled, to_svg
from pipeline.report.palette import INK, MARK
from pipeline.report.text import in_order, plural


def capacity_maps(table: pd.DataFrame, alt: str) -> str:
    """Validation accuracy and gap over units and layers, a map for each cell and number of samples, as SVG.

    Networks with the same units, layers and samples are on maps of their own, one for each of their settings. `table`
    is that of `capacity.capacity_table`. The stronger the colour, the larger the number in it.
    """
    cells = in_order(table["cell"].tolist())
    told = told_apart_by(table, ["cell", "units", "depth", "train_samples"])
    table = pd.DataFrame(named(records(table.sort_values("train_samples", kind="stable")), ["train_samples"]))
    groups = [group for _, group in table.groupby(["train_samples", *told], sort=False, dropna=False)]
    measures = {"validation_accuracy": "accuracy, %", "generalization_gap": "gap, points"}
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(10.5, 1.1 + 1.5 * len(groups)), layout="constrained")
        panels = figure.subplots(len(groups), 2 * len(cells), squeeze=False)
        for row, group in enumerate(groups):
            count = group["train_samples"].iloc[0]
            settings = "".join(f"{name.replace('_', ' ')} {setting_in_words(group[name].iloc[0])}\n" for name in told)
            for position, (measure, cell) in enumerate((m, c) for m in measures for c in cells):
                axes = panels[row, position]
                part = group[group["cell"] == cell]
                colour = CELLS[cell].colour if measure == "validation_accuracy" else MARK
                of_all = table[measure][table["train_samples"] == count]
                gid = f"map-{measure}-{cell}-{count}" + f"-{row}" * bool(told)
                hover |= _draw_map(axes, part, measure, colour, (of_all.min(), of_all.max()), gid)
                if row == 0:
                    axes.set_title(f"{CELLS[cell].title}\n{measures[measure]}")
                if row == len(groups) - 1:
                    axes.set_xlabel("units")
                if position == 0:
                    axes.set_ylabel(f"{count:,}\nsamples\n{settings}layers")
        return to_svg(figure, alt, hover)


def _draw_map(
    axes: Axes, part: pd.DataFrame, measure: str, colour: str, limits: tuple[float, float], prefix: str
) -> dict[str, str]:
    """Draw one map; returns what a pointer resting on its fields shows."""
    hover = {}
    units, depths = sorted(set(part["units"])), sorted(set(part["depth"]))
    low, high = limits
    axes.grid(visible=False)
    for row in records(part):
        x, y = units.index(row["units"]), depths.index(row["depth"])
        share = (row[measure] - low) / (high - low) if high > low else 0.5
        gid = f"{prefix}-{x}-{y}"
        axes.fill_between([x - 0.5, x + 0.5], y - 0.5, y + 0.5, color=colour, alpha=0.08 + 0.5 * share, linewidth=0,
                          gid=gid)  # fmt: skip
        hover[gid] = (
            f"{row['network']}, {row['parameters']:,} parameters, {row['train_samples']:,} samples: accuracy "
            f"{row['validation_accuracy']:.2%}, gap {100 * row['generalization_gap']:.2f} points"
        )
        axes.text(x, y, f"{100 * row[measure]:.1f}", ha="center", va="center", fontsize=9)
    axes.set_xticks(range(len(units)), [str(size) for size in units])
    axes.set_yticks(range(len(depths)), [str(depth) for depth in depths])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    return hover


def gap_against_samples(table: pd.DataFrame, alt: str) -> str:
    """Generalization gap against the number of training samples, a panel for each cell, as SVG.

    `table` is that of `capacity.gap_against_samples`. The more units, the stronger the line; layers as line styles.
    Bars are 95 % `interval_over_seeds`, cut where they reach far beyond the points.
    """
    cells = in_order(table["cell"].tolist())
    units = sorted(set(table["units"]))
    strengths = {size: 0.35 + 0.65 * place / max(len(units) - 1, 1) for place, size in enumerate(units)}
    samples = sorted(set(table["train_samples"]))
    told = told_apart_by(table, ["cell", "units", "depth", "train_samples"])
    settings = [name for name in CONFIGURATION if name in table and name != "train_samples"]
    table = pd.DataFrame(named(records(table), ["train_samples"]))
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(8.4, 3.8), layout="constrained")
        panels = figure.subplots(1, len(cells), sharey=True, squeeze=False)[0]
        for axes, cell in zip(panels, cells, strict=True):
            axes.set_title(CELLS[cell].title)
            lines = table[table["cell"] == cell].groupby(settings, sort=False, dropna=False)
            for place, (_, line) in enumerate(lines):
                line = line.sort_values("train_samples")
                hover |= _draw_gaps(axes, line, cell, strengths[line["units"].iloc[0]], f"-{place}" * bool(told))
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator(samples))
            axes.xaxis.set_major_formatter(count_tick)
            axes.xaxis.set_minor_locator(FixedLocator([]))
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.set_xlabel("training samples (log scale)")
        fit_to_marks(panels[0], pd.Series([0, *table["generalization_gap"]]))
        panels[0].yaxis.set_major_formatter(points_tick)
        panels[0].set_ylabel("gap, points")
        handles = [
            Line2D([], [], color=INK, alpha=strength, label=f"{size} units") for size, strength in strengths.items()
        ] + depth_legend(table["depth"])
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
        return to_svg(figure, alt, hover)


def _draw_gaps(axes: Axes, line: pd.DataFrame, cell: Cell, strength: float, suffix: str) -> dict[str, str]:
    """Draw one network's line; returns what a pointer resting on its points shows."""
    hover = {}
    colour, style = CELLS[cell].colour, line_style(int(line["depth"].iloc[0]))
    axes.plot(line["train_samples"], line["generalization_gap"], style, color=colour, alpha=strength,
              linewidth=0.8 + 1.6 * strength)  # fmt: skip
    axes.vlines(line["train_samples"], line["generalization_gap_low"], line["generalization_gap_high"], color=colour,
                alpha=strength, linewidth=0.8)  # fmt: skip
    for row in records(line):
        gid = f"samples-{cell}-{row['units']}-{row['depth']}-{row['train_samples']}{suffix}"
        axes.plot(row["train_samples"], row["generalization_gap"], CELLS[cell].marker, color=colour, alpha=strength,
                  gid=gid)  # fmt: skip
        hover[gid] = (
            f"{row['network']}, {row['train_samples']:,} samples: gap "
            f"{100 * row['generalization_gap']:.2f} points, {plural(row['seeds'], 'seed')}"
        )
    return hover
