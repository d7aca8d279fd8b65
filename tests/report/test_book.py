"""The chapter's networks compared with the published numbers."""

from pathlib import Path

import pandas as pd

from pipeline.report.book import order_finding
from pipeline.report.page import assemble, render
from pipeline.report.results import load_results
from tests.helpers.pages import ReadPage
from tests.helpers.results import book_records, project_params, write_study, write_summary


def test_published_numbers_stand_in_the_same_row(page: ReadPage) -> None:
    (compared,) = page.parts["book"]
    assert compared[1][:5] == ["SimpleRNN", "256", "sgd", "75,530", "1"]
    assert [row[8] for row in compared[1:]] == ["98.00 %", "97.60 %", "97.40 %", "98.30 %"]


def test_the_books_numbers_are_for_mnist(workspace: Path) -> None:
    write_summary(dataset="fashion_mnist")
    write_study("book", book_records())
    made = ReadPage(render(assemble(load_results(project_params()))))
    assert "The published numbers are for mnist; this run has learned from fashion_mnist." in made.text


def test_order_of_the_networks_is_told_with_what_is_not_known() -> None:
    rows = pd.DataFrame(
        [("cnn", 0.992, 0.990, 0.994), ("mlp", 0.9827, 0.980, 0.985), ("simple_rnn", 0.9828, 0.980, 0.985),
         ("simple_rnn", 0.97, 0.96, 0.98)],
        columns=["cell", "test_accuracy", "test_accuracy_low", "test_accuracy_high"],
    )  # fmt: skip
    sentence = order_finding(rows)
    assert sentence is not None
    assert "The order of the means is not the book's" in sentence
    assert "The intervals of MLP and SimpleRNN overlap" in sentence
    assert "CNN and MLP overlap" not in sentence
    better = order_finding(rows.assign(test_accuracy=[0.99, 0.985, 0.98, 0.97]))
    assert better is not None
    assert "The order of the means is the book's" in better
    assert order_finding(rows[rows["cell"] != "cnn"]) is None
