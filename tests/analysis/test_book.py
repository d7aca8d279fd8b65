"""The book study beside the published figures."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.book import BOOK_COLUMNS, book_table, far_from_the_book, neighbours_compared
from pipeline.analysis.configurations import accuracy_interval
from pipeline.documents import records
from pipeline.params.settings import Configuration
from pipeline.studies.results import curves_table, during_fit_table, trials_table
from tests.helpers.results import book_records, record


def test_book_table_stands_beside_the_book() -> None:
    records = book_records(seeds=2)
    trials, during_fit = trials_table(records), during_fit_table(records)
    result = book_table(trials, during_fit, test_samples=10_000)
    assert result.columns.tolist() == BOOK_COLUMNS
    assert result[["units", "optimizer", "parameters", "seeds"]].to_numpy().tolist() == [
        [256, "sgd", 75_530, 2],
        [256, "rmsprop", 75_530, 2],
        [256, "adam", 75_530, 2],
        [512, "sgd", 282_122, 2],
    ]
    assert result["book_train_accuracy"].tolist() == [0.9726, 0.9672, 0.9679, 0.9788]
    assert result["book_test_accuracy"].tolist() == [0.98, 0.976, 0.974, 0.983]
    for row, pair in zip(result.to_dict("records"), zip(records[::2], records[1::2], strict=True), strict=True):
        results = [record.result for record in pair if record.result is not None]
        assert row["train_accuracy_during_fit"] == pytest.approx(
            np.mean([result.epochs[-1].during_fit_accuracy for result in results])
        )
        assert row["test_accuracy"] == pytest.approx(np.mean([result.best.validation_accuracy for result in results]))
        assert row["train_accuracy"] == pytest.approx(np.mean([result.best.train_accuracy for result in results]))
        accuracies = [result.best.validation_accuracy or 0.0 for result in results]
        interval = (row["test_accuracy_low"], row["test_accuracy_high"])
        assert interval == accuracy_interval(accuracies, 10_000)
    assert result["source"].tolist() == ["Table 1.5.1"] * 4


def test_book_numbers_stand_beside_the_books_own_terms_only() -> None:
    base: dict[str, Any] = {"cell": "simple_rnn", "units": 256, "dropout": 0.2, "optimizer": "sgd", "epochs": 20}
    others: list[dict[str, Any]] = [
        {},
        {"epochs": 2},
        {"dropout": 0.1},
        {"depth": 2},
        {"cell": "gru"},
        {"units": 8},
        {"batch_size": 64},
        {"learning_rate": 0.02},
    ]
    configurations = [Configuration.model_validate(base | other) for other in others]
    records = [record(number, configuration, 0, 60_000) for number, configuration in enumerate(configurations)]
    records.append(record(len(others), configurations[0], 0, 4000))
    result = book_table(trials_table(records), during_fit_table(records), 10_000)
    assert len(result) == 9
    assert result["book_test_accuracy"].notna().tolist() == [True] + [False] * 8
    assert result["test_accuracy_sd"].isna().all()


def test_published_numbers_of_the_other_networks() -> None:
    others: list[dict[str, Any]] = [
        {"cell": "lstm", "units": 256, "dropout": 0.2, "optimizer": "sgd", "epochs": 20},
        {"cell": "mlp", "units": 256, "depth": 2, "dropout": 0.45, "optimizer": "adam", "epochs": 20},
        {"cell": "cnn", "units": 64, "depth": 3, "dropout": 0.2, "optimizer": "adam", "epochs": 10},
    ]
    records = [record(n, Configuration.model_validate(other), 0, 60_000) for n, other in enumerate(others)]
    result = book_table(trials_table(records), during_fit_table(records), 10_000)
    assert result["book_test_accuracy"].tolist() == [0.962, 0.985, 0.994]
    assert result["parameters"].tolist() == [294_410, 269_322, 80_266]
    assert result["book_train_accuracy"].isna().all()


def test_rows_far_from_the_book_come_with_what_their_last_epochs_went_through() -> None:
    records = book_records(seeds=2)
    trials, curves = trials_table(records), curves_table(records)
    beside = book_table(trials, during_fit_table(records), 10_000)
    far = far_from_the_book(trials, curves, beside)
    near = (beside["test_accuracy"] - beside["book_test_accuracy"]).abs() <= 0.003
    assert len(far) == (~near).sum() > 0
    row = far.to_dict("records")[0]
    numbers = trials[(trials["optimizer"] == row["optimizer"]) & (trials["units"] == row["units"])]["number"]
    last = curves[curves["number"].isin(numbers) & (curves["epoch"] > 15)]["validation_accuracy"]
    assert (row["lowest"], row["highest"]) == (last.min(), last.max())


def test_a_table_of_nothing_keeps_its_columns() -> None:
    records = [record(0, Configuration(cell="gru", units=8), 0, 5000, "FAIL")]
    assert book_table(trials_table(records), during_fit_table(records), 10_000).columns.tolist() == BOOK_COLUMNS


def test_neighbours_are_compared_on_the_same_samples_by_their_first_models() -> None:
    trained = book_records(seeds=2)
    trials = trials_table(trained)
    rows = records(book_table(trials, during_fit_table(trained), 100))[:3]
    wrong = {0: [], 1: [99], 2: [*range(10)], 3: [98], 4: [*range(1, 11)]}  # by number: two seeds of each row
    mistakes = pd.DataFrame([(number, index) for number, indices in wrong.items() for index in indices],
                            columns=["number", "index"])  # fmt: skip
    first, second = neighbours_compared(rows, trials, mistakes, 100)
    assert first == (10, pytest.approx(2 * 2 / 2**10))  # Holm: the smaller of two p-values counts twice
    assert second == (0, 1.0)


def test_rows_that_differ_in_anything_are_told_apart_and_none_is_taken_for_the_books() -> None:
    """`neighbours_compared` and `far_from_the_book` then take the trials of each for its own."""
    plain = Configuration(cell="simple_rnn", units=256, dropout=0.2, optimizer="sgd", epochs=20)
    others = [
        plain.model_copy(update=update) for update in ({"pooling": "mean"}, {"weight_decay": 0.1}, {"patience": 5})
    ]
    records_ = [record(number, one, 0, 60_000) for number, one in enumerate([plain, *others])]
    trials = trials_table(records_)
    result = book_table(trials, during_fit_table(records_), 10_000)
    assert result["book_test_accuracy"].notna().tolist() == [True, False, False, False]
    assert set(result.columns) - set(BOOK_COLUMNS) == {"pooling", "weight_decay", "patience"}
    beside = result.assign(book_test_accuracy=0.5)
    far = far_from_the_book(trials, curves_table(records_), beside)
    assert (far["highest"] >= result["test_accuracy"]).all()
    assert far["highest"].nunique() == 4
    mistakes = pd.DataFrame({"number": [0] * 10 + [1] * 30, "index": [*range(10), *range(30)]})
    first, *_ = neighbours_compared(records(result), trials, mistakes, 100)
    assert first[0] == 20
