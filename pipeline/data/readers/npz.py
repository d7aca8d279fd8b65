"""Somebody's .npz: `x` and `y`, and what may stand beside them. Nothing is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import Arrays
from pipeline.data.readers.archive import opened
from pipeline.data.readers.found import Found, cut, if_readable, is_test_of, narrowed, room
from pipeline.data.readers.names import Names, names_of
from pipeline.errors import unfit
from pipeline.params.settings import DataParams


def read_npz(path: Path, settings: DataParams, labelled: bool) -> Found:
    """Read `x` (n, timesteps, features) or (n, timesteps), numbers, and `y`: (n,) labels, or (n, k) one-hot.

    `lengths` (n,) says after how many steps each sequence ends, `groups` (n,) whose it is, `split` (n,) whether it is
    for "train" or "test". Or `x_test` and `y_test` are for testing, then with `lengths_test` and `groups_test` if there
    are such of training. Where it need not be `labelled`, `x`, `lengths` and a fitting `y` are read and nothing else.

    Raises PipelineError that names the mistake.
    """
    with opened(path, labelled) as arrays:
        if not labelled and arrays.headers.get("y", arrays.headers["x"]).shape[:1] != arrays.headers["x"].shape[:1]:
            del arrays.headers["y"]
        _check_shapes(arrays)
        parts = [part for part in ("", "_test") if f"x{part}" in arrays.headers]
        lengths, notes = cut(np.concatenate([_lengths(arrays, part) for part in parts]), settings.max_timesteps)
        if labelled:
            labels: Names | None = _names(arrays, "y", parts)
        else:
            labels = if_readable(lambda: _names(arrays, "y", parts)) if "y" in arrays.headers else None
        groups = _names(arrays, "groups", parts) if "groups" in arrays.headers else None
        x = _values(arrays, parts, lengths)
        is_test = None
        if "split" in arrays.headers:
            is_test = is_test_of(path, _names(arrays, "split", parts))
        elif len(parts) == 2:
            is_test = np.arange(len(x)) >= arrays.headers["x"].shape[0]
    shape = arrays.headers["x"].shape

    def place(sequence: int, step: int, feature: int) -> str:
        name, index = ("x", sequence) if sequence < shape[0] else ("x_test", sequence - shape[0])
        return f"{name}[{index}, {step}, {feature}]" if len(shape) == 3 else f"{name}[{index}, {step}]"

    features = tuple(f"feature {number}" for number in range(x.shape[2]))
    return Found(x, lengths, labels, features, place, groups, is_test, (*notes, *_shape_notes(shape)))


def _check_shapes(arrays: Arrays) -> None:
    path, headers = arrays.path, arrays.headers
    for part in ("", "_test"):
        if f"x{part}" not in headers:
            continue
        name, (shape, dtype) = f"x{part}", headers[f"x{part}"]
        if len(shape) not in (2, 3) or 0 in shape:
            raise unfit(path, f"{name} must be (n, timesteps, features), got the shape {shape}")
        if dtype.kind not in "biuf":
            raise unfit(path, f"{name} must hold real numbers, got {dtype}")
        if shape[2:] != headers["x"].shape[2:]:
            raise unfit(path, f"x_test must have the features of x, got {shape} and {headers['x'].shape}")
        if f"y{part}" in headers and (labels := headers[f"y{part}"].shape)[:1] != shape[:1]:
            raise unfit(
                path,
                f"{name} has {shape[0]} sequences, y{part} has the shape {labels}: there must be one label for each "
                "sequence, which x counts along its first axis",
            )
        for other in ("lengths", "groups", "split"):
            if (header := headers.get(f"{other}{part}")) is not None and header.shape != shape[:1]:
                raise unfit(path, f"{other}{part} must have the shape {shape[:1]}, got {header.shape}")


def _shape_notes(shape: tuple[int, ...]) -> list[str]:
    if len(shape) == 2:
        return [f"x has the shape {shape}: read as {shape[0]:,} sequences of {shape[1]:,} steps with one feature"]
    if shape[2] > 4 * shape[1]:
        return [
            f"x has the shape {shape}: read as {shape[1]:,} steps with {shape[2]:,} features; if it is (n, features, "
            "timesteps), write x.transpose(0, 2, 1)"
        ]
    return []


def _lengths(arrays: Arrays, part: str) -> NDArray[np.int64]:
    count, timesteps = arrays.headers[f"x{part}"].shape[:2]
    if "lengths" not in arrays.headers:
        return np.full(count, timesteps, np.int64)
    written = arrays.read(f"lengths{part}")
    if written.dtype.kind not in "iuf":
        raise unfit(arrays.path, f"lengths{part} must hold whole numbers, got {written.dtype}")
    wrong = ~((written >= 1) & (written <= timesteps) & (written == np.floor(written)))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise unfit(
            arrays.path,
            f"lengths{part}[{first}] is {written[first]}; it must be a whole number of steps, from 1 to the "
            f"{timesteps} of x{part}",
        )
    return written.astype(np.int64)


def _names(arrays: Arrays, name: str, parts: list[str]) -> Names:
    written: list[object] = []
    codes = []
    for part in parts:
        values = _one_each(arrays, f"{name}{part}")
        try:
            distinct, inverse = np.unique(values, return_inverse=True)
            codes.append(inverse + len(written))
            written += distinct.tolist()
        except (ValueError, SystemError) as error:  # code points that no text has
            raise unfit(arrays.path, f"{name}{part} is damaged: it holds what is no text") from error
    try:
        return names_of(written, np.concatenate(codes))
    except ValueError as error:
        raise unfit(arrays.path, f"{name}: {error}") from error


def _one_each(arrays: Arrays, name: str) -> NDArray[Any]:
    """Array `name` as (n,): labels as they are, or the places of the ones of (n, k)."""
    array, path = arrays.read(name), arrays.path
    if array.dtype.kind not in "biufUS":
        raise unfit(path, f"{name} must hold whole numbers, texts or truth values, got {array.dtype}")
    if array.dtype.kind == "f" and (missing := np.isnan(array)).any():
        raise unfit(path, f"{name} is missing (NaN) {int(missing.sum()):,} times, first in row {_first_row(missing)}")
    if array.ndim == 1 or array.shape[1:] == (1,):
        return array.reshape(-1)
    if array.ndim != 2 or array.dtype.kind in "US":
        raise unfit(path, f"{name} must be (n,), one label for each sequence, got the shape {array.shape}")
    wrong = ~(((array == 0) | (array == 1)).all(axis=1) & ((array == 1).sum(axis=1) == 1))
    if wrong.any():
        raise unfit(
            path,
            f"{name} has the shape {array.shape}, so each of its rows must have a single 1 and else 0, but row "
            f"{_first_row(wrong)} has not; one label for each sequence, (n,), is read as well",
        )
    return array.argmax(axis=1)


def _first_row(wrong: NDArray[np.bool_]) -> int:
    return int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))


def _values(arrays: Arrays, parts: list[str], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """x of all parts, one after the other, NaN after each sequence's length."""
    shape = arrays.headers["x"].shape
    x = room(arrays.path, len(lengths), int(lengths.max()), shape[2] if len(shape) == 3 else 1)
    begin = 0
    for part in parts:
        values = arrays.read(f"x{part}")
        end, timesteps = begin + len(values), min(values.shape[1], x.shape[1])
        values = values[:, :timesteps].reshape(len(values), timesteps, -1)
        for feature in range(values.shape[2]):
            x[begin:end, :timesteps, feature] = narrowed(arrays.path, f"x[:, :, {feature}]", values[..., feature])
        begin = end
    x[np.arange(x.shape[1]) >= lengths[:, None]] = np.nan
    return x
