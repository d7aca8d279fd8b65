"""The parts of the recipe: what is shown to help or to harm, and what is not known."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.ablation import recipe_parts
from pipeline.report.ablation import Ablation, ablation, part_names
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage, hovers, texts
from tests.helpers.trials import seeds, study

WHOLE: dict[str, Any] = {
    "pooling": "mean_max", "dropout": 0.1, "learning_rate_schedule": "cosine", "optimizer": "adamw",
    "weight_decay": 0.004, "global_clipnorm": 1.0,
}  # fmt: skip
WITHOUT: list[dict[str, Any]] = [
    {"pooling": "last"}, {"dropout": 0.0}, {"learning_rate_schedule": "constant"},
    {"optimizer": "adam", "weight_decay": 0.0}, {"global_clipnorm": None},
]  # fmt: skip
ACCURACIES = np.array([0.98, 0.97, 0.99])


def made(results: Results, trials: pd.DataFrame, held_out: str = "fold") -> Ablation | None:
    """The section of a study with these trials."""
    whole = results.studies["ablation"]
    summary = whole.summary.model_copy(update={"held_out": held_out})
    changed = dataclasses.replace(whole, trials=trials.assign(merge_mode="concat"), summary=summary)
    return ablation(dataclasses.replace(results, studies={"ablation": changed}))


@pytest.fixture
def trials() -> pd.DataFrame:
    """One part that helps, one that harms, one of which it is not known, one with one pair, one whose pairs tie."""
    lost = ([0.010, 0.007, 0.012], [-0.010, -0.007, -0.012], [0.001, -0.001, 0.003], [0.002], [0.004, 0.004, 0.004])
    others = [
        seeds(32, ACCURACIES[: len(each)] - each, **WHOLE | changes)
        for each, changes in zip(lost, WITHOUT, strict=True)
    ]
    return study(seeds(32, ACCURACIES, **WHOLE), *others)


def test_each_part_is_told_by_what_is_shown_of_it(results: Results, trials: pd.DataFrame) -> None:
    section = made(results, trials)
    assert section is not None
    assert section.findings == (
        "Shown to help: pooling mean+max instead of last (0.24 to 1.69 points).",
        "Shown to harm: dropout 0.1 instead of 0 (0.24 to 1.69 points).",
        "Not known whether it helps or harms: learning rate schedule cosine instead of constant (between −0.47 and "
        "0.67 points).",
        "Not known, as one pair of trainings does not tell how much pairs differ: optimizer adamw and weight decay "
        "0.004 instead of adam and 0.",
        "Not known, as pairs of trainings that all differ by the same do not tell their spread: global clipnorm 1 "
        "instead of none.",
    )
    assert section.words.startswith("GRU 1×32 mean+max is trained by the whole recipe")
    assert "training and validation data: 3 folds in all." in section.words
    assert section.table.rows == [
        ["pooling", "mean+max", "last", "97.03 %", "0.97", "0.24 to 1.69", "3", "shown to help"],
        ["dropout", "0.1", "0", "98.97 %", "−0.97", "−1.69 to −0.24", "3", "shown to harm"],
        ["learning rate schedule", "cosine", "constant", "97.90 %", "0.10", "−0.47 to 0.67", "3", "not known"],
        ["optimizer and weight decay", "adamw and 0.004", "adam and 0", "97.80 %", "0.20", "–", "1", "not known"],
        ["global clipnorm", "1", "none", "97.60 %", "0.40", "–", "3", "not known"],
    ]


def test_every_part_is_drawn_and_those_without_a_pair_are_not(results: Results, trials: pd.DataFrame) -> None:
    section = made(results, trials.assign(state=trials["state"].mask(trials["dropout"] == 0.0, "FAIL")))
    assert section is not None
    svg = section.figures["ablation"]
    assert hovers(svg) == [
        "pooling mean+max instead of last: 0.97 points lost without it, 3 pairs, 95 % interval 0.24 to 1.69 points",
        "learning rate schedule cosine instead of constant: 0.10 points lost without it, 3 pairs, "
        "95 % interval −0.47 to 0.67 points",
        "optimizer adamw and weight decay 0.004 instead of adam and 0: 0.20 points lost without it, 1 pair",
        "global clipnorm 1 instead of none: 0.40 points lost without it, 3 pairs",
    ]
    assert "dropout 0.1 instead of 0" in texts(svg), "its line is empty"
    assert section.findings[-1] == "Not known, as no pair of trainings is complete: dropout 0.1 instead of 0."


def test_what_is_all_the_others_together_is_called_that() -> None:
    everything = {name: value for changes in WITHOUT for name, value in changes.items()}

    def names(*changed: dict[str, Any]) -> list[str]:
        trials = study(*(seeds(32, ACCURACIES, **WHOLE | changes) for changes in ({}, *changed)))
        return [str(name) for name in part_names(recipe_parts(trials))]

    assert names(*WITHOUT, everything)[-1] == "all of these together"
    assert names(*WITHOUT[:2], {"pooling": "last", "dropout": 0.0, "residual": True})[-1] == (
        "dropout 0.1, pooling mean+max and residual no instead of 0, last and yes"
    )
    assert names(*WITHOUT[:2], {"pooling": "max", "dropout": 0.0})[-1] != "all of these together"
    assert names(WITHOUT[0]) == ["pooling mean+max instead of last"], "there are no others"


def test_the_page_has_the_projects_own_study(page: ReadPage, results: Results) -> None:
    (table,) = page.parts["ablation"]
    assert [row[:3] for row in table[1:]] == [
        ["pooling", "mean+max", "last"],
        ["dropout", "0.1", "0"],
        ["learning rate schedule", "cosine", "constant"],
        ["warmup epochs", "1", "0"],
        ["optimizer and weight decay", "adamw and 0.004", "adam and 0"],
        ["global clipnorm", "1", "none"],
        ["all of these together", "", ""],
    ]
    assert {row[6] for row in table[1:]} == {"5"}
    section = ablation(results)
    assert section is not None
    assert len(hovers(section.figures["ablation"])) == 7
    assert all(finding in page.text for finding in section.findings)


def test_it_is_left_out_where_there_is_nothing_to_compare(results: Results, trials: pd.DataFrame) -> None:
    assert ablation(dataclasses.replace(results, studies={})) is None
    assert made(results, trials, held_out="validation") is None, "seeds would not be folds"
    assert made(results, trials.head(3)) is None, "the whole recipe alone"
    nothing = made(results, trials.assign(state="FAIL"))
    assert nothing is not None
    assert nothing.figures == {}
    assert len(nothing.findings) == 1
