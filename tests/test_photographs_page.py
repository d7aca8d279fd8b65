"""docs/photographs.md says what docs/photographs.csv has, and the sources and degradations are those that there are."""

import itertools
from pathlib import Path

import pandas as pd

from docs.photographs import LETTERS, SOURCES, by_threshold, cell, counted
from tests.helpers.drawn import DEGRADED

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_has_the_figures_of_the_table() -> None:
    table, page = pd.read_csv(DOCS / "photographs.csv"), (DOCS / "photographs.md").read_text(encoding="utf-8")
    kinds = list(zip(table.source, table.degraded, strict=True))
    assert kinds == [*itertools.product(SOURCES, DEGRADED), (LETTERS, "clean")]
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}
    for _, row in table[table.source != LETTERS].iterrows():
        assert cell(row).replace("%", " %") in rows[row.degraded], (row.source, row.degraded)


def test_right_and_answered_are_counted_with_wilsons_interval() -> None:
    answers = pd.DataFrame(
        {
            "source": ["print"] * 10 + [LETTERS] * 2,
            "probability": [0.99] * 8 + [0.6, 0.4] + [0.97, 0.3],
            "answered": [True] * 8 + [False] * 2 + [True, False],
            "right": [True] * 7 + [False, True, False] + [False] * 2,
        }
    )
    answers["right_of_answered"] = answers.right & answers.answered
    [row, letters] = counted(answers, ["source"]).to_dict("records")
    assert row == {
        "source": "print", "pictures": 10, "answered": 8, "right": 8, "right_of_answered": 7, "accuracy": 0.8,
        "low": 0.4902, "high": 0.9433,
    }  # fmt: skip
    assert (letters["pictures"], letters["answered"], letters["right"]) == (2, 1, 0)
    lines = by_threshold(answers).splitlines()
    assert lines[2] == "| 0.5 | 90.0 % | 88.9 % | 50.0 % |"
    assert lines[-1] == "| 0.99 | 80.0 % | 87.5 % | 0.0 % |"
