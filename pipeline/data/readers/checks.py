"""The check of values that all readers share: what is missing, infinite, or no token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.readers.found import Found
from pipeline.errors import PipelineError, unfit
from pipeline.params.settings import DataParams

MOST_TOKENS = 1 << 24  # float32 has every whole number below it


def mend(path: Path, found: Found, settings: DataParams) -> tuple[str, ...]:
    """Check the values of `found`, replace the missing ones in place as `settings.missing` says, and return notes.

    Raises PipelineError that says how many values are infinite, missing, or no token, and where the first one stands.
    """
    infinite = np.isinf(found.x)
    if infinite.any():
        what = "values that are infinite or too large for float32 (3.4e38)"
        raise _refusal(path, found, infinite, what, "mend them, or leave their sequences out")
    notes: tuple[str, ...] = ()
    missing = np.isnan(found.x)
    missing &= (np.arange(found.x.shape[1]) < found.lengths[:, None])[:, :, None]
    if missing.any():
        if settings.missing == "refuse":
            way_out = "mend them, or set `data.missing: forward` in params.yaml: then each is as the one before it"
            raise _refusal(path, found, missing, "missing values", way_out)
        notes = _fill(path, found, missing)
    if settings.tokens:
        _check_tokens(path, found)
    return notes


def _fill(path: Path, found: Found, missing: NDArray[np.bool_]) -> tuple[str, ...]:
    """Replace each missing value by the last one before it; where there is none, by the first one after it."""
    empty_ends = 0
    for number in np.flatnonzero(missing.any(axis=(1, 2))).tolist():
        length = int(found.lengths[number])
        there = ~missing[number, :length]  # (steps, features)
        absent = ~there.any(axis=0)
        if absent.any():
            feature = int(np.argmax(absent))
            raise unfit(
                path,
                f"a sequence has no value at all of a feature, from {found.place(number, 0, feature)} on: leave the "
                "sequence or the feature out",
            )
        empty_ends += not there[-1].any()
        steps = np.where(there, np.arange(length)[:, None], 0)
        steps = np.maximum.accumulate(steps, axis=0)
        steps = np.maximum(steps, there.argmax(axis=0))
        found.x[number, :length] = np.take_along_axis(found.x[number, :length], steps, axis=0)
    count = int(missing.sum())
    notes = [f"missing values replaced (data.missing: forward): {count:,} of {_inside(found):,}"]
    if empty_ends:
        notes.append(
            f"sequences that end in a step without any value: {empty_ends:,}; if that pads them, end them before it"
        )
    return tuple(notes)


def _inside(found: Found) -> int:
    return int(found.lengths.sum()) * found.x.shape[2]


def _check_tokens(path: Path, found: Found) -> None:
    if found.x.shape[2] != 1:
        raise unfit(
            path,
            f"data.tokens is true, but there are {found.x.shape[2]} features: tokens are one whole number at each step",
        )
    with np.errstate(invalid="ignore"):  # comparisons with NaN, the padding, are false
        wrong = (found.x < 0) | (found.x >= MOST_TOKENS) | (found.x > np.floor(found.x))
    if wrong.any():
        what = f"values that are no tokens (data.tokens), whole numbers from 0 to {MOST_TOKENS - 1:,}"
        raise _refusal(path, found, wrong, what, "number the tokens, or set `data.tokens: false` in params.yaml")


def _refusal(path: Path, found: Found, wrong: NDArray[np.bool_], what: str, way_out: str) -> PipelineError:
    sequences = wrong.any(axis=(1, 2))
    sequence, step, feature = (int(index) for index in np.unravel_index(np.argmax(wrong), wrong.shape))
    place = found.place(sequence, step, feature)
    value = found.x[sequence, step, feature]
    if not np.isnan(value):
        place += f" ({value:g})"
    return unfit(
        path,
        f"has {what}: {int(wrong.sum()):,} in {int(sequences.sum()):,} of {len(wrong):,} sequences, the first at "
        f"{place}; {way_out}",
    )
