"""The two pictures kept with every run: the network's diagram with shapes, and its learning curves."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from io import BytesIO
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

TRAINING, VALIDATION = "#0072B2", "#D55E00"  # blue and vermilion: told apart by the colour-blind as well


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


def curves_png(title: str, epochs: Sequence[EpochMetrics], best_epoch: int) -> bytes:
    """PNG with loss and accuracy after each epoch, on training and held-out data, the best epoch marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2))
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.15, top=0.88, wspace=0.22)  # a layout engine is slower
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    numbers = [metrics.epoch for metrics in epochs]
    for axes, name, label in zip(figure.subplots(1, 2), ("loss", "accuracy"), ("loss (nats)", "accuracy"), strict=True):
        for part, colour, marker in (("train", TRAINING, "o"), ("validation", VALIDATION, "s")):
            values = [getattr(metrics, f"{part}_{name}") for metrics in epochs]
            if None not in values:  # the champion's refit holds nothing out
                axes.plot(numbers, values, color=colour, marker=marker, markersize=3, label=part)
        axes.axvline(best_epoch, color="0.5", linestyle=":", label="best epoch")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(frameon=False)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    return picture.getvalue()
