"""The arrays of somebody's .npz: which there are, and what they announce, before any is read. Nothing is unpickled."""

from __future__ import annotations

import reprlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.readers.found import MOST_BYTES, damage, unfit
from pipeline.errors import PipelineError

KNOWN = ("x", "y", "lengths", "groups", "split", "x_test", "y_test", "lengths_test", "groups_test")
_WRITE = "write it with numpy.savez(path, x=x, y=y)"


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
    """The arrays of an open archive: known and fit by their headers, their values not yet read."""

    path: Path
    archive: zipfile.ZipFile
    headers: dict[str, Header]

    def read(self, name: str) -> NDArray[Any]:
        with damage(self.path, f"{name} is damaged"), self.archive.open(f"{name}.npy") as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


@contextmanager
def opened(path: Path, labelled: bool) -> Iterator[Arrays]:
    """The arrays of `path`, or `x`, `lengths` and a `y` that is fit alone where it need not be labelled.

    Raises PipelineError if they are not those that a reader knows, or too large.
    """
    with damage(path, f"is not an .npz archive; {_WRITE}"):
        with path.open("rb") as file:
            single = file.read(6) == b"\x93NUMPY"
        if single:
            raise unfit(path, f"holds a single array; {_WRITE}")
        archive = zipfile.ZipFile(path)
    with archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if labelled:
            _check_names(path, names)
        elif "x" not in names:
            raise unfit(path, f"has no array x, only {names}")
        else:
            names = [name for name in names if name in ("x", "lengths", "y")]
        headers = {}
        for name in names:
            needed = labelled or name != "y"
            with nullcontext() if needed else suppress(PipelineError), damage(path, f"{name} is damaged"):
                headers[name] = _header(path, archive, name)
        if (stored := sum(header.stored_bytes for header in headers.values())) > MOST_BYTES:
            raise unfit(
                path,
                f"its arrays have {stored / 2**30:.1f} GiB, at most {MOST_BYTES >> 30} are read: write x as float32, "
                "or fewer sequences",
            )
        yield Arrays(path, archive, headers)


def _check_names(path: Path, names: list[str]) -> None:
    if unknown := [name for name in names if name not in KNOWN]:
        raise unfit(path, f"has the unknown array {reprlib.repr(unknown[0])}; the known ones are {', '.join(KNOWN)}")
    if missing := [name for name in ("x", "y") if name not in names]:
        raise unfit(path, f"has no array {' and no array '.join(missing)}, only {names}")
    needed = {
        "x_test": ("y_test",),
        "y_test": ("x_test",),
        "lengths_test": ("x_test", "lengths"),
        "groups_test": ("x_test", "groups"),
    }
    if "x_test" in names:
        needed |= {"lengths": ("lengths_test",), "groups": ("groups_test",)}
    for name, others in needed.items():
        if name in names and (absent := [other for other in others if other not in names]):
            raise unfit(path, f"has the array {name}, but no {absent[0]}: add it, or leave {name} out")
    if "split" in names and "x_test" in names:
        raise unfit(path, "has both split and x_test: keep one of them")


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
