"""Limits: every sentence has the numbers that decide it."""

import dataclasses

from pipeline.report.limits import limits
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage


def test_limits_are_computed(page: ReadPage, results: Results) -> None:
    assert "One data set: mnist read as rows, sequences of 28 steps with 28 features, 10 classes." in page.text
    assert "The choice, LSTM 2×170, rests on 1 seed: the result of another seed is not known." in page.text
    assert "With 6,000 validation samples a single accuracy of" in page.text
    assert "It was chosen among 12 configurations" in page.text
    assert "The test data have chosen nothing. They were read by 3 models of the chosen network, and" in page.text
    trials = results.studies["search"].trials.query("state == 'COMPLETE'")
    last = (trials["best_epoch"] == trials["epochs"]).sum()
    assert f"{last} of the 12 trainings compared are counted at the last allowed epoch" in page.text


def test_recipes_are_of_those_that_competed(results: Results) -> None:
    assert any(
        sentence.startswith("The recipe: search has trained with adam") for sentence in limits(results).sentences
    )
    gone = limits(dataclasses.replace(results, studies={"capacity": results.studies["capacity"]}))
    assert not any(sentence.startswith("The recipe") for sentence in gone.sentences)
