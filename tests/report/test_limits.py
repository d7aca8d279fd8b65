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
