"""Numbers as text, and tables of text."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.params.network import CELLS, Cell

NOTHING = "–"

# The header of a column, and how to show a value in it.
Column = tuple[str, Callable[[Any], str]]


@dataclass(frozen=True)
class Table:
    """Texts ready to be shown: rows under headers. Whatever is the same in every row is said once, in `common`."""

    headers: list[str]
    rows: list[list[str]]
    common: str = ""


def percent(value: float) -> str:
    """A fraction as per cent with two digits."""
    return NOTHING if pd.isna(value) else f"{value:.2%}".replace("%", " %")


def points(value: float) -> str:
    """A difference of fractions as percentage points with two digits. Bounds beyond 100 points are cut there."""
    return NOTHING if pd.isna(value) else f"{100 * min(max(value, -1), 1):.2f}".replace("-", "−")


def tolerance_words(tolerance: float) -> str:
    """A tolerance as people write it: `0.2 points`."""
    return f"{100 * tolerance:.2g} points"


def shortened(labels: Sequence[str], most: int) -> list[str]:
    """At most so many characters of each label, its beginning and its end; more where two would become the same."""
    short = [_shortened(label, most) for label in labels]
    for more in range(most + 1, max(map(len, labels), default=0) + 1):
        often = Counter(short)
        if len(often) == len(short):
            break
        pairs = zip(labels, short, strict=True)
        short = [_shortened(label, more) if often[text] > 1 else text for label, text in pairs]
    return short


def _shortened(text: str, most: int) -> str:
    end = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - end]}…{text[-end:]}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def number(value: float) -> str:
    """A number with three significant digits; whole and large ones in full, with thousands separated."""
    if pd.isna(value):
        return NOTHING
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


def p_value(value: float) -> str:
    """A p-value: how far it is below a thousandth tells nothing."""
    return "< 0.001" if value < 0.001 else number(value)


def p_words(value: float) -> str:
    """The same in a sentence: `p = 0.332`, `p < 0.001`."""
    return f"p {p_value(value)}" if value < 0.001 else f"p = {p_value(value)}"


def plural(count: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def interval(low: float, high: float) -> str:
    """Two fractions as an interval in per cent or percentage points, without the unit."""
    return NOTHING if pd.isna(low) else f"{points(low)} to {points(high)}"


def interval_of_accuracy(low: float, high: float) -> str:
    """The same of an accuracy, which is never below 0 or above 100 %."""
    return interval(*np.clip([low, high], 0, 1))


def in_order(cells: Collection[str]) -> list[Cell]:
    """The cells among `cells`, each once, in the order of every legend."""
    return [cell for cell in CELLS if cell in set(cells)]


def text_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Column], fold: Sequence[str] = ()) -> Table:
    """The `columns` of `rows`, in that order.

    A column of `fold` with one and the same text in every row becomes part of `common` instead.
    """
    texts = {name: [show(row[name]) for row in rows] for name, (_, show) in columns.items()}
    folded = [name for name in fold if len(set(texts[name])) == 1]
    shown = [name for name in columns if name not in folded]
    return Table(
        headers=[columns[name][0] for name in shown],
        rows=[list(row) for row in zip(*(texts[name] for name in shown), strict=True)],
        common=", ".join(f"{columns[name][0]} {texts[name][0]}" for name in folded if texts[name][0] != NOTHING),
    )
