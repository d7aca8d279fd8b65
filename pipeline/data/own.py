"""Anybody's own sequences: one form, whatever the file, checked for all that a network needs to learn from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.readers import ts
from pipeline.data.readers.checks import mend
from pipeline.data.readers.found import Found
from pipeline.data.readers.names import Label
from pipeline.data.readers.npz import read_npz
from pipeline.data.readers.table_files import read_csv, read_parquet
from pipeline.data.readers.ts import read_ts
from pipeline.errors import PipelineError, unfit
from pipeline.params.settings import DataParams


@dataclass(frozen=True)
class RawSequences:
    """Sequences as their owner has written them.

    `x` is float32 (n, timesteps, features), not scaled. A sequence that is shorter than the longest one ends in steps
    of which all features are NaN; nothing else is NaN or infinite. `notes` are sentences for the owner about how the
    file was read. `written` are the labels where they need not be there, and are: a text for each sequence.
    """

    x: NDArray[np.float32]
    features: tuple[str, ...]
    notes: tuple[str, ...]
    written: tuple[str, ...] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class OwnSequences(RawSequences):
    """Sequences to learn from, with their classes.

    `y` is int64 (n,) with the classes 0…k-1 in the order of `labels`: whole numbers ascending, or else texts in
    alphabetical order. `groups` says whose sequence each one is. `is_test`, bool (n,), is the owner's own split.
    """

    y: NDArray[np.int64]
    labels: tuple[Label, ...]
    groups: tuple[Hashable, ...] | None
    is_test: NDArray[np.bool_] | None


READERS: dict[str, Callable[[Path, DataParams, bool], Found]] = {
    ".npz": read_npz,
    ".ts": read_ts,
    ".csv": read_csv,
    ".parquet": read_parquet,
}


def is_own(name: str) -> bool:
    """Whether `data.dataset` is by its suffix the path of somebody's file."""
    return Path(name).suffix.lower() in READERS


def files_of(path: Path) -> tuple[Path, ...]:
    """The files to read for `path`: of a .ts both parts, that for training first.

    Raises PipelineError if one is absent.
    """
    path = at_home(path)
    try:
        files = ts.files_of(path) if path.suffix.lower() == ".ts" else (path,)
        for file in files:
            if not file.is_file():
                beside = f"{file} must lie beside it" if file != path and path.is_file() else "not found"
                raise unfit(path, beside)
    except OSError as error:  # such as a name that is too long
        raise unfit(path, f"cannot be read ({error.strerror})") from error
    return files


def at_home(path: Path) -> Path:
    """`path` with the folder that a leading `~` stands for."""
    try:
        return path.expanduser()
    except RuntimeError as error:  # of somebody who is not there
        raise unfit(path, f"not found ({error})") from error


def copies_of(name: str, stem: str) -> list[str]:
    """Names for copies of the files of `name`, in their order: `stem`, and what tells the reader what they are."""
    path = Path(name)
    if path.suffix.lower() == ".ts" and len(ts.files_of(path)) == 2:
        return [f"{stem}_TRAIN.ts", f"{stem}_TEST.ts"]
    return [stem + path.suffix.lower()]


def read_raw(path: Path, settings: DataParams) -> RawSequences:
    """Read sequences to classify, in any form that those to learn from may have: they need no labels, and such that
    cannot be read count as none.

    Of a .ts the file is read that is named, and of an .npz `x`, not `x_test`. Raises PipelineError that names the
    mistake and the way out.
    """
    found = _found(at_home(path), settings, labelled=False)
    classes = found.classes
    written = None if classes is None else tuple(str(classes.names[code]) for code in classes.codes)
    return RawSequences(found.x, found.features, found.notes, written=written)


def read_own(path: Path, settings: DataParams) -> OwnSequences:
    """Read `path`, by the reader for its suffix; raises PipelineError that names the mistake and the way out."""
    try:
        return _labelled(at_home(path), settings)
    except PipelineError as error:
        raise PipelineError(f"params.yaml: data.dataset: {error}") from error


def _labelled(path: Path, settings: DataParams) -> OwnSequences:
    found = _found(path, settings, labelled=True)
    assert found.classes is not None
    labels, groups, is_test = found.classes.names, found.groups, found.is_test
    if len(labels) < 2:
        raise unfit(path, f"all sequences have the label {labels[0]!r}: there must be at least two classes")
    if is_test is not None and (is_test.all() or not is_test.any()):
        raise unfit(path, f"all sequences are for {'testing' if is_test.all() else 'training'}: both need some")
    names = tuple(groups.names[code] for code in groups.codes) if groups else None
    return OwnSequences(found.x, found.features, found.notes, found.classes.codes, labels, names, is_test)


def _found(path: Path, settings: DataParams, *, labelled: bool) -> Found:
    """What `path` holds, its values checked and the missing ones replaced."""
    if (reader := READERS.get(path.suffix.lower())) is None:
        raise unfit(path, f"its name must end in {', '.join(READERS)}")
    if labelled:
        files_of(path)
    elif not path.is_file():
        raise unfit(path, "not found")
    try:
        found = reader(path, settings, labelled)
        notes = mend(path, found, settings)
    except (OSError, MemoryError) as error:
        raise unfit(path, f"cannot be read ({error or 'memory is full'})") from error
    return replace(found, notes=(*found.notes, *notes))
