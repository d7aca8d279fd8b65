"""The files of long tables: .csv and .parquet, from the bytes to columns of numbers and names."""

from __future__ import annotations

import csv
import reprlib
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.arrays import MOST_BYTES
from pipeline.data.readers.found import MOST_VALUES, Found
from pipeline.data.readers.tables import column_roles, found_in
from pipeline.errors import damage, unfit
from pipeline.params.settings import DataParams

MOST_CSV_BYTES = 2 * MOST_VALUES  # a value and its comma have at least two
MOST_ROWS = 1 << 26  # each takes some 50 bytes while rows are put in order
LONGEST_HEADER_BYTES = 1 << 20
MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "none")  # in a column of numbers
_WAY_OUT = "leave them out, or say in params.yaml what they are (data.columns: sequence, time, label, group and split)"


def read_csv(path: Path, settings: DataParams, labelled: bool) -> Found:
    """Read a table in UTF-8 whose columns are apart by commas and named in its first line; see TableColumns.

    Raises PipelineError that names the mistake.
    """
    if path.stat().st_size > MOST_CSV_BYTES:
        raise unfit(path, f"is larger than {MOST_CSV_BYTES >> 30} GiB: take fewer rows, or write it as .parquet")
    names = _header(path)
    identifying, features = column_roles(path, names, settings.columns, labelled)
    texts = [name for name in identifying if name != settings.columns.time]
    with damage(path, "is not a table of comma-separated values"), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
        table = pd.read_csv(
            path,
            header=0,
            names=names,
            index_col=False,
            skipinitialspace=True,
            dtype=dict.fromkeys(texts, "str"),  # as they are written: "01" is no number
            keep_default_na=False,
            na_values={name: [""] for name in identifying} | {name: list(MISSING) for name in features},
            low_memory=False,
            encoding="utf-8",
            compression=None,
        )
    for name, dtype in table.dtypes[features].items():
        if not pd.api.types.is_numeric_dtype(dtype):
            table[name] = _numbers(path, table[name])
    return found_in(path, table, features, settings, labelled)


def read_parquet(path: Path, settings: DataParams, labelled: bool) -> Found:
    """Read a table whose columns of features are numbers; see TableColumns.

    Raises PipelineError that names the mistake.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with damage(path, "is not a .parquet file, or a damaged one"), pq.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
        stored = sum(file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups))
    names = [name for name in schema.names if not name.startswith("__index_level_")]  # of pandas, an index without name
    identifying, features = column_roles(path, names, settings.columns, labelled)
    if rows > MOST_ROWS or rows * len(names) > MOST_VALUES or stored > MOST_BYTES:
        most = f"{MOST_ROWS:,} of them and {MOST_VALUES:,} values"
        raise unfit(path, f"has {rows:,} rows, and at most {most} are read: take fewer rows")
    types = pa.types
    kinds = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    texts = [name for name in features if not any(is_kind(schema.field(name).type) for is_kind in kinds)]
    if texts:
        described = ", ".join(f"{name!r} ({schema.field(name).type})" for name in texts[:9])
        raise unfit(path, f"has columns that are no numbers: {described}; {_WAY_OUT}")
    with damage(path, "is a damaged .parquet file"):
        are_texts = (types.is_string, types.is_large_string)
        coded = [name for name in identifying if any(is_text(schema.field(name).type) for is_text in are_texts)]
        with pq.ParquetFile(path, read_dictionary=coded) as file:
            columns = file.read(columns=names)
        for place, name in enumerate(columns.column_names):
            if types.is_decimal(columns.column(place).type):
                columns = columns.set_column(place, name, columns.column(place).cast(pa.float64()))
        table = columns.to_pandas(ignore_metadata=True)
    return found_in(path, table, features, settings, labelled)


def _header(path: Path) -> list[str]:
    """The names in the first line that is not empty."""
    with damage(path, "is not a table of comma-separated values"), path.open("rb") as file:
        line = file.readline(LONGEST_HEADER_BYTES).removeprefix(b"\xef\xbb\xbf")
        while line and not line.strip():
            line = file.readline(LONGEST_HEADER_BYTES)
        if len(line) == LONGEST_HEADER_BYTES:
            raise unfit(path, "its first line, the names of columns, has no end")
        names = [name.strip() for name in next(csv.reader([line.decode()], skipinitialspace=True), [])]
    if not names:
        raise unfit(path, "is empty")
    if "" in names:
        raise unfit(
            path,
            f"column {names.index('') + 1} has no name: is it the index of a table of pandas? Write with index=False",
        )
    return names


def _numbers(path: Path, column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of features that are texts as numbers, NaN where one is missing."""
    with damage(path, f"column {column.name!r} cannot be read"):
        numbers = pd.to_numeric(column, errors="coerce")
    if (wrong := numbers.isna() & column.notna()).any():
        first = reprlib.repr(column[wrong].iloc[0])
        raise unfit(path, f"column {column.name!r} has values that are no numbers, such as {first}; {_WAY_OUT}")
    return numbers.astype("float64")
