"""The chapter's networks compared with the published numbers."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from pipeline.params.document import Params
from pipeline.report.book import book, order_finding
from pipeline.report.page import assemble, render
from pipeline.report.results import load_results
from tests.helpers.pages import ReadPage
from tests.helpers.results import book_records, project_params, write_study, write_summary


def test_published_numbers_stand_in_the_same_row(page: ReadPage) -> None:
    (compared,) = page.parts["book"]
    assert compared[1][:4] == ["SimpleRNN", "256", "sgd", "75,530"]
    assert "The same for all: seeds 1." in page.text, "which leaves place for the rest"
    assert [row[7] for row in compared[1:]] == ["98.00 %", "97.60 %", "97.40 %", "98.30 %"]


def params_of(dataset: str) -> Params:
    params = project_params()
    return params.model_copy(update={"data": params.data.model_copy(update={"dataset": dataset})})


def test_the_books_numbers_are_for_mnist(workspace: Path) -> None:
    write_summary(dataset="fashion_mnist")
    write_study("book", book_records())
    made = ReadPage(render(assemble(load_results(params_of("fashion_mnist")))))
    assert "The published numbers are for mnist; this run has learned from fashion_mnist." in made.text


def test_ones_own_sequences_are_not_compared_with_the_book(workspace: Path) -> None:
    write_summary(dataset="mine.csv")
    write_study("book", book_records())
    results = load_results(params_of("mine.csv"))
    assert book(results) is not None
    own = replace(results, summary=results.summary.model_copy(update={"padded": False}))
    assert book(own) is None
    assert len(own.book_table) == len(results.book_table) == 4


# Three networks, and two trainings of the last: the numbers of their trials, and how many images each has wrong.
ROWS = pd.DataFrame(
    [("cnn", 256, 0.992, 0.990, 0.994), ("mlp", 256, 0.983, 0.980, 0.985), ("simple_rnn", 512, 0.986, 0.983, 0.988),
     ("simple_rnn", 256, 0.97, 0.96, 0.98)],
    columns=["cell", "units", "test_accuracy", "test_accuracy_low", "test_accuracy_high"],
).assign(depth=1, dropout=0.2, optimizer="adam", epochs=20)  # fmt: skip
TRIALS = ROWS.assign(number=range(4), state="COMPLETE", validation_accuracy=ROWS["test_accuracy"], parameters=1,
                     best_epoch=20)  # fmt: skip


def wrong(*samples: range) -> pd.DataFrame:
    """mistakes.csv of trainings that have these samples wrong."""
    return pd.DataFrame([(number, index) for number, indices in enumerate(samples) for index in indices],
                        columns=["number", "index"])  # fmt: skip


def test_order_of_the_networks_is_told_with_what_the_same_images_show() -> None:
    # The intervals of MLP and SimpleRNN overlap, and yet SimpleRNN has 30 images right that MLP has not, and MLP none.
    sentence = order_finding(ROWS, TRIALS, wrong(range(80), range(170), range(140), range(300)), 10_000)
    assert sentence is not None
    assert "The order of the means is not the book's: CNN, MLP, SimpleRNN. CNN is shown to be better than" in sentence
    assert "SimpleRNN is shown to be better than MLP (p < 0.001)." in sentence
    # As many wrong, but others: nothing is shown.
    sentence = order_finding(ROWS, TRIALS, wrong(range(80), range(170), range(30, 200), range(300)), 10_000)
    assert sentence is not None
    assert "Between MLP and SimpleRNN no difference is shown (p = 1)." in sentence


def test_order_of_the_means_that_is_the_books() -> None:
    ordered = ROWS.assign(test_accuracy=[0.99, 0.985, 0.98, 0.97])
    sentence = order_finding(ordered, TRIALS, wrong(range(80)), 10_000)
    assert sentence is not None
    assert "The order of the means is the book's" in sentence
    assert order_finding(ROWS[ROWS["cell"] != "cnn"], TRIALS, wrong(), 10_000) is None
