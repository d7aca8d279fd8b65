"""Every network that saw the test data against the champion, by hand."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import on_test_data as table_of
from pipeline.analysis.on_test_data import TEST_COLUMNS, Tested, difference_interval, on_test_data
from pipeline.params.settings import Configuration
from tests.helpers.trials import seeds, study

GRU, LSTM = Configuration(cell="gru", units=8), Configuration(cell="lstm", units=8, optimizer="sgd", epochs=3)


def answers(wrong: list[int], samples: int = 1000) -> np.ndarray:
    right = np.ones((1, samples), bool)
    right[0, wrong] = False
    return right


def test_differences_verdicts_and_order_of_a_worked_example() -> None:
    champion = Tested("champion", GRU, 400, answers(list(range(20))))
    better = Tested("book", LSTM, 600, answers([]))  # right in 20 more
    worse = Tested("book", LSTM, 500, answers(list(range(40))))
    other = Tested("most accurate", LSTM, 700, answers([*range(18), 500, 501]))  # as many, other ones
    table = on_test_data(champion, [worse, better, other])
    assert table.columns.tolist() == TEST_COLUMNS
    assert table["role"].tolist() == ["champion", "book", "most accurate", "book"]
    assert table["verdict"].tolist() == ["the champion", "better", "no difference shown", "worse"]
    assert table["test_accuracy"].tolist() == [0.98, 1.0, 0.98, 0.96]
    assert table["learning_rate"].tolist() == [0.001, 0.01, 0.01, 0.01]
    assert table["difference"].tolist() == pytest.approx([np.nan, 0.02, 0, -0.02], nan_ok=True)
    assert table[["only_this_right", "only_other_right"]].to_numpy()[1:].tolist() == [[20, 0], [2, 2], [0, 20]]
    assert table["p_value"].tolist()[1:] == pytest.approx([2 / 2**20, 1, 2 / 2**20])
    assert table["p_adjusted"].tolist()[1:] == pytest.approx([10 / 2**20, 1, 10 / 2**20])  # five tests in all
    half = 1.959964 * np.sqrt((21 / 1002 - (20 / 1002) ** 2) / 1002)  # half a sample added to each cell
    assert table["difference_low"][1] == pytest.approx(20 / 1002 - half, abs=1e-8)
    assert table["difference_high"][1] == pytest.approx(20 / 1002 + half, abs=1e-8)


def test_all_are_compared_with_the_most_accurate_too() -> None:
    champion = Tested("champion", GRU, 400, answers(list(range(20))))
    best = Tested("most accurate", LSTM, 700, answers(list(range(10, 30))))
    book = Tested("book", LSTM, 600, answers(list(range(15))))  # 5 more than the champion, too few to tell
    table = on_test_data(champion, [best, book])
    assert table["role"].tolist() == ["champion", "book", "most accurate"]
    assert table["verdict"].tolist() == ["the champion", *["no difference shown"] * 2]
    assert table["verdict_to_best"].tolist() == [*["no difference shown"] * 2, "the most accurate"]
    assert table["difference_to_best"].tolist() == pytest.approx([0, 0.005, np.nan], nan_ok=True)
    assert table["only_this_right_to_best"].tolist()[:2] == [10, 15]
    assert table["only_other_right_to_best"].tolist()[:2] == [10, 10]
    far = Tested("most accurate", LSTM, 700, answers(list(range(60))))
    table = on_test_data(champion, [far, book])
    assert table["verdict"].tolist() == ["the champion", "no difference shown", "worse"]
    assert table["verdict_to_best"].tolist() == ["better", "better", "the most accurate"]
    assert table["p_adjusted_to_best"].tolist()[:2] == pytest.approx([4 / 2**40, 6 / 2**45])  # of three tests
    assert table["p_adjusted"][2] == table["p_adjusted_to_best"][0]


def test_where_the_champion_is_the_most_accurate_nothing_is_compared_with_that() -> None:
    table = on_test_data(Tested("champion", GRU, 400, answers([1])), [Tested("book", LSTM, 600, answers([2]))])
    assert table.filter(like="_to_best").isna().all(axis=None)
    assert table["p_adjusted"].tolist() == pytest.approx([np.nan, 1], nan_ok=True)


def test_all_pairs_of_models_tell_the_luck_of_the_first() -> None:
    lucky = Tested("champion", GRU, 400, np.concatenate([answers([]), answers([1, 2, 3]), answers([1, 2])]))
    book = Tested("book", LSTM, 600, np.concatenate([answers([1]), answers([1, 2])]))
    row = on_test_data(lucky, [book]).iloc[1]
    assert row["difference"] < 0
    assert (row["model_pairs"], row["model_pairs_ahead"]) == (6, 3)


def test_the_same_mistakes_are_not_the_same_accuracy() -> None:
    same = on_test_data(Tested("champion", GRU, 400, answers(list(range(20)))),
                        [Tested("book", LSTM, 600, answers(list(range(20))))]).iloc[1]  # fmt: skip
    assert (same["only_this_right"], same["only_other_right"], same["difference"]) == (0, 0, 0)
    assert (same["difference_low"], same["difference_high"]) == pytest.approx((-1.959964 / 1002, 1.959964 / 1002))


@pytest.mark.parametrize(("shared", "only_first", "only_second"), [(0.98, 0.002, 0.002), (0.97, 0.012, 0.004)])
def test_the_interval_has_the_difference_95_times_in_100(shared: float, only_first: float, only_second: float) -> None:
    rng = np.random.default_rng(0)
    cells = [shared, only_first, only_second, 1 - shared - only_first - only_second]
    drawn = rng.multinomial(1000, cells, size=4000)
    intervals = np.array([difference_interval(first, second, 1000) for _, first, second, _ in drawn])
    covered = (intervals[:, 0] <= only_first - only_second) & (only_first - only_second <= intervals[:, 1])
    assert 0.94 <= covered.mean() <= 0.99


def test_seeds_give_mean_and_interval_and_the_first_is_compared() -> None:
    champion = Tested("champion", GRU, 400, answers([]))
    two = Tested("book", LSTM, 600, np.concatenate([answers([1]), answers([1, 2, 3])]))
    row = on_test_data(champion, [two]).iloc[1]
    assert (row["seeds"], row["test_accuracy"], row["difference"]) == (2, pytest.approx(0.998), pytest.approx(-0.001))
    assert row["test_accuracy_sd"] == pytest.approx(0.002 / np.sqrt(2))
    assert row["test_accuracy_low"] < 0.998 < row["test_accuracy_high"]


def test_a_studys_networks_have_all_their_seeds_and_only_complete_ones() -> None:
    trials = study(seeds(8, [0.9, 0.8]), seeds(16, [0.7]), seeds(32, [0.6], state="FAIL"))
    configurations = {0: GRU, 1: GRU, 2: LSTM, 3: LSTM}
    mistakes = pd.DataFrame({"number": [0, 1, 1, 3], "index": [4, 0, 4, 2]})
    first, second = table_of.networks_of("book", configurations, trials, mistakes, 5)
    assert (first.role, first.parameters, second.parameters) == ("book", 800, 1600)
    assert first.right.tolist() == [[True] * 4 + [False], [False, True, True, True, False]]
    assert second.right.all()
    assert second.right.shape == (1, 5)


def test_networks_that_look_alike_have_the_column_in_which_they_differ() -> None:
    champion = Tested("champion", GRU, 400, answers([1]))
    twins = [Tested("book", LSTM.model_copy(update={"batch_size": size}), 600, answers([size])) for size in (32, 64)]
    table = on_test_data(champion, twins)
    assert table.columns.tolist() == [*TEST_COLUMNS, "batch_size"]
    assert sorted(table["batch_size"][1:]) == [32, 64]
    assert on_test_data(champion, twins[:1]).columns.tolist() == TEST_COLUMNS
