"""The statistics of a race: small examples computed by hand, and thousands of races whose truth is known."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from pipeline.params.studies import RaceStudy
from pipeline.studies.racing import (
    LEAVING,
    OVERLAP,
    PRIOR_DEGREES,
    STAYING,
    Standing,
    _differences,
    error_spent,
    prior_degrees,
    standing,
)

RULES = RaceStudy(entrants=("frontier",))
HELD_OUT = 6000


def race(*blocks: list[float], **rules: Any) -> Standing:
    """One race: a list of accuracies for each block, the smallest network first."""
    return standing(np.array(blocks)[None], RULES.model_copy(update=rules), HELD_OUT)


def test_what_may_be_erred_is_spent_over_the_looks() -> None:
    leaving, staying = ([error_spent(RULES, block, each) for block in range(2, 11)] for each in (LEAVING, STAYING))
    assert leaving == pytest.approx([0.025 * 0.2] + [0.025 * 0.1] * 8)
    assert staying == sorted(staying)
    assert staying[:2] == pytest.approx([0.0175 * 0.2**4, 0.0175 * (0.3**4 - 0.2**4)])
    assert (sum(leaving), sum(staying)) == pytest.approx((0.025, 0.0175))


def test_nobody_is_judged_before_the_first_look() -> None:
    found = race([0.90, 0.99])
    assert found.running.tolist() == [[True, True]]
    assert np.isnan(found.behind).all()
    assert (found.settled[0], found.blocks[0]) == (-1, 1)
    assert not found.as_good.any()


def test_an_example_by_hand() -> None:
    """Differences 0.029, 0.030, 0.031 of two networks: mean 0.030, variance 1e-6. No other moderates it."""
    found = race([0.959, 0.988], [0.959, 0.989], [0.959, 0.990])
    error = math.sqrt(1e-6 * (1 / 3 + 1 / 9))
    reach_of_leaving = stats.t.isf(0.025 * 0.1, 2) * error
    assert found.behind[0, 0] == pytest.approx(0.030)
    assert np.isnan([found.behind[0, 1], found.behind_low[0, 1], found.behind_high[0, 1]]).all(), "the leader"
    assert found.behind_low[0, 0] == pytest.approx(0.030 - reach_of_leaving)
    assert found.behind_high[0, 0] == pytest.approx(0.030 + stats.t.isf(0.0175 * (0.3**4 - 0.2**4), 2) * error)
    assert OVERLAP == 1 / 9
    assert 0.030 - reach_of_leaving > 0.002
    assert found.left_after.tolist() == [[3, 0]]
    assert (found.leader[0], found.settled[0], found.blocks[0]) == (1, 1, 3), "it is alone"
    assert found.as_good.tolist() == [[False, True]]


def test_variances_of_pairs_are_moderated_by_those_of_all() -> None:
    """Three networks of one error: the pairs' variances 4, 1 and 1 (1e-6) have mean 2, which weighs as the third
    network's two differences."""
    found = race([0.978, 0.989, 0.988], [0.977, 0.989, 0.989], [0.976, 0.989, 0.990], tolerance=0.012)
    means = np.array([0.977, 0.989, 0.989])
    missed = 1 - means
    variance = np.array([[0, 1, 4], [1, 0, 1], [4, 1, 0]]) * 1e-6
    errors = missed[:, None] + missed
    shared = (variance / errors).sum() / 6
    moderated = (2 * shared * errors + 2 * variance) / 4
    error = np.sqrt(moderated[1] * (1 / 3 + 1 / 9))
    reach = stats.t.isf(0.0175 * (0.3**4 - 0.2**4), 4) * error
    reach_of_leaving = stats.t.isf(0.025 * 0.1 / 2, 4) * error
    assert found.leader[0] == 1
    assert found.behind_low[0, 0] == pytest.approx(0.012 - reach_of_leaving[0])
    assert found.behind_high[0, 2] == pytest.approx(reach[2])
    assert found.settled[0] == -1, "nobody may leave, and the smallest may be more than the tolerance worse"


def test_the_average_weighs_as_ten_blocks_or_as_much_as_the_others_tell() -> None:
    assert PRIOR_DEGREES == 10
    assert prior_degrees(3, np.array([1, 2, 3, 6, 7, 12])).tolist() == [0, 0, 2, 8, 10, 10]
    assert prior_degrees(2, np.array([3, 12])).tolist() == [1, 10]


def test_the_smallest_is_settled_upon_when_nobody_can_be_better_by_more_than_the_tolerance() -> None:
    even = [[0.9900, 0.9901], [0.9902, 0.9900], [0.9899, 0.9901]]
    found = race(*even, tolerance=0.01)
    assert (found.settled[0], found.left_after.tolist()) == (0, [[0, 0]])
    strict = race(*even, tolerance=0.0001)
    assert (strict.settled[0], strict.as_good.tolist()) == (-1, [[False, False]])


def test_networks_that_tie_are_not_taken_for_the_same() -> None:
    """Difference 0 and variance 0: no difference is known better than to one of the samples held out."""
    found = race(*[[0.99, 0.99]] * 3, tolerance=0.01)
    reach = stats.t.isf(0.0175 * (0.3**4 - 0.2**4), 2) / HELD_OUT * math.sqrt(1 / 3 + 1 / 9)
    assert found.behind_high[0, 1] == pytest.approx(reach)
    assert found.settled[0] == 0
    assert race(*[[0.99, 0.99]] * 3, tolerance=reach / 2).settled[0] == -1
    assert race(*[[1.0, 1.0]] * 3, tolerance=0.01).settled[0] == 0, "without an error at all, too"


def test_a_failed_training_leaves_at_once_and_is_no_leader() -> None:
    nan = float("nan")
    found = race([0.99, nan, 0.98], [0.99, nan, 0.98])
    assert (found.left_after.tolist(), found.blocks[0]) == ([[0, 1, 0]], 2)
    later = race([0.970, 0.981, 0.980], [0.980, 0.982, 0.981], [0.9705, nan, 0.980])
    assert (later.left_after.tolist(), later.leader[0]) == ([[0, 3, 0]], 2), "the leader failed, and another one leads"
    nobody = race([nan, nan])
    assert (nobody.left_after.tolist(), nobody.settled[0]) == ([[1, 1]], -1)
    assert race([nan, nan], [nan, nan], [nan, nan], [nan, nan]).settled[0] == -1


def test_who_has_nobody_to_be_compared_with_is_not_shown_to_be_as_good() -> None:
    """Whether it is the only entrant, or the only one whose trainings did not fail, before a look or after one."""
    failed = float("nan")
    for blocks in (
        [[0.5], [0.6], [0.4]],
        [[0.90, failed, failed], [0.91, failed, failed]],
        [[0.90, 0.91], [0.91, 0.90], [0.90, failed], [0.90, failed]],
    ):
        found = race(*blocks)
        assert found.settled[0] == -1
        assert not found.as_good.any()
        assert found.failed.tolist() == np.isnan(blocks[-1:]).tolist()
    beaten = race([0.90, 0.95, failed], [0.90, 0.95, failed], [0.90, 0.95, failed])
    assert beaten.settled[0] == 1, "alone, since it has beaten another"
    assert beaten.failed.tolist() == [[False, False, True]]


def test_a_race_ends_where_nobody_is_left_to_compare() -> None:
    """Whoever is left leads, whatever later blocks would say."""
    failed = float("nan")
    for blocks, ended, left in (
        ([[0.5], [0.6], [0.4]], 1, 0),
        ([[failed, 0.90], [failed, 0.91]], 1, 1),
        ([[0.90, 0.985, 0.99], [0.90, 0.986, 0.99], [0.90, 0.985, failed], [0.90, 0.986, failed]], 3, 1),
    ):
        found = race(*blocks)
        assert (found.blocks[0], found.alone[0], found.ended[0], found.leader[0]) == (ended, True, True, left)
        assert found.running[0].tolist() == [place == left for place in range(len(blocks[0]))]
    for blocks in ([[0.9, 0.9]], [[0.90, 0.91], [0.91, 0.90]]):
        assert not race(*blocks).ended[0]
    beaten = race([0.90, 0.95], [0.90, 0.95])
    assert (beaten.settled[0], beaten.alone[0], beaten.ended[0]) == (1, False, True), "it was compared"
    assert not standing(np.empty((1, 0, 1)), RULES, HELD_OUT).ended[0], "one block is trained at least"


def test_entrants_of_one_size_count_together() -> None:
    """Of two that are shown to be as good it is the more accurate; one that is not keeps the other from nothing."""
    both = np.array([[0.9850, 0.9862], [0.9852, 0.9864], [0.9849, 0.9861], [0.9850, 0.9862], [0.9851, 0.9863]])[None]
    rules = RULES.model_copy(update={"max_blocks": 5})
    assert standing(both, rules, HELD_OUT).settled[0] == 0, "where the second is larger"
    found = standing(both, rules, HELD_OUT, [7, 7])
    assert (found.settled[0], found.named[0]) == (1, 1)
    wide = standing(both, rules.model_copy(update={"tolerance": 0.1}), HELD_OUT, [7, 7])
    assert (wide.as_good.tolist(), wide.settled[0], wide.named[0]) == ([[True, True]], 1, 1)

    noise = [[0, 0, 0], [2e-4, 2e-4, 2e-4], [0, 1e-4, 0], [1e-4, 0, 1e-4], [0, 0, 1e-4]]
    three = (np.array([0.9870, 0.9889, 0.9890]) + noise)[None]
    apart = standing(three, rules, HELD_OUT)
    assert (apart.running.all(), apart.settled[0], apart.named[0]) == (True, -1, 1)
    together = standing(three, rules, HELD_OUT, [7, 7, 8])
    assert (together.settled[0], together.as_good[0].tolist()) == (1, [False, True, True])


def test_of_equals_only_the_leader_has_no_difference() -> None:
    found = race([0.99, 0.99, 0.99], [0.99, 0.99, 0.99], [0.98, 0.98, 0.98])
    assert found.leader[0] == 0
    assert np.isnan(found.behind[0]).tolist() == [True, False, False]
    assert found.behind[0, 1:].tolist() == [0, 0]
    assert (found.behind_high[0, 1:] > 0).all()


def test_every_pair_is_judged_by_the_last_look_that_had_both() -> None:
    """The first leaves after two blocks; the third fails in the first, and nothing is shown of it."""
    failed = float("nan")
    found = race([0.90, 0.990, failed, 0.991], [0.90, 0.991, failed, 0.990], *[[failed, 0.9905, failed, 0.9906]] * 4)
    assert found.left_after.tolist() == [[2, 0, 1, 0]]
    assert found.settled[0] == 1
    may_be_better = found.may_be_better[0].astype(int).tolist()
    assert may_be_better == [[0, 0, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1], [1, 0, 1, 0]]


def test_confidence_and_tolerance_decide_who_leaves() -> None:
    blocks = [[0.980, 0.9890], [0.980, 0.9892], [0.980, 0.9894]]  # 0.0092 apart, with an error of 0.00013
    looks = functools.partial(race, *blocks)
    assert looks().left_after.tolist() == [[3, 0]]
    assert looks(tolerance=0.0075).left_after.tolist() == [[0, 0]]
    assert looks(tolerance=0.0075, confidence=0.6).left_after.tolist() == [[2, 0]]
    assert looks(tolerance=0.02).settled[0] == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(0, 7))
def test_blocks_after_the_end_and_numbers_of_who_has_left_change_nothing(
    seed: int, entrants: int, failures: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = np.sort(rng.uniform(0.97, 0.99, entrants))
    accuracies = truth + rng.normal(0, 0.001, (4, 10, entrants))
    for _ in range(failures):
        accuracies[rng.integers(4), rng.integers(10), rng.integers(entrants)] = np.nan
    whole = standing(accuracies, RULES, HELD_OUT)
    for place in range(4):
        own = accuracies[place : place + 1]
        ended = int(whole.blocks[place])
        at_the_end = standing(own[:, :ended], RULES, HELD_OUT)
        without = own.copy()
        for entrant in range(entrants):
            if left := int(whole.left_after[place, entrant]):
                without[0, left:, entrant] = np.nan
        for one in (at_the_end, standing(without, RULES, HELD_OUT)):
            for name in (field.name for field in dataclasses.fields(Standing)):
                np.testing.assert_array_equal(getattr(one, name)[0], getattr(whole, name)[place], err_msg=name)


# Races of networks whose true accuracies are known. `least favourable` truths lie just outside of the tolerance, or
# nearly all of them just within it.
TRUTHS: dict[str, list[float]] = {
    "rising": [0.955, 0.968, 0.978, 0.982, 0.985, 0.987, 0.989, 0.990, 0.9905, 0.991],
    "plateau": [0.95, 0.97, 0.98, 0.986, 0.989, 0.9892, 0.9894, 0.9895, 0.9896, 0.9896],
    "two": [0.96, 0.98, 0.9895, 0.99],
    "real": [0.965, 0.975, 0.979, 0.9815, 0.983, 0.986, 0.987, 0.9895, 0.9892, 0.9905, 0.991, 0.9915],
    "one just within": [0.95, 0.97, 0.988] + [0.99] * 7,
    "six just outside": [0.95, 0.97] + [0.98795] * 6 + [0.99] * 2,
    "nine just outside": [0.98799] * 9 + [0.99],
    "a pair, just within": [0.988, 0.99],
    "a pair, just outside": [0.98799, 0.99],
    "clear": [0.93, 0.955, 0.97, 0.978, 0.984, 0.9895, 0.9897, 0.9898, 0.9901, 0.9902],
}
RACES, CORRELATION, SEED_NOISE = 2000, 0.55, 0.0008
NOISES = {
    "independent": {"overlap": 0.0, "spread": 0.0},
    "overlapping": {"overlap": 0.1, "spread": 0.0},
    "overlapping, uneven": {"overlap": 0.1, "spread": 0.3},
}


class Outcome(NamedTuple):
    """Shares of the races: how many settled, settled or named a network, named one that is truly more than the
    tolerance worse, dropped every truly best one, dropped the smallest that is truly within the tolerance; and the
    mean share of all blocks' trainings."""

    settled: float
    named: float
    wrongly_named: float
    best_dropped: float
    smallest_dropped: float
    trained: float


def draw(truth: NDArray[np.float64], noise: str, blocks: int = RULES.max_blocks) -> NDArray[np.float64]:
    """Accuracies (races, blocks, entrants) of these true ones.

    The noise of 6,000 images is binomial in size and shared by the networks for `CORRELATION` of its variance. That of
    seeds is a network's own and grows with its error; `spread` is how much it differs between networks of one error.
    `overlap` is the correlation between blocks of a network's own noise, because they share training images.
    """
    rng = np.random.default_rng(1)
    overlap, spread = NOISES[noise]["overlap"], NOISES[noise]["spread"]
    shape = (RACES, blocks, len(truth))
    error = 1 - truth
    images = np.sqrt(error * truth / HELD_OUT)
    common = np.sqrt(CORRELATION) * rng.standard_normal((*shape[:2], 1))
    uneven = np.exp(spread * rng.standard_normal((RACES, 1, len(truth))))
    seeds = SEED_NOISE * np.sqrt(error / 0.012) * uneven
    own = np.sqrt(images**2 * (1 - CORRELATION) + seeds**2)
    lasting = np.sqrt(overlap) * rng.standard_normal((RACES, 1, len(truth)))
    fleeting = np.sqrt(1 - overlap) * rng.standard_normal(shape)
    accuracies = truth + images * common + own * (lasting + fleeting)
    return np.round(accuracies * HELD_OUT) / HELD_OUT


@functools.cache
def outcome(truth: str, noise: str, max_blocks: int = RULES.max_blocks) -> Outcome:
    true = np.array(TRUTHS[truth])
    rules = RULES.model_copy(update={"max_blocks": max_blocks})
    accuracies = draw(true, noise, max_blocks)
    found = standing(accuracies, rules, HELD_OUT)
    within = true >= true.max() - rules.tolerance - 1e-12
    settled = found.settled >= 0
    named = found.named
    took_part = np.where(found.running, found.blocks[:, None], found.left_after)
    return Outcome(
        settled=settled.mean(),
        named=(named >= 0).mean(),
        wrongly_named=((named >= 0) & ~within[named]).mean(),
        best_dropped=(~found.running[:, true == true.max()]).all(axis=1).mean(),
        smallest_dropped=(~found.running[:, within.argmax()]).mean(),
        trained=took_part.sum(axis=1).mean() / (max_blocks * len(true)),
    )


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("truth", TRUTHS)
def test_a_race_errs_in_at_most_one_of_twenty(truth: str, noise: str) -> None:
    found = outcome(truth, noise)
    assert found.best_dropped <= 0.05
    assert found.smallest_dropped <= 0.05
    assert found.wrongly_named <= 0.05 * found.named


@pytest.mark.parametrize("truth", TRUTHS)
def test_with_networks_of_one_size_it_errs_no_more_often(truth: str) -> None:
    true = np.array(TRUTHS[truth])
    found = standing(draw(true, "overlapping"), RULES, HELD_OUT, [1] * len(true))
    worse = true < true.max() - RULES.tolerance - 1e-12
    assert ((found.named >= 0) & worse[found.named]).mean() <= 0.05


@pytest.mark.parametrize("max_blocks", range(5, 10))
@pytest.mark.parametrize(
    "truth", ["one just within", "nine just outside", "a pair, just within", "a pair, just outside"]
)
def test_a_short_race_errs_no_more_often(truth: str, max_blocks: int) -> None:
    found = outcome(truth, "overlapping", max_blocks)
    assert found.best_dropped <= 0.05
    assert found.smallest_dropped <= 0.05
    assert found.wrongly_named <= 0.05


@pytest.mark.parametrize("leader", [0.9901, 0.9925])
@pytest.mark.parametrize("truth", TRUTHS)
def test_within_a_limit_of_size_it_errs_no_more_often(truth: str, leader: float) -> None:
    """With a larger network that leads and makes others leave, sooner or later; the limit excludes that one alone."""
    true, rules = np.array(TRUTHS[truth]), RULES.model_copy(update={"max_blocks": 5})
    found = standing(draw(np.array([*true, leader]), "overlapping", rules.max_blocks), rules, HELD_OUT)
    good = np.logical_not(np.any(found.may_be_better[:, :-1, :-1], axis=1))
    worse = true < true.max() - rules.tolerance - 1e-12
    assert (good.any(axis=1) & worse[good.argmax(axis=1)]).mean() <= 0.05


def named_by_a_fixed_design(truth: str, noise: str, blocks: int) -> float:
    """The share of the races in which a design that looks once, after so many blocks of all networks, names one.

    It may spend on that one look what makes it err as often as races do, 5 % at worst.
    """
    accuracies = draw(np.array(TRUTHS[truth]), noise, blocks)
    running = np.ones((RACES, len(TRUTHS[truth])), bool)
    degrees = prior_degrees(blocks, running.sum(axis=1))[:, None, None] + blocks - 1
    difference, error = _differences(accuracies, running, degrees, HELD_OUT)
    may_be_better = difference + stats.t.isf(ERROR_OF_ONE_LOOK, degrees) * error > RULES.tolerance
    return float((~may_be_better | np.eye(running.shape[1], dtype=bool)).all(axis=1).any(axis=1).mean())


@functools.cache
def trained_by_a_fixed_design(truth: str, noise: str, max_blocks: int = RULES.max_blocks) -> float:
    """Trainings of a race to those of the fixed design that names a network as often, a fraction of blocks allowed."""
    numbers = range(2, 13)
    named = [named_by_a_fixed_design(truth, noise, blocks) for blocks in numbers]
    race = outcome(truth, noise, max_blocks)
    return float(race.trained * max_blocks / np.interp(race.named, named, numbers))


ERROR_OF_ONE_LOOK = 0.008

# With ten blocks and any of the noises: how often a network is named at least, the share of all trainings that are done
# at most, and their share of the trainings of a fixed design that names as often.
WORTH = {
    "rising": (0.88, 0.64, 0.85),
    "plateau": (0.66, 0.77, 0.98),
    "two": (0.68, 0.63, 1.15),
    "real": (0.92, 0.64, 0.82),
    "one just within": (0.66, 0.85, 1.10),
    "six just outside": (0.80, 0.85, 1.20),
    "nine just outside": (0.93, 1.00, 1.20),
    "a pair, just within": (0.92, 1.00, 1.20),
    "a pair, just outside": (0.92, 1.00, 1.20),
    "clear": (0.73, 0.63, 0.80),
}


@pytest.mark.parametrize("truth", TRUTHS)
def test_a_race_names_a_network_most_often_and_spares_trainings(truth: str) -> None:
    found = [outcome(truth, noise) for noise in NOISES]
    named, trained, of_a_fixed_design = WORTH[truth]
    assert min(each.named for each in found) >= named
    assert max(each.trained for each in found) <= trained
    assert max(trained_by_a_fixed_design(truth, noise) for noise in NOISES) <= of_a_fixed_design


def test_a_fixed_design_with_one_look_errs_as_often_as_a_race() -> None:
    """So the two are compared at the same certainty."""
    accuracies = draw(np.array(TRUTHS["nine just outside"]), "overlapping")
    degrees = prior_degrees(10, np.array([10])) + 9
    difference, error = _differences(accuracies, np.ones((RACES, 10), bool), np.full((RACES, 1, 1), degrees), HELD_OUT)
    reach = stats.t.isf(ERROR_OF_ONE_LOOK, degrees) * error
    wrong = ((difference + reach <= RULES.tolerance) | np.eye(10, dtype=bool)).all(axis=1)[:, :-1].any(axis=1).mean()
    assert 0.04 < wrong < 0.055


def test_without_the_correction_for_overlap_races_would_err_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where blocks are as dependent as Nadeau and Bengio assume."""
    truth = np.array(TRUTHS["nine just outside"])
    accuracies = draw(truth, "overlapping")
    monkeypatch.setattr("pipeline.studies.racing.OVERLAP", 0.0)
    found = standing(accuracies, RULES, HELD_OUT)
    wrong = found.as_good[:, :-1].any(axis=1)
    assert wrong.mean() > 0.1
