"""Damaged, hostile and huge archives are refused before anything is unpickled or allocated."""

import io
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import PipelineError
from tests.helpers.own import read, write_arrays

X = np.arange(24, dtype=np.float64).reshape(4, 3, 2)
Y = np.array([0, 1, 0, 1])


def npy_header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"PK\x03\x04 and nothing more"])
def test_a_file_that_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(PipelineError, match=r"a\.npz: is not an \.npz archive; write it with numpy\.savez"):
        read(path)


def test_a_single_array_and_a_damaged_archive_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "single.npy", X)
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(PipelineError, match=r"is not an \.npz archive; write it with .* \(it holds a single array\)"):
        read(tmp_path / "single.npz")
    damaged = bytearray(write_arrays(tmp_path / "a.npz", x=X, y=Y).read_bytes())
    damaged[200] ^= 1  # in the values of x, which the archive's CRC covers
    (tmp_path / "a.npz").write_bytes(damaged)
    with pytest.raises(PipelineError, match="x is damaged"):
        read(tmp_path / "a.npz")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    for arrays in ({"x": np.array([Bomb()]), "y": Y}, {"x": X, "y": np.array([Bomb()] * 4)}):
        with pytest.raises(PipelineError, match="has the dtype object, which is never loaded"):
            read(write_arrays(tmp_path / "a.npz", **arrays))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (
            npy_header((4, 2**31, 2**31)),
            r"x is damaged \(it announces \(4, 2147483648, 2147483648\) of float32, but has 0",
        ),
        (npy_header((4, -3, 2)), r"x is damaged \(it announces \(4, -3, 2\)"),
        (npy_header((4, 3, 2)) + bytes(95), r"x is damaged \(it announces \(4, 3, 2\) of float32, but has 95 bytes"),
        (npy_header((4, 3, 2)) + bytes(97), "x is damaged"),
        (npy_header((4,), "<f4")[:30], "x is damaged"),
        (b"\x93NUMPY\x03\x00", r"x is damaged \(format \(3, 0\)\)"),
        (b"no array", "x is damaged"),
    ],
)
def test_an_array_that_is_not_as_announced_is_refused_without_memory(x: bytes, sentence: str, tmp_path: Path) -> None:
    path = write_arrays(tmp_path / "a.npz", y=Y)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x.npy", x)
    tracemalloc.start()
    with pytest.raises(PipelineError, match=sentence):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("shape", "dtype", "sentence"),
    [
        ((4, 3, 2**28), "<f8", r"its arrays have 24\.0 GiB, at most 4 are read: write x as float32"),
        (
            (4, 2**27, 3),
            "|i1",
            r"4 sequences of up to 134,217,728 steps with 3 features are 6\.0 GiB, at most 4 are read",
        ),
    ],
)
def test_a_bomb_is_refused_before_it_is_unpacked(
    shape: tuple[int, ...], dtype: str, sentence: str, tmp_path: Path
) -> None:
    """Gigabytes of zeros that are a few megabytes packed: only the size is written, for the test's sake."""
    path = write_arrays(tmp_path / "a.npz", y=Y)
    header = npy_header(shape, dtype)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header)
        archive.getinfo("x.npy").file_size = len(header) + int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    tracemalloc.start()
    with pytest.raises(PipelineError, match=sentence):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
