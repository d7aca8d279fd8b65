"""The sequences that one training sees."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sequences import SequencesSummary, change_view
from pipeline.params.settings import View
from pipeline.paths import SEQUENCES_SUMMARY, TEST, TRAIN, VALIDATION

HeldOut = Literal["validation", "test", "nothing"]


@dataclass(frozen=True)
class TrainingData:
    """Sequences to learn from and, unless None, sequences held out to measure on.

    `x`: float32 (n, timesteps, features); `y`: int64 (n,), classes 0 … classes - 1. Every prefix of the training
    rows is balanced by class, so the first n rows are a balanced subset and subsets are nested.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: int
    held_out_x: NDArray[np.float32] | None = None
    held_out_y: NDArray[np.int64] | None = None


@functools.lru_cache(maxsize=1)
def load_data(sequences: Path, held_out: HeldOut, view: View | None = None) -> TrainingData:
    """Read the sequences, in another view if one is asked for.

    Validation data that are not held out are trained on; test data never are.
    """
    summary = SequencesSummary.read(sequences / SEQUENCES_SUMMARY.name)

    def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
        with np.load(sequences / path.name, allow_pickle=False) as arrays:
            x = arrays["x"]
            if view not in (None, summary.view):
                x = np.ascontiguousarray(change_view(x, view, summary.seed))
            return x, arrays["y"]

    x, y = read(TRAIN)
    validation_x, validation_y = read(VALIDATION)
    classes = int(max(y.max(), validation_y.max())) + 1
    if held_out == "validation":
        return TrainingData(x, y, classes, validation_x, validation_y)
    x, y = np.concatenate([x, validation_x]), np.concatenate([y, validation_y])
    if held_out == "nothing":
        return TrainingData(x, y, classes)
    return TrainingData(x, y, classes, *read(TEST))
