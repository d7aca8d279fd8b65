"""The statistics of a race: after each block, who is shown to be worse than the leader and who is shown to be as good.

Pure functions on arrays, for many races at once: simulations of races with known truths hold them to their promises.
Accuracies are fractions.

Two entrants are compared by their differences of accuracy, block by block, with Student's t. Four things are special.

- Variances. After few blocks the variance of one pair's differences is hardly known. So it is moderated: weighed with
  the average over all pairs that are still in the race, in proportion to the two networks' errors. That average weighs
  as much as `PRIOR_DEGREES` blocks, or as much as the other networks have told, if that is less (Smyth,
  Linear Models and Empirical Bayes Methods, Statistical Applications in Genetics and Molecular Biology 3 (2004),
  article 3).
- Overlap. The trainings of two blocks share eight ninths of their images, so the blocks' mean varies more than if they
  were independent: its variance is s² (1/b + 1/9) after b blocks (Nadeau and Bengio, Inference for the Generalization
  Error, Machine Learning 52 (2003), 239–281, with one tenth held out).
- Many looks. A race that may stop at every block would err more often than 1 - confidence. So what it may err is spent
  bit by bit (Lan and DeMets, Discrete Sequential Boundaries for Clinical Trials, Biometrika 70 (1983), 659–663): by
  block b of B, b / B of what leaving may err, as who leaves early spares most, and (b / B)⁴ of what staying may err, as
  a race that is not settled before its end loses nothing by waiting.
- Many entrants. Whoever leaves is compared with the leader, and the leader may be any of the others by luck. So what
  leaving may err is shared by as many comparisons as there are other entrants (Bonferroni).

Together: with the chance `confidence`, nobody who is as good has left, and the network that is named is as good.
Simulations with known truths check it (tests/studies/test_racing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.params.studies import RaceStudy
from pipeline.training.inputs import FOLDS

FIRST_LOOK = 2  # blocks: one tells nothing of a spread
PRIOR_DEGREES = 10
UNKNOWN = np.iinfo(np.int64).max  # larger than any size
OVERLAP = 1 / (FOLDS - 1)  # samples held out for each that is trained on


class Spending(NamedTuple):
    """`share` of what a race may err; by block b of B, (b / B) to the `power` of that is spent."""

    share: float
    power: int


LEAVING = Spending(0.5, 1)
# A little is kept back: several networks may be named wrongly, and each of them errs by itself.
STAYING = Spending(0.35, 4)


@dataclass(frozen=True)
class Standing:
    """Where races stand: R races of k entrants each.

    `left_after`: int (R, k), the block after which an entrant left, 0 for those still in the race. `failed`: bool
    (R, k), who left because a training failed, which tells nothing of its accuracy. `leader`: int (R,), the most
    accurate of those still in the race, from the first block on. `behind`, `behind_low`, `behind_high`: (R, k), by how
    much the leader is more accurate than each entrant, at the last look that included both, and the bounds of that: the
    lower one decides on leaving. NaN before the first look, and for the leader itself. `may_be_better`: bool (R, k, k),
    [race, other, entrant], whether the other one may be better by more than the tolerance, as far as the last look
    tells that included both; where none did, it may. `as_good`: bool (R, k), who is shown to be at most the tolerance
    worse than every other one still in the race; nobody, where a look had a single one to compare. `named`: int (R,),
    the smallest entrant that is as good, of several of that size the most accurate, or -1. `settled`: int (R,), the one
    that is named if no smaller one is still in the race, or -1. `blocks`: int (R,), how many were trained until the
    race ended.
    """

    left_after: NDArray[np.int64]
    failed: NDArray[np.bool_]
    leader: NDArray[np.int64]
    behind: NDArray[np.float64]
    behind_low: NDArray[np.float64]
    behind_high: NDArray[np.float64]
    may_be_better: NDArray[np.bool_]
    as_good: NDArray[np.bool_]
    named: NDArray[np.int64]
    settled: NDArray[np.int64]
    blocks: NDArray[np.int64]

    @property
    def running(self) -> NDArray[np.bool_]:
        """Who is still in the race, bool (R, k)."""
        return self.left_after == 0

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Which races have ended without settling, since fewer than two entrants are left to compare: bool (R,)."""
        return (self.settled < 0) & (self.blocks > 0) & (self.running.sum(axis=1) < 2)

    @property
    def ended(self) -> NDArray[np.bool_]:
        """Which races need no further block, bool (R,); that all blocks are done is for the caller to see."""
        return (self.settled >= 0) | self.alone


def standing(
    accuracies: NDArray[np.float64], rules: RaceStudy, held_out: int, sizes: Sequence[int] | None = None
) -> Standing:
    """Where races stand after the blocks that `accuracies` has: (R, b, k), NaN where an entrant no longer took part.

    An entrant whose training failed, NaN too, leaves after that block. A race ends where it settles, or where fewer
    than two entrants are left, and later blocks change nothing. `held_out` is the number of samples in a block: no
    difference is known better than to one of them. `sizes` are the entrants' numbers of parameters; without them each
    entrant is larger than the one before.
    """
    races, blocks, entrants = accuracies.shape
    size_of = np.arange(entrants) if sizes is None else np.asarray(sizes)
    state = Standing(
        left_after=np.zeros((races, entrants), np.int64),
        failed=np.zeros((races, entrants), np.bool_),
        leader=np.zeros(races, np.int64),
        behind=np.full((races, entrants), np.nan),
        behind_low=np.full((races, entrants), np.nan),
        behind_high=np.full((races, entrants), np.nan),
        may_be_better=np.tile(~np.eye(entrants, dtype=bool), (races, 1, 1)),
        as_good=np.zeros((races, entrants), np.bool_),
        named=np.full(races, -1, np.int64),
        settled=np.full(races, -1, np.int64),
        blocks=np.zeros(races, np.int64),
    )
    for block in range(1, blocks + 1):
        going_on = ~state.ended
        state.blocks[going_on] = block
        failed = state.running & np.isnan(accuracies[:, block - 1]) & going_on[:, None]
        state.left_after[failed] = block
        state.failed[failed] = True
        means = np.where(state.running, np.nan_to_num(accuracies[:, :block].mean(axis=1)), -np.inf)
        state.leader[going_on] = means.argmax(axis=1)[going_on]
        if block >= FIRST_LOOK:
            _look(state, accuracies[:, :block], going_on, rules, held_out)
            _name(state, means, size_of, going_on)
    return state


def _look(
    state: Standing, accuracies: NDArray[np.float64], going_on: NDArray[np.bool_], rules: RaceStudy, held_out: int
) -> None:
    races, blocks, entrants = accuracies.shape
    every, leader = np.arange(races), state.leader
    degrees = prior_degrees(blocks, state.running.sum(axis=1))[:, None, None] + blocks - 1
    difference, error = _differences(accuracies, state.running, degrees, held_out)
    reach = stats.t.isf(error_spent(rules, blocks, STAYING), degrees) * error
    reach_of_leaving = stats.t.isf(error_spent(rules, blocks, LEAVING) / max(entrants - 1, 1), degrees) * error

    compared = state.running & going_on[:, None]
    bounds = (
        (state.behind, difference),
        (state.behind_low, difference - reach_of_leaving),
        (state.behind_high, difference + reach),
    )
    for values, bound in bounds:
        values[compared] = bound[every, leader][compared]
        values[compared & (np.arange(entrants) == leader[:, None])] = np.nan  # nobody is compared with itself
    worse = compared & (state.behind_low > rules.tolerance)
    state.left_after[worse] = blocks

    pairs = compared[:, :, None] & compared[:, None] & ~np.eye(entrants, dtype=bool)
    state.may_be_better[pairs] = (difference + reach > rules.tolerance)[pairs]
    leaving = pairs & worse[:, :, None]  # judged for the last time, by what leaving may err at this look
    state.may_be_better[leaving] = (difference + reach_of_leaving > rules.tolerance)[leaving]
    as_good = state.running & ~(state.may_be_better & state.running[:, :, None]).any(axis=1)
    as_good &= compared.sum(axis=1, keepdims=True) > 1  # who is alone, since the others failed, is as good as nobody
    state.as_good[going_on] = as_good[going_on]


def _name(state: Standing, means: NDArray[np.float64], sizes: NDArray[np.int64], going_on: NDArray[np.bool_]) -> None:
    """Name the smallest that is as good, and settle on it where nobody smaller runs; networks of one size count
    together."""
    size_of_good = np.where(state.as_good, sizes, UNKNOWN).min(axis=1)
    smallest = state.as_good & (sizes == size_of_good[:, None])
    named = np.where(smallest.any(axis=1), np.where(smallest, means, -np.inf).argmax(axis=1), -1)
    state.named[going_on] = named[going_on]
    settled = going_on & (named >= 0) & (size_of_good == np.where(state.running, sizes, UNKNOWN).min(axis=1))
    state.settled[settled] = named[settled]


def prior_degrees(blocks: int | NDArray[np.int64], running: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many degrees of freedom the average variance adds to a pair's own, with so many entrants running.

    `running` networks have (running - 1) (blocks - 1) degrees of freedom between them, the pair's own included.
    """
    return np.minimum(PRIOR_DEGREES, np.maximum(running - 2, 0) * (blocks - 1))


def _differences(
    accuracies: NDArray[np.float64], running: NDArray[np.bool_], degrees: NDArray[np.int64], held_out: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean difference of each pair of entrants and its standard error: both (R, k, k), first minus second.

    `degrees` (R, 1, 1) are those of freedom of the error. Without a meaning for entrants that are not `running`.
    """
    blocks, entrants = accuracies.shape[1:]
    values = np.where(running[:, None], accuracies, 0.0)
    means = values.mean(axis=1)
    rest = values - means[:, None]
    covariance = np.einsum("rbi,rbj->rij", rest, rest) / (blocks - 1)
    own = np.einsum("rii->ri", covariance)
    variance = own[:, :, None] + own[:, None] - 2 * covariance
    missed = np.maximum(1 - means, 1 / held_out)
    errors = missed[:, :, None] + missed[:, None]
    pairs = running[:, :, None] & running[:, None] & ~np.eye(entrants, dtype=bool)
    shared = np.where(pairs, variance / errors, 0.0).sum(axis=(1, 2)) / np.maximum(pairs.sum(axis=(1, 2)), 1)
    prior = (degrees - (blocks - 1)) * shared[:, None, None] * errors
    moderated = (prior + (blocks - 1) * variance) / degrees
    least = 1 / held_out**2  # networks that tie block by block would otherwise be taken for the same
    error = np.sqrt(np.maximum(moderated, least) * (1 / blocks + OVERLAP))
    return means[:, :, None] - means[:, None], error


def error_spent(rules: RaceStudy, block: int, spending: Spending) -> float:
    """The chance of an error that the look after `block` may take: of all looks together a share of 1 - confidence."""
    before = block - 1 if block > FIRST_LOOK else 0
    share, power = spending
    return (1 - rules.confidence) * share * (block**power - before**power) / rules.max_blocks**power


def blocks_to_settle(
    rules: RaceStudy,
    entrants: int,
    running: int,
    blocks: int,
    behind: float,
    behind_high: float,
    most_blocks: int = 1000,
) -> int | None:
    """About how many blocks in all would show whether an entrant is more than the tolerance worse than the leader.

    `behind` and `behind_high` are those of `Standing` after so many `blocks`, with so many of the entrants still
    `running`. The answer takes it that these stay, that mean and spread stay as they are and that the next look errs as
    often as the last. None where no number up to `most_blocks` would:
    as the blocks overlap, an interval does not become as narrow as one likes.
    """
    level = error_spent(rules, blocks, STAYING)
    spread = (behind_high - behind) / _reach(np.array([blocks]), running, level)[0]
    if behind > rules.tolerance:  # it would have to leave
        level = error_spent(rules, blocks, LEAVING) / max(entrants - 1, 1)
    numbers = np.arange(blocks + 1, most_blocks + 1)
    enough = np.flatnonzero(spread * _reach(numbers, running, level) <= abs(rules.tolerance - behind))
    return int(numbers[enough[0]]) if len(enough) else None


def _reach(blocks: NDArray[np.int64], running: int, level: float) -> NDArray[np.float64]:
    """Half of an interval after so many blocks, for differences that deviate by 1."""
    degrees = prior_degrees(blocks, np.array(running)) + blocks - 1
    reach: NDArray[np.float64] = stats.t.isf(level, degrees) * np.sqrt(1 / blocks + OVERLAP)
    return reach
