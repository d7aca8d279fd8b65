"""Tests and intervals against worked examples, other libraries, brute force and simulations with a known answer."""

import gc
import io
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlxtend import evaluate
from scipy import stats

from pipeline.analysis import comparisons
from pipeline.analysis.configurations import configurations as configurations_of
from tests.helpers.trials import seeds, study

FEW = "too few seeds to tell"


@pytest.fixture(scope="module", autouse=True)
def little_garbage() -> Iterator[None]:
    """Holm's method in statsmodels collects garbage in each of its thousands of calls here: leave it little to go
    through."""
    gc.freeze()
    yield
    gc.unfreeze()


def choice_of(trials: pd.DataFrame, units: int) -> dict[str, Any]:
    table = configurations_of(trials)
    return {str(k): None if pd.isna(v) else v for k, v in table[table["units"] == units].iloc[0].items()}


def test_sign_flips_of_fishers_example() -> None:
    # Darwin's maize, Fisher (1935), section 21: 863 of the 32,768 sign patterns have at least this sum.
    inches = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]) / 8
    assert comparisons.sign_flip_p_value(inches) == pytest.approx(2 * 863 / 32_768, abs=1e-12)


@pytest.mark.parametrize("number", [2, 5, 6, 10])
def test_smallest_p_value_halves_with_each_seed(number: int) -> None:
    assert comparisons.sign_flip_p_value(np.arange(1, number + 1)) == 2.0 ** (1 - number)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(5000, 5010), st.integers(5000, 5010)), min_size=2, max_size=7))
def test_sign_flips_are_those_of_brute_force_on_whole_samples(right: list[tuple[int, int]]) -> None:
    counts = np.array([second - first for first, second in right])
    sums = np.array([np.dot(signs, counts) for signs in product([-1, 1], repeat=len(counts))])
    expected = min(1.0, 2 * min(np.mean(sums >= counts.sum()), np.mean(sums <= counts.sum())))
    fractions = [second / 6000 - first / 6000 for first, second in right]
    assert comparisons.sign_flip_p_value(fractions) == pytest.approx(expected, abs=1e-12)


def test_many_seeds_are_sampled_the_same_way_each_time() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, 25)
    first, second = (comparisons.sign_flip_p_value(differences) for _ in range(2))
    assert first == second == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_holm_of_a_worked_example() -> None:
    # 0.005 × 4, 0.01 × 3, 0.03 × 2, then 0.04 × 1, lifted to the one before it.
    assert comparisons.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert comparisons.holm([0.5, 0.6]).tolist() == [1.0, 1.0]
    assert comparisons.holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_lies_between_the_raw_values_and_bonferronis_and_keeps_their_order(values: list[float]) -> None:
    raw, adjusted = np.array(values), comparisons.holm(values)
    assert (raw <= adjusted).all()
    assert (adjusted <= len(raw) * raw + 1e-12).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()
    assert adjusted[raw.argmin()] == min(1, len(raw) * raw.min())


def test_holm_keeps_false_findings_below_the_level() -> None:
    # 8 seeds of the chosen network and of six larger ones that are no better; all six share the chosen one's luck.
    studies, found = 200, 0
    for draws in np.random.default_rng(0).normal(0.98, 0.0015, (studies, 7, 8)):
        accuracies = np.round(6000 * draws) / 6000
        p_values = [comparisons.sign_flip_p_value(larger - accuracies[0]) for larger in accuracies[1:]]
        found += comparisons.holm(p_values).min() <= comparisons.SIGNIFICANCE
    assert found / studies <= 0.06


def test_comparisons_of_a_worked_example() -> None:
    chosen = np.array([0.970, 0.971, 0.972, 0.973, 0.974, 0.975, 0.976, 0.977])
    steps = np.array([1, 2, 3, 4, 5, 6, 7, 8]) / 1000
    signs = np.array([1, -1, -1, 1, -1, 1, 1, -1])
    trials = study(
        seeds(8, chosen), seeds(64, chosen - steps), seeds(16, chosen + steps), seeds(32, chosen + signs * steps),
        seeds(128, chosen[:5] + steps[:5]), seeds(4, chosen + steps), seeds(256, chosen + steps, train_samples=1000),
        seeds(24, chosen + steps, state="PRUNED"),
    )  # fmt: skip
    result = comparisons.paired_comparisons(trials, choice_of(trials, 8))
    assert result.columns.tolist() == comparisons.COMPARISON_COLUMNS
    assert result["units"].tolist() == [16, 32, 64, 128]
    assert result["seeds"].tolist() == [8, 8, 8, 5]
    assert result["verdict"].tolist() == ["better", "no difference shown", "worse", FEW]
    assert result["difference"].tolist() == pytest.approx([0.0045, 0, -0.0045, 0.003])
    assert result["p_value"].tolist() == [2 / 256, 1, 2 / 256, 2 / 32]
    assert result["p_adjusted"].tolist()[:3] == [6 / 256, 1, 6 / 256]
    assert np.isnan(result["p_adjusted"][3])
    interval = stats.ttest_rel(chosen + steps, chosen).confidence_interval(0.95)
    assert result.iloc[0][["difference_low", "difference_high"]].tolist() == pytest.approx(list(interval))


def test_folds_are_compared_by_a_test_that_knows_of_their_overlap() -> None:
    """By hand: s = 0.01, √(1/4 + 1/9) s = 0.00601, t = 0.02 / 0.00601 = 3.328 with 3 degrees of freedom."""
    steps = 0.02 + 0.01 * np.array([1, -1, 1, -1]) * np.sqrt(3) / 2
    trials = study(seeds(8, np.full(4, 0.9)), seeds(16, 0.9 + steps), seeds(32, [0.95]))
    result = comparisons.paired_comparisons(trials, choice_of(trials, 8), "fold")
    assert result["p_value"][0] == pytest.approx(0.0447, abs=1e-4)
    reach = stats.t.isf(0.025, 3) * 0.01 * np.sqrt(1 / 4 + 1 / 9)
    assert result["difference_high"][0] - result["difference"][0] == pytest.approx(reach)
    assert result["verdict"].tolist() == ["better", FEW]
    plain = comparisons.paired_comparisons(trials, choice_of(trials, 8))
    assert plain["difference_high"][0] - plain["difference"][0] == pytest.approx(stats.t.isf(0.025, 3) * 0.005)


def test_seeds_are_paired_by_their_number() -> None:
    accuracies = np.linspace(0.90, 0.97, 8)
    shuffled = seeds(16, accuracies[::-1] + np.arange(8) / 1000, seed=list(range(7, -1, -1)))
    trials = study(seeds(8, accuracies), shuffled, seeds(32, accuracies, seed=range(4, 12)))
    result = comparisons.paired_comparisons(trials, choice_of(trials, 8))
    assert result["seeds"].tolist() == [8, 4]
    assert result["difference"].tolist() == pytest.approx([0.0035, -0.04])
    assert result["p_value"][0] == 4 / 256  # one difference is 0: both its signs give the same mean


@pytest.mark.parametrize(
    ("number", "larger", "told"),
    [(5, 1, False), (6, 1, True), (6, 2, False), (7, 3, True), (7, 4, False), (8, 6, True), (8, 7, False)],
)
def test_more_comparisons_need_more_seeds(number: int, larger: int, told: bool) -> None:
    accuracies = np.linspace(0.90, 0.92, number)
    better = [seeds(10 + i, accuracies + np.arange(1, number + 1) / 1000) for i in range(larger)]
    trials = study(seeds(8, accuracies), *better)
    verdicts = comparisons.paired_comparisons(trials, choice_of(trials, 8))["verdict"]
    assert set(verdicts) == {"better" if told else FEW}


def test_single_runs_do_not_weaken_the_comparisons_that_have_seeds() -> None:
    accuracies = np.linspace(0.90, 0.92, 6)
    single = [seeds(20 + i, [0.99]) for i in range(30)]
    trials = study(seeds(8, accuracies), seeds(16, accuracies + np.arange(1, 7) / 1000), *single)
    verdicts = comparisons.paired_comparisons(trials, choice_of(trials, 8))["verdict"].tolist()
    assert verdicts == ["better"] + [FEW] * 30


def test_same_training_in_two_studies_counts_once() -> None:
    accuracies = np.linspace(0.90, 0.92, 6)
    once = study(seeds(8, accuracies), seeds(16, accuracies + np.arange(1, 7) / 1000))
    choice = choice_of(once, 8)
    twice = comparisons.paired_comparisons(pd.concat([once, once], ignore_index=True), choice)
    pd.testing.assert_frame_equal(twice, comparisons.paired_comparisons(once, choice))


def test_comparisons_survive_the_way_through_csv() -> None:
    accuracies = np.linspace(0.90, 0.92, 6)
    trials = study(seeds(8, accuracies), seeds(16, accuracies + np.arange(1, 7) / 1000))
    read = pd.read_csv(io.StringIO(trials.to_csv(index=False)))
    result = comparisons.paired_comparisons(read, choice_of(trials, 8))
    assert result["verdict"].tolist() == ["better"]
    assert result["p_value"].tolist() == [2 / 64]


@pytest.mark.parametrize(
    ("configurations", "rows", "paired"),
    [
        ([], 0, []),
        ([seeds(8, [0.9, 0.91])], 0, []),
        ([seeds(8, [0.9]), seeds(16, [0.95])], 1, [1]),
        ([seeds(8, [0.9, np.nan]), seeds(16, [np.nan, 0.95])], 1, [0]),
        ([seeds(8, [0.9] * 8, state="PRUNED"), seeds(16, [0.95] * 8)], 1, [0]),
        ([seeds(8, [0.9] * 8), seeds(16, [np.nan] * 8)], 0, []),
    ],
)
def test_too_little_is_a_table_with_no_findings(
    configurations: list[pd.DataFrame], rows: int, paired: list[int]
) -> None:
    choice = choice_of(study(seeds(8, [0.9])), 8)
    result = comparisons.paired_comparisons(study(*configurations), choice)
    assert result.columns.tolist() == comparisons.COMPARISON_COLUMNS
    assert len(result) == rows
    assert result["seeds"].tolist() == paired
    assert set(result["verdict"]) <= {FEW}


def test_mcnemar_counts_what_only_one_has_right() -> None:
    first = [True] * 80 + [True] * 10 + [False] * 2 + [False] * 8
    second = [True] * 80 + [False] * 10 + [True] * 2 + [False] * 8
    result = comparisons.mcnemar(first, second)
    assert (result.b, result.c) == (10, 2)
    assert result.p_value == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert comparisons.mcnemar(second, first) == (2, 10, result.p_value)
    assert comparisons.mcnemar(first, first) == (0, 0, 1.0)
    assert comparisons.mcnemar([], []) == (0, 0, 1.0)


def test_mcnemar_is_mlxtends() -> None:
    rng = np.random.default_rng(0)
    actual = np.zeros(300)
    for share in rng.uniform(0.02, 0.3, 30):
        first, second = (rng.random((2, 300)) < [[share], [0.1]]).astype(int)  # 1: wrong
        _, expected = evaluate.mcnemar(evaluate.mcnemar_table(actual, first, second), exact=True)
        assert comparisons.mcnemar(first == 0, second == 0).p_value == pytest.approx(min(1, expected))


def test_mcnemar_needs_the_same_samples() -> None:
    with pytest.raises(ValueError, match=r"same samples, got shapes \(2,\) and \(3,\)"):
        comparisons.mcnemar([True, False], [True, False, True])
