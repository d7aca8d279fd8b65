"""From images to sequences: the split, the scale and the views. NumPy alone, every draw seeded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.documents import Document, Frozen
from pipeline.errors import PipelineError
from pipeline.params.network import Sizes
from pipeline.params.settings import DataParams, View
from pipeline.paths import SEQUENCES_SUMMARY

if TYPE_CHECKING:
    from pipeline.data.datasets import Dataset

SplitName = Literal["train", "validation", "test"]

TEST_FRACTION = 0.2  # of a dataset that has no test set of its own
_SPLIT_STREAM, _PERMUTATION_STREAM = 0, 1


@dataclass(frozen=True)
class Samples:
    """`x` as in Dataset or as made by `as_sequences`; `y` int64 (n,), classes 0…k-1."""

    x: NDArray[Any]
    y: NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """Training, validation and test samples; none is in two of them.

    Every prefix of `train` has the classes in proportion (see `stratified_order`).
    """

    train: Samples
    validation: Samples
    test: Samples


def stratified_order(y: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A shuffle of the indices of `y` int64 (n,) of which every prefix has the classes in proportion.

    The k-th of a class's n_c samples, shuffled, gets the rank (k + 1/2) / n_c, and all are sorted by rank,
    ties at random. With C classes a prefix of m has m n_c / n samples of class c, give or take at most
    1/2 + (C - 2)/2 · n_c / n: less than one where classes are equally frequent. (Up to rank t, class c
    has t n_c + d_c samples with |d_c| ≤ 1/2; m sums this over classes, which gives t and the bound.)
    """
    ranks = np.empty(len(y))
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        ranks[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((rng.permutation(len(y)), ranks))


def split(dataset: Dataset, validation: int | float, seed: int) -> Splits:
    """Hold `validation` samples out of training, and a fifth of all for testing where there is no test set.

    `validation` below 1 is a fraction of the samples that are not for testing.

    Raises PipelineError if nothing is left to train on, or a class is missing in training or test.
    """
    order = stratified_order(dataset.train_y, np.random.default_rng((seed, _SPLIT_STREAM)))
    if dataset.test_x is None or dataset.test_y is None:
        order, held_out = np.split(order, [len(order) - round(TEST_FRACTION * len(order))])
        test = Samples(dataset.train_x[held_out], dataset.train_y[held_out])
    else:
        test = Samples(dataset.test_x, dataset.test_y)
    validation = validation_samples(validation, len(order))
    if validation >= len(order):
        raise PipelineError(
            f"params.yaml: data.validation: {validation} of the {len(order)} samples that are not for testing "
            f"leaves none to train on; it must be below {len(order)}"
        )
    train, held_out = np.split(order, [len(order) - validation])
    splits = Splits(
        Samples(dataset.train_x[train], dataset.train_y[train]),
        Samples(dataset.train_x[held_out], dataset.train_y[held_out]),
        test,
    )
    _check_every_class(splits, dataset.labels)
    return splits


def as_sequences(x: NDArray[Any], view: str, seed: int) -> NDArray[np.float32]:
    """Turn images into sequences, float32 (n, timesteps, features) from 0 to 1; leave sequences as they are.

    `x` is uint8 (n, height, width) or float32 (n, timesteps, features); for the views see `change_view`.
    """
    if x.dtype != np.uint8:
        if view != "rows":
            raise PipelineError(
                f"params.yaml: data.view: {view} is for images; sequences of one's own are used as they are: rows"
            )
        return x.astype(np.float32, copy=False)
    sequences = change_view(x, view, seed).astype(np.float32, order="C")
    sequences /= np.float32(255)
    return sequences


def change_view(x: NDArray[Any], view: str, seed: int) -> NDArray[Any]:
    """Another view of `x` (n, rows, columns): (n, timesteps, features).

    `rows` and `columns` are a time step each; `pixels` are one after the other, row by row; `permuted_pixels` in
    an order that is drawn once from `seed` and is the same for every sample.
    """
    count, height, width = x.shape
    match view:
        case "columns":
            return x.transpose(0, 2, 1)
        case "pixels":
            return x.reshape(count, height * width, 1)
        case "permuted_pixels":
            order = np.random.default_rng((seed, _PERMUTATION_STREAM)).permutation(height * width)
            return x.reshape(count, height * width, 1)[:, order]
    return x


class SplitSummary(Frozen):
    """How many sequences a split has, in all and of each class, and a sha256 of their values."""

    samples: int
    per_class: tuple[int, ...]
    sha256: str


class SequencesSummary(Document):
    """summary.json: the content of data/sequences. `seed` is that of the split and of the permutation of pixels."""

    dataset: str
    view: View
    seed: int
    classes: int
    labels: tuple[int | str, ...]
    timesteps: int
    features: int
    train: SplitSummary
    validation: SplitSummary
    test: SplitSummary

    @property
    def sizes(self) -> Sizes:
        """Time steps, features and classes."""
        return self.timesteps, self.features, self.classes

    @property
    def learning_sha256(self) -> tuple[str, str]:
        """The hashes of the training and the validation data."""
        return self.train.sha256, self.validation.sha256

    def split(self, name: SplitName) -> SplitSummary:
        found: SplitSummary = getattr(self, name)
        return found


def prepared_sequences(data: DataParams, path: Path = SEQUENCES_SUMMARY) -> SequencesSummary:
    """The summary of data/sequences, once they are those that params.yaml asks for.

    Raises FileNotFoundError where nothing is prepared, PipelineError where other data are.
    """
    summary = SequencesSummary.read(path)
    learning = summary.train.samples + summary.validation.samples
    asked = [f"{data.dataset} as {data.view}", f"seed {data.seed}"]
    there = [f"{summary.dataset} as {summary.view}", f"seed {summary.seed}"]
    if asked == there:
        asked.append(f"{validation_samples(data.validation, learning):,} validation samples")
        there.append(f"{summary.validation.samples:,} validation samples")
    if asked != there:
        raise PipelineError(
            f"{path.parent} holds {', '.join(there)}; params.yaml asks for {', '.join(asked)}: `dvc repro prepare` "
            "makes that"
        )
    return summary


def validation_samples(validation: int | float, learning: int) -> int:
    """How many of the `learning` samples, those that are not for testing, are held out: below 1 a fraction of them."""
    return max(1, round(validation * learning)) if isinstance(validation, float) else validation


def summary_of(samples: Samples, classes: int) -> SplitSummary:
    """The summary of one split; its sha256 is over the dtypes, shapes and values of both arrays."""
    digest = hashlib.sha256()
    for array in (samples.x, samples.y):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return SplitSummary(
        samples=len(samples.y),
        per_class=tuple(np.bincount(samples.y, minlength=classes).tolist()),
        sha256=digest.hexdigest(),
    )


def _check_every_class(splits: Splits, labels: tuple[int | str, ...]) -> None:
    for name, samples in (("training", splits.train), ("test", splits.test)):
        counts = np.bincount(samples.y, minlength=len(labels))
        if not counts.all():
            absent = [label for label, count in zip(labels, counts, strict=True) if count == 0]
            raise PipelineError(
                f"params.yaml: data.dataset: too few samples to split: no {name} sample is left of the classes "
                f"{absent}; add samples of them, leave them out, or lower data.validation"
            )
