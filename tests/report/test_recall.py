"""Class by class: every class in the table, and in the figure those that can be read."""

import dataclasses

import numpy as np
import pandas as pd

from pipeline.report.recall import recall
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage, hovers, texts


def test_every_class_has_its_recall(page: ReadPage, results: Results) -> None:
    made = recall(results)
    assert made is not None
    assert made.finding in page.text
    rows, *_ = page.parts["recall"]
    assert [row[0] for row in rows[1:]] == [str(label) for label in range(10)]
    predictions = results.predictions
    assert predictions is not None
    threes = predictions[predictions["actual"] == 3]
    found = int((threes["predicted"] == 3).sum())
    assert rows[4][1:4] == ["1,000", str(found), f"{found / 10:.2f} %"]
    assert len(hovers(made.figures["recall"])) == 10


def test_of_a_hundred_classes_the_lowest_are_drawn(results: Results) -> None:
    names = tuple(f"word {number}" for number in range(100))
    actual = np.repeat(np.arange(100), 4)
    right = np.arange(400) % 4 < np.where(actual < 7, 1, 4)  # of the first seven classes one in four
    many = pd.DataFrame({"actual": actual, "predicted": np.where(right, actual, 99), "probability": 0.9})
    summary = results.summary.model_copy(update={"labels": names, "classes": 100})
    made = recall(dataclasses.replace(results, summary=summary, predictions=many))
    assert made is not None
    assert made.finding == (
        "No class has a lower recall than word 0: 1 of its 4 test sequences are found, 25.00 % (95 % interval 4.56 to "
        "69.94)."
    )
    assert made.caption.endswith("Of the 100 classes these 20 have the lowest.")
    assert len(made.table.rows) == 100
    assert len(hovers(made.figures["recall"])) == 20
    assert {f"word {number}" for number in range(20)} <= set(texts(made.figures["recall"]))
    all_right = recall(dataclasses.replace(results, summary=summary, predictions=many.assign(predicted=actual)))
    assert all_right is not None
    assert all_right.finding == "Of every class all test sequences are found."
    more = summary.model_copy(update={"labels": (*names, "never tested", "nor this"), "classes": 102})
    absent = recall(dataclasses.replace(results, summary=more, predictions=many.assign(predicted=actual)))
    assert absent is not None
    assert absent.finding == (
        "Of every class all test sequences are found, but for 2 without any: nothing is known of these."
    )
    assert recall(dataclasses.replace(results, predictions=None)) is None
