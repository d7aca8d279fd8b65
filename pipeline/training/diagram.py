"""A network's diagram with the shapes of its layers, as Graphviz draws it."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import PipelineError

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
# What the wheel takes for granted, and small images of containers lack.
LIBRARIES = "`apt-get install libexpat1 libglib2.0-0 libx11-6 libxext6 libxrender1` brings all that it needs of Debian"


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
        reason = drawing.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise PipelineError(f"Graphviz could not draw the network ({reason}): if it lacks a library, {LIBRARIES}")
    return drawing.stdout
