"""The sequences that one training sees."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import read_arrays
from pipeline.data.sequences import FOLDS, PREPARE_AGAIN, Samples, SequencesSummary, in_view, stratified_order
from pipeline.params.settings import View
from pipeline.paths import SEQUENCES_SUMMARY, TEST, TRAIN, VALIDATION
from pipeline.training.reading import AS_THEY_ARE, Reading

HeldOut = Literal["validation", "test", "fold", "nothing"]


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

    def only(self, count: int | None) -> TrainingData:
        """The same with so many training rows alone, without those that `x` and `held_out_x` are parts of in memory."""
        x, y = self.rows(count)
        held_out_x = None if self.held_out_x is None else self.held_out_x.copy()
        return replace(self, x=x, y=y, held_out_x=held_out_x, first=0)


def fold_of(seed: int) -> int:
    """The fold that a training with this seed holds out: seeds in a row hold out one fold after the other."""
    return seed % FOLDS


def fold_limits(samples: int, fold: int) -> tuple[int, int]:
    """Where a fold of `samples` samples without groups begins and ends, the end excluded. All are equally large: up to
    nine samples that remain are trained on in every fold."""
    size = samples // FOLDS
    return fold * size, (fold + 1) * size


@functools.lru_cache(maxsize=1)
def load_data(sequences: Path, held_out: HeldOut, view: View | None = None, fold: int | None = None) -> TrainingData:
    """Read the sequences, in another view if one is asked for.

    Validation data that are not held out are trained on; test data never are. `fold`, from 0 to `FOLDS` - 1, is the
    part of training and validation data together that is held out where `held_out` is "fold": each part has the classes
    in proportion, as the order in which `prepare` has left the samples does. The validation data are the last ones.
    Where sequences have groups, `prepare` has said which fold each is in: folds hold whole groups and differ in size.

    Raises PipelineError if a fold is asked for and there are too few groups.
    """
    summary = SequencesSummary.read(sequences / SEQUENCES_SUMMARY.name)

    def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
        samples = Samples.read(sequences / path.name)
        return in_view(samples.x, view, summary), samples.y

    x, y = read(TRAIN)
    validation_x, validation_y = read(VALIDATION)
    classes = int(max(y.max(), validation_y.max())) + 1
    of = functools.partial(
        TrainingData,
        classes=classes,
        reading=reading_of(summary),
        standardize=summary.scale == "standard",
    )
    if held_out == "validation":
        return of(x, y, held_out_x=validation_x, held_out_y=validation_y)
    x, y = np.concatenate([x, validation_x]), np.concatenate([y, validation_y])
    if held_out == "nothing":
        return of(x, y)
    if fold is not None:
        summary.check_folds()
        rest, here, first = _whole_groups(y, fold, sequences) if summary.folds else _tenth(len(y), fold)
        # Trainings on few samples take those after the fold: in every fold others.
        return of(x[rest], y[rest], held_out_x=x[here], held_out_y=y[here], first=first)
    test_x, test_y = read(TEST)
    return of(x, y, held_out_x=test_x, held_out_y=test_y)


def reading_of(summary: SequencesSummary) -> Reading:
    """How networks read these data, but for the moments to standardize by: those are of the rows of a training."""
    return Reading(padded=bool(summary.padded), tokens=summary.tokens)


def _tenth(samples: int, fold: int) -> tuple[NDArray[np.int64], slice, int]:
    """The rows outside a fold and in it, and where a training on fewer rows begins."""
    start, stop = fold_limits(samples, fold)
    return np.r_[:start, stop:samples], slice(start, stop), start


def _whole_groups(y: NDArray[np.int64], fold: int, sequences: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """As `_tenth`. The rest is put in order again: without some groups its classes are no longer in proportion."""

    def read(path: Path) -> NDArray[np.int64]:
        return read_arrays(sequences / path.name, ("fold",), PREPARE_AGAIN)["fold"]

    folds = np.concatenate([read(TRAIN), read(VALIDATION)])
    rest = np.flatnonzero(folds != fold)
    rest = rest[stratified_order(y[rest])]
    return rest, np.flatnonzero(folds == fold), fold * len(rest) // FOLDS
