import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.arrays import opened
from pipeline.errors import PipelineError
from tests.helpers.own import read, write_arrays

X = np.arange(24, dtype=np.float64).reshape(4, 3, 2)
Y = np.array([7, -2, 7, 30], dtype=np.int16)
NAN = np.nan


def with_value(value: float) -> Any:
    x = X.copy()
    x[2, 1, 0] = value
    return x


def test_numbers_are_classes_in_ascending_order(tmp_path: Path) -> None:
    found = read(write_arrays(tmp_path / "a.npz", x=X, y=Y))
    assert (found.x.dtype, found.x.shape, found.y.dtype) == (np.float32, (4, 3, 2), np.int64)
    assert np.array_equal(found.x, X)
    assert found.y.tolist() == [1, 0, 1, 2]
    assert found.labels == (-2, 7, 30)
    assert found.features == ("feature 0", "feature 1")
    assert (found.groups, found.is_test, found.notes) == (None, None, ())


@pytest.mark.parametrize(
    ("y", "labels", "classes"),
    [
        (np.array([3.0, 1.0, 3.0, -1.0], np.float32), (-1, 1, 3), [2, 1, 2, 0]),
        (np.array([3, 1, 3, 9], np.uint8), (1, 3, 9), [1, 0, 1, 2]),
        (np.array(["walk", "run", " walk", "sit"]), ("run", "sit", "walk"), [2, 0, 2, 1]),
        (np.array([b"walk", b"run", b"walk", b"sit"]), ("run", "sit", "walk"), [2, 0, 2, 1]),
        (np.array(["10", "9", "10", "-1"]), (-1, 9, 10), [2, 1, 2, 0]),
        (np.array([True, False, True, True]), ("false", "true"), [1, 0, 1, 1]),
        (np.array([[7], [5], [7], [5]]), (5, 7), [1, 0, 1, 0]),
        (np.eye(4, dtype=np.float32)[[2, 0, 2, 1]], (0, 1, 2), [2, 0, 2, 1]),
        (np.eye(2, dtype=bool)[[1, 0, 1, 1]], (0, 1), [1, 0, 1, 1]),
    ],
)
def test_labels_in_any_writing(y: Any, labels: tuple[object, ...], classes: list[int], tmp_path: Path) -> None:
    found = read(write_arrays(tmp_path / "a.npz", x=X, y=y))
    assert (found.labels, found.y.tolist()) == (labels, classes)
    assert {type(label) for label in found.labels} <= {int, str}


def test_a_flat_x_is_one_feature_and_a_note_says_so(tmp_path: Path) -> None:
    found = read(write_arrays(tmp_path / "a.npz", x=X[:, :, 0].astype(np.uint8), y=Y))
    assert found.x.shape == (4, 3, 1)
    assert found.notes == ("x has the shape (4, 3): read as 4 sequences of 3 steps with one feature",)


def test_what_looks_like_channels_first_is_read_with_a_note(tmp_path: Path) -> None:
    [note] = read(write_arrays(tmp_path / "a.npz", x=np.zeros((4, 3, 13)), y=Y)).notes
    assert note.startswith("x has the shape (4, 3, 13): read as 3 steps with 13 features; if it is (n, features, time")
    assert read(write_arrays(tmp_path / "b.npz", x=np.zeros((4, 3, 12)), y=Y)).notes == ()


def test_steps_after_the_length_are_nan_whatever_they_hold(tmp_path: Path) -> None:
    x = with_value(np.inf)
    found = read(write_arrays(tmp_path / "a.npz", x=x, y=Y, lengths=[2, 2, 1.0, 2]))
    assert found.x.shape == (4, 2, 2), "as long as the longest"
    assert np.isnan(found.x[2, 1]).all()
    assert np.isnan(found.x).sum() == 2
    assert np.array_equal(found.x[:2], X[:2, :2])


def test_groups_and_a_split_in_one_array_or_in_two(tmp_path: Path) -> None:
    groups, split = ["b", "a", "b", "c"], ["train", "train", "test", "test"]
    found = read(write_arrays(tmp_path / "a.npz", x=X, y=[0, 1, 0, 1], groups=groups, split=split))
    assert found.groups == ("b", "a", "b", "c")
    assert found.is_test is not None
    assert found.is_test.tolist() == [False, False, True, True]
    assert found.notes == ()
    arrays = {"x": X[:2], "y": ["u", "v"], "x_test": X[2:, :2], "y_test": ["v", "w"]}
    more = {"groups": [1, 2], "groups_test": [3, 1], "lengths": [3, 2], "lengths_test": [1, 2]}
    found = read(write_arrays(tmp_path / "b.npz", **arrays, **more))
    assert (found.labels, found.y.tolist(), found.groups) == (("u", "v", "w"), [0, 1, 1, 2], (1, 2, 3, 1))
    assert found.is_test is not None
    assert found.is_test.tolist() == [False, False, True, True]
    assert np.isnan(found.x).all(axis=2).sum(axis=1).tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": X}, "has no array y, only ['x']"),
        ({"features": X}, "has the unknown array 'features'; the known ones are x, y, lengths, groups, split, x_test"),
        ({"x": X.astype(object), "y": Y}, "x has the dtype object, which is never loaded"),
        ({"x": np.array([[1], [2, 3]], object), "y": Y[:2]}, "x has the dtype object, which is never loaded, as it "
         "could run code: are the sequences of unequal lengths? Pad them to (n, longest, features)"),
        ({"x": X, "y": Y.astype(object)}, "y has the dtype object, which is never loaded"),
        ({"x": with_value(NAN), "y": Y}, "has missing values: 1 in 1 of 4 sequences, the first at x[2, 1, 0]; mend"),
        ({"x": with_value(-np.inf), "y": Y}, "has values that are infinite or too large for float32 (3.4e38): 1 in 1 "
         "of 4 sequences, the first at x[2, 1, 0] (-inf)"),
        ({"x": with_value(1e300), "y": Y}, "has values that are infinite or too large for float32 (3.4e38): 1 in 1"),
        ({"x": X[:2], "y": Y[:2], "x_test": with_value(NAN), "y_test": Y}, "has missing values: 1 in 1 of 6 sequences, "
         "the first at x_test[2, 1, 0]"),
        ({"x": X, "y": Y[:3]}, "x has 4 sequences, y has the shape (3,): there must be one label for each"),
        ({"x": X[0, 0], "y": Y}, "x must be (n, timesteps, features), got the shape (2,)"),
        ({"x": X[:, :, :0], "y": Y}, "x must be (n, timesteps, features), got the shape (4, 3, 0)"),
        ({"x": X[:0], "y": Y[:0]}, "x must be (n, timesteps, features), got the shape (0, 3, 2)"),
        ({"x": X.astype("U8"), "y": Y}, "x must hold real numbers, got <U8"),
        ({"x": X + 1j, "y": Y}, "x must hold real numbers, got complex128"),
        ({"x": X, "y": np.ones((4, 2), int)}, "y has the shape (4, 2), so each of its rows must have a single 1"),
        ({"x": X, "y": np.zeros((4, 2, 2), int)}, "y must be (n,), one label for each sequence, got the shape"),
        ({"x": X, "y": Y / 2}, "y: 3.5 is no whole number of 64 bits; number the classes, or name them"),
        ({"x": X, "y": [1, 2, NAN, 1]}, "y is missing (NaN) 1 times, first in row 2"),
        ({"x": X, "y": ["a", "b", "", "a"]}, "y: it is missing (an empty text)"),
        ({"x": X, "y": ["a", "b", "\ud800", "a"]}, "y: '\\ud800' is no text in UTF-8"),
        ({"x": X, "y": Y + 1j}, "y must hold whole numbers, texts or truth values, got complex128"),
        ({"x": X, "y": np.full(4, 3)}, "all sequences have the label 3: there must be at least two classes"),
        ({"x": X, "y": Y, "lengths": [1, 2, 3, 4]}, "lengths[3] is 4; it must be a whole number of steps, from 1 to "
         "the 3 of x"),
        ({"x": X, "y": Y, "lengths": [1, 0, 3, 3]}, "lengths[1] is 0; it must be"),
        ({"x": X, "y": Y, "lengths": [1, 2.5, 3, 3]}, "lengths[1] is 2.5; it must be"),
        ({"x": X, "y": Y, "lengths": list("abcd")}, "lengths must hold whole numbers, got <U1"),
        ({"x": X, "y": Y, "lengths": [3]}, "lengths must have the shape (4,), got (1,)"),
        ({"x": X, "y": Y, "groups": [3]}, "groups must have the shape (4,), got (1,)"),
        ({"x": X, "y": Y, "split": ["train", "val", "test", "test"]}, 'the split of a sequence must be "train" or '
         '"test", got \'val\''),
        ({"x": X, "y": Y, "split": ["train"] * 4}, "all sequences are for training: both need some"),
        ({"x": X, "y": Y, "x_test": X}, "has the array x_test, but no y_test: add it, or leave x_test out"),
        ({"x": X, "y": Y, "lengths_test": Y}, "has the array lengths_test, but no x_test"),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y, "lengths": [3] * 4}, "has the array lengths, but no lengths_test"),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y, "split": ["train"] * 4}, "has both split and x_test"),
        ({"x": X, "y": Y, "x_test": X[:, :, :1], "y_test": Y}, "x_test must have the features of x, got (4, 3, 1)"),
        ({"x": X, "y": Y, "x_test": X, "y_test": list("abcd")}, "y: 'a' is a text among numbers"),
    ],
)  # fmt: skip
def test_unfit_arrays_are_refused_with_a_sentence(arrays: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    path = write_arrays(tmp_path / "a.npz", **arrays)
    with pytest.raises(PipelineError) as failure:
        read(path)
    assert str(failure.value).startswith(f"params.yaml: data.dataset: {path}: {sentence}")
    assert "\n" not in str(failure.value)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32), dtype=st.sampled_from(["f2", "f4", "f8", "i1", "u8", ">f4", "?"]), order=st.booleans()
)
def test_values_come_back_whatever_their_dtype_and_order(
    seed: int, dtype: str, order: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    n, timesteps, features = rng.integers([2, 1, 1], [9, 9, 5])
    x = rng.uniform(0, 100, (n, timesteps, features)).astype(dtype)
    lengths = rng.integers(1, timesteps + 1, n)
    lengths[-1] = timesteps
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    write_arrays(path, x=np.asfortranarray(x) if order else x, y=np.arange(n) % 2, lengths=lengths)
    found = read(path)
    padding = np.arange(timesteps) >= lengths[:, None]
    assert np.array_equal(np.isnan(found.x), np.broadcast_to(padding[:, :, None], x.shape))
    assert np.array_equal(found.x[~padding], x[~padding].astype(np.float32))


def test_what_float32_cannot_tell_apart_is_refused(tmp_path: Path) -> None:
    """Such as seconds since 1970, whose neighbours in float32 are 128 apart; a constant is none."""
    times = 1.7e9 + np.arange(60.0).reshape(10, 3, 2)
    times[..., 1] = 1.7e9
    path = write_arrays(tmp_path / "mine.npz", x=times, y=np.arange(10) % 2)
    with pytest.raises(PipelineError) as caught:
        read(path)
    assert str(caught.value).endswith(
        "mine.npz: x[:, :, 0] goes from 1700000000.0 to 1700000058.0, too near each other for networks, which compute "
        "in float32: subtract a constant, or multiply by one"
    )
    assert read(write_arrays(tmp_path / "b.npz", x=times - 1.7e9, y=np.arange(10) % 2)).x[9, 2, 0] == 58


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A device may have no end, and a pipe nobody who writes into it."""
    for target in ("/dev/zero", "pipe"):
        link = tmp_path / f"{Path(target).name}.npz"
        link.symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for link in tmp_path.glob("*.npz"):
        with pytest.raises(PipelineError, match="is no file"), opened(link, lambda names: names):
            pass
