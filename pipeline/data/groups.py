"""Whole groups into parts: the sequences of one person, machine or patient stay together. Every draw is seeded."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

# The best of so many draws is taken. Many groups, which even each other out, are drawn once.
DRAWS, MANY_GROUPS = 20, 200


def group_numbers(groups: Sequence[Hashable]) -> NDArray[np.int64]:
    """Of each sequence the number of its group, int64 (n,). The groups' names decide it, not the order of the file."""
    names = sorted(set(groups), key=lambda name: (type(name).__name__, repr(name)))
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[name] for name in groups], np.int64)


def place_groups(
    counts: NDArray[np.int64], shares: Sequence[float], every_class: Sequence[bool], rng: np.random.Generator
) -> NDArray[np.int64]:
    """The part that each group goes to, int64 (groups,): parts are about as large as `shares`, classes in proportion.

    `counts` int64 (groups, classes) says how many sequences of each class a group has. No part stays empty unless there
    are fewer groups than parts; one with `every_class` gets every class if that is found possible.

    In each of several draws the groups come in a random order, large ones rather first, each to the part whose counts
    it brings nearest to those wanted, by Pearson's χ², unless the last groups are needed where something would be
    missing. The draw with the least missing is taken, of several the one with the least χ².
    """
    columns = np.column_stack([counts, counts.sum(axis=1)])  # the last one: of any class
    columns = columns[:, columns.any(axis=0)]
    wanted = np.outer(shares, columns.sum(axis=0))  # (parts, classes + 1)
    needed = np.repeat(np.asarray(every_class)[:, None], columns.shape[1], axis=1)
    needed[:, -1] = True
    draws = DRAWS if len(counts) <= MANY_GROUPS else 1
    drawn = [_draw(columns, wanted, needed, rng) for _ in range(draws)]
    return min(drawn, key=lambda parts: _badness(parts, columns, wanted, needed))


def _draw(
    columns: NDArray[np.int64], wanted: NDArray[np.float64], needed: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    parts = np.empty(len(columns), np.int64)
    excess, missing = -wanted, needed.copy()
    left = (columns > 0).sum(axis=0)  # of the groups that have no place yet, how many have the class
    for group in np.argsort(-columns[:, -1] * (0.5 + rng.random(len(columns))), kind="stable"):
        count = columns[group]
        increase = (count * (2 * excess + count) / wanted).sum(axis=1)  # of χ²
        urgent = (missing & (count > 0) & (left <= missing.sum(axis=0))).any(axis=1)
        part = np.argmin(np.where(urgent | ~urgent.any(), increase, np.inf))
        parts[group] = part
        excess[part] += count
        missing[part] &= count == 0
        left -= count > 0
    return parts


def _badness(
    parts: NDArray[np.int64], columns: NDArray[np.int64], wanted: NDArray[np.float64], needed: NDArray[np.bool_]
) -> tuple[int, float]:
    filled = np.zeros(wanted.shape)
    np.add.at(filled, parts, columns)
    return int((needed & (filled == 0)).sum()), float((np.square(filled - wanted) / wanted).sum())
