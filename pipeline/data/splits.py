"""Which sequences are for training, for validation and for testing. NumPy alone, every draw seeded."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.groups import group_numbers, place_groups
from pipeline.data.sequences import FOLDS, Samples, SplitName, stratified_order, validation_samples
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.data.datasets import Dataset

TEST_FRACTION = 0.2  # of a dataset that has no test set of its own
_SPLIT_STREAM = 0


@dataclass(frozen=True)
class Splits:
    """Training, validation and test samples; none is in two of them.

    Every prefix of `train` has the classes in proportion (see `stratified_order`). `groups`: how many each part has.
    """

    train: Samples
    validation: Samples
    test: Samples
    groups: dict[SplitName, int] | None = None


def split(dataset: Dataset, validation: int | float, seed: int) -> Splits:
    """Hold `validation` samples out of training, and a fifth of all for testing where there is no test set.

    `validation` below 1 is a fraction of the samples that are not for testing. Where sequences have groups, no group
    is in two of the parts that are made here, and sizes are as near to those as whole groups allow. With ten groups or
    more to learn from, training and validation samples then have the number of a fold (see `Samples`).

    Raises PipelineError if nothing is left to train on, a class is missing in training or test, or groups are too few.
    """
    rng = np.random.default_rng((seed, _SPLIT_STREAM))
    if dataset.groups is not None:
        return _split_by_groups(dataset, dataset.groups, validation, rng)
    order = stratified_order(dataset.train_y, rng)
    test = _own_test(dataset)
    if test is None:
        order, held_out = np.split(order, [len(order) - round(TEST_FRACTION * len(order))])
        test = _samples(dataset, held_out)
    train, held_out = np.split(order, [len(order) - _held_out(validation, len(order))])
    splits = Splits(_samples(dataset, train), _samples(dataset, held_out), test)
    _check_every_class(splits, dataset.labels, "")
    return splits


def _split_by_groups(
    dataset: Dataset, groups: tuple[Hashable, ...], validation: int | float, rng: np.random.Generator
) -> Splits:
    group, test = group_numbers(groups), _own_test(dataset)
    counts = np.zeros((group.max() + 1, len(dataset.labels)), np.int64)  # (groups, classes)
    np.add.at(counts, (group, dataset.train_y), 1)
    testing = round(TEST_FRACTION * len(group)) if test is None else 0
    held_out = _held_out(validation, len(group) - testing)
    names = ("training", "validation", "test") if test is None else ("training", "validation")
    if len(counts) < len(names):
        raise PipelineError(
            f"params.yaml: data.dataset: too few groups to split: there are {len(counts)} for {', '.join(names)}, and "
            f"no group may be in two of them; at least {len(names)} are needed: add sequences of other groups, or "
            "leave the groups out"
        )
    shares = [(len(group) - testing - held_out) / len(group), held_out / len(group), testing / len(group)]
    part = place_groups(counts, shares[: len(names)], [True, False, True][: len(names)], rng)

    def order(number: int) -> NDArray[np.int64]:
        members = np.flatnonzero(part[group] == number)
        return members[stratified_order(dataset.train_y[members], rng)]

    train, held, tested = (order(number) for number in range(3))
    group_counts: dict[SplitName, int] = {"train": int((part == 0).sum()), "validation": int((part == 1).sum())}
    if test is None:
        test = _samples(dataset, tested)
        group_counts["test"] = int((part == 2).sum())
    elif dataset.test_groups is not None:
        group_counts["test"] = len(set(dataset.test_groups))
    if not len(held):
        raise PipelineError(
            "params.yaml: data.dataset: no sequence is left for validation: each group is needed for training, as it "
            "alone has some class; add groups that share classes, or leave the groups out"
        )
    splits = Splits(_samples(dataset, train), _samples(dataset, held), test, group_counts)
    _check_every_class(splits, dataset.labels, "; a class needs a group for each of the two" if len(names) > 2 else "")
    learning = np.flatnonzero(part < 2)
    if len(learning) < FOLDS:
        return splits
    fold = np.empty(len(counts), np.int64)
    fold[learning] = place_groups(counts[learning], [1 / FOLDS] * FOLDS, [False] * FOLDS, rng)
    return replace(
        splits,
        train=replace(splits.train, fold=fold[group[train]]),
        validation=replace(splits.validation, fold=fold[group[held]]),
    )


def _own_test(dataset: Dataset) -> Samples | None:
    if dataset.test_x is None or dataset.test_y is None:
        return None
    return Samples(dataset.test_x, dataset.test_y)


def _samples(dataset: Dataset, chosen: NDArray[np.int64]) -> Samples:
    return Samples(dataset.train_x[chosen], dataset.train_y[chosen])


def _held_out(validation: int | float, learning: int) -> int:
    held_out = validation_samples(validation, learning)
    if held_out >= learning:
        raise PipelineError(
            f"params.yaml: data.validation: {held_out} of the {learning} samples that are not for testing "
            f"leaves none to train on; it must be below {learning}"
        )
    return held_out


def _check_every_class(splits: Splits, labels: tuple[int | str, ...], hint: str) -> None:
    for name, samples in (("training", splits.train), ("test", splits.test)):
        counts = np.bincount(samples.y, minlength=len(labels))
        if not counts.all():
            absent = [label for label, count in zip(labels, counts, strict=True) if count == 0]
            raise PipelineError(
                f"params.yaml: data.dataset: too few samples to split: no {name} sample is left of the classes "
                f"{reprlib.repr(absent)}; add samples of them, leave them out, or lower data.validation{hint}"
            )
