"""Sequences as networks see them: the views of images, and the summary of what is prepared. NumPy alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.arrays import read_arrays
from pipeline.documents import Document, Frozen
from pipeline.errors import PipelineError
from pipeline.params.network import Sizes
from pipeline.params.own import own_settings, settings_as_text
from pipeline.params.settings import CountOrFraction, DataParams, TableColumns, View
from pipeline.paths import SEQUENCES_SUMMARY

SplitName = Literal["train", "validation", "test"]

# Into so many parts all but the test data are cut where folds are held out; no two have a sample in common.
FOLDS = 10
PREPARE_AGAIN = "; `dvc repro prepare` makes it again"
_PERMUTATION_STREAM = 1  # that of the split is 0


@dataclass(frozen=True)
class Samples:
    """`x` as in Dataset or as made by `as_sequences`; `y` int64 (n,), classes 0…k-1.

    `fold` int64 (n,), 0…9, is there where sequences have groups: the fold that the group of each belongs to.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    fold: NDArray[np.int64] | None = None

    @classmethod
    def read(cls, path: Path) -> Samples:
        """One split of those that `prepare` writes."""
        arrays = read_arrays(path, ("x", "y"), PREPARE_AGAIN)
        return cls(arrays["x"], arrays["y"], arrays.get("fold"))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """By name, those that are there."""
        return {"x": self.x, "y": self.y} | ({} if self.fold is None else {"fold": self.fold})


def are_images(x: NDArray[Any]) -> bool:
    """Whether `x` is of images, uint8; anything else is sequences of one's own."""
    return x.dtype == np.uint8


def as_sequences(x: NDArray[Any], view: str, seed: int) -> NDArray[np.float32]:
    """Turn images into sequences, float32 (n, timesteps, features) from 0 to 1; leave sequences as they are.

    `x` is uint8 (n, height, width) or float32 (n, timesteps, features); for the views see `change_view`.
    """
    if not are_images(x):
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


def in_view(x: NDArray[Any], view: View | None, summary: SequencesSummary) -> NDArray[Any]:
    """Prepared sequences in the view that a network reads: another one than they have is made from rows.

    `summary` says which they have; None asks for no other.
    """
    if view in (None, summary.view):
        return x
    return np.ascontiguousarray(change_view(x, view, summary.seed))


def stratified_order(y: NDArray[np.int64], rng: np.random.Generator | None = None) -> NDArray[np.int64]:
    """The indices of `y` int64 (n,) so that every prefix has the classes in proportion, shuffled by `rng` if there is
    one; otherwise those of a class keep their order.

    The k-th of a class's n_c samples gets the rank (k + 1/2) / n_c, and all are sorted by rank, ties at random or as
    they come. With C classes a prefix of m has m n_c / n samples of class c, give or take at most
    1/2 + (C - 2)/2 · n_c / n: less than one where classes are equally frequent. (Up to rank t, class c
    has t n_c + d_c samples with |d_c| ≤ 1/2; m sums this over classes, which gives t and the bound.)
    """

    def shuffled(indices: NDArray[np.int64]) -> NDArray[np.int64]:
        return indices if rng is None else rng.permutation(indices)

    ranks = np.empty(len(y))
    for label in np.unique(y):
        members = shuffled(np.flatnonzero(y == label))
        ranks[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((shuffled(np.arange(len(y))), ranks))


def _absent(value: Any) -> bool:
    return value is None or value == ()


_Omitted = Field(exclude_if=_absent)  # from the file, where it is not known or makes no sense, as for images


class SplitSummary(Frozen):
    """How many sequences a split has, in all and of each class, and a sha256 of their values."""

    samples: int
    per_class: tuple[int, ...]
    sha256: str


def largest_class(per_class: Sequence[int]) -> tuple[int, float]:
    """The class of most samples, and its share of them."""
    share = max(per_class) / sum(per_class)
    return list(per_class).index(max(per_class)), share


class SequencesSummary(Document):
    """summary.json: the content of data/sequences. `seed` is that of the split and of the permutation of pixels.

    What follows `test` is for sequences of one's own, and None or empty for images. `padded`: lengths differ, and the
    steps after a sequence's end are NaN. `lengths`: the shortest, a median and the longest, in steps. `tokens`: values
    are whole numbers below this one. `groups`: how many each split has; `folds`: how many samples each fold has where
    it holds whole groups; `validation_asked`: `data.validation`, from which whole groups may deviate. `scale`,
    `missing`, `max_timesteps` and `columns` are those of `data` in params.yaml where they matter: no scale for tokens,
    no columns for what is not a table.
    """

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
    feature_names: Annotated[tuple[str, ...], _Omitted] = ()
    padded: Annotated[bool | None, _Omitted] = None
    lengths: Annotated[tuple[int, int, int] | None, _Omitted] = None
    tokens: Annotated[int | None, _Omitted] = None
    groups: Annotated[dict[SplitName, int] | None, _Omitted] = None
    folds: Annotated[tuple[int, ...], _Omitted] = ()
    validation_asked: Annotated[CountOrFraction | None, _Omitted] = None
    scale: Annotated[Literal["standard", "none"] | None, _Omitted] = None
    missing: Annotated[Literal["refuse", "forward"] | None, _Omitted] = None
    max_timesteps: Annotated[int | None, _Omitted] = None
    columns: Annotated[TableColumns | None, _Omitted] = None
    warnings: Annotated[tuple[str, ...], _Omitted] = ()

    @property
    def sizes(self) -> Sizes:
        """What decides how large a network is."""
        return Sizes(self.timesteps, self.features, self.classes, self.tokens)

    def shape_in(self, view: View | None) -> tuple[int, int]:
        """Time steps and features of the sequences in the view that a network reads, see `in_view`."""
        _, timesteps, features = in_view(np.empty((1, self.timesteps, self.features)), view, self).shape
        return timesteps, features

    @property
    def title(self) -> str:
        """What the data are called: `mnist as rows`, or the name of one's own file."""
        return Path(self.dataset).name if self.is_own else f"{self.dataset} as {self.view}"

    @property
    def is_own(self) -> bool:
        """Whether these are sequences of one's own, not images."""
        return self.padded is not None

    @property
    def read_as(self) -> tuple[str, ...]:
        """How networks read the values, which decides results as the values do: nothing to say of images."""
        said = {"scale": self.scale, "tokens": self.tokens}
        return tuple(f"{name}: {value}" for name, value in said.items() if value is not None)

    @property
    def learning_sha256(self) -> tuple[str, ...]:
        """The hashes of the training and the validation data, and how they are read."""
        return self.train.sha256, self.validation.sha256, *self.read_as

    @property
    def all_sha256(self) -> tuple[str, ...]:
        """The same, and the hash of the test data."""
        return *self.learning_sha256, self.test.sha256

    @property
    def largest_fold(self) -> int:
        """The most samples that a fold holds out; without groups all folds are equally large."""
        return max(self.folds, default=(self.train.samples + self.validation.samples) // FOLDS)

    def check_folds(self) -> None:
        """Raises PipelineError where no folds can be held out, as there are too few groups, or sequences."""
        if (few := too_few_sequences(self.train.samples + self.validation.samples)) is not None:
            raise PipelineError(few)
        if self.groups is not None and not self.folds:
            raise PipelineError(too_few_for_folds(self.groups))

    def split(self, name: SplitName) -> SplitSummary:
        found: SplitSummary = getattr(self, name)
        return found


def prepared_sequences(data: DataParams, path: Path = SEQUENCES_SUMMARY) -> SequencesSummary:
    """The summary of data/sequences, once they are those that params.yaml asks for.

    Raises FileNotFoundError where nothing is prepared, PipelineError where other data are.
    """
    summary = SequencesSummary.read(path)
    asked = [f"{data.dataset} as {data.view}", f"seed {data.seed}"]
    there = [f"{summary.dataset} as {summary.view}", f"seed {summary.seed}"]
    if asked == there and summary.padded is not None:
        wanted = settings_as_text(own_settings(data), data.tokens)
        found = settings_as_text({name: getattr(summary, name) for name in own_settings(data)}, bool(summary.tokens))
        asked += [text for text in wanted if text not in found]
        there += [text for text in found if text not in wanted]
    if asked == there and summary.groups is not None:
        asked.append(f"data.validation: {data.validation}")
        there.append(f"data.validation: {summary.validation_asked}")
    elif asked == there:
        learning = summary.train.samples + summary.validation.samples
        asked.append(f"{validation_samples(data.validation, learning):,} validation samples")
        there.append(f"{summary.validation.samples:,} validation samples")
    if asked != there:
        raise PipelineError(
            f"{path.parent} holds {', '.join(there)}; params.yaml asks for {', '.join(asked)}: `dvc repro prepare` "
            "makes that"
        )
    return summary


def too_few_for_folds(groups: Mapping[SplitName, int]) -> str:
    """What to do where the groups of training and validation samples are fewer than the folds."""
    testing = f" ({groups['test']} more are for testing)" if "test" in groups else ""
    return (
        f"{groups['train'] + groups['validation']} groups to learn from are too few for {FOLDS} folds, each of which "
        f"holds out other groups{testing}. The race needs folds: add sequences of other groups, or leave the groups "
        "out (the array groups, or data.columns.group in params.yaml); accuracies are then those on groups that "
        "networks have seen"
    )


def too_few_sequences(learning: int) -> str | None:
    """What to do where `learning` sequences are fewer than the folds; None where they are not."""
    if learning >= FOLDS:
        return None
    return (
        f"{learning} sequences to learn from are too few for {FOLDS} folds: studies with `held_out: fold`, and the "
        "race, need more sequences"
    )


def validation_samples(validation: int | float, learning: int) -> int:
    """How many of the `learning` samples, those that are not for testing, are held out: below 1 a fraction of them."""
    return max(1, round(validation * learning)) if isinstance(validation, float) else validation


def summary_of(samples: Samples, classes: int) -> SplitSummary:
    """The summary of one split; its sha256 is over the dtypes, shapes and values of its arrays."""
    digest = hashlib.sha256()
    for array in samples.arrays.values():
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return SplitSummary(
        samples=len(samples.y),
        per_class=tuple(np.bincount(samples.y, minlength=classes).tolist()),
        sha256=digest.hexdigest(),
    )
