"""Long tables: a row is one time step of one sequence."""

from __future__ import annotations

import reprlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype, is_timedelta64_dtype

from pipeline.data.readers.found import Found, cut, if_readable, is_test_of, narrowed, room
from pipeline.data.readers.names import Names, names_of
from pipeline.errors import damage, unfit
from pipeline.params.settings import DataParams, TableColumns

MOST_COLUMNS = 10_000  # each takes pandas a millisecond


class Rows:
    """The rows of a table in the order of their sequences, and in a sequence in the order of their times.

    `codes` int64 (rows,) says in the order of the file which sequence a row is of: they are numbered as they come.
    `order` int64 (rows,) sorts the rows; `starts` and `lengths`, int64 (sequences,), are of the sorted ones.
    """

    def __init__(self, path: Path, table: pd.DataFrame, columns: TableColumns) -> None:
        self.path, self.table, self.columns = path, table, columns
        if table.empty:
            raise unfit(path, "has no rows")
        self.codes, self.sequences = self._factorized(columns.sequence)
        times = _times(path, table[columns.time], columns.time)
        self.order = np.lexsort((times, self.codes))
        self.lengths = np.bincount(self.codes).astype(np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        codes, times = self.codes[self.order], times[self.order]
        twice = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
        if twice.any():
            raise unfit(
                path,
                f"has two rows of {self.place(int(np.argmax(twice)))}, and {int(twice.sum()):,} such rows in all: a "
                "sequence has one row for each moment",
            )

    def place(self, row: int) -> str:
        """Where the sorted row stands: its sequence and its time."""
        time = self.table[self.columns.time].iloc[self.order[row]]
        return f"sequence {self._name_of(row)}, time {time}"

    def of_sequences(self, column: str) -> Names:
        """What `column` says of each sequence; raises PipelineError if it says two things of one."""
        codes, written = self._factorized(column)
        codes = codes[self.order]
        first = codes[self.starts]
        changed = codes != np.repeat(first, self.lengths)
        if changed.any():
            row = int(np.argmax(changed))
            before = written[np.repeat(first, self.lengths)[row]]
            raise unfit(
                self.path,
                f"column {column!r} changes within {self.place(row)}, from {reprlib.repr(before)} to "
                f"{reprlib.repr(written[codes[row]])}: it must be the same in all rows of a sequence",
            )
        try:
            return names_of(written, first)
        except ValueError as error:
            raise unfit(self.path, f"column {column!r}: {error}") from error

    def _factorized(self, column: str) -> tuple[NDArray[np.int64], list[Any]]:
        try:
            codes, distinct = pd.factorize(self.table[column])
        except TypeError as error:  # lists and structures, as a .parquet may have
            raise unfit(self.path, f"column {column!r} must hold a number or a text in each row ({error})") from error
        if (missing := codes < 0).any():
            raise unfit(
                self.path,
                f"column {column!r} is empty in {int(missing.sum()):,} rows, the first is data row "
                f"{int(np.argmax(missing)) + 1:,}: every row must say it",
            )
        return codes.astype(np.int64), distinct.tolist()

    def _name_of(self, row: int) -> str:
        return reprlib.repr(self.sequences[self.codes[self.order[row]]])


def column_roles(path: Path, names: list[str], columns: TableColumns, labelled: bool) -> tuple[list[str], list[str]]:
    """Which of the table's columns say what a row is, and which are features; raises PipelineError if one is absent.

    Where it need not be `labelled`, only sequence and time must be there.
    """
    roles = {
        role: name
        for role, name in columns.model_dump().items()
        if name is not None and (labelled or role in ("sequence", "time") or name in names)
    }
    if len(names) > MOST_COLUMNS:
        raise unfit(path, f"has {len(names):,} columns, at most {MOST_COLUMNS:,} are read: a row is one time step")
    if len(set(names)) < len(names):
        raise unfit(path, f"has two columns {Counter(names).most_common(1)[0][0]!r}: rename one")
    if len(names) == 1 and (sign := next((sign for sign in ";\t|" if sign in names[0]), None)):
        one = reprlib.repr(names[0])
        raise unfit(path, f"has one column, {one}: save it with commas between columns, not {sign!r}")
    for role, name in roles.items():
        if name not in names:
            raise unfit(
                path,
                f"has no column {name!r}, only {reprlib.repr(names)}: say in params.yaml which one it is "
                f"(data.columns.{role})",
            )
        if others := [other for other, value in roles.items() if value == name and other != role]:
            raise unfit(path, f"data.columns.{role} and data.columns.{others[0]} are both {name!r}: they must differ")
    features = [name for name in names if name not in roles.values()]
    if not features:
        raise unfit(path, f"has no column for a feature beside {', '.join(roles.values())}")
    return list(roles.values()), features


def found_in(path: Path, table: pd.DataFrame, features: list[str], settings: DataParams, labelled: bool) -> Found:
    """The sequences of `table`, in the order in which they appear in it; its `features` are numeric columns."""
    columns = settings.columns
    rows = Rows(path, table, columns)
    lengths, notes = cut(rows.lengths, settings.max_timesteps)
    x = room(path, len(lengths), int(lengths.max()), len(features))
    sequences = np.repeat(np.arange(len(lengths)), rows.lengths)
    steps = np.arange(len(rows.order)) - np.repeat(rows.starts, rows.lengths)
    kept = steps < x.shape[1]
    sequences, steps, sources = sequences[kept], steps[kept], rows.order[kept]
    for number, name in enumerate(features):
        x[sequences, steps, number] = narrowed(path, f"column {name!r}", table[name].to_numpy(np.float64)[sources])
    groups = rows.of_sequences(columns.group) if columns.group and labelled else None
    is_test = is_test_of(path, rows.of_sequences(columns.split)) if columns.split and labelled else None

    def place(sequence: int, step: int, feature: int) -> str:
        return f"{rows.place(int(rows.starts[sequence]) + step)}, column {features[feature]!r}"

    notes += tuple(
        f"column {name!r} is a feature; if it is the {name} of a sequence, set data.columns.{name}"
        for name in ("group", "split")
        if name in features
    )
    if labelled:
        classes: Names | None = rows.of_sequences(columns.label)
    else:
        classes = if_readable(lambda: rows.of_sequences(columns.label)) if columns.label in table else None
    return Found(x, lengths, classes, tuple(features), place, groups, is_test, notes)


def _times(path: Path, times: pd.Series[Any], name: str) -> NDArray[Any]:
    """Numbers that sort and compare as the times do, (rows,)."""
    dtype = times.dtype
    moments = times
    if not any(is_kind(dtype) for is_kind in (is_numeric_dtype, is_datetime64_any_dtype, is_timedelta64_dtype)):
        with damage(path, f"column {name!r} cannot be read as times"):
            moments = pd.to_numeric(times.astype(object), errors="coerce")
            if moments.isna().any():
                moments = pd.to_datetime(times.astype(object), format="ISO8601", utc=True, errors="coerce")
    if is_numeric_dtype(moments.dtype):
        values = moments.to_numpy()
        wrong = ~np.isfinite(values)
    else:
        values = moments.astype("int64").to_numpy()  # since 1970
        wrong = moments.isna().to_numpy()
    if is_bool_dtype(moments.dtype) or wrong.any():
        row = int(np.argmax(wrong))
        raise unfit(
            path,
            f"column {name!r} has no time in data row {row + 1:,}, but {reprlib.repr(times.iloc[row])}: times are "
            "numbers or texts such as 2026-01-31 12:30:00",
        )
    return values
