"""The arrays of an .npz: known by what they announce before any is read. Nothing is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError, damage, unfit

MOST_BYTES = 4 << 30  # of all arrays of a file


class Header(NamedTuple):
    """What an array of the archive announces of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def stored_bytes(self) -> int:
        count = self.dtype.itemsize
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class Arrays:
    """The arrays of an open archive: fit by their headers, their values not yet read."""

    path: Path
    archive: zipfile.ZipFile
    headers: dict[str, Header]
    cure: str = ""

    def read(self, name: str) -> NDArray[Any]:
        with damage(self.path, f"{name} is damaged", self.cure), self.archive.open(f"{name}.npy") as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


@contextmanager
def opened(
    path: Path,
    chosen: Callable[[list[str]], list[str]],
    no_archive: str = "is no .npz archive",
    cure: str = "",
    optional: Collection[str] = (),
) -> Iterator[Arrays]:
    """The arrays of `path` that are `chosen` of all names, but for `optional` ones that are damaged.

    Raises PipelineError, which `cure` ends, if the file is not `no_archive`, or an array is damaged or too large.
    """
    if path.exists() and not path.is_dir() and not path.is_file():  # a device may have no end, and a pipe no writer
        raise unfit(path, "is no file")
    with damage(path, no_archive, cure):
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise ValueError("it holds a single array")
        archive = zipfile.ZipFile(path)
    with archive:
        headers = {}
        for name in chosen([name.removesuffix(".npy") for name in archive.namelist()]):
            unless_optional = suppress(PipelineError) if name in optional else nullcontext()
            with unless_optional, damage(path, f"{name} is damaged", cure):
                headers[name] = _header(path, archive, name)
        if (stored := sum(header.stored_bytes for header in headers.values())) > MOST_BYTES:
            raise unfit(
                path,
                f"its arrays have {stored / 2**30:.1f} GiB, at most {MOST_BYTES >> 30} are read: write x as float32, "
                "or fewer sequences",
            )
        yield Arrays(path, archive, headers, cure)


def read_arrays(path: Path, names: tuple[str, ...], cure: str) -> dict[str, NDArray[Any]]:
    """All arrays of a file that the pipeline has written, `names` among them; raises PipelineError if it is damaged."""

    def all_of(found: list[str]) -> list[str]:
        if missing := [name for name in names if name not in found]:
            raise unfit(path, f"is damaged: it has no array {missing[0]}{cure}")
        return found

    with opened(path, all_of, "is no .npz archive", cure) as arrays:
        return {name: arrays.read(name) for name in arrays.headers}


def _header(path: Path, archive: zipfile.ZipFile, name: str) -> Header:
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"format {version}")
        shape, _, dtype = readers[version](file)
        begin = file.tell()
    if dtype.hasobject:
        way_out = "make it an array of numbers or texts"
        if name in ("x", "x_test"):
            way_out = (
                "are the sequences of unequal lengths? Pad them to (n, longest, features) and give their true lengths "
                "as the array lengths (n,)"
            )
        raise unfit(path, f"{name} has the dtype object, which is never loaded, as it could run code: {way_out}")
    header = Header(shape, dtype)
    if min(shape, default=0) < 0 or header.stored_bytes != member.file_size - begin:
        raise ValueError(f"it announces {shape} of {dtype}, but has {member.file_size - begin:,} bytes")
    return header
