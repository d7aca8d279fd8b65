import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.data.datasets import Dataset
from pipeline.data.sequences import (
    Samples,
    as_sequences,
    prepared_sequences,
    split,
    stratified_order,
    summary_of,
)
from pipeline.errors import PipelineError
from pipeline.params.settings import DataParams
from tests.helpers.sequences import write_sequences

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)


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


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=8), seed=st.integers(0, 2**32))
def test_every_prefix_has_the_classes_in_proportion(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    order = stratified_order(y, rng)
    assert sorted(order.tolist()) == list(range(len(y)))
    one_hot = y[order][:, None] == np.arange(len(counts))  # (n, classes)
    share = np.array(counts) / len(y)
    deviation = np.abs(np.cumsum(one_hot, axis=0) - np.outer(np.arange(1, len(y) + 1), share))
    assert (deviation <= 0.5 + max(0, len(counts) - 2) / 2 * share + 1e-9).all()


@given(classes=st.integers(2, 10), count=st.integers(1, 30), seed=st.integers(0, 2**32))
def test_equally_frequent_classes_never_differ_by_more_than_one(classes: int, count: int, seed: int) -> None:
    y = np.repeat(np.arange(classes), count)
    order = stratified_order(y, np.random.default_rng(seed))
    per_class = np.cumsum(y[order][:, None] == np.arange(classes), axis=0)
    assert np.ptp(per_class, axis=1).max() == 1
    assert (per_class[classes - 1 :: classes] == np.arange(1, count + 1)[:, None]).all()


def test_the_order_is_a_shuffle_drawn_from_the_seed() -> None:
    y = np.repeat(np.arange(3), 50)
    orders = [stratified_order(y, np.random.default_rng(seed)).tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    first = [index for index in orders[0] if y[index] == 0]
    assert first != sorted(first)  # not the source's order within a class
    triples = {tuple(y[orders[0][start : start + 3]]) for start in range(0, 150, 3)}
    assert len(triples) == 6  # nor one order of the classes over and over


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


@pytest.mark.parametrize(
    ("view", "shape", "element"),
    [
        ("rows", (5, 4, 3), lambda step, feature: (step, feature)),
        ("columns", (5, 3, 4), lambda step, feature: (feature, step)),
        ("pixels", (5, 12, 1), lambda step, feature: (step // 3, step % 3)),
    ],
)
def test_views(view: str, shape: tuple[int, ...], element: Any) -> None:
    x = as_sequences(IMAGES, view, seed=0)
    assert (x.shape, x.dtype, x.flags.c_contiguous) == (shape, np.float32, True)
    for step in range(shape[1]):
        for feature in range(shape[2]):
            row, column = element(step, feature)
            assert np.array_equal(x[:, step, feature], IMAGES[:, row, column] / np.float32(255))


def test_permuted_pixels_are_the_same_pixels_in_one_seeded_order() -> None:
    pixels = as_sequences(IMAGES, "pixels", 0)
    permuted = as_sequences(IMAGES, "permuted_pixels", 0)
    order = np.random.default_rng((0, 1)).permutation(12)
    assert np.array_equal(permuted, pixels[:, order])
    assert not np.array_equal(permuted, pixels)
    assert np.array_equal(permuted, as_sequences(IMAGES, "permuted_pixels", 0))
    assert np.array_equal(permuted[3:], as_sequences(IMAGES[3:], "permuted_pixels", 0))  # whatever else is there
    assert not np.array_equal(permuted, as_sequences(IMAGES, "permuted_pixels", 1))


def test_black_is_0_and_white_is_1() -> None:
    x = as_sequences(np.array([[[0, 255, 51]]], np.uint8), "rows", 0)
    assert x.ravel().tolist() == [0.0, 1.0, pytest.approx(0.2, abs=1e-8)]


def test_sequences_of_ones_own_are_left_as_they_are() -> None:
    x = np.array([[[-5.0, 300.0]]], np.float32)
    assert np.array_equal(as_sequences(x, "rows", 0), x)
    for view in ("columns", "pixels", "permuted_pixels"):
        with pytest.raises(PipelineError, match=rf"^params\.yaml: data\.view: {view} is for images"):
            as_sequences(x, view, 0)


def test_summary_counts_and_its_sum_sees_every_change() -> None:
    x, y = np.zeros((3, 2, 1), np.float32), np.array([0, 2, 2])
    summary = summary_of(Samples(x, y), classes=4)
    assert (summary.samples, summary.per_class) == (3, (1, 0, 2, 0))
    assert len(summary.sha256) == 64
    others = [
        Samples(x, np.array([0, 2, 1])),
        Samples(x + np.float32(1e-6), y),
        Samples(x.reshape(3, 1, 2), y),
        Samples(x.astype(np.float64), y),
    ]
    assert len({summary.sha256, *(summary_of(other, 4).sha256 for other in others)}) == 5
    assert summary_of(Samples(x.copy(), y.copy()), 4) == summary


@pytest.mark.parametrize("validation", [20, 0.25])
def test_prepared_sequences_are_those_that_are_asked_for(tmp_path: Path, validation: int | float) -> None:
    """A quarter of the 80 that are not for testing are 20."""
    path = tmp_path / "sequences/summary.json"
    summary = write_sequences(path.parent, train=60, validation=20, test=30)
    asked = DataParams(dataset="slopes", validation=validation)
    assert prepared_sequences(asked, path) == summary
    for changes, answer in (
        ({"dataset": "mnist"}, "holds slopes as rows, seed 0; params.yaml asks for mnist as rows, seed 0"),
        ({"view": "columns"}, "holds slopes as rows, seed 0; params.yaml asks for slopes as columns, seed 0"),
        ({"seed": 1}, "holds slopes as rows, seed 0; params.yaml asks for slopes as rows, seed 1"),
        ({"validation": 21}, "rows, seed 0, 20 validation samples; params.yaml asks for slopes as rows, seed 0, 21 "),
        ({"validation": 0.2}, "rows, seed 0, 20 validation samples; params.yaml asks for slopes as rows, seed 0, 16 "),
    ):
        with pytest.raises(PipelineError) as caught:
            prepared_sequences(asked.model_copy(update=changes), path)
        assert answer in str(caught.value)
        assert str(caught.value).endswith(": `dvc repro prepare` makes that")
    with pytest.raises(FileNotFoundError):
        prepared_sequences(asked, tmp_path / "summary.json")
