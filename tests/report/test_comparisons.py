"""Is bigger better? Each larger network against the choice, in words, in a table and in a figure."""

import dataclasses
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.analysis.choice import Finalist, choose_champion
from pipeline.analysis.comparisons import paired_comparisons
from pipeline.analysis.configurations import configurations
from pipeline.documents import records
from pipeline.report.comparisons import comparisons, differences
from pipeline.report.results import Results, load_results
from tests.helpers.pages import hovers
from tests.helpers.results import (
    capacity_records,
    read_trials,
    search_records,
    without_race,
    write_study,
    write_summary,
)
from tests.helpers.trials import seeds, study

TESTED = pd.DataFrame(
    [("champion", None, None, None), ("most accurate", 30, 22, 0.3317)],
    columns=["role", "only_this_right", "only_other_right", "p_adjusted"],
)


def test_larger_networks_stand_against_the_choice(workspace: Path) -> None:
    write_summary()
    write_study("capacity", capacity_records(seeds=10))
    choice = choose_champion({"capacity": read_trials("capacity")}, 6000)
    small = next(row for row in choice.candidates if (row.cell, row.units, row.depth) == ("gru", 8, 2))
    chosen = Finalist(**small.model_dump(), refit_epochs=3)
    made = comparisons(
        dataclasses.replace(
            load_results(without_race()),
            choice=choice.model_copy(update={"choice": chosen}),
            test_table=TESTED,
        )
    )
    assert made is not None
    larger = [row for row in choice.candidates if row.parameters > small.parameters]
    better = sum(row.validation_accuracy > small.validation_accuracy for row in larger)
    assert made.findings[0].startswith(
        f"Of the {len(larger)} configurations larger than GRU 2×8 and trained on as many samples, {better} are shown to"
    )
    assert made.table is not None
    assert [row[2] for row in made.table.rows] == ["10"] * len(larger)
    assert [row[7] for row in made.table.rows].count("better") == better
    *_, test = made.findings
    assert "right 30 times where the champion's model of the same seed is wrong, and wrong 22 times" in test
    assert "these two models are not shown to differ (p = 0.332, Holm-adjusted)" in test


def test_a_single_seed_is_too_few_to_tell(workspace: Path) -> None:
    write_summary()
    write_study("search", search_records())
    choice = choose_champion({"search": read_trials("search")}, 6000)
    made = comparisons(dataclasses.replace(load_results(without_race("search")), choice=choice))
    assert made is not None
    first, second, *_, last = made.findings
    assert first.endswith("1 is trained with too few seeds to tell.")
    assert second.startswith("These share at most 1 seed with the choice")
    assert "to compare 1 at 5 % takes 6 seeds" in second
    assert last.startswith("The choice is the most accurate network itself, so there are no two models to compare")


def test_of_folds_another_test_is_told(workspace: Path) -> None:
    write_summary()
    write_study("capacity", capacity_records())
    write_study("search", search_records())
    for name, test in (("capacity", "Student's, widened because the trainings share"), ("search", "a sign-flip")):
        choice = choose_champion({name: read_trials(name)}, 6000)
        made = comparisons(dataclasses.replace(load_results(without_race(name)), choice=choice))
        assert made is not None
        assert made.test.startswith(f"The test is {test}")


def test_where_a_race_decides_its_section_says_it(results: Results) -> None:
    assert comparisons(results) is None


def test_without_those_that_competed_there_is_nothing_to_say(results: Results) -> None:
    only_smaller_samples = {"capacity": results.studies["capacity"]}
    assert comparisons(dataclasses.replace(results, studies=only_smaller_samples)) is None
    assert comparisons(dataclasses.replace(results, studies={})) is None
    assert comparisons(dataclasses.replace(results, choice=None)) is None


def test_differences_are_in_points_and_say_what_is_known() -> None:
    accuracies = np.linspace(0.90, 0.92, 6)
    trials = study(seeds(8, accuracies), seeds(16, accuracies + np.arange(1, 7) / 1000), seeds(32, [0.89]))
    choice = records(configurations(trials).query("units == 8"))[0]
    svg = differences(paired_comparisons(trials, choice), choice, "What it shows")
    better, single = hovers(svg)
    assert better.endswith("parameters: +0.35 points over 6 seeds; better")
    assert single.endswith("parameters: -1.00 points over 1 seed; too few seeds to tell")
    assert ElementTree.fromstring(svg).get("aria-label") == "What it shows"
