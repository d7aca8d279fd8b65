"""On the test sequences: every network against the champion."""

import dataclasses
from typing import Any

from pipeline.documents import records
from pipeline.report.results import Results
from pipeline.report.tested import shown
from pipeline.report.tested import tested as section_of
from tests.helpers.pages import ReadPage


def by(row: dict[str, Any], suffix: str = "") -> str:
    """The difference as the finding has it, with bounds in the direction of the difference."""
    difference, low, high = (row[f"{name}{suffix}"] for name in ("difference", "difference_low", "difference_high"))
    low, high = (low, high) if difference > 0 else (-high, -low)
    pairs = f"{row[f'model_pairs_ahead{suffix}']:g} of {row[f'model_pairs{suffix}']:g} pairs of models"
    text = f"{100 * abs(difference):.2f} points ({100 * low:.2f} to {100 * high:.2f}; ahead in {pairs})"
    return text.replace("-", "−")


def test_every_network_has_a_row_and_the_verdict_is_told(page: ReadPage, results: Results) -> None:
    (table,) = page.parts["tested"]
    assert [row[:5] for row in table[1:4]] == [
        ["GRU 2×51 mean+max", "champion", "adamw", "29,335", "98.79 %"],
        ["GRU 2×78 mean+max", "most accurate", "adamw", "63,814", "98.87 %"],
        ["SimpleRNN 1×512", "book", "sgd", "282,122", "98.80 %"],
    ]
    assert [row[7] for row in table[1:]] == ["the champion", *["no difference shown"] * 5]
    assert [row[9] for row in table[1:4]] == ["–", "9 of 9", "1 of 3"]
    assert table[0][10] == "minus the most accurate, points"
    assert [row[12] for row in table[1:4]] == ["no difference shown", "the most accurate", "no difference shown"]
    assert [row[14] for row in table[1:4]] == ["0 of 9", "–", "0 of 3"]
    made = section_of(results)
    assert made is not None
    assert made.finding == (
        "No network is shown to be better than the champion. No network is shown to be better than the most accurate. "
        "Between the champion and 5 other networks no difference is shown, which does not say that there is none: the "
        "intervals say how large it may be."
    )


def test_the_better_and_the_worse_are_named(results: Results) -> None:
    assert results.test_table is not None
    verdicts = ["the champion", "better", "worse", "worse", *["no difference shown"] * 2]
    table = results.test_table.assign(verdict=verdicts)
    better, *worse = records(table)[1:4]
    made = section_of(dataclasses.replace(results, test_table=table))
    assert made is not None
    assert made.finding.startswith(
        f"Shown to be better than the champion: GRU 2×78 mean+max (adamw, 63,814 parameters) by {by(better)}. "
        "No network is shown to be better than the most accurate. Shown to be worse than the champion: "
        f"SimpleRNN 1×512 of the study book (sgd, 282,122 parameters) by {by(worse[0])} and SimpleRNN 1×256 of the "
        f"study book (sgd, 75,530 parameters) by {by(worse[1])}. Between the champion and 2 other networks no "
        "difference is shown"
    )
    assert [row["units"] for row in shown(table, "better")] == [78]


def test_what_is_better_than_the_most_accurate_is_named(results: Results) -> None:
    assert results.test_table is not None
    verdicts = ["better", "the most accurate", "better", *["no difference shown"] * 3]
    table = results.test_table.assign(verdict_to_best=verdicts)
    champion, _, book, *_ = records(table)
    made = section_of(dataclasses.replace(results, test_table=table))
    assert made is not None
    assert (
        f"Shown to be better than the most accurate: GRU 2×51 mean+max (adamw, 29,335 parameters) by "
        f"{by(champion, '_to_best')} and SimpleRNN 1×512 of the study book (sgd, 282,122 parameters) by "
        f"{by(book, '_to_best')}."
    ) in made.finding


def test_where_the_champion_is_the_most_accurate_there_is_one_comparison(results: Results) -> None:
    assert results.test_table is not None
    table = results.test_table[results.test_table["role"] != "most accurate"]
    table = table.assign(**dict.fromkeys(table.filter(like="_to_best").columns))
    made = section_of(dataclasses.replace(results, test_table=table))
    assert made is not None
    assert "than the most accurate" not in made.finding
    assert [header for header in made.table.headers if "minus" in header] == ["minus the champion, points"]


def test_alone_and_not_measured(results: Results) -> None:
    assert results.test_table is not None
    alone = section_of(dataclasses.replace(results, test_table=results.test_table.head(1)))
    assert alone is not None
    assert alone.finding == "No other network was measured on the test sequences."
    assert section_of(dataclasses.replace(results, test_table=None)) is None
