from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.user_sequences import read_user_sequences
from pipeline.errors import PipelineError

X = np.arange(24, dtype=np.float64).reshape(4, 3, 2)
Y = np.array([7, -2, 7, 30], dtype=np.int16)


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def with_value(value: float) -> Any:
    x = X.copy()
    x[2, 1, 0] = value
    return x


def test_labels_become_classes_in_ascending_order(tmp_path: Path) -> None:
    x, y, labels = read_user_sequences(write(tmp_path / "a.npz", x=X, y=Y))
    assert (x.dtype, x.shape, y.dtype) == (np.float32, (4, 3, 2), np.int64)
    assert np.array_equal(x, X)
    assert y.tolist() == [1, 0, 1, 2]
    assert labels == (-2, 7, 30)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": X}, "has no array y, only ['x']"),
        ({"features": X}, "has no array x and no array y, only ['features']"),
        ({"x": X.astype(object), "y": Y}, "x has the dtype object, which is never loaded"),
        ({"x": X, "y": Y.astype(object)}, "y has the dtype object, which is never loaded"),
        ({"x": with_value(np.nan), "y": Y}, "x has NaN or infinite values in 1 of 4 sequences, first in x[2]"),
        ({"x": with_value(-np.inf), "y": Y}, "x has NaN or infinite values in 1 of 4 sequences, first in x[2]"),
        ({"x": with_value(1e300), "y": Y}, "x has NaN or infinite values in 1 of 4 sequences, first in x[2]"),
        ({"x": X, "y": Y[:3]}, "x has 4 sequences, y has 3 labels: they must be as many"),
        ({"x": X[:, :, 0], "y": Y}, "x must be (n, timesteps, features), got the shape (4, 3)"),
        ({"x": X[:, :, :0], "y": Y}, "x must be (n, timesteps, features), got the shape (4, 3, 0)"),
        ({"x": X.astype("U8"), "y": Y}, "x must hold real numbers, got <U8"),
        ({"x": X + 1j, "y": Y}, "x must hold real numbers, got complex128"),
        ({"x": X, "y": np.eye(4, dtype=int)}, "y must be (n,), one label for each sequence, got the shape (4, 4)"),
        ({"x": X, "y": Y / 2}, "y must hold integer labels, got float64: number the classes"),
        ({"x": X, "y": np.array(list("abca"))}, "y must hold integer labels, got <U1: number the classes"),
        ({"x": X, "y": np.full(4, 3)}, "y must have at least two classes, got [3]"),
        ({"x": X[:0], "y": Y[:0]}, "y must have at least two classes, got []"),
    ],
)
def test_unfit_arrays_are_refused_with_a_sentence(arrays: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", **arrays)
    with pytest.raises(PipelineError) as failure:
        read_user_sequences(path)
    assert str(failure.value).startswith(f"params.yaml: data.dataset: {path}: {sentence}")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"PK\x03\x04 and nothing more"])
def test_a_file_that_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(PipelineError, match=r"a\.npz: is not an \.npz archive"):
        read_user_sequences(path)


def test_a_missing_file_a_single_array_and_a_damaged_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"none\.npz: not found"):
        read_user_sequences(tmp_path / "none.npz")
    np.save(tmp_path / "single.npy", X)
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(PipelineError, match="holds a single array"):
        read_user_sequences(tmp_path / "single.npz")
    damaged = bytearray(write(tmp_path / "a.npz", x=X, y=Y).read_bytes())
    damaged[200] ^= 1  # in the values of x, which the archive's CRC covers
    (tmp_path / "a.npz").write_bytes(damaged)
    with pytest.raises(PipelineError, match="x is damaged"):
        read_user_sequences(tmp_path / "a.npz")
