"""Files are the same bytes for the same content, wherever they are written."""

import hashlib
from pathlib import Path

import numpy as np

from pipeline.paths import write_npz

# With Python 3.11.2 and 3.11.7, between which the bytes of `numpy.savez` differ.
DIGEST = "f42fdb3f4208fd4d8d8198bad24269ffb8c4d95308c535ef11589cf674bfccd7"


def test_arrays_are_written_as_bytes_that_no_version_of_python_decides(tmp_path: Path) -> None:
    x, y = np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.array([0, 1])
    path = tmp_path / "sequences" / "train.npz"
    write_npz(path, x=x, y=y)
    with np.load(path, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["x", "y"]
        np.testing.assert_array_equal(arrays["x"], x)
        np.testing.assert_array_equal(arrays["y"], y)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST
