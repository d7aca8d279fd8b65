"""On the test images: every network against the champion."""

import dataclasses
from typing import Any

from pipeline.documents import records
from pipeline.report.results import Results
from pipeline.report.tested import shown
from pipeline.report.tested import tested as section_of
from tests.helpers.pages import ReadPage


def by(row: dict[str, Any]) -> str:
    """The difference to the champion as the finding has it, with bounds in the direction of the difference."""
    sign = 1 if row["difference"] > 0 else -1
    low, high = sorted((sign * row["difference_low"], sign * row["difference_high"]))
    return f"{100 * abs(row['difference']):.2f} points ({100 * low:.2f} to {100 * high:.2f})".replace("-", "−")


def test_every_network_has_a_row_and_the_verdict_is_told(page: ReadPage, results: Results) -> None:
    (table,) = page.parts["tested"]
    assert [row[:5] for row in table[1:4]] == [
        ["GRU 2×51 mean+max", "champion", "adamw", "29,335", "98.79 %"],
        ["GRU 2×78 mean+max", "most accurate", "adamw", "63,814", "98.87 %"],
        ["SimpleRNN 1×512", "book", "sgd", "282,122", "98.80 %"],
    ]
    assert [row[7] for row in table[1:]] == ["the champion", *["no difference shown"] * 5]
    made = section_of(results)
    assert made is not None
    assert made.finding == (
        "No network is shown to be better than the champion. Of 5 other networks no difference is shown, which does "
        "not say that there is none: the intervals say how large it may be."
    )


def test_the_better_and_the_worse_are_named(results: Results) -> None:
    assert results.test_table is not None
    verdicts = ["the champion", "better", "worse", "worse", *["no difference shown"] * 2]
    table = results.test_table.assign(verdict=verdicts)
    better, *worse = records(table)[1:4]
    made = section_of(dataclasses.replace(results, test_table=table))
    assert made is not None
    assert made.finding.startswith(
        f"Shown to be better than the champion: GRU 2×78 mean+max (adamw, 63,814 parameters) by {by(better)}. Shown to "
        f"be worse: SimpleRNN 1×512 of the study book (sgd, 282,122 parameters) by {by(worse[0])} and SimpleRNN 1×256 "
        f"of the study book (sgd, 75,530 parameters) by {by(worse[1])}. Of 2 other networks no difference is shown"
    )
    assert [row["units"] for row in shown(dataclasses.replace(results, test_table=table), "better")] == [78]


def test_alone_and_not_measured(results: Results) -> None:
    assert results.test_table is not None
    alone = section_of(dataclasses.replace(results, test_table=results.test_table.head(1)))
    assert alone is not None
    assert alone.finding == "No other network was measured on the test images."
    assert section_of(dataclasses.replace(results, test_table=None)) is None
