"""What one's own sequences are like, and what their owner should know before a network learns from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets import Dataset
from pipeline.data.sequences import FOLDS, largest_class, too_few_for_folds
from pipeline.data.splits import Splits
from pipeline.params.network import EMBEDDING_WIDTH
from pipeline.params.own import own_settings
from pipeline.params.settings import DataParams

FEW_VALIDATION_SAMPLES = 100
LARGE_CLASS = 0.8
SPARSE_TOKENS = 2  # so many numbers for each token that occurs


def description(dataset: Dataset, splits: Splits, data: DataParams) -> dict[str, Any]:
    """The fields of SequencesSummary that are for one's own sequences."""
    parts = [splits.train, splits.validation, splits.test]
    lengths = np.sort(np.concatenate([_lengths(part.x) for part in parts]))
    shortest, median, longest = int(lengths[0]), int(lengths[(len(lengths) - 1) // 2]), int(lengths[-1])
    fields = own_settings(data) | {
        "feature_names": dataset.feature_names,
        "padded": shortest < splits.train.x.shape[1],
        "lengths": (shortest, median, longest),
        "tokens": token_count(splits) if data.tokens else None,
        "warnings": warnings(dataset, splits, data),
    }
    if splits.groups is not None:
        fields |= {"groups": splits.groups, "validation_asked": data.validation}
        folds = _folds(splits)
        if folds is not None:
            fields["folds"] = tuple(np.bincount(folds, minlength=FOLDS).tolist())
    return fields


def token_count(splits: Splits) -> int:
    """All tokens, which are whole numbers from 0 on, are below this one."""
    return int(max(np.nanmax(part.x) for part in (splits.train, splits.validation, splits.test))) + 1


def warnings(dataset: Dataset, splits: Splits, data: DataParams) -> tuple[str, ...]:
    """A sentence each: the notes of whoever has read the file, and what makes results doubtful."""
    found = list(dataset.notes)
    validation = splits.validation.y
    if len(validation) < FEW_VALIDATION_SAMPLES:
        chance = 100 / np.sqrt(len(validation))  # two standard errors, in points, of an accuracy of one half
        found.append(
            f"only {len(validation)} validation sample{'s' * (len(validation) > 1)}: chance alone may move an accuracy "
            f"by {chance:.0f} points; more sequences, or a larger data.validation, would tell more"
        )
    largest, share = largest_class(np.bincount(splits.test.y).tolist())
    if share > LARGE_CLASS:
        found.append(
            f"{share:.0%} of the test samples are of the class {dataset.labels[largest]}: who always answers that is "
            "right as often; compare accuracies with it"
        )
    counts = np.bincount(validation, minlength=len(dataset.labels))
    absent = [str(label) for label, count in zip(dataset.labels, counts, strict=True) if count == 0]
    if absent:
        found.append(f"no validation sample is of the classes {', '.join(absent)}: nobody can see how well they do")
    if not data.tokens and _could_be_tokens(splits.train.x):
        found.append("all values are whole numbers, in one feature: are these tokens? Then data.tokens: true")
    if data.tokens:
        found += _about_tokens(splits)
    return tuple(found + _about_groups(dataset, splits))


def _about_tokens(splits: Splits) -> list[str]:
    numbers, occurring = token_count(splits), len(_occurring(splits))
    if numbers <= SPARSE_TOKENS * occurring:
        return []
    return [
        f"{occurring:,} different tokens occur, but their numbers go up to {numbers - 1:,}, and each number has an "
        f"embedding: numbered from 0 to {occurring - 1:,}, networks would have {numbers - occurring:,} × "
        f"{EMBEDDING_WIDTH} fewer parameters"
    ]


def _occurring(splits: Splits) -> NDArray[np.float32]:
    values = np.unique(np.concatenate([np.unique(part.x) for part in (splits.train, splits.validation, splits.test)]))
    return values[~np.isnan(values)]


def _about_groups(dataset: Dataset, splits: Splits) -> list[str]:
    if splits.groups is None or dataset.groups is None:
        return []
    found = []
    both = sorted(map(str, set(dataset.groups) & set(dataset.test_groups or ())))
    if both:
        found.append(
            f"{len(both)} groups are on both sides of the split that the data bring, such as {both[0]}: the test "
            "accuracy will flatter"
        )
    folds = _folds(splits)
    if folds is None:
        return [*found, too_few_for_folds(splits.groups)]
    y = np.concatenate([splits.train.y, splits.validation.y])
    lonely = [str(label) for number, label in enumerate(dataset.labels) if len(np.unique(folds[y == number])) == 1]
    if lonely:
        found.append(
            f"all samples to learn from of the classes {', '.join(lonely)} are in one fold: a training that holds it "
            "out does not know them"
        )
    return found


def _lengths(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many steps each sequence has; those after its end are NaN in all features."""
    return (~np.isnan(x).all(axis=2)).sum(axis=1)


def _could_be_tokens(x: NDArray[np.float32]) -> bool:
    values = x[~np.isnan(x)]
    return x.shape[2] == 1 and bool(((values >= 0) & (values == np.floor(values))).all())


def _folds(splits: Splits) -> NDArray[np.int64] | None:
    """Of the training and then of the validation samples, if there are folds of whole groups."""
    if splits.train.fold is None or splits.validation.fold is None:
        return None
    return np.concatenate([splits.train.fold, splits.validation.fold])
