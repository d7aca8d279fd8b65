"""Whole groups into parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.groups import MANY_GROUPS, group_numbers, place_groups

SHARES = [0.72, 0.08, 0.2]


def placed(counts: list[list[int]], seed: int = 0) -> list[int]:
    rng = np.random.default_rng(seed)
    return [int(part) for part in place_groups(np.array(counts), SHARES, [True, False, True], rng)]


def test_numbers_of_groups_are_those_of_their_names_in_order() -> None:
    assert group_numbers(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]
    assert group_numbers(["c", "b"]).tolist() == [1, 0]
    assert group_numbers([1, "1", 1]).tolist() == [0, 1, 0]


def test_three_groups_are_the_largest_to_train_on_the_next_to_test_and_the_smallest_to_validate() -> None:
    assert placed([[5, 5], [20, 20], [40, 40]]) == [1, 2, 0]


@pytest.mark.parametrize("seed", range(10))
def test_of_two_groups_of_a_class_one_is_for_training_and_one_for_testing(seed: int) -> None:
    """Else the larger share of training would take both. One of the other class's three is left for validation."""
    parts = placed([[8, 0], [8, 0], [0, 8], [0, 8], [0, 8]], seed)
    assert sorted(parts[:2]) == [0, 2]
    assert sorted(parts[2:]) == [0, 1, 2]


@given(
    counts=st.lists(st.tuples(*[st.integers(0, 9)] * 3).filter(any), min_size=1, max_size=12), parts=st.integers(1, 10)
)
@settings(deadline=None)
def test_no_part_stays_empty_unless_groups_are_fewer(counts: list[tuple[int, int, int]], parts: int) -> None:
    found = place_groups(np.array(counts), [1 / parts] * parts, [False] * parts, np.random.default_rng(0))
    assert len(np.unique(found)) == min(parts, len(counts))


def test_groups_of_one_are_in_proportion_to_less_than_two() -> None:
    counts = np.eye(4, dtype=np.int64)[np.arange(MANY_GROUPS + 200) % 4]
    parts = place_groups(counts, SHARES, [True, False, True], np.random.default_rng(0))
    for part, share in enumerate(SHARES):
        assert np.abs(counts[parts == part].sum(axis=0) - share * counts.sum(axis=0)).max() < 2
