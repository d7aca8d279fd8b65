"""Colours have one home: the page's variables, on every medium, are those of the tables."""

import re
from pathlib import Path

from pipeline import paths
from pipeline.params.network import CELLS
from pipeline.report import palette
from pipeline.report.page import TEMPLATES, VEGA


def test_every_cell_has_its_colours_on_every_medium() -> None:
    assert palette.LIGHT.keys() == palette.DARK.keys() == palette.PRINT.keys()
    for cell, kind in CELLS.items():
        name = cell.replace("_", "-")
        assert [colours[name] for colours in (palette.LIGHT, palette.DARK, palette.PRINT)] == [
            kind.colour, kind.dark_colour, kind.colour,
        ]  # fmt: skip
        assert palette.THEME[kind.colour] == f"var(--{name})"


def test_the_page_defines_every_variable_that_it_uses(whole: Path) -> None:
    text = (whole / paths.REPORT).read_text(encoding="utf-8")
    assert set(re.findall(r"var\(--([a-z-]+)\)", text)) <= palette.LIGHT.keys() | {
        "back",
        "shade",
    }  # of a box that scrolls
    roots = re.findall(r":root \{([^}]*)\}", text)
    assert len(roots) == 3
    for root, colours in zip(roots, (palette.LIGHT, palette.DARK, palette.PRINT), strict=True):
        assert dict(re.findall(r"--([a-z-]+): (#\w+);", root)) == colours


def test_templates_name_no_colour() -> None:
    files = [path for path in TEMPLATES.iterdir() if path.suffix in (".css", ".j2", ".js") and path != VEGA]
    assert len(files) == 26
    assert {path.name: found for path in files if (found := re.findall(r"#[0-9a-f]{3,6}\b", path.read_text()))} == {}
