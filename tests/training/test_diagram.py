"""The pictures kept with every run, measured in pixels."""

from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.training.diagram import COLOURS, curves_svg, diagram_png
from pipeline.training.trials import EpochMetrics

NAMESPACE = "{http://www.w3.org/2000/svg}"


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
    svg = curves_svg("#012 <lstm> 2×128", epochs(held_out=held_out), best_epoch=5)
    assert svg == curves_svg("#012 <lstm> 2×128", epochs(held_out=held_out), best_epoch=5)
    picture = ElementTree.fromstring(svg)
    texts = [element.text for element in picture.iter(f"{NAMESPACE}text")]
    assert {"#012 <lstm> 2×128", "loss (nats) after each epoch", "accuracy after each epoch", "train"} <= set(texts)
    assert texts.count("validation") == (2 if held_out else 0)
    lines = list(picture.iter(f"{NAMESPACE}polyline"))
    assert [line.get("stroke") for line in lines] == [COLOURS["train"], COLOURS["validation"]][: 1 + held_out] * 2
    losses = [tuple(map(float, point.split(","))) for point in str(lines[0].get("points")).split()]
    assert [x for x, _ in losses] == [60, 115, 170, 225, 280, 335, 390]
    heights = [265 - y for _, y in losses]  # the axis goes from 0 to 1.2 with the validation loss, else to 1.05
    assert heights == pytest.approx([heights[0] / n for n in range(1, 8)], abs=0.2)
    best = [element.get("d") for element in picture.iter() if element.get("class") == "best"]
    assert best == ["M280.0 40V265", "M680.0 40V265"]


@pytest.mark.parametrize("loss", [0.5, 1e37])
def test_curves_of_a_single_epoch(loss: float) -> None:
    svg = curves_svg("one", [EpochMetrics(1, loss, 1.0, loss, 1.0, loss, 1.0)], best_epoch=1)
    assert "nan" not in svg
    assert len(list(ElementTree.fromstring(svg).iter(f"{NAMESPACE}polyline"))) == 4
