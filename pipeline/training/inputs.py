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
from pipeline.training.reading import AS_THEY_ARE, Reading

HeldOut = Literal["validation", "test", "fold", "nothing"]

# Into so many parts all but the test data are cut where folds are held out; no two have a sample in common.
FOLDS = 10


@dataclass(frozen=True)
class TrainingData:
    """Sequences to learn from and, unless None, sequences held out to measure on.

    `x`: float32 (n, timesteps, features); `y`: int64 (n,), classes 0 … classes - 1. Every prefix of the training
    rows is balanced by class, so the first n rows are a balanced subset and subsets are nested. `standardize`: by the
    mean and the variance of the rows that a training takes.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: int
    held_out_x: NDArray[np.float32] | None = None
    held_out_y: NDArray[np.int64] | None = None
    first: int = 0  # of the rows, where a training on fewer begins
    reading: Reading = AS_THEY_ARE
    standardize: bool = False

    def rows(self, count: int | None) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """So many training rows, all of them for None: those from `first` on, and then from the beginning again."""
        if count is None or count >= len(self.y):
            return self.x, self.y
        chosen = np.arange(self.first, self.first + count) % len(self.y)
        return self.x[chosen], self.y[chosen]


def fold_of(seed: int) -> int:
    """The fold that a training with this seed holds out: seeds in a row hold out one fold after the other."""
    return seed % FOLDS


def fold_limits(samples: int, fold: int) -> tuple[int, int]:
    """Where a fold of `samples` samples begins and ends, the end excluded. All are equally large: up to nine samples
    that remain are trained on in every fold."""
    size = samples // FOLDS
    return fold * size, (fold + 1) * size


@functools.lru_cache(maxsize=1)
def load_data(sequences: Path, held_out: HeldOut, view: View | None = None, fold: int | None = None) -> TrainingData:
    """Read the sequences, in another view if one is asked for.

    Validation data that are not held out are trained on; test data never are. `fold`, from 0 to `FOLDS` - 1, is the
    part of training and validation data together that is held out where `held_out` is "fold": each part has the classes
    in proportion, as the order in which `prepare` has left the samples does. The validation data are the last ones.
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
    of = functools.partial(
        TrainingData,
        classes=classes,
        reading=Reading(padded=bool(summary.padded), tokens=summary.tokens),
        standardize=summary.scale == "standard",
    )
    if held_out == "validation":
        return of(x, y, held_out_x=validation_x, held_out_y=validation_y)
    x, y = np.concatenate([x, validation_x]), np.concatenate([y, validation_y])
    if held_out == "nothing":
        return of(x, y)
    if fold is not None:
        start, stop = fold_limits(len(y), fold)
        rest = np.r_[:start, stop : len(y)]
        # Trainings on few samples take those after the fold: in every fold others.
        return of(x[rest], y[rest], held_out_x=x[start:stop], held_out_y=y[start:stop], first=start)
    test_x, test_y = read(TEST)
    return of(x, y, held_out_x=test_x, held_out_y=test_y)
