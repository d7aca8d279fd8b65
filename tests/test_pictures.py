"""The pictures kept with every run, measured in pixels."""

from io import BytesIO
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.pictures import TRAINING, VALIDATION, curves_png, diagram_png
from pipeline.trials import EpochMetrics


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


def has_colour(picture: NDArray[np.float32], colour: str) -> bool:
    wanted = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return bool((np.abs(picture[:, :, :3] - wanted).max(axis=2) < 0.02).any())


def epochs(*, held_out: bool) -> list[EpochMetrics]:
    return [
        EpochMetrics(n, 1 / n, 1 - 0.5 / n, 1.2 / n if held_out else None, 0.9 if held_out else None, 1.5 / n, 0.4)
        for n in range(1, 8)
    ]


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
    with pytest.raises(RuntimeError, match="Graphviz could not draw"):
        diagram_png("digraph G { [")


@pytest.mark.parametrize("held_out", [True, False])
def test_curves_show_what_was_measured(held_out: bool) -> None:
    png = curves_png("#012 lstm 2×128", epochs(held_out=held_out), best_epoch=5)
    picture = pixels(png)
    assert picture.shape[:2] == (320, 800)
    assert has_colour(picture, TRAINING)
    assert has_colour(picture, VALIDATION) is held_out
    assert png == curves_png("#012 lstm 2×128", epochs(held_out=held_out), best_epoch=5)
