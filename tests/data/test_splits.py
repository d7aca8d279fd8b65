"""Which sequences are for training, for validation and for testing."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.data.datasets import Dataset
from pipeline.data.sequences import FOLDS, Samples
from pipeline.data.splits import Splits, split
from pipeline.errors import PipelineError


def dataset_of(per_class: list[int], test_per_class: list[int] | None = None) -> Dataset:
    """Images of one pixel row that carry their own number, so that a split can be followed."""

    def images(counts: list[int]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        y = np.repeat(np.arange(len(counts)), counts)
        numbers = np.arange(len(y))
        return np.stack([numbers // 256, numbers % 256], axis=1).astype(np.uint8).reshape(-1, 1, 2), y

    x, y = images(per_class)
    test_x, test_y = images(test_per_class) if test_per_class else (None, None)
    return Dataset(x, y, test_x, test_y, tuple(range(len(per_class))))


def numbers(samples: Samples) -> list[int]:
    flat = samples.x.reshape(-1, 2).astype(int)
    return [int(number) for number in flat[:, 0] * 256 + flat[:, 1]]


def test_split_with_a_test_set() -> None:
    splits = split(dataset_of([200, 100, 300], [4, 5, 6]), validation=60, seed=3)
    assert numbers(splits.test) == list(range(15))  # as it came
    assert sorted(numbers(splits.train) + numbers(splits.validation)) == list(range(600))
    assert np.bincount(splits.validation.y).tolist() == [20, 10, 30]
    assert np.bincount(splits.train.y[:54]).tolist() == [18, 9, 27]
    again = split(dataset_of([200, 100, 300], [4, 5, 6]), validation=60, seed=3)
    other = split(dataset_of([200, 100, 300], [4, 5, 6]), validation=60, seed=4)
    assert numbers(again.train) == numbers(splits.train) != numbers(other.train)
    smaller = split(dataset_of([200, 100, 300], [4, 5, 6]), validation=300, seed=3)
    assert numbers(smaller.train) == numbers(splits.train)[:300]


def test_split_without_a_test_set_holds_out_a_fifth() -> None:
    splits = split(dataset_of([50] * 4), validation=40, seed=0)
    parts = [numbers(samples) for samples in (splits.train, splits.validation, splits.test)]
    assert [len(part) for part in parts] == [120, 40, 40]
    assert sorted(itertools.chain(*parts)) == list(range(200))
    for samples, count in ((splits.train, 30), (splits.validation, 10), (splits.test, 10)):
        assert np.bincount(samples.y).tolist() == [count] * 4
        assert [int(y) for y in samples.y] == [number // 50 for number in numbers(samples)]


@pytest.mark.parametrize("validation", [160, 161, 10**6])
def test_a_validation_size_that_leaves_nothing_is_refused(validation: int) -> None:
    sentence = rf"^params\.yaml: data\.validation: {validation} of the 160 samples .*; it must be below 160$"
    with pytest.raises(PipelineError, match=sentence):
        split(dataset_of([50] * 4), validation, seed=0)


def test_classes_with_too_few_samples_are_refused() -> None:
    with pytest.raises(PipelineError, match=r"no test sample is left of the classes \[1\]"):
        split(dataset_of([50, 1]), validation=5, seed=0)
    with pytest.raises(PipelineError, match=r"no training sample is left of the classes \[1\]"):
        split(dataset_of([50, 1], [5, 5]), validation=40, seed=0)


SPEAKERS = 12


def speakers(count: int = 240, groups: int = SPEAKERS, test: int = 0) -> Dataset:
    """Sequences that are their own number, of three classes and of speakers with more and fewer of them."""
    rng = np.random.default_rng(1)
    shares = np.arange(1, groups + 1) / (groups * (groups + 1) / 2)
    of = [f"speaker {number}" for number in [*range(groups), *rng.choice(groups, count - groups, p=shares)]]
    x = np.arange(count, dtype=np.float32).reshape(-1, 1, 1)
    test_x, test_y = (x[:test], np.arange(test) % 3) if test else (None, None)
    return Dataset(x, np.arange(count) % 3, test_x, test_y, (0, 1, 2), groups=tuple(of))


def places(samples: Samples) -> list[int]:
    return [int(place) for place in samples.x[:, 0, 0]]


def test_groups_that_are_all_needed_for_training_leave_none_for_validation() -> None:
    """Each group alone has its class, and the test samples are there already."""
    y = np.repeat(np.arange(12), 5)
    x = np.zeros((60, 4, 2), np.float32)
    dataset = Dataset(x, y, x[:12], np.arange(12), tuple(range(12)), groups=tuple(y.tolist()))
    with pytest.raises(PipelineError, match=r"no sequence is left for validation: each group is needed for training"):
        split(dataset, 0.15, seed=0)


def groups_of(dataset: Dataset, samples: Samples) -> set[object]:
    assert dataset.groups is not None
    return {dataset.groups[place] for place in places(samples)}


def learning_folds(splits: Splits) -> NDArray[np.int64]:
    assert splits.train.fold is not None
    assert splits.validation.fold is not None
    return np.concatenate([splits.train.fold, splits.validation.fold])


@st.composite
def grouped(draw: st.DrawFn) -> Dataset:
    """Two classes and three to 25 groups; two of the groups have both classes, so that a split is possible."""
    names = draw(st.lists(st.one_of(st.text(max_size=3), st.integers(-5, 5)), min_size=3, max_size=25, unique=True))
    more = draw(st.lists(st.tuples(st.integers(0, len(names) - 1), st.integers(0, 1)), max_size=60))
    first = [(0, 0), (0, 1), (1, 0), (1, 1), *((number, number % 2) for number in range(2, len(names)))]
    of, y = np.array(draw(st.permutations(first + more))).T
    x = np.arange(len(y), dtype=np.float32).reshape(-1, 1, 1)
    return Dataset(x, y, None, None, (0, 1), groups=tuple(names[number] for number in of))


@given(dataset=grouped(), seed=st.integers(0, 2**32), official=st.booleans())
@settings(deadline=None)
def test_no_group_is_on_two_sides_and_every_sequence_in_one_part(dataset: Dataset, seed: int, official: bool) -> None:
    if official:
        dataset = replace(dataset, test_x=dataset.train_x[:2] + 1000, test_y=np.array([0, 1]))
    try:
        splits = split(dataset, 0.2, seed)
    except PipelineError as error:  # whoever is most of the data leaves no class for another part
        assert "a class needs a group for each of the two" in str(error)  # noqa: PT017
        return
    parts = [splits.train, splits.validation, *([] if official else [splits.test])]
    assert sorted(itertools.chain(*map(places, parts))) == list(range(len(dataset.train_y)))
    sides = [groups_of(dataset, part) for part in parts]
    assert all(sides), "no part is empty"
    assert sum(map(len, sides)) == len(set.union(*sides)), "no group is on two sides"
    for part in parts:
        assert part.y.tolist() == dataset.train_y[places(part)].tolist()
    assert splits.groups is not None
    assert list(splits.groups.values()) == [len(side) for side in sides]
    if len(sides[0]) + len(sides[1]) < FOLDS:
        assert splits.train.fold is splits.validation.fold is None
    else:
        learning = [dataset.groups[place] for part in parts[:2] for place in places(part)]  # type: ignore[index]
        pairs = set(zip(learning, learning_folds(splits).tolist(), strict=True))
        assert len(pairs) == len(set(learning)), "a group is in one fold"
        assert {fold for _, fold in pairs} == set(range(FOLDS)), "no fold is empty"


@given(order=st.permutations(range(60)), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=25)
def test_a_group_is_on_the_side_of_its_seed_whatever_the_order_of_the_sequences(order: list[int], seed: int) -> None:
    dataset = speakers(60)
    assert dataset.groups is not None
    other = replace(
        dataset,
        train_x=dataset.train_x[order],
        train_y=dataset.train_y[order],
        groups=tuple(dataset.groups[place] for place in order),
    )
    one, same = split(dataset, 10, seed), split(other, 10, seed)
    for name in ("train", "validation", "test"):
        assert groups_of(dataset, getattr(one, name)) == groups_of(dataset, getattr(same, name))  # x is the place
    again = split(dataset, 10, seed)
    assert [places(one.train), places(one.validation)] == [places(again.train), places(again.validation)]


def test_parts_of_whole_groups_are_nearly_as_large_as_wanted_and_have_the_classes_in_proportion() -> None:
    dataset = speakers(1200, groups=40)
    splits = split(dataset, 0.1, seed=0)
    sizes = [len(part.y) for part in (splits.train, splits.validation, splits.test)]
    assert sum(sizes) == 1200
    assert np.abs(np.array(sizes) - [864, 96, 240]).max() <= 12
    for part in (splits.train, splits.validation, splits.test):
        assert np.abs(np.bincount(part.y) / len(part.y) - 1 / 3).max() < 0.06
    assert np.abs(np.bincount(splits.train.y[:30]) - 10).max() <= 1, "every prefix is in proportion"
    seeds = [frozenset(groups_of(dataset, split(dataset, 0.1, seed).test)) for seed in range(5)]
    assert len(set(seeds)) == 5


def test_folds_of_whole_groups_are_about_a_tenth_each_and_have_the_classes_about_in_proportion() -> None:
    splits = split(speakers(1200, groups=60), 0.1, seed=0)
    folds = learning_folds(splits)
    y = np.concatenate([splits.train.y, splits.validation.y])
    sizes = np.bincount(folds)
    assert (len(sizes), sizes.sum()) == (FOLDS, len(y))
    assert np.abs(sizes - len(y) / FOLDS).max() <= 5
    for fold in range(FOLDS):
        assert np.abs(np.bincount(y[folds == fold]) / sizes[fold] - 1 / 3).max() < 0.12
    assert splits.test.fold is None


def test_an_official_split_is_kept_and_validation_taken_by_groups() -> None:
    dataset = replace(speakers(240, test=30), test_groups=("a", "b") * 15)
    splits = split(dataset, 24, seed=0)
    assert places(splits.test) == list(range(30))
    assert not groups_of(dataset, splits.train) & groups_of(dataset, splits.validation)
    assert len(splits.train.y) + len(splits.validation.y) == 240
    assert abs(len(splits.validation.y) - 24) <= 6
    assert splits.groups is not None
    assert (splits.groups["train"] + splits.groups["validation"], splits.groups["test"]) == (SPEAKERS, 2)


@pytest.mark.parametrize(("groups", "test", "least"), [(2, 0, 3), (1, 30, 2)])
def test_too_few_groups_are_refused(groups: int, test: int, least: int) -> None:
    sentence = (
        rf"^params\.yaml: data\.dataset: too few groups to split: there are {groups} .*; at least {least} are needed"
    )
    with pytest.raises(PipelineError, match=sentence):
        split(speakers(40, groups, test), 5, seed=0)
    split(speakers(40, groups + 1, test), 5, seed=0)


def test_a_class_of_a_single_group_is_refused() -> None:
    y = np.array([0, 1] * 10 + [2] * 2)
    dataset = Dataset(np.zeros((22, 1, 1), np.float32), y, None, None, ("a", "b", "c"), groups=(*"uvwxy" * 4, "z", "z"))
    with pytest.raises(
        PipelineError, match=r"no test sample is left of the classes \['c'\].*needs a group for each of"
    ):
        split(dataset, 4, seed=0)
