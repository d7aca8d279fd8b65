"""The expected best of so many draws, by hand and by brute force."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.search import EXPECTED_COLUMNS, expected_best, expected_best_by_cell
from tests.helpers.trials import seeds, study


def test_expected_best_of_two_accuracies_by_hand() -> None:
    # Of two draws three in four hold the higher one: 0.25 · 0.90 + 0.75 · 0.98.
    assert expected_best([0.98, 0.90]).tolist() == pytest.approx([0.94, 0.96])
    assert expected_best([0.9]).tolist() == [0.9]
    assert expected_best([]).tolist() == []


def test_expected_best_is_that_of_every_possible_draw() -> None:
    accuracies = [0.90, 0.97, 0.97, 0.985]
    by_hand = [np.mean([max(draw) for draw in product(accuracies, repeat=number)]) for number in range(1, 5)]
    assert expected_best(accuracies).tolist() == pytest.approx(by_hand)


def test_pruned_trials_count_with_their_last_accuracy_and_failed_ones_not() -> None:
    trials = study(
        seeds(8, [0.90]),
        seeds(8, [0.99], state="PRUNED"),
        seeds(8, [np.nan], state="FAIL"),
        seeds(8, [0.8], cell="lstm"),
    )
    epochs = {"number": 1, "epoch": [2, 1], "validation_accuracy": [0.5, 0.99]}
    table = expected_best_by_cell(trials, pd.DataFrame(epochs))
    assert table.columns.tolist() == EXPECTED_COLUMNS
    assert table[["cell", "trials"]].to_numpy().tolist() == [["gru", 1], ["gru", 2], ["lstm", 1]]
    assert table["expected_best"].tolist() == pytest.approx([0.7, 0.8, 0.8])
    assert expected_best_by_cell(trials.head(0), pd.DataFrame(epochs)).columns.tolist() == EXPECTED_COLUMNS
