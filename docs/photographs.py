"""How well the champion reads photographs: docs/photographs.csv, its tables in docs/photographs.md, and the picture.

    .venv/bin/python -m docs.photographs [PICTURES]

Photographs come from nobody here: they are made by `tests/helpers/drawn.py`, PICTURES (100) for each source and each
way of degrading, with a fixed seed. Needs the champion and data/sequences. Takes three minutes.
"""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import stats

from benchmarks.results import with_table
from pipeline import paths
from pipeline.analysis.configurations import CONFIDENCE
from pipeline.data.sequences import Samples, as_sequences
from pipeline.params.document import load_params
from pipeline.training.machine import processor
from pipeline.use.answering import Champion, champion
from pipeline.use.digits import SIDE, NothingDrawn, digit_of
from tests.helpers import drawn

DOCS = Path("docs")
TABLE, PAGE, PICTURE = DOCS / "photographs.csv", DOCS / "photographs.md", DOCS / "photographs.png"
PICTURES, SEED = 100, 2026
SOURCES = {
    "handwriting": "handwriting (MNIST's test images, enlarged)",
    "strokes": "strokes of a generator",
    "print": f"print ({len(drawn.FONTS)} fonts)",
}
LETTERS = "letters"
NO_DIGITS = "ABCDEFGHJKLMNPQRTUVWXY"  # without those that look like a digit: I, O, S, Z
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
TILE, MARGIN = 112, 6  # pixels of the contact sheet


def taken(source: str, degraded: str, numbers: Iterable[int], test: Samples) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The photographs (height, width) of these numbers, each with its digit, number modulo 10; of a letter it is -1."""
    for number in numbers:
        rng = np.random.default_rng(
            (SEED, [*SOURCES, LETTERS].index(source), [*drawn.DEGRADED].index(degraded), number)
        )
        digit = number % 10
        match source:
            case "handwriting":
                ink = drawn.enlarged(test.x[rng.choice(np.flatnonzero(test.y == digit))], rng)
            case "strokes":
                ink = drawn.strokes(digit, rng)
            case "print":
                ink = drawn.printed(str(digit), rng)
            case _:
                ink, digit = drawn.printed(NO_DIGITS[number % len(NO_DIGITS)], rng), -1
        yield digit, drawn.DEGRADED[degraded](drawn.on_paper(ink, rng), rng)


def answers(source: str, degraded: str, count: int, test: Samples, asked: Champion) -> pd.DataFrame:
    """What the champion answers: a row a photograph; where nothing is found, its probability is 0."""
    digits, seen, found = [], [], []
    for digit, grey in taken(source, degraded, range(count), test):
        digits.append(digit)
        seen.append(_seen(grey))
        found.append(bool(seen[-1].any()))
    probabilities = asked.probabilities(as_sequences(np.stack(seen), asked.choice.choice.view, asked.summary.seed))
    table = pd.DataFrame({"source": source, "degraded": degraded, "digit": digits})
    table["probability"] = np.where(found, probabilities.max(axis=1), 0)
    table["answered"] = np.array(found) & (table.probability >= asked.answers_from)
    table["right"] = np.array(found) & (probabilities.argmax(axis=1) == table.digit)
    table["right_of_answered"] = table.right & table.answered
    return table


def counted(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """How many photographs there are of each kind, how many of them are right, and how many of the answered ones; with
    the share of right ones and its 95 % interval (Wilson's)."""
    sums = table.groupby(by, sort=False)[["answered", "right", "right_of_answered"]].sum()
    sums.insert(0, "pictures", table.groupby(by, sort=False).size())
    intervals = [
        stats.binomtest(int(right), int(count)).proportion_ci(CONFIDENCE, method="wilson")
        for right, count in zip(sums.right, sums.pictures, strict=True)
    ]
    sums["accuracy"] = (sums.right / sums.pictures).round(4)
    sums["low"], sums["high"] = ([round(float(getattr(each, end)), 4) for each in intervals] for end in ("low", "high"))
    return sums.reset_index()


def by_degradation(counts: pd.DataFrame, answers_from: float) -> str:
    """The page's first table: a row for each way of degrading, a column for each source."""
    lines = [f"| | {' | '.join(SOURCES.values())} |", "|---" * (1 + len(SOURCES)) + "|"]
    for degraded, rows in counts[counts.source != LETTERS].groupby("degraded", sort=False):
        cells = rows.set_index("source").loc[[*SOURCES]]
        lines.append(f"| {degraded} | {' | '.join(cell(row) for _, row in cells.iterrows())} |")
    lines += [
        "",
        f"{counts.pictures.iloc[0]:,} pictures a cell, answered from a probability of {answers_from} on. "
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}.",
    ]
    return "\n".join(lines).replace("%", " %")


def cell(row: pd.Series) -> str:
    """Accuracy with its interval, the share of answers, and how many of these are right."""
    of_answered = row.right_of_answered / max(row.answered, 1)
    return (
        f"**{row.accuracy:.1%}** ({100 * row.low:.1f} to {100 * row.high:.1f}); {row.answered / row.pictures:.1%}, "
        f"{of_answered:.1%}"
    )


def by_digit(counts: pd.DataFrame) -> str:
    """The second: clean pictures and degraded ones together, a column for each digit."""
    lines = ["| | " + " | ".join(map(str, range(10))) + " |", "|---" * 11 + "|"]
    for source, rows in counts[counts.source != LETTERS].groupby("source", sort=False):
        lines.append(f"| {SOURCES[str(source)]} | {' | '.join(f'{share:.1%}' for share in rows.accuracy)} |")
    return "\n".join(lines).replace("%", " %")


def by_threshold(table: pd.DataFrame) -> str:
    """The third: what a smallest probability lets through."""
    digits, letters = table[table.source != LETTERS], table[table.source == LETTERS]
    lines = ["| smallest probability | digits answered | of these right | letters answered |", "|---" * 4 + "|"]
    for threshold in THRESHOLDS:
        sure = digits[digits.probability >= threshold]
        lines.append(
            f"| {threshold} | {len(sure) / len(digits):.1%} | {sure.right.mean():.1%} | "
            f"{(letters.probability >= threshold).mean():.1%} |"
        )
    return "\n".join(lines).replace("%", " %")


def contact_sheet(test: Samples) -> Image.Image:
    """Two photographs of each source and each way of degrading, each with what the network sees of it."""
    left, top, across, down = 110, 30, 2 * TILE + MARGIN, TILE + MARGIN
    sheet = Image.new("L", (left + 2 * len(SOURCES) * across, top + len(drawn.DEGRADED) * down), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, (source, title) in enumerate(SOURCES.items()):
        draw.text((left + 2 * column * across, 6), title, fill=0, font=font)
        for row, degraded in enumerate(drawn.DEGRADED):
            draw.text((4, top + row * down + TILE // 2 - 8), degraded, fill=0, font=font)
            first = (3 * row + column) % 9  # other digits in each row
            for number, (_, grey) in enumerate(taken(source, degraded, (first, first + 1), test)):
                place = (left + (2 * column + number) * across, top + row * down)
                sheet.paste(_tile(grey), place)
                seen = Image.fromarray(_seen(grey)).resize((TILE, TILE), Image.Resampling.NEAREST)
                sheet.paste(seen, (place[0] + TILE, place[1]))
    return sheet


def _tile(grey: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(grey)
    picture.thumbnail((TILE, TILE))
    tile = Image.new("L", (TILE, TILE), 128)
    tile.paste(picture)
    return tile


def _seen(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the network sees; black where nothing is found."""
    try:
        return digit_of(grey).pixels
    except NothingDrawn:
        return np.zeros((SIDE, SIDE), np.uint8)


def main(count: int = PICTURES) -> None:
    asked, test = champion(load_params()), Samples.read(paths.TEST)
    if (asked.summary.dataset, asked.summary.view) != ("mnist", "rows"):
        sys.exit("error: data/sequences has to hold mnist as rows: `dvc repro prepare` makes it so")
    test = Samples(np.rint(test.x * 255).astype(np.uint8), test.y)
    parts = []
    for source, degraded in [*product(SOURCES, drawn.DEGRADED), (LETTERS, "clean")]:
        parts.append(answers(source, degraded, count, test, asked))
        print(f"{source}, {degraded}: {parts[-1].right.mean():.1%} right", flush=True)
    table = pd.concat(parts)
    counts = counted(table, ["source", "degraded"])
    counts.to_csv(TABLE, index=False, lineterminator="\n")
    page = PAGE.read_text(encoding="utf-8")
    for name, text in {
        "photographs": by_degradation(counts, asked.answers_from),
        "by digit": by_digit(counted(table, ["source", "digit"])),
        "by threshold": by_threshold(table),
    }.items():
        page = with_table(page, text, (f"<!-- {name} -->", f"<!-- /{name} -->"))
    PAGE.write_text(page, encoding="utf-8")
    contact_sheet(test).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
