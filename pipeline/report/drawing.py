"""What all figures share: their style, their axes and legends, and SVG text that is the same for the same data."""

import html
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, Locator, MaxNLocator, NullFormatter
from scipy import special

from pipeline.analysis.choice import name_among
from pipeline.documents import records
from pipeline.params.network import CELLS, NetworkSpec
from pipeline.report.baseline import Baseline
from pipeline.report.palette import FAINT, INK, MARK, PAPER, THEME
from pipeline.report.text import in_order, plural

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 11, "axes.titlesize": 11.5, "axes.labelsize": 11, "legend.fontsize": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": FAINT, "grid.linewidth": 0.8, "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK,
    "axes.titlecolor": INK, "xtick.color": INK, "ytick.color": INK, "figure.facecolor": PAPER,
    "axes.facecolor": "none", "legend.frameon": False, "axes.titlelocation": "left",
    "text.parse_math": False,  # labels of classes may have dollar signs
}  # fmt: skip

LineStyle = Literal["-", "--", ":", "-."]
LINE_STYLES: list[LineStyle] = ["-", "--", ":", "-."]
ACCURACY_TICKS = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999]
ARROWS = [Path([(-0.6, sign), (0, 0), (0.6, sign)]) for sign in (1, -1)]  # down and up, their tips where they are
NEARLY_NOTHING = 1e-6  # a stretched axis has no place for 0 and 100 %


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the report's style."""
    with matplotlib.rc_context(STYLE):
        yield


def to_svg(figure: Any, alt: str, hover: Mapping[str, str] | None = None) -> str:
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
    # What is written in the figure stays as it is, whatever it looks like.
    svg = re.sub(r'>[^<]*| id="([^"]+)"', lambda found: "" if found[1] and found[1] not in used else found[0], svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)


def themed(svg: str) -> str:
    """`svg` for the inside of the report: in the page's colours, on its paper, and in the size that the page gives it.

    What is written in the figure, and its accessible name, stay as they are.
    """
    svg = svg.replace(f"fill: {PAPER}", "fill: none", 1)  # the figure's own paper, drawn first, would hide a shadow
    words_or_colour = f'>[^<]*|aria-label="[^"]*"|({"|".join(THEME)})'
    svg = re.sub(words_or_colour, lambda found: THEME[found[1]] if found[1] else found[0], svg)
    return re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)


def percent_tick(value: float, _: object) -> str:
    """A fraction as the label of a tick, in per cent."""
    return f"{100 * value:g} %"


def points_tick(value: float, _: object) -> str:
    """A difference of fractions as the label of a tick, in percentage points."""
    return f"{100 * value:g}".replace("-", "−")


def count_tick(value: float, _: object) -> str:
    """A count as the label of a tick."""
    return f"{value:,.0f}"


def line_style(depth: int) -> LineStyle:
    """How a line of networks with so many layers is drawn."""
    return LINE_STYLES[(depth - 1) % len(LINE_STYLES)]


def accuracy_range(accuracies: pd.Series) -> tuple[Literal["linear", "logit"], float, float]:
    """The scale of an axis that marks at these heights fill, with room for a ring around each, and its two ends.

    It is a logit scale where errors differ by more than a factor of 3, so that 98 and 99 % stay apart. That scale has
    no place for 0 and 100 %, so marks there are on a linear one, which reaches beyond them by no more than a ring.
    """
    low, high = accuracies.min(), accuracies.max()
    if low >= NEARLY_NOTHING and high <= 1 - NEARLY_NOTHING and (1 - low) > 3 * (1 - high):
        ends = special.logit([low, high])
        room = max(np.log(1.6), 0.1 * np.ptp(ends))
        low, high = special.expit([ends[0] - room, ends[1] + room])
        return "logit", low, high
    room, beyond = (0.35 * (high - low), 0.1 * (high - low)) if high > low else (0.01, 0.002)
    return "linear", max(low - room, -beyond), min(high + room, 1 + beyond)


def accuracy_axis(axes: Axes, accuracies: pd.Series) -> None:
    """An axis of the `accuracy_range` of the marks, with percent ticks. Bars may reach further, and end in an arrow
    there: with the interval of two seeds in sight, all marks would be a line."""
    scale, low, high = accuracy_range(accuracies)
    axes.set_yscale(scale)
    axes.set_ylim(low, high)
    ticks = ACCURACY_TICKS if scale == "logit" else [tick for tick in axes.get_yticks() if 0 <= tick <= 1]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(percent_tick)
    axes.yaxis.set_minor_locator(FixedLocator([]))
    _arrows_where_bars_are_cut(axes)


def fit_to_marks(axes: Axes, values: pd.Series) -> None:
    """Let the marks at these heights, finite ones, fill a linear axis. Bars are cut as those of an `accuracy_axis`."""
    low, high = values.min(), values.max()
    room = 0.35 * (high - low) or 0.01
    axes.set_ylim(low - room, high + room)
    _arrows_where_bars_are_cut(axes)


def _arrows_where_bars_are_cut(axes: Axes) -> None:
    """End the upright bars that are drawn here, and beside it on the same scale, in an arrow where they go on."""
    bottom, top = axes.get_ylim()
    for panel in axes.get_shared_y_axes().get_siblings(axes):
        assert isinstance(panel, Axes)
        for bars in [found for found in panel.collections if isinstance(found, LineCollection)]:
            ends = np.array([path.vertices for path in bars.get_paths()]).reshape(-1, 2, 2)  # (bar, end, coordinate)
            for edge, cut in ((0, ends[:, 0, 1] < bottom), (1, ends[:, 1, 1] > top)):
                panel.scatter(ends[cut, 0, 0], np.full(cut.sum(), edge), 60, marker=ARROWS[edge], facecolors="none",
                              edgecolors=bars.get_color(), linewidth=1.2, alpha=bars.get_alpha(), clip_on=False,
                              transform=panel.get_xaxis_transform())  # fmt: skip


def baseline_line(axes: Axes, score: float) -> None:
    """What it is worth to answer without a look, where the axes have a place for it."""
    low, high = axes.get_ylim()
    if low <= score <= high:
        axes.axhline(score, color=INK, linestyle=":", linewidth=1.6)


def baseline_words(baseline: Baseline, accuracies: pd.Series) -> str:
    """What the dotted line is that `baseline_line` draws beside these marks, or where it would lie."""
    _, low, high = accuracy_range(accuracies)
    if low <= baseline.score <= high:
        return f"The dotted line is {baseline.name}, which {baseline.worth}. "
    side = "below" if baseline.score < low else "above"
    return f"{baseline.name[0].upper()}{baseline.name[1:]} {baseline.worth}, {side} this range. "


def cost_axis(axes: Axes, label: str) -> None:
    """A logarithmic axis with the `log_ticks` of what it spans."""
    axes.set_xscale("log")
    log_ticks(axes.xaxis, *axes.get_xlim())
    axes.set_xlabel(label)


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """At least two numbers on a logarithmic axis from `low` to `high`, with place between them.

    They are powers of ten where it spans two decades, and a few numbers of each decade where it spans less.
    """
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
    locator: Locator = MaxNLocator(4)
    for steps in ((1, 10),) if high >= 100 * low else ((1, 2, 5, 10), (1, 2, 3, 5, 7, 10)):
        ticks = np.unique(np.multiply.outer(powers, steps))
        if np.count_nonzero((low <= ticks) & (ticks <= high)) >= 2:
            locator = FixedLocator(ticks.tolist())
            break
    axis.set_major_locator(locator)
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axis.set_minor_formatter(NullFormatter())


def ring(axes: Axes, x: float, y: float) -> None:
    """Mark the champion."""
    axes.plot(x, y, "o", markersize=17, markerfacecolor="none", markeredgecolor=MARK, markeredgewidth=2.4, zorder=5,
              clip_on=False)  # fmt: skip


def legend(table: pd.DataFrame, choice: NetworkSpec | Mapping[str, Any] | None) -> list[Line2D]:
    """Handles for the cells in `table`, and for the choice if there is one."""
    handles = [
        Line2D([], [], color=CELLS[cell].colour, marker=CELLS[cell].marker, linestyle="none", label=CELLS[cell].title)
        for cell in in_order(table["cell"].tolist())
    ]
    if choice is not None:
        row = dict(choice) if isinstance(choice, NetworkSpec) else choice
        label = f"champion: {name_among(row, records(table))}"
        handles.append(Line2D([], [], color=MARK, marker="o", markersize=12, markerfacecolor="none",
                              markeredgewidth=2.2, linestyle="none", label=label))  # fmt: skip
    return handles


def depth_legend(depths: Iterable[int]) -> list[Line2D]:
    """Handles for the line styles of so many layers."""
    return [
        Line2D([], [], color=INK, linestyle=line_style(depth), label=plural(depth, "layer"))
        for depth in sorted(set(depths))
    ]
