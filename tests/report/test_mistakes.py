"""The test: its figures in words, and the mistakes behind them."""

import dataclasses

import numpy as np

from pipeline.report.mistakes import mistakes
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage


def test_the_result_is_told_with_its_deviation(page: ReadPage, results: Results) -> None:
    assert results.metrics is not None
    accuracy = results.metrics.test_accuracy
    assert f"accuracy {100 * accuracy:.2f} %, standard deviation over seeds 0.04 points" in page.text
    assert results.predictions is not None
    wrong = int((results.predictions["predicted"] != results.predictions["actual"]).sum())
    assert wrong > 100
    assert f"{wrong} of 10,000 test sequences are put in a wrong class" in page.text
    model = results.metrics.model_test_accuracy
    assert wrong == round(10_000 * (1 - model))
    assert f"The model, seed 0: {100 * model:.2f} % of the test sequences right (95 % interval over seq" in page.text
    assert "From here to the end of this section all is of this model alone." in page.text


def test_sequences_of_one_feature_are_no_pictures(results: Results) -> None:
    made = mistakes(dataclasses.replace(results, summary=results.summary.model_copy(update={"features": 1})))
    assert made is not None
    assert made.figures.keys() == {"confusion"}


def test_ones_own_sequences_are_lines_that_end_where_they_end(results: Results) -> None:
    own = results.summary.model_copy(update={"padded": True, "scale": "standard", "features": 1})
    assert results.predictions is not None
    x = np.random.default_rng(0).normal(290, 5, (len(results.predictions), 6, 1)).astype(np.float32)
    x[:, 4:] = np.nan
    made = mistakes(dataclasses.replace(results, summary=own, test_x=x))
    assert made is not None
    drawn = [svg for name, svg in made.figures.items() if name != "confusion"]
    assert drawn
    for svg in drawn:
        assert "<image" not in svg, "no grey squares"
        assert ">290<" in svg, "in its own unit"


def test_without_a_mistake_there_is_none_to_show(results: Results) -> None:
    assert results.predictions is not None
    right = results.predictions.assign(predicted=results.predictions["actual"])
    made = mistakes(dataclasses.replace(results, predictions=right))
    assert made is not None
    assert made.finding == "0 of 10,000 test sequences are put in a wrong class."
    assert made.figures.keys() == {"confusion"}
    assert made.pairs.rows == made.wrong.rows == []
    many = results.summary.model_copy(update={"labels": tuple(range(30)), "classes": 30})
    made = mistakes(dataclasses.replace(results, summary=many, predictions=right))
    assert made is not None
    assert made.figures == {}, "no empty chart"
    assert mistakes(dataclasses.replace(results, predictions=None)) is None


def test_of_a_hundred_classes_the_most_frequent_pairs_are_named(results: Results) -> None:
    labels = tuple(f"word {number}" for number in range(100))
    actual = np.repeat(np.arange(100), 100)
    predicted = np.where(np.arange(10_000) % 100 < actual, (actual + 1) % 100, actual)  # of class k so many as k
    assert results.predictions is not None
    many = results.predictions.assign(actual=actual, predicted=predicted)
    summary = results.summary.model_copy(update={"labels": labels, "classes": 100})
    made = mistakes(dataclasses.replace(results, summary=summary, predictions=many))
    assert made is not None
    assert made.finding.endswith("most often word 99 is taken for word 0 (99 times).")
    assert made.pairs.rows[:2] == [["word 99", "word 0", "99"], ["word 98", "word 99", "98"]]
    assert len(made.pairs.rows) == 50
    assert made.pairs_summary == "The numbers: the 50 most frequent of 99 pairs that were confused"
    assert made.confusion_caption.startswith("Too many classes for a matrix")
