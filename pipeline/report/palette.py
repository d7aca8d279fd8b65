"""The report's colours, on a light screen, on a dark one and on paper. Those of cells are in `pipeline.params.network`.

Names are those of the page's CSS variables: `ink` is `--ink`, the cell `simple_rnn` is `--simple-rnn`.
"""

from collections.abc import Mapping

from pipeline.params.network import CELLS

INK, FAINT, PAPER, MARK = "#1b1b1b", "#d9d9d9", "#fefefe", "#c2185b"

LIGHT: dict[str, str] = {
    "paper": PAPER, "panel": "#f3f4f6", "ink": INK, "soft": "#55595f", "faint": FAINT, "mark": MARK,
    **{cell.replace("_", "-"): kind.colour for cell, kind in CELLS.items()},
}  # fmt: skip

DARK: dict[str, str] = {
    "paper": "#15171a", "panel": "#1f2226", "ink": "#e8e8e6", "soft": "#a9adb3", "faint": "#3a3e44", "mark": "#ff6fa5",
    **{cell.replace("_", "-"): kind.dark_colour for cell, kind in CELLS.items()},
}  # fmt: skip

PRINT: dict[str, str] = LIGHT | {"paper": "#fff", "ink": "#000", "soft": "#444", "faint": "#ccc"}

# Figures are drawn in the light colours; inside the page they follow its variables.
THEME: dict[str, str] = {colour: f"var(--{name})" for name, colour in LIGHT.items()}


def css(colours: Mapping[str, str]) -> str:
    """The colours as CSS variables, for the inside of a rule."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
