"""What a reader finds in somebody's file, and the rules that all readers keep: room, length, and how to refuse."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import MOST_BYTES
from pipeline.data.readers.names import Names
from pipeline.errors import PipelineError, unfit

# Of the values as float32, every sequence as long as the longest one.
FEWEST_STEPS = 100  # of float32, between the smallest and the largest value of a feature that has several
MOST_VALUES = MOST_BYTES // np.dtype(np.float32).itemsize


@dataclass(frozen=True)
class Found:
    """Sequences as a reader has found them, their values not yet checked. `classes`: None where there are no labels.

    `x` is float32 (n, timesteps, features), `lengths` int64 (n,) from 1 to timesteps; steps after a sequence's length
    are NaN. `place(i, t, f)` says in the owner's own terms where x[i, t, f] stands. `is_test` is bool (n,).
    """

    x: NDArray[np.float32]
    lengths: NDArray[np.int64]
    classes: Names | None
    features: tuple[str, ...]
    place: Callable[[int, int, int], str]
    groups: Names | None = None
    is_test: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()


def is_test_of(path: Path, split: Names) -> NDArray[np.bool_]:
    """Whether each sequence is for testing, bool (n,); raises PipelineError if it is neither "train" nor "test"."""
    if wrong := [name for name in split.names if name not in ("train", "test")]:
        raise unfit(path, f'the split of a sequence must be "train" or "test", got {reprlib.repr(wrong[0])}')
    return np.array([name == "test" for name in split.names])[split.codes]


def if_readable(labels: Callable[[], Names]) -> Names | None:
    """Labels that need not be there; None where they cannot be read."""
    try:
        return labels()
    except PipelineError:
        return None


def narrowed(path: Path, what: str, values: NDArray[Any]) -> NDArray[np.float32]:
    """`values` of one feature as float32; raises PipelineError where they would lose what tells them apart."""
    with np.errstate(over="ignore", invalid="ignore"):  # too large becomes infinite, which is refused later
        narrow = values.astype(np.float32)
        finite = values[np.isfinite(values)] if values.dtype.itemsize > 4 and values.dtype.kind == "f" else values[:0]
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        between = float(np.spacing(np.float32(max(abs(low), abs(high)))))
        if 0 < high - low < FEWEST_STEPS * between:
            raise unfit(
                path,
                f"{what} goes from {low!r} to {high!r}, too near each other for networks, which compute in float32: "
                "subtract a constant, or multiply by one",
            )
    return narrow


def room(path: Path, sequences: int, timesteps: int, features: int) -> NDArray[np.float32]:
    """An array (sequences, timesteps, features) of NaN; raises PipelineError if it would be too large."""
    values = sequences * timesteps * features
    if values > MOST_VALUES:
        raise unfit(
            path,
            f"{sequences:,} sequences of up to {timesteps:,} steps with {features:,} features are "
            f"{4 * values / 2**30:.1f} GiB, at most {MOST_BYTES >> 30} are read: take fewer, or cut them "
            "(data.max_timesteps)",
        )
    return np.full((sequences, timesteps, features), np.nan, np.float32)


def cut(lengths: NDArray[np.int64], max_timesteps: int | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """`lengths`, none above `max_timesteps`, and a note if there was one."""
    if max_timesteps is None or not (longer := int(np.sum(lengths > max_timesteps))):
        return lengths, ()
    note = f"{longer:,} of {len(lengths):,} sequences are longer than data.max_timesteps: cut after {max_timesteps:,}"
    return np.minimum(lengths, max_timesteps), (f"{note} steps",)
