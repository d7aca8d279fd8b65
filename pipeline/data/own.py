"""Anybody's own sequences: one form, whatever the file, checked for all that a network needs to learn from them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.params.settings import DataParams

Label = int | str


@dataclass(frozen=True)
class OwnSequences:
    """Sequences as their owner has written them.

    `x` is float32 (n, timesteps, features), not scaled. A sequence that is shorter than the longest one ends in steps
    of which all features are NaN; nothing else is NaN or infinite. `y` is int64 (n,) with the classes 0…k-1 in the
    order of `labels`: whole numbers ascending, or else texts in alphabetical order. `groups` says whose sequence each
    one is. `is_test`, bool (n,), is the owner's own split. `notes` are sentences for the owner about how the file was
    read.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    labels: tuple[Label, ...]
    features: tuple[str, ...]
    groups: tuple[Hashable, ...] | None = None
    is_test: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()


def read_own(path: Path, settings: DataParams) -> OwnSequences:
    """Read `path`, by the reader for its suffix; raises PipelineError that names the mistake and the way out."""
    raise NotImplementedError
