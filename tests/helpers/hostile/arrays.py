"""Files .npz, damaged inside and outside of the archive."""

import gzip
import io
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.mutations import damaged

DTYPES = (
    "f4",
    "f8",
    "f2",
    ">f4",
    ">f8",
    "i1",
    "u1",
    "i8",
    "u8",
    ">i4",
    "?",
    "c8",
    "S3",
    "U3",
    "V4",
    "M8[s]",
    "m8[s]",
    "g",
)


def _arrays(rng: random.Random, labelled: bool = True) -> dict[str, Any]:
    """Sound arrays of an .npz, with what may stand beside x and y."""
    draw = np.random.default_rng(rng.randrange(2**32))
    count, steps, features = rng.choice((12, 24, 40)), rng.randrange(1, 7), rng.randrange(1, 4)
    arrays: dict[str, Any] = {"x": draw.normal(size=(count, steps, features)).astype(rng.choice(("f4", "f8")))}
    if labelled:
        y = np.arange(count) % rng.choice((2, 3))
        arrays["y"] = rng.choice(
            (y, y.astype("u1"), y.astype(str), y.astype("S"), y.astype(float), y == 0, np.eye(3, dtype="i8")[y])
        )
    if rng.random() < 0.4:
        arrays["lengths"] = draw.integers(1, steps + 1, count)
    if labelled and rng.random() < 0.3:
        arrays["groups"] = rng.choice(
            (np.arange(count) // 2, np.arange(count) % 2, (np.arange(count) // 2).astype(str))
        )
    if labelled and rng.random() < 0.2:
        arrays["split"] = np.where(np.arange(count) % 4 == 3, "test", "train")
    elif labelled and rng.random() < 0.2:
        arrays |= {f"{name}_test": array[: count // 2] for name, array in arrays.items() if name != "split"}
    return arrays


def npz_file(path: Path, rng: random.Random, labelled: bool = True) -> Path:
    arrays = _arrays(rng, labelled)
    how = rng.choice((0, 0, 0, 1, 2, 3))
    if how == 0:
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice(list(arrays))
            arrays[name] = _other_array(arrays[name], rng)
        if rng.random() < 0.3:
            arrays[rng.choice(("z", "x ", "", "../x", "y_test", "lengths", "x_test", "é" * 80, "split", "groups"))] = (
                rng.choice(list(arrays.values()))
            )
    members = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    if how == 1:
        name = rng.choice(list(members))
        members[name] = _other_member(members[name], rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
            if rng.random() < 0.01:
                archive.writestr(zipfile.ZipInfo(name), content)
    content = buffer.getvalue()
    if how == 2:
        content = damaged(content, rng)
    elif how == 3:
        content = _other_archive(content, members, rng)
    path.write_bytes(content)
    return path


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


class _Trap:
    """Unpickled, it leaves a file: nothing may do that."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("unpickled", "w"))


def _other_array(array: Any, rng: random.Random) -> Any:
    """The array in another type, shape or order, or with values that are none."""
    array = np.atleast_1d(array)
    with np.errstate(all="ignore"):
        match rng.randrange(11):
            case 0:
                try:
                    return array.astype(rng.choice(DTYPES))
                except (ValueError, TypeError):
                    return np.zeros(len(array), rng.choice(DTYPES))
            case 1:
                return np.asfortranarray(array)
            case 2:
                return np.float64(rng.choice((0.0, np.nan)))
            case 3:
                return array[:0]
            case 4:
                return array[..., None] if rng.random() < 0.5 else array.reshape(-1)
            case 5:
                trapped = array.astype(object)
                trapped.reshape(-1)[:1] = _Trap()
                return trapped
            case 6:
                return np.array([_Trap(), None, "x", {}], object)
            case 7 | 8 if array.dtype.kind == "f" and array.size:
                array = array.copy()
                array.reshape(-1)[rng.randrange(array.size)] = rng.choice(
                    (np.nan, np.inf, -np.inf, 1e300, -1e39, 5e-324, 1e38)
                )
                return array
            case 9:
                return array.transpose()
            case 10:
                kinds = [("a", "f4"), ("b", "i4")], [("a", "O")]
                return np.zeros(len(array) if array.ndim else 3, rng.choice(kinds))
            case _:
                return np.full(array.shape, rng.choice(("a\x00b", "", "\n", "\ud800x", "😀", "train", "1", "x" * 500)))


def _other_member(content: bytes, rng: random.Random) -> bytes:
    """An array's file with a header that lies, or that is none."""
    begin = content.index(b"}")
    shape = rng.choice(("(10000000000,)", "(1000000, 1000000)", "(-1,)", "(2, -3)", "(0,)", "()",
    "(18446744073709551616,)", "(True,)",
                        "('a',)", "(1.5,)", "(12, 0, 9223372036854775807)", "[3]", "3", "(" * 90,
                        "(1,)*9")).encode()  # fmt: skip
    order = rng.choice(("True", "1", "None", "'C'"))
    dtype = rng.choice(
        (*DTYPES, "|O", "<f16", "|S1000000000", "<U100000000", "|V99999999999", "f4,f4", "x", "", "<f999")
    )
    headers = (
        f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (12, 3, 2), }}".encode(),
        b"{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + b", }",
        f"{{'descr': '<f4', 'fortran_order': {order}, 'shape': (12, 3, 2), }}".encode(),
        b"{'descr': [('a', '<f4'), ('a', '<f4')], 'fortran_order': False, 'shape': (12,), }",
        b"__import__('os').system('touch unpickled')",
        b"{" * 5000,
        b"[" * 200_000,
        content[10:begin] + b", 'more': 1}",
        b"\xff" * 50,
        b"{'descr': '<f4', 'shape': (1,)}",
    )
    header = rng.choice(headers)
    version = rng.choice((1, 1, 1, 2, 3, 4, 0, 255))
    length = len(header) if rng.random() < 0.8 else rng.choice((0, 1, 65535, 2**31, 2**32 - 1))
    packed = struct.pack("<H", min(length, 65535)) if version == 1 else struct.pack("<I", length)
    return b"\x93NUMPY" + bytes((version, 0)) + packed + header + content[begin:][: rng.choice((0, 20, 10**6))]


def _other_archive(content: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    """An archive that is a bomb, locked, packed in another way, nested, or none at all."""
    buffer = io.BytesIO()
    match rng.randrange(9):
        case 0:  # sizes in the directory that the members have not
            place = content.rindex(b"PK\x01\x02")
            size = struct.pack("<I", rng.choice((0, 1, 2**31, 2**32 - 1)))
            return content[: place + 24] + size + content[place + 28 :]
        case 1:  # zeros, packed a thousand to one, that the header does not announce, or more of them than are read
            packed = zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED)
            with packed:
                for name, member in members.items():
                    packed.writestr(name, member + bytes(rng.choice((10_000_000, 30_000_000)) * (name == "x.npy")))
        case 2:
            place = content.rindex(b"PK\x01\x02")
            return content[: place + 8] + b"\x01" + content[place + 9 :]  # encrypted
        case 3:
            place = content.rindex(b"PK\x01\x02")
            return content[: place + 10] + bytes((rng.choice((1, 9, 12, 14, 93, 99)),)) + content[place + 11 :]
        case 4:
            with zipfile.ZipFile(buffer, "w", rng.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))) as archive:
                for name, member in members.items():
                    archive.writestr(name, member)
        case 5:
            return rng.choice(
                (
                    b"",
                    b"PK",
                    b"PK\x05\x06" + bytes(18),
                    b"\x80\x04.",
                    members["x.npy"],
                    b"x,y\n1,2\n",
                    gzip.compress(content),
                )
            )
        case 6:
            with zipfile.ZipFile(buffer, "w") as archive:
                for name in (
                    *members,
                    "x",
                    "__MACOSX/._x.npy",
                    "x.NPY",
                    "dir/",
                    *(f"{n}.npy" for n in range(rng.choice((0, 3000)))),
                ):
                    archive.writestr(name, members.get(name, b""))
        case 7:
            return rng.randbytes(rng.choice((1, 100, 5000))) + content
        case _:
            return content + rng.randbytes(rng.choice((1, 100, 70_000)))
    return buffer.getvalue()


def archive_with(path: Path, arrays: dict[str, Any], rng: random.Random) -> None:
    name = rng.choice(list(arrays))
    members = {f"{key}.npy": _npy(array) for key, array in arrays.items()}
    match rng.randrange(4):
        case 0:
            members[f"{name}.npy"] = _npy(_other_array(arrays[name], rng))
        case 1:
            members[f"{name}.npy"] = _other_member(members[f"{name}.npy"], rng)
        case 2:
            del members[f"{name}.npy"]
        case _:
            pass
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for key, content in members.items():
            archive.writestr(zipfile.ZipInfo(key), content)
    content = buffer.getvalue()
    path.write_bytes(_other_archive(content, {"x.npy": b"", **members}, rng) if rng.random() < 0.3 else content)
