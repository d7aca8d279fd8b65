"""Limits: every sentence has the numbers that decide it."""

import dataclasses
from pathlib import Path

from pipeline.analysis.choice import choose_champion
from pipeline.report.limits import limits
from pipeline.report.results import Results, load_results
from tests.helpers.pages import ReadPage
from tests.helpers.results import read_trials, search_records, without_race, write_study, write_summary


def test_limits_are_computed(page: ReadPage, results: Results) -> None:
    assert "One data set: mnist read as rows, sequences of 28 steps with 28 features, 10 classes." in page.text
    assert (
        "The validation accuracy of the choice, GRU 2×51 mean+max, is the mean over 10 blocks, and varies" in page.text
    )
    assert "Each holds out another tenth of the training and validation sequences, 6,000 of them" in page.text
    assert "It was chosen among 12 configurations" in page.text
    assert "The test data have chosen nothing. They were read by 3 models of the chosen network, and" in page.text
    assert "are counted at the last allowed epoch" in page.text


def test_folds_of_whole_groups_are_told_with_their_sizes(results: Results) -> None:
    folds = (5_000, 7_000, *[6_000] * 8)
    unequal = dataclasses.replace(results, summary=results.summary.model_copy(update={"folds": folds}))
    text = " ".join(limits(unequal).sentences)
    assert (
        "Each holds out another fold, whole groups with 5,000 to 7,000 of the training and validation sequences, an"
        in text
    )
    assert "tenth" not in text


def test_of_a_study_on_the_test_data_only_its_part_in_the_choice_is_told(results: Results) -> None:
    """On other data than the book's it is of plain networks, and no table is published."""
    (of_the_test,) = [sentence for sentence in limits(results).sentences if sentence.startswith("The test data have")]
    assert "and by the study book, which takes no part in the choice. An interval" in of_the_test


def test_without_a_race_the_noise_of_one_validation_set_is_told(workspace: Path) -> None:
    write_summary()
    write_study("search", search_records())
    choice = choose_champion({"search": read_trials("search")}, 6000)
    text = " ".join(limits(dataclasses.replace(load_results(without_race("search")), choice=choice)).sentences)
    assert "rests on 1 seed: the result of another seed is not known." in text
    assert "With 6,000 validation samples a single accuracy of" in text
    assert "It was chosen among 12 configurations by the same validation data" in text


def test_recipes_are_of_those_that_competed(results: Results) -> None:
    assert any(sentence.startswith("The recipe: race has trained with adamw") for sentence in limits(results).sentences)
    gone = limits(dataclasses.replace(results, studies={"capacity": results.studies["capacity"]}))
    assert not any(sentence.startswith("The recipe") for sentence in gone.sentences)
