"""The report's figures, as SVG text that is the same byte for byte for the same data."""

import html
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from pipeline.analysis.configurations import CONFIGURATION
from pipeline.documents import records
from pipeline.params.network import CELLS, network_name

COLOURS: dict[str, str] = {cell: kind.colour for cell, kind in CELLS.items()}
MARKERS: dict[str, str] = {cell: kind.marker for cell, kind in CELLS.items()}
CELL_NAMES: dict[str, str] = {cell: kind.title for cell, kind in CELLS.items()}
LINE_STYLES = ["-", "--", ":", "-."]

INK, FAINT, PAPER, MARK = "#1b1b1b", "#d9d9d9", "#fefefe", "#c2185b"


# Inside the report a figure follows the page's light or dark colours.
THEME = {
    INK: "var(--ink)", FAINT: "var(--faint)", PAPER: "var(--paper)", MARK: "var(--mark)",
    **{colour: f"var(--{cell.replace('_', '-')})" for cell, colour in COLOURS.items()},
}  # fmt: skip


STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 11, "axes.titlesize": 11.5, "axes.labelsize": 11, "legend.fontsize": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": FAINT, "grid.linewidth": 0.8, "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK,
    "axes.titlecolor": INK, "xtick.color": INK, "ytick.color": INK, "figure.facecolor": PAPER,
    "axes.facecolor": "none", "legend.frameon": False, "axes.titlelocation": "left",
}  # fmt: skip


ACCURACY_TICKS = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999]

WORST_SHOWN = 20  # with more classes than this the counts in a confusion matrix cannot be read


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the report's style."""
    with matplotlib.rc_context(STYLE):
        yield


def to_svg(figure: Figure, alt: str, hover: Mapping[str, str] | None = None) -> str:
    """`figure` as one `<svg>` element with `alt` as its accessible name.

    `hover` maps gids of the figure's artists to the text that a pointer resting on them shows.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": alt}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for gid, text in (hover or {}).items():
        svg = svg.replace(f'<g id="{gid}">', f"<g><title>{html.escape(text)}</title>")
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)


def themed(svg: str) -> str:
    """`svg` for the inside of the report: its colours are the page's variables, its size is the page's matter."""
    for colour, variable in THEME.items():
        svg = svg.replace(colour, variable)
    return re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)


def answer(studies: Mapping[str, pd.DataFrame], choice: Mapping[str, Any] | None, title: str, alt: str) -> str:
    """Validation accuracy and generalization gap against the number of parameters, as SVG.

    `studies` maps names to tables of `analysis.configurations`. Networks that differ in units alone are joined.
    Bars are 95 % Student's t intervals over seeds. `choice` is the configuration to mark, None for none.
    """
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(6.2, 6.6), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12.5, fontweight="bold")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for position, (study, table) in enumerate(studies.items()):
            for axes, measure in ((upper, "validation_accuracy"), (lower, "generalization_gap")):
                _draw_study(axes, table, measure, "full" if position == 0 else "none", f"{study}-{measure}", hover)
        if not studies:
            upper.text(0.5, 0.5, "no study has a complete trial", ha="center", transform=upper.transAxes)
            return to_svg(figure, alt)
        everything = pd.concat(studies.values())
        accuracy_axis(upper, everything["validation_accuracy"])
        upper.set_title("Validation accuracy" + (" (stretched towards 100 %)" if upper.get_yscale() == "logit" else ""))
        lower.set_title("Generalization gap: train minus validation accuracy, points")
        lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        lower.axhline(0, color=INK, linewidth=0.8)
        lower.set_xscale("log")
        lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        lower.xaxis.set_minor_formatter(NullFormatter())
        lower.set_xlabel("trainable parameters (log scale)")
        if choice is not None:
            for axes, measure in ((upper, "validation_accuracy"), (lower, "generalization_gap")):
                axes.plot(choice["parameters"], choice[measure], "o", markersize=17, markerfacecolor="none",
                          markeredgecolor=MARK, markeredgewidth=2.4, zorder=5, clip_on=False)  # fmt: skip
        figure.legend(handles=legend(studies, everything, choice), loc="outside lower left", ncols=2)
        return to_svg(figure, alt, hover)


def _draw_study(axes: Axes, table: pd.DataFrame, measure: str, fill: Any, prefix: str, hover: dict[str, str]) -> None:
    series = [name for name in CONFIGURATION if name != "units"]
    for number, (_, line) in enumerate(table.groupby(series, sort=False, dropna=False)):
        line = line.sort_values("parameters")
        first = line.iloc[0]
        colour, marker = COLOURS[first["cell"]], MARKERS[first["cell"]]
        x, y = line["parameters"].to_numpy(float), line[measure].to_numpy(float)
        axes.plot(x, y, LINE_STYLES[(first["depth"] - 1) % len(LINE_STYLES)], color=colour, linewidth=1.4)
        axes.vlines(x, line[f"{measure}_low"], line[f"{measure}_high"], color=colour, linewidth=1.4)
        for point, row in enumerate(records(line)):
            gid = f"{prefix}-{number}-{point}"
            axes.plot(row["parameters"], row[measure], marker, color=colour, fillstyle=fill, markersize=6.5, gid=gid)
            hover[gid] = (
                f"{network_name(row)}, {row['parameters']:,} parameters, {row['train_samples']:,} training samples: "
                f"validation accuracy {row['validation_accuracy']:.2%}, gap {100 * row['generalization_gap']:.2f} "
                f"points, {row['seeds']} seed{'s' * (row['seeds'] > 1)}"
            )


def accuracy_axis(axes: Axes, accuracies: pd.Series) -> None:
    """Percent ticks; a logit scale where errors differ by more than a factor of 3, so that 98 and 99 % stay apart."""
    low, high = accuracies.min(), accuracies.max()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    if low > 0 and high < 1 and (1 - low) > 3 * (1 - high):
        axes.set_yscale("logit")
        axes.yaxis.set_major_locator(FixedLocator(ACCURACY_TICKS))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.yaxis.set_minor_locator(FixedLocator([]))


def legend(
    studies: Mapping[str, pd.DataFrame], everything: pd.DataFrame, choice: Mapping[str, Any] | None
) -> list[Line2D]:
    """Handles for the cells of `everything`, the choice, and how `studies` are drawn if there are any."""
    cells = [cell for cell in COLOURS if cell in set(everything["cell"])]
    handles = [
        Line2D([], [], color=COLOURS[cell], marker=MARKERS[cell], linestyle="none", label=CELL_NAMES[cell])
        for cell in cells
    ]
    if choice is not None:
        label = f"recommended: {network_name(choice)}"
        handles.append(Line2D([], [], color=MARK, marker="o", markersize=12, markerfacecolor="none",
                              markeredgewidth=2.2, linestyle="none", label=label))  # fmt: skip
    for depth in sorted(set(everything["depth"])) if studies else []:
        style = LINE_STYLES[(depth - 1) % len(LINE_STYLES)]
        handles.append(Line2D([], [], color=INK, linestyle=style, label=f"{depth} layer{'s' * (depth > 1)}"))
    for position, (study, table) in enumerate(studies.items()):
        low, high = table["train_samples"].min(), table["train_samples"].max()
        samples = f"{low:,}" if low == high else f"{low:,}–{high:,}"
        handles.append(Line2D([], [], color=INK, marker="o", linestyle="none",
                              fillstyle="full" if position == 0 else "none",
                              label=f"{study}: {samples} samples"))  # fmt: skip
    return handles


def capacity_maps(table: pd.DataFrame, alt: str) -> str:
    """Validation accuracy and gap over units and layers, a map for each cell and number of samples, as SVG.

    `table` is that of `analysis.capacity_table`. The stronger the colour, the larger the number in it.
    """
    cells = [cell for cell in COLOURS if cell in set(table["cell"])]
    samples = sorted(set(table["train_samples"]))
    measures = {"validation_accuracy": "accuracy, %", "generalization_gap": "gap, points"}
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(10.5, 1.1 + 1.5 * len(samples)), layout="constrained")
        panels = figure.subplots(len(samples), 2 * len(cells), squeeze=False)
        for row, count in enumerate(samples):
            for position, (measure, cell) in enumerate((m, c) for m in measures for c in cells):
                axes = panels[row, position]
                part = table[(table["cell"] == cell) & (table["train_samples"] == count)]
                colour = COLOURS[cell] if measure == "validation_accuracy" else MARK
                of_all = table[measure][table["train_samples"] == count]
                hover |= _draw_map(axes, part, measure, colour, (of_all.min(), of_all.max()))
                if row == 0:
                    axes.set_title(f"{CELL_NAMES[cell]}\n{measures[measure]}")
                if row == len(samples) - 1:
                    axes.set_xlabel("units")
                if position == 0:
                    axes.set_ylabel(f"{count:,}\nsamples\nlayers")
        return to_svg(figure, alt, hover)


def _draw_map(axes: Axes, part: pd.DataFrame, measure: str, colour: str, limits: tuple[float, float]) -> dict[str, str]:
    """Draw one map; returns what a pointer resting on its fields shows."""
    hover = {}
    units, depths = sorted(set(part["units"])), sorted(set(part["depth"]))
    low, high = limits
    axes.grid(visible=False)
    for row in records(part):
        x, y = units.index(row["units"]), depths.index(row["depth"])
        share = (row[measure] - low) / (high - low) if high > low else 0.5
        gid = f"map-{measure}-{row['cell']}-{row['train_samples']}-{x}-{y}"
        axes.fill_between([x - 0.5, x + 0.5], y - 0.5, y + 0.5, color=colour, alpha=0.08 + 0.5 * share, linewidth=0,
                          gid=gid)  # fmt: skip
        hover[gid] = (
            f"{network_name(row)}, {row['parameters']:,} parameters, {row['train_samples']:,} samples: accuracy "
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
    Bars are 95 % Student's t intervals over seeds.
    """
    cells = [cell for cell in COLOURS if cell in set(table["cell"])]
    units = sorted(set(table["units"]))
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(8.4, 3.8), layout="constrained")
        panels = figure.subplots(1, len(cells), sharey=True, squeeze=False)[0]
        for axes, cell in zip(panels, cells, strict=True):
            axes.set_title(CELL_NAMES[cell])
            for _, line in table[table["cell"] == cell].groupby(["units", "depth"]):
                size, depth = int(line["units"].iloc[0]), int(line["depth"].iloc[0])
                strength = 0.35 + 0.65 * units.index(size) / max(len(units) - 1, 1)
                style = LINE_STYLES[(depth - 1) % len(LINE_STYLES)]
                line = line.sort_values("train_samples")
                axes.plot(line["train_samples"], line["generalization_gap"], style, color=COLOURS[cell],
                          alpha=strength, linewidth=0.8 + 1.6 * strength)  # fmt: skip
                axes.vlines(line["train_samples"], line["generalization_gap_low"], line["generalization_gap_high"],
                            color=COLOURS[cell], alpha=strength, linewidth=0.8)  # fmt: skip
                for row in records(line):
                    gid = f"samples-{cell}-{size}-{depth}-{row['train_samples']}"
                    axes.plot(row["train_samples"], row["generalization_gap"], MARKERS[cell], color=COLOURS[cell],
                              alpha=strength, gid=gid)  # fmt: skip
                    hover[gid] = (
                        f"{network_name(row)}, {row['train_samples']:,} samples: gap "
                        f"{100 * row['generalization_gap']:.2f} points, {row['seeds']} seed{'s' * (row['seeds'] > 1)}"
                    )
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator(sorted(set(table["train_samples"]))))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.xaxis.set_minor_locator(FixedLocator([]))
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.set_xlabel("training samples (log scale)")
        panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        panels[0].set_ylabel("gap, points")
        handles = [
            Line2D([], [], color=INK, alpha=0.35 + 0.65 * index / max(len(units) - 1, 1), label=f"{size} units")
            for index, size in enumerate(units)
        ] + [
            Line2D([], [], color=INK, linestyle=LINE_STYLES[(depth - 1) % len(LINE_STYLES)],
                   label=f"{depth} layer{'s' * (depth > 1)}")
            for depth in sorted(set(table["depth"]))
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
        return to_svg(figure, alt, hover)


def learning_curves(curves: pd.DataFrame, cell: str, title: str, alt: str, beside: pd.DataFrame) -> str:
    """Accuracy and loss per epoch, train dashed and validation solid, one pair of lines per seed, as SVG.

    `curves` are the rows of curves.csv of one configuration; `beside` are those of all that are shown side by side,
    which get the same axes.
    """
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(3.6, 4.6), layout="constrained")
        figure.suptitle(title, x=0.02, ha="left", fontsize=11.5, fontweight="bold")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, measure in zip(panels, ("accuracy", "loss"), strict=True):
            for _, frame in curves.groupby("number"):
                axes.plot(frame["epoch"], frame[f"train_{measure}"], "--", color=INK, linewidth=1.2)
                axes.plot(frame["epoch"], frame[f"validation_{measure}"], "-", color=COLOURS[cell], linewidth=1.8)
            for row in records(curves.groupby("epoch", as_index=False).mean()):
                gid = f"epoch-{measure}-{row['epoch']}"
                axes.plot(row["epoch"], row[f"validation_{measure}"], ".", color=COLOURS[cell], markersize=5, gid=gid)
                hover[gid] = (
                    f"epoch {row['epoch']}: validation accuracy {row['validation_accuracy']:.2%}, train "
                    f"{row['train_accuracy']:.2%}; loss {row['validation_loss']:.3g} and {row['train_loss']:.3g} nats"
                ).replace("nan", "not measured")
            values = beside[[f"train_{measure}", f"validation_{measure}"]].to_numpy(float)
            low, high = np.nanmin(values, initial=1), np.nanmax(values, initial=0.1)
            if measure == "loss":
                axes.set_yscale("log")
                axes.set_ylim(low / 1.1, high * 1.1)
            else:
                axes.set_ylim(low - 0.02, min(high + 0.02, 1.005))
        upper, lower = panels
        lower.set_xlim(0.5, max(beside["epoch"].max(), 1) + 0.5)
        upper.set_title("accuracy")
        upper.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        lower.set_title("loss, nats (log scale)")
        lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        lower.yaxis.set_minor_formatter(NullFormatter())
        lower.set_xlabel("epoch")
        lower.xaxis.get_major_locator().set_params(integer=True)
        handles = [
            Line2D([], [], color=INK, linestyle="--", label="train"),
            Line2D([], [], color=COLOURS[cell], label="validation"),
        ]
        figure.legend(handles=handles, loc="outside lower left", ncols=2)
        return to_svg(figure, alt, hover)


def reliability(table: pd.DataFrame, title: str, alt: str) -> str:
    """Accuracy against the probability that the model gives to its answers, as SVG; `analysis.reliability_table`."""
    hover: dict[str, str] = {}
    low = float(min(table["probability"].min(), table["low"].min()))
    with styled():
        figure = Figure(figsize=(5.4, 4.6), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        axes = figure.subplots()
        axes.plot([low, 1], [low, 1], "--", color=INK, linewidth=1)
        axes.vlines(table["probability"], table["low"], table["high"], color=COLOURS["lstm"])
        for index, row in enumerate(records(table)):
            axes.plot(row["probability"], row["accuracy"], "o", color=COLOURS["lstm"], gid=f"bin-{index}")
            hover[f"bin-{index}"] = (
                f"{row['samples']} answers given {row['probability']:.2%} on average: {row['accuracy']:.2%} are right"
            )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.set_xlabel("probability given to the answer")
        axes.set_ylabel("answers that are right")
        return to_svg(figure, alt, hover)


def mistakes(samples: np.ndarray, titles: Sequence[str], alt: str) -> str:
    """Sequences (n, timesteps, features) as pictures, time downwards, each with its title, as SVG."""
    columns = min(len(samples), 6)
    rows = -(-len(samples) // columns)
    with styled():
        figure = Figure(figsize=(1.5 * columns, 1.75 * rows), layout="constrained")
        for axes in (panels := figure.subplots(rows, columns, squeeze=False)).flat:
            axes.axis("off")
        for axes, sample, title in zip(panels.flat, samples, titles, strict=False):
            axes.imshow(sample, cmap="gray", interpolation="nearest", aspect="auto")
            axes.set_title(title, fontsize=9)
        return to_svg(figure, alt)


def confusion_matrix(counts: np.ndarray, labels: Sequence[str], title: str, alt: str) -> str:
    """The counts (classes, classes) of actual (rows) against predicted (columns) classes, as SVG.

    Right answers are only numbers: the colour is for the mistakes, which they would drown.
    """
    classes = len(counts)
    mistakes = counts.astype(float)
    np.fill_diagonal(mistakes, 0)
    worst = max(mistakes.max(), 1)
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(5.4, 5.4), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
        axes = figure.subplots()
        axes.grid(visible=False)
        for row, column in np.argwhere(mistakes > 0):
            gid = f"confused-{row}-{column}"
            axes.fill_between([column - 0.5, column + 0.5], row - 0.5, row + 0.5, color=MARK, linewidth=0,
                              alpha=0.12 + 0.5 * mistakes[row, column] / worst, gid=gid)  # fmt: skip
            times = int(counts[row, column])
            hover[gid] = f"{labels[row]} taken for {labels[column]}: {times} time{'s' * (times > 1)}"
        if classes <= WORST_SHOWN:
            for row, column in np.argwhere(counts > 0):
                weight = "bold" if row == column else "normal"
                axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=9, weight=weight)
            axes.set_xticks(range(classes), labels)
            axes.set_yticks(range(classes), labels)
        axes.set_xlim(-0.5, classes - 0.5)
        axes.set_ylim(classes - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.set_xlabel("predicted class")
        axes.set_ylabel("actual class")
        return to_svg(figure, alt, hover)
