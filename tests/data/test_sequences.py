import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sequences import (
    Samples,
    SequencesSummary,
    as_sequences,
    prepared_sequences,
    stratified_order,
    summary_of,
)
from pipeline.errors import PipelineError
from pipeline.params.settings import DataParams, TableColumns, View
from pipeline.paths import write_npz
from tests.helpers.runs import DATA
from tests.helpers.sequences import write_sequences

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)


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


def test_a_summary_tells_the_shape_in_every_view() -> None:
    views: tuple[View | None, ...] = (None, "rows", "columns", "pixels", "permuted_pixels")
    assert [DATA.shape_in(view) for view in views] == [(5, 3), (5, 3), (3, 5), (15, 1), (15, 1)]
    columns = DATA.model_copy(update={"view": "columns"})
    assert columns.shape_in("columns") == (5, 3), "they have it already"


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


def test_a_summary_of_folds_sees_their_change_and_one_without_is_as_before(tmp_path: Path) -> None:
    plain = Samples(np.zeros((2, 2, 1), np.float32), np.array([0, 1]))
    assert summary_of(plain, 2).sha256.startswith("2641f0f35f38cc47fd74eeec61e737b2"), "as before there were folds"
    some, others = replace(plain, fold=np.array([0, 9])), replace(plain, fold=np.array([1, 9]))
    assert len({summary_of(samples, 2).sha256 for samples in (plain, some, others)}) == 3
    for samples in (plain, some):
        write_npz(tmp_path / "train.npz", **samples.arrays)
        assert summary_of(Samples.read(tmp_path / "train.npz"), 2) == summary_of(samples, 2)


def test_what_a_summary_has_nothing_to_say_of_is_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    plain = write_sequences(tmp_path, train=60, validation=20, test=30)
    assert list(json.loads(path.read_text())) == [
        "dataset", "view", "seed", "classes", "labels", "timesteps", "features", "train", "validation", "test"
    ]  # fmt: skip
    own = plain.model_copy(update=OWN | {"warnings": ("look",), "lengths": (2, 4, 6), "labels": ("a", 1, "1")})
    own.write(path)
    assert SequencesSummary.read(path) == own
    document = json.loads(path.read_text())
    assert {"padded": False, "warnings": ["look"], "labels": ["a", 1, "1"]}.items() <= document.items()
    assert {"tokens", "groups", "folds", "columns", "max_timesteps", "feature_names"}.isdisjoint(document)


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


OWN = {"padded": False, "scale": "standard", "missing": "refuse"}
TABLE = OWN | {"dataset": "mine.csv", "columns": TableColumns()}


@pytest.mark.parametrize(
    ("there", "asked", "answer"),
    [
        (OWN, {"scale": "none"}, 'seed 0, data.scale: "standard"; params.yaml asks for X, seed 0, data.scale: "none"'),
        (
            OWN,
            {"missing": "forward"},
            'data.missing: "refuse"; params.yaml asks for X, seed 0, data.missing: "forward"',
        ),
        (OWN, {"max_timesteps": 9}, "data.max_timesteps: null; params.yaml asks for X, seed 0, data.max_timesteps: 9"),
        (
            OWN,
            {"tokens": True},
            'data.scale: "standard", data.tokens: false; params.yaml asks for X, seed 0, data.scale: ',
        ),
        (OWN | {"scale": None, "tokens": 9}, {}, "data.tokens: true; params.yaml asks for X, seed 0, data.scale: "),
        (
            TABLE,
            {"columns": TableColumns(label="what")},
            'data.columns.label: "label"; params.yaml asks for X, seed 0, data.columns.label: "what"',
        ),
        (OWN, {"columns": TableColumns(label="what")}, None),  # not a table
        (TABLE, {}, None),
        (OWN | {"scale": None, "tokens": 9}, {"tokens": True, "scale": "none"}, None),
        ({}, {"scale": "none", "tokens": True, "max_timesteps": 9}, None),  # images
        (
            OWN | {"groups": {"train": 9, "validation": 1}, "validation_asked": 21},
            {},
            "data.validation: 21; params.yaml asks for X, seed 0, data.validation: 20",
        ),
        (OWN | {"groups": {"train": 9, "validation": 1}, "validation_asked": 21}, {"validation": 21}, None),
    ],
)
def test_settings_of_ones_own_sequences_are_those_that_are_asked_for(
    there: dict[str, Any], asked: dict[str, Any], answer: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "summary.json"
    summary = write_sequences(tmp_path, train=60, validation=20, test=30).model_copy(update=there)
    summary.write(path)
    data = DataParams(dataset=summary.dataset, validation=20).model_copy(update=asked)
    if answer is None:
        assert prepared_sequences(data, path) == summary
    else:
        with pytest.raises(PipelineError) as caught:
            prepared_sequences(data, path)
        assert answer.replace("X", f"{summary.dataset} as rows") in str(caught.value)


def test_groups_that_are_too_few_for_folds(tmp_path: Path) -> None:
    plain = write_sequences(tmp_path, train=60, validation=20, test=30)
    plain.check_folds()
    assert plain.largest_fold == 8
    few = plain.model_copy(update={"groups": {"train": 6, "validation": 2, "test": 9}})
    with pytest.raises(PipelineError, match=r"^8 groups to learn from are too few for 10 folds"):
        few.check_folds()
    enough = few.model_copy(update={"folds": (9, 5, 5, 5, 5, 5, 7, 11, 14, 14)})
    enough.check_folds()
    assert enough.largest_fold == 14


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=8), seed=st.integers(0, 2**32), draws=st.booleans())
def test_every_prefix_has_the_classes_in_proportion(counts: list[int], seed: int, draws: bool) -> None:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    order = stratified_order(y, rng if draws else None)
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


def test_without_a_generator_nothing_is_shuffled() -> None:
    y = np.array([0, 0, 1, 0, 0, 1, 2])  # ranks: 1/8, 3/8, 1/4, 5/8, 7/8, 3/4, 1/2
    assert stratified_order(y).tolist() == [0, 2, 1, 6, 3, 5, 4]
