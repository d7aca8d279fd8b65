"""The two pictures kept with every run: the network's diagram with shapes, and its learning curves."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.trials import EpochMetrics

# The wheel of pygraphviz carries Graphviz but no font, and a small machine has none either: without this it
# draws empty boxes. Matplotlib's wheel carries DejaVu Sans.
FONT_CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir></fontconfig>
"""
DRAW = (
    "import sys; from pygraphviz import AGraph; "
    "sys.stdout.buffer.write(AGraph(string=sys.stdin.read()).draw(prog='dot', format='png'))"
)
DIAGRAM_DOTS_PER_INCH = 96

COLOURS = {"train": "#0072B2", "validation": "#D55E00"}  # blue and vermilion: told apart by the colour-blind as well
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 320" width="800" height="320"
 font-family="sans-serif" font-size="12" text-anchor="middle">
<rect width="800" height="320" fill="white"/>
{content}
</svg>
"""


def diagram_png(model_dot: str) -> bytes:
    """PNG of a network's diagram, from Graphviz's language. Equal networks are drawn once a process."""
    return _draw(with_stable_names(model_dot))


def with_stable_names(model_dot: str) -> str:
    """Keras names nodes by memory addresses, which differ in every process: number them in order instead."""
    names: dict[str, str] = {}
    return re.sub(r"(?m)^\d+|(?<=-> )\d+", lambda match: names.setdefault(match[0], f"node{len(names)}"), model_dot)


@cache
def _draw(model_dot: str) -> bytes:
    # In a process of its own: the C library prints warnings about the system's fonts, reads its settings from the
    # environment once, and would take the study down with it if it crashed.
    import matplotlib

    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    with TemporaryDirectory() as folder:
        configuration = Path(folder, "fonts.conf")
        configuration.write_text(FONT_CONFIGURATION.format(fonts=fonts), encoding="utf-8")
        drawing = subprocess.run(
            [sys.executable, "-I", "-X", "utf8", "-c", DRAW],
            input=re.sub(r"\bdpi=\d+", f"dpi={DIAGRAM_DOTS_PER_INCH}", model_dot).encode(),
            env=os.environ | {"FONTCONFIG_FILE": str(configuration)},
            capture_output=True,
        )
    if drawing.returncode:
        raise RuntimeError(f"Graphviz could not draw the network:\n{drawing.stderr.decode(errors='replace')}")
    return drawing.stdout


def curves_svg(title: str, epochs: Sequence[EpochMetrics], best_epoch: int) -> str:
    """SVG with loss and accuracy after each epoch, on training and held-out data, the best epoch marked.

    Written out by hand: matplotlib takes 60 ms for it, longer than everything else that is kept of a trial.
    """
    panels = []
    for left, name, label in ((60, "loss", "loss (nats)"), (460, "accuracy", "accuracy")):
        curves = {part: [getattr(metrics, f"{part}_{name}") for metrics in epochs] for part in COLOURS}
        measured = {part: values for part, values in curves.items() if None not in values}  # a refit holds nothing out
        panels.append(_panel(left, label, measured, best_epoch))
    heading = f'<text x="400" y="20" font-size="15">{escape(title)}</text>'
    return SVG.format(content="\n".join([heading, *panels]))


def _panel(left: int, label: str, curves: dict[str, list[float]], best_epoch: int) -> str:
    """One pair of axes, 330 × 225 pixels, with a line for each of the curves."""
    from matplotlib.ticker import MaxNLocator

    width, top, height = 330, 40, 225
    values = [value for curve in curves.values() for value in curve]
    last = max(len(curve) for curve in curves.values())
    levels = MaxNLocator(6).tick_values(min(values), max(values))
    low, high = levels[0], levels[-1]

    def x(epoch: float) -> str:
        return f"{left + width * (epoch - 1) / max(last - 1, 1):.1f}"

    def y(value: float) -> str:
        return f"{top + height * (high - value) / (high - low):.1f}"

    right, bottom = left + width, top + height
    shapes = [f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#333"/>']
    for level in levels:
        shapes.append(f'<path d="M{left} {y(level)}H{right}" stroke="#ddd"/>')
        shapes.append(f'<text x="{left - 5}" y="{y(level)}" dy="4" text-anchor="end">{level:.4g}</text>')
    for epoch in MaxNLocator(8, integer=True).tick_values(1, max(last, 2)):
        if 1 <= epoch <= last:
            shapes.append(f'<text x="{x(epoch)}" y="{bottom + 16}">{epoch:g}</text>')
    shapes.append(f'<text x="{left + width // 2}" y="{bottom + 36}">{label} after each epoch</text>')
    shapes.append(f'<path class="best" d="M{x(best_epoch)} {top}V{bottom}" stroke="#888" stroke-dasharray="2 3"/>')
    for row, (part, curve) in enumerate(curves.items()):
        points = " ".join(f"{x(epoch)},{y(value)}" for epoch, value in enumerate(curve, start=1))
        shapes.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[part]}" stroke-width="1.5"/>')
        key = f'x="{right - 40 * row}" y="34" fill="{COLOURS[part]}" text-anchor="end"'
        shapes.append(f"<text {key}>{part}</text>")
    return "\n".join(shapes)
