"""Labels and groups: whole numbers or texts, however a file writes them."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Label = int | str

# The two that many scripts, and some emoji, join or part letters with: Python does not call them printable.
_JOINERS = dict.fromkeys((0x200C, 0x200D))
_WHOLE = re.compile(r"([-+]?[0-9]{1,18})(\.0*)?")


@dataclass(frozen=True)
class Names:
    """Sequence i has the name `names[codes[i]]`; `codes` is int64 (n,), `names` are whole numbers or texts, sorted."""

    codes: NDArray[np.int64]
    names: tuple[Label, ...]


def names_of(written: Sequence[object], codes: NDArray[np.integer]) -> Names:
    """The names of sequences of which number i has `written[codes[i]]`.

    Numbers must be whole. Texts lose blanks at their ends; if all are whole numbers, and still differ as such, they
    are numbers. Booleans are the texts "false" and "true". Raises ValueError whose text says what is no name.
    """
    plain = _plain(written)
    names: tuple[Label, ...] = tuple(sorted(set(plain), key=lambda name: name))
    place = {name: number for number, name in enumerate(names)}
    return Names(np.array([place[name] for name in plain], np.int64)[codes], names)


def _plain(written: Sequence[object]) -> list[int] | list[str]:
    if all(isinstance(value, bool) for value in written):
        return [str(value).lower() for value in written]
    if all(isinstance(value, str | bytes) for value in written):
        return _as_numbers([_text(value) for value in written])
    return [_number(value) for value in written]


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
        kind = "a text among numbers" if isinstance(value, str | bytes) else "no whole number, text or truth value"
        raise ValueError(f"{reprlib.repr(value)} is {kind}")
    if value != value:
        raise ValueError("it is missing (NaN)")
    if not -(2.0**63) < value < 2.0**63 or int(value) != value:
        raise ValueError(f"{reprlib.repr(value)} is no whole number of 64 bits; number the classes, or name them")
    return int(value)


def _text(value: object) -> str:
    try:
        text = (value.decode() if isinstance(value, bytes) else str(value)).strip()
        text.encode()
    except UnicodeError as error:
        raise ValueError(f"{reprlib.repr(value)} is no text in UTF-8") from error
    shown = text.translate(_JOINERS)
    if not shown:
        raise ValueError("it is missing (an empty text)")
    if not shown.isprintable():
        raise ValueError(f"{reprlib.repr(text)} has characters that cannot be printed")
    return text


def _as_numbers(texts: list[str]) -> list[int] | list[str]:
    if {text.lower() for text in texts} <= {"false", "true"}:
        return [text.lower() for text in texts]
    matches = [match for match in map(_WHOLE.fullmatch, texts) if match]
    numbers = [int(match[1]) for match in matches]
    return numbers if len(numbers) == len(texts) and len(set(numbers)) == len(set(texts)) else texts
