"""Seeded damage to bytes, to texts and to documents: the same seed gives the same damage on every machine."""

import copy
import random
from typing import Any

BYTES = (
    b"\x00",
    b"\xff",
    b"\xff" * 8,
    b"\x00" * 64,
    b"\n",
    b"\r",
    b'"',
    b"'",
    b",",
    b":",
    b"[",
    b"{",
    b"-",
    b"PK\x03\x04",
    b"\x80\x04",
)
# What parsers of numbers, dates, texts and YAML take for something else than whoever writes it.
SCALARS = (
    "", "0", "-1", "1e-05", "1E400", "-1e999", "1_000", "0x10", "0o17", "010", "1e308", "9" * 30, "9" * 400,
    "-9223372036854775809",
    "18446744073709551616", ".inf", "-.inf", ".nan", "nan", "inf", "NaN", "Infinity", "null", "~", "NULL", "None",
    "?", "true", "no", "Yes",
    "2026-02-31", "2026-11-28", "2026-11-28 04:41:03", "12:30:45", "1.2.3", "1,5", "٣", "½", "1e", "--", "=", "<<",
    "!!binary aGk=",
    "!!python/object/apply:os.system [id]", "!!set {a, b}", "!!float x", "!!int '1'", "!!timestamp 1", "*a", "&a 1",
    "&a [*a]", "{", "[",
    "{}", "[]", "[[]]", "{a: }", "[1, 2, 3]", "{a: 1}", "{? [a] : 1}", "{1: 2}", "- 1", "a: b", "'", '"', '"\\x"',
    '"\\ud800"', "|", ">", "`x`", "@x",
    "%x", "\t", "#", "x" * 3000, "\u2028", "\x00", "\x07", "\U0001f600", "é", "\ufeff", "../../x", "x; rm -rf y",
    "$(id)", "<b>", "a/b", "-x", "ß" * 100,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3.5, -0.0, 1e-5, 1e308, float("inf"), float("-inf"), float("nan"), 10**9, 10**30,
    10**400, -(10**400),
    2**63, "", " ", "x", "mnist", "a\nb", "x" * 5000, "\x00", "\ud7ff", "race", "champion", "../x", "1e-05", "0x10",
    [], {}, [[]], [None], [1] * 300,
    [1, "a", None, {}], {"low": 1, "high": 2}, {"low": 9, "high": 2}, {"low": 1, "high": float("inf"), "log": True},
    {"a": {"b": {"c": 1}}},
    {1: 2}, {None: None}, {"": ""}, {True: 1}, b"bytes", [{"cell": "gru", "units": 4}], {"gru": 0.1},
    list(range(2000)), "no", ["last"], 0.1,
)  # fmt: skip


def damaged(content: bytes, rng: random.Random) -> bytes:
    """`content` with one to four wounds: bytes changed, cut out, put in, moved or doubled, or the end cut off."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 1, 2, 4, 16, 100)), max(len(data) - place, 1))
        match rng.randrange(8):
            case 0 | 1 if place < len(data):
                data[place] ^= 1 << rng.randrange(8)
            case 2:
                data[place : place + length] = rng.randbytes(length)
            case 3:
                data[place:place] = rng.choice(BYTES)
            case 4:
                del data[place : place + length]
            case 5:
                data[place:place] = data[place : place + length]
            case 6:
                data[place : place + 4] = rng.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x00"))
            case _:
                del data[place:]
    return bytes(data)


def with_other_lines(text: str, rng: random.Random) -> str:
    """`text` with lines left out, doubled, exchanged, indented, joined, or in another order."""
    lines = text.splitlines(keepends=True) or [""]
    for _ in range(rng.choice((1, 1, 2, 3))):
        one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(7):
            case 0 if len(lines) > 1:
                del lines[one]
            case 1:
                lines.insert(other, lines[one])
            case 2:
                lines[one], lines[other] = lines[other], lines[one]
            case 3:
                lines[one] = rng.choice((" ", "  ", "\t", "    ", "- ", "# ", "? ", "--- ", "...\n")) + lines[one]
            case 4:
                lines[one] = lines[one].lstrip()
            case 5:
                lines[one] = lines[one].rstrip("\n")
            case _:
                del lines[one : one + rng.randrange(1, 20)]
                lines = lines or [""]
    return "".join(lines)


def with_other_words(text: str, rng: random.Random, marks: str = ":,") -> str:
    """`text` in which what follows one of `marks` is now and then one of `SCALARS`."""
    places = [place for place, letter in enumerate(text) if letter in marks]
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not places:
            return text + rng.choice(SCALARS)
        start = rng.choice(places) + 1
        end = next((place for place in range(start + 1, len(text)) if text[place] in f"{marks}\n]}}"), len(text))
        blank = " " if text[start - 1 : start] == ":" and rng.random() < 0.9 else ""
        text = text[:start] + blank + rng.choice(SCALARS) + text[end:]
        places = [place for place, letter in enumerate(text) if letter in marks]
    return text


def with_other_values(document: Any, rng: random.Random) -> Any:
    """A copy of a document in which values are others, keys are renamed, doubled, or absent."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holders = [holder for holder in _holders(document) if holder]
        if not holders:
            return rng.choice(VALUES)
        holder = rng.choice(holders)
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        match rng.randrange(6):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice((f"{key}x", "", "race", 1, None, True, "a" * 70, "x; id", "../x", "é"))] = holder[key]
            case 2:
                other = rng.choice(holders)
                value = other[rng.choice(list(other) if isinstance(other, dict) else range(len(other)))]
                holder[key] = copy.deepcopy(value)
            case _:
                holder[key] = copy.deepcopy(rng.choice(VALUES))
    return document


def _holders(value: Any) -> list[Any]:
    """All dictionaries and lists in `value`."""
    if isinstance(value, dict):
        return [value, *(holder for member in value.values() for holder in _holders(member))]
    if isinstance(value, list):
        return [value, *(holder for member in value for holder in _holders(member))]
    return []
