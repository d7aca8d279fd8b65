"""The diagrams kept with every run, measured in pixels."""

import re
from io import BytesIO
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.training.diagram import LIBRARIES, diagram_png

ROOT = Path(__file__).parents[2]


def dot(first: int, second: int, label: str) -> str:
    """A diagram as Keras writes it, its nodes named by addresses in memory."""
    table = f'<table border="0" cellborder="1" bgcolor="black"><tr><td bgcolor="white">{label}</td></tr></table>'
    return (
        "digraph G {\ndpi=200;\nnode [shape=record];\n"
        f"{first} [label=<{table}>, fontname=Helvetica, border=0];\n"
        f"{second} [label=<{table}>, fontname=Helvetica, border=0];\n"
        f"{first} -> {second} [penwidth=2];\n}}\n"
    )


def pixels(png: bytes) -> NDArray[np.float32]:
    """(height, width, red green blue alpha), each from 0 to 1."""
    return np.asarray(matplotlib.image.imread(BytesIO(png), format="png"))


def test_the_diagram_shows_its_text_with_no_font_but_matplotlibs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no `dot` program
    monkeypatch.setenv("FONTCONFIG_FILE", str(tmp_path / "missing.conf"))  # no fonts of the system
    short, long = pixels(diagram_png(dot(1, 2, "lstm_1"))), pixels(diagram_png(dot(1, 2, "(None, 28, 256) ")))
    # Were the letters missing, the ink would be that of the boxes alone and grow no faster than they do.
    ink = [(picture[:, :, :3].mean(axis=2) < 0.5).sum() for picture in (short, pixels(diagram_png(dot(1, 2, ""))))]
    assert ink[0] > ink[1] + 100
    assert long.shape[1] > short.shape[1]
    assert long.shape[1] < 400  # pixels; 96 dots an inch, not the 200 that Keras asks for


def test_equal_networks_have_equal_diagrams_wherever_keras_kept_them() -> None:
    first = diagram_png(dot(140523537691344, 140521754122896, "gru"))
    assert first == diagram_png(dot(99999537691344, 140521754122000, "gru"))
    assert first != diagram_png(dot(140523537691344, 140521754122896, "lstm"))


def test_a_broken_diagram_is_not_passed_over() -> None:
    with pytest.raises(PipelineError, match=r"Graphviz could not draw the network \(.+\): if it lacks a library"):
        diagram_png("digraph G { [")


def test_the_libraries_that_it_may_lack_are_those_of_the_image() -> None:
    [wanted] = re.findall(r"apt-get install ([^`]+)`", LIBRARIES)
    assert f" {wanted} " in (ROOT / "Dockerfile").read_text(encoding="utf-8")
