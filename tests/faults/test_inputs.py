"""Thousands of damaged texts, files and command lines, and bombs: each is taken, or refused in lines that name it.

To try one again: python -m tests.helpers.trying KIND FOLDER --seed SEED --count COUNT --only NUMBER
"""

import gzip
import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import arrays
from pipeline.data.datasets import read_idx
from pipeline.data.own import read_own
from pipeline.errors import PipelineError
from tests.faults.inputs import COUNTS, all_tried
from tests.helpers.own import settings
from tests.helpers.trying import Case, Tally


@pytest.fixture(scope="module")
def tallies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tally]]:
    """What became of all inputs."""
    folder = tmp_path_factory.mktemp("inputs")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("MNIST_MIRROR", str(folder / "absent"))
        monkeypatch.delenv("PIPELINE_HOME")
        yield all_tried(folder)
    assert not list(folder.rglob("unpickled")), "nothing is unpickled"


@pytest.mark.parametrize("kind", COUNTS)
def test_every_input_is_taken_or_refused_in_lines_that_name_the_place(kind: str, tallies: dict[str, Tally]) -> None:
    tally = tallies[kind]
    assert tally.failures == []
    assert tally.accepted + tally.refused == tally.tried == COUNTS[kind]
    assert min(tally.accepted, tally.refused) > COUNTS[kind] / 50, "the inputs are neither all sound nor all nonsense"
    assert tally.peak_megabytes < (1000 if kind == "command_line" else 100)  # which imports TensorFlow


def zip_bomb(path: Path) -> None:
    """512 MiB of zeros in two, honestly announced."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 16, 1 << 10, 2)}
    )
    block, labels = bytes(1 << 26), io.BytesIO()
    np.save(labels, np.arange(4))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("y.npy", labels.getvalue())
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range((1 << 29) // len(block)):
                member.write(block)


def gzip_bomb(path: Path) -> None:
    """512 MiB of zeros in half of one, after the header of MNIST's images."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(struct.pack(">4B3I", 0, 0, 8, 3, 60_000, 28, 28))
        for _ in range(8):
            file.write(bytes(1 << 26))


def wide_table(path: Path) -> None:
    """A hundred thousand columns."""
    names = ["sequence", "time", "label", *(f"f{number}" for number in range(100_000))]
    path.write_text(f"{','.join(names)}\n{','.join('1' * len(names))}\n", encoding="utf-8")


def long_table(path: Path) -> None:
    """Seventy million rows in less than a megabyte."""
    rows = pd.DataFrame({name: np.zeros(7_000_000, np.int8) for name in ("sequence", "time", "label", "f")})
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(rows, preserve_index=False)
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(table)


def uneven_table(path: Path) -> None:
    """50,000 sequences of one step, and one of 50,000, which all would be padded to."""
    long = "".join(f"0,{step},a,1\n" for step in range(50_000))
    short = "".join(f"{number},0,b,1\n" for number in range(1, 50_000))
    path.write_text(f"sequence,time,label,f\n{long}{short}", encoding="utf-8")


def endless_line(path: Path) -> None:
    path.write_bytes(b"@classLabel true a b\n@data\n" + b"1," * (1 << 24))


def read(path: Path) -> object:
    return read_own(path, settings(path)) if path.suffix != ".gz" else read_idx(path, 3)


@pytest.mark.parametrize(
    ("make", "name", "sentence"),
    [
        (zip_bomb, "bomb.npz", r"its arrays have 0\.5 GiB, at most"),
        (gzip_bomb, "bomb.gz", r"announces \(60000, 28, 28\) values, but holds more than 47,040,000 bytes"),
        (wide_table, "wide.csv", r"has 100,003 columns, at most 10,000 are read"),
        (long_table, "long.parquet", r"has 70,000,000 rows, and at most 67,108,864 of them"),
        (uneven_table, "uneven.csv", r"50,000 sequences of up to 50,000 steps with 1 features are 9\.3 GiB"),
        (endless_line, "endless.ts", r"line 3 is longer than 16 MiB"),
    ],
)
def test_sizes_are_checked_before_there_is_room_for_them(
    make: Callable[[Path], None], name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "MOST_BYTES", 1 << 28)  # packing gigabytes takes its time
    path = tmp_path / name
    make(path)
    with pytest.raises(PipelineError, match=sentence):
        read(path)
    tally = Tally(name, seed=0)
    tally.add(Case(name, lambda: read(path), name))
    assert tally.refused == 1
    assert tally.peak_megabytes < 150
