"""The figure of the answer: all that competed, drawn against its size."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.analysis.choice import Finalist, distinct_names
from pipeline.analysis.configurations import CONFIGURATION
from pipeline.documents import records
from pipeline.params.network import CELLS
from pipeline.params.settings import METRIC_NAMES
from pipeline.report.baseline import Baseline
from pipeline.report.drawing import (
    NEARLY_NOTHING,
    accuracy_axis,
    baseline_line,
    cost_axis,
    depth_legend,
    fit_to_marks,
    legend,
    line_style,
    points_tick,
    ring,
    styled,
    to_svg,
)
from pipeline.report.palette import INK
from pipeline.report.text import plural


def answer_figure(
    studies: Mapping[str, pd.DataFrame], baseline: Baseline, choice: Finalist | None, title: str, alt: str
) -> str:
    """Validation accuracy and generalization gap against the number of parameters, as SVG.

    `studies` maps names to tables of `analysis.configurations`. Networks that differ in units alone are joined.
    Bars are 95 % `interval_over_seeds`. A line is the `baseline`, if it is in sight. `choice` is the configuration to
    mark, None for none.
    """
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(6.2, 6.6), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12.5, fontweight="bold")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for position, (study, table) in enumerate(studies.items()):
            for axes, measure in ((upper, "validation_accuracy"), (lower, "generalization_gap")):
                hover |= _draw_study(axes, table, measure, _fill(position), f"{study}-{measure}")
        if not studies:
            upper.text(0.5, 0.5, "no study has a complete trial", ha="center", transform=upper.transAxes)
            return to_svg(figure, alt)
        everything = pd.concat(studies.values())
        accuracy_axis(upper, accuracies_shown(studies, choice))
        baseline_line(upper, baseline.score)
        gaps = [0, *everything["generalization_gap"], *([] if choice is None else [choice.generalization_gap])]
        fit_to_marks(lower, pd.Series(gaps))
        name = METRIC_NAMES[baseline.metric]
        stretched = " (stretched towards 100 %)" * (upper.get_yscale() == "logit")
        upper.set_title(f"Validation {name}{stretched}")
        lower.set_title(f"Generalization gap: train minus validation {name}, points")
        lower.yaxis.set_major_formatter(points_tick)
        lower.axhline(0, color=INK, linewidth=0.8)
        if choice is not None:
            ring(upper, choice.parameters, choice.validation_accuracy)
            ring(lower, choice.parameters, choice.generalization_gap)
        cost_axis(lower, "trainable parameters (log scale)")
        handles = [*legend(everything, choice), *depth_legend(everything["depth"]), *_study_legend(studies)]
        figure.legend(handles=handles, loc="outside lower left", ncols=2)
        return to_svg(figure, alt, hover)


def accuracies_shown(studies: Mapping[str, pd.DataFrame], choice: Finalist | None) -> pd.Series:
    """The heights of all marks in the upper panel, and of the ring."""
    marks = [accuracy for table in studies.values() for accuracy in table["validation_accuracy"]]
    return pd.Series(marks if choice is None else [*marks, choice.validation_accuracy])


def _draw_study(axes: Axes, table: pd.DataFrame, measure: str, fill: Any, prefix: str) -> dict[str, str]:
    """Draw one study's configurations; returns what a pointer resting on them shows."""
    hover = {}
    table = table.assign(name=distinct_names(records(table)))
    series = [name for name in CONFIGURATION if name != "units"]
    for place, (_, line) in enumerate(table.groupby(series, sort=False, dropna=False)):
        line = line.sort_values("parameters")
        first = line.iloc[0]
        colour, marker = CELLS[first["cell"]].colour, CELLS[first["cell"]].marker
        x, y = line["parameters"].to_numpy(float), line[measure].to_numpy(float)
        axes.plot(x, y, line_style(first["depth"]), color=colour, linewidth=1.4)
        low, high = line[f"{measure}_low"], line[f"{measure}_high"]
        if measure == "validation_accuracy":
            low, high = low.clip(lower=NEARLY_NOTHING), high.clip(upper=1 - NEARLY_NOTHING)
        axes.vlines(x, low, high, color=colour, linewidth=1.4)
        for point, row in enumerate(records(line)):
            gid = f"{prefix}-{place}-{point}"
            axes.plot(row["parameters"], row[measure], marker, color=colour, fillstyle=fill, markersize=6.5, gid=gid)
            hover[gid] = (
                f"{row['name']}, {row['parameters']:,} parameters, {row['train_samples']:,} training samples: "
                f"validation accuracy {row['validation_accuracy']:.2%}, gap {100 * row['generalization_gap']:.2f} "
                f"points, {plural(row['seeds'], 'seed')}"
            )
    return hover


def _study_legend(studies: Mapping[str, pd.DataFrame]) -> list[Line2D]:
    """Handles for the studies: the first is drawn with filled marks."""
    handles = []
    for position, (study, table) in enumerate(studies.items()):
        low, high = table["train_samples"].min(), table["train_samples"].max()
        samples = f"{low:,}" if low == high else f"{low:,}–{high:,}"
        handles.append(Line2D([], [], color=INK, marker="o", linestyle="none", fillstyle=_fill(position),
                              label=f"{study}: {samples} samples"))  # fmt: skip
    return handles


def _fill(position: int) -> Any:
    return "full" if position == 0 else "none"
