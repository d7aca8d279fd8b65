"""Files .csv and .parquet."""

import gzip
import io
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.helpers.hostile.texts import ENCODINGS
from tests.helpers.mutations import SCALARS, VALUES, damaged, with_other_lines, with_other_words


def _table(rng: random.Random) -> pd.DataFrame:
    draw = np.random.default_rng(rng.randrange(2**32))
    count, steps = rng.choice((12, 20)), rng.randrange(1, 5)
    rows = count * steps
    sequence = np.repeat(np.arange(count), steps)
    table = pd.DataFrame(
        {"sequence": sequence, "time": np.tile(np.arange(steps), count), "label": np.array(list("ab"))[sequence % 2]}
    )
    if rng.random() < 0.9:
        table["who"], table["part"] = sequence // 2, np.where(sequence % 5 == 4, "test", "train")
    table["speed"], table["heat"] = draw.normal(size=rows), draw.normal(300, 9, rows)
    return table


def csv_file(path: Path, rng: random.Random) -> Path:
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
                    text.encode(rng.choice(ENCODINGS)), text.replace(",", ";").encode(),
                    text.replace("\n", "\r").encode(), b"", b"\n" * 1000,
                    gzip.compress(text.encode()), b"," * 200_000, b'"' + text.encode(), text.encode() + b"\x00" * 999,
                    text.encode().replace(b"a", b"\xff"),
                    b"sequence,time,label," + b",".join(b"f%d" % n for n in range(3000)) + b"\n" + b"1,2,a\n" * 9,
                    text.encode() * 2,
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
        as_name = rng.choice((name, name, name, "extra", "", "label", "__index_level_0__", "a,b", 'q"', "é\n"))
        table[as_name] = _odd_column(table, name, rng)
        if rng.random() < 0.1:
            table = table.rename(columns={name: rng.choice(("time", "sequence", "", "x" * 3000, "\x00", "😀"))})
            break  # two columns of a name are one too many for pandas
    if rng.random() < 0.1:
        table = table.iloc[: rng.choice((0, 1, 2))]
    if rng.random() < 0.2:
        table = table.sample(frac=1, random_state=rng.randrange(99))
    return table


def _odd_column(table: pd.DataFrame, name: str, rng: random.Random) -> Any:
    rows = len(table)
    columns: tuple[Callable[[], Any], ...] = (
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
    )
    return rng.choice(columns)()


def parquet_file(path: Path, rng: random.Random) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _odd_table(rng) if rng.random() < 0.5 else _table(rng)
    buffer = io.BytesIO()
    try:
        arrow = pa.Table.from_pandas(table, preserve_index=rng.random() < 0.1)
        if rng.random() < 0.2:
            arrow = _other_types(arrow, rng)
        pq.write_table(
            arrow,
            buffer,
            compression=rng.choice(("none", "snappy", "zstd")),
            use_dictionary=rng.random() < 0.5,
            row_group_size=rng.choice((7, 10**6)),
        )
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
            content = rng.choice(
                (
                    b"",
                    b"PAR1",
                    b"PAR1" * 3,
                    content[:-4],
                    content[:-8] + b"\xff\xff\xff\x7fPAR1",
                    content * 2,
                    gzip.compress(content),
                )
            )
        case _:
            pass
    path.write_bytes(content)
    return path


def _other_types(table: Any, rng: random.Random) -> Any:
    import pyarrow as pa

    place = rng.randrange(table.num_columns)
    kind = rng.choice((pa.decimal128(30, 5), pa.float16(), pa.large_string(), pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()), pa.date32(), pa.time64("us"),
                       pa.timestamp("us", tz="UTC"), pa.duration("ns"), pa.null(), pa.binary(), pa.list_(pa.int8()),
                       pa.month_day_nano_interval()))  # fmt: skip
    name = table.column_names[place]
    try:
        column = table.column(place).cast(kind)
    except (pa.ArrowException, NotImplementedError):
        column = pa.nulls(table.num_rows, kind)
    return table.set_column(place, name, column)
