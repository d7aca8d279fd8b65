"""Returns, onsets, fronts and budgets against worked examples, brute force and simulations with a known answer."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.analysis import capacity
from pipeline.analysis.configurations import CONFIGURATION
from pipeline.analysis.configurations import configurations as configurations_of
from pipeline.documents import records
from pipeline.params.settings import Configuration
from pipeline.report.capacity import growth_findings
from pipeline.studies.results import curves_table, trials_table
from tests.helpers.results import capacity_records, record
from tests.helpers.trials import seeds, study

PLAIN = "validation"  # held out: seeds are independent
SMALL = st.one_of(st.just(math.nan), st.integers(1, 4).map(float))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(SMALL, SMALL), max_size=8))
def test_front_is_that_of_brute_force(points: list[tuple[float, float]]) -> None:
    table = pd.DataFrame(points, columns=["cost", "value"], index=range(10, 10 + len(points)), dtype=float)
    expected = [
        not any(math.isnan(number) for number in point)
        and not any(c <= point[0] and v >= point[1] and (c, v) != point for c, v in points)
        for point in points
    ]
    front = capacity.pareto_front(table, "cost", "value")
    assert front.tolist() == expected
    assert front.index.equals(table.index)


def test_front_of_configurations() -> None:
    trials = study(seeds(8, [0.9]), seeds(16, [0.95]), seeds(32, [0.94]), seeds(64, [0.97]), seeds(16, [0.95], depth=2))
    table = configurations_of(trials)
    assert table[capacity.pareto_front(table, "parameters")]["units"].tolist() == [8, 16, 64, 16]
    assert capacity.pareto_front(table, "parameters").dtype == bool


def test_equal_budget_of_a_worked_example() -> None:
    table = configurations_of(
        study(
            seeds(8, [0.90]),
            seeds(16, [0.95]),
            seeds(64, [0.94]),
            seeds(8, [0.91], cell="lstm", parameters=1500),
            seeds(16, [0.96], cell="lstm", parameters=3000),
            seeds(17, [0.96], cell="lstm", parameters=3100),
        )
    )
    result = capacity.equal_budget(table, "parameters", [1000, 2000, 4000])
    assert result[["budget", "cell", "units", "validation_accuracy"]].to_numpy().tolist() == [
        [1000, "gru", 8, 0.90],
        [2000, "gru", 16, 0.95],
        [2000, "lstm", 8, 0.91],
        [4000, "gru", 16, 0.95],
        [4000, "lstm", 16, 0.96],
    ]
    assert capacity.equal_budget(table, "parameters")["budget"].unique().tolist() == [2048, 4096, 8192]
    seconds = table.assign(fit_seconds=[0.3, 0.2, 2.0, 1.5, np.nan, 0.0])
    fitted = capacity.equal_budget(seconds, "fit_seconds")
    assert fitted[["budget", "cell", "units"]].to_numpy().tolist() == [[2, "gru", 16], [2, "lstm", 8]]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["gru", "lstm"]), st.integers(1, 64), st.floats(0, 1)), max_size=8))
def test_nothing_within_a_budget_is_better(networks: list[tuple[str, int, float]]) -> None:
    table = configurations_of(study(*(seeds(units, [a], cell=cell) for cell, units, a in networks)))
    result = capacity.equal_budget(table, "parameters")
    assert result.empty == (not networks)
    for row in result.to_dict("records"):
        rivals = table[(table["cell"] == row["cell"]) & (table["parameters"] <= row["budget"])]
        assert row["parameters"] <= row["budget"]
        assert row["validation_accuracy"] == rivals["validation_accuracy"].max()
    for _, offers in result.groupby("cell"):
        assert offers["validation_accuracy"].is_monotonic_increasing
    assert result.groupby("budget")["cell"].nunique().isin([len({cell for cell, _, _ in networks})]).all()


def test_return_of_a_worked_example() -> None:
    trials = study(
        seeds(32, [0.96, 0.97, 0.98, 0.99]),
        seeds(8, [0.90, 0.92, 0.91]),
        seeds(64, [0.97, 0.98, 0.99], seed=[0, 1, 7]),
        seeds(8, [0.5, 0.6], train_samples=1000),
        seeds(16, [0.7, 0.6], train_samples=1000),
        seeds(16, [0.7, 0.6], depth=2),
    )
    result = capacity.marginal_return(capacity.returns_of_growth(trials, PLAIN))
    assert result.columns.tolist() == capacity.RETURN_COLUMNS
    shown = ["train_samples", "units", "next_units", "parameters", "next_parameters", "seeds"]
    assert result[shown].to_numpy().tolist() == [
        [1000, 8, 16, 800, 1600, 2],
        [5000, 8, 32, 800, 3200, 3],
        [5000, 32, 64, 3200, 6400, 2],
    ]
    # From 800 to 3,200 parameters are two doublings: 6, 5 and 7 points are 3, 2.5 and 3.5 a doubling.
    assert result["difference"].tolist() == pytest.approx([0.1, 0.06, 0.01])
    assert result["points_per_doubling"].tolist() == pytest.approx([10, 3, 1])
    interval = stats.ttest_1samp([3, 2.5, 3.5], 0).confidence_interval(0.95)
    columns = ["points_per_doubling_low", "points_per_doubling_high"]
    assert result.iloc[1][columns].tolist() == pytest.approx(list(interval))
    assert result.iloc[2][columns].isna().all()  # both seeds gain one point: no spread to judge by


def test_interval_of_the_return_covers_the_true_one() -> None:
    # 1,000 pairs of sizes in one table, told apart by learning rate; accuracies rise by 0.3 points a doubling.
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"learning_rate": np.repeat(np.arange(1.0, 1001.0), 5), "seed": np.tile(range(5), 1000)})
    sizes = [
        seeds(units, [0.0] * 5000).assign(
            learning_rate=pairs["learning_rate"],
            seed=pairs["seed"],
            validation_accuracy=np.round(6000 * (0.9 + 0.003 * np.log2(units) + rng.normal(0, 0.0015, 5000))) / 6000,
        )
        for units in (16, 64)
    ]
    result = capacity.returns_of_growth(study(*sizes), PLAIN)
    assert len(result) == 1000
    covered = (result["points_per_doubling_low"] <= 0.3) & (result["points_per_doubling_high"] >= 0.3)
    assert covered.mean() == pytest.approx(0.95, abs=0.02)


TOLERANCE = 0.002


Bounds = tuple[float, float]
UNKNOWN = (math.nan, math.nan)


def returns(*intervals: Bounds, cell: str = "gru") -> pd.DataFrame:
    """A table of returns with these intervals, in points: between 8 and 16 units, 8 and 32, …, 16 and 32, …"""
    sizes = round((1 + math.sqrt(1 + 8 * len(intervals))) / 2)
    trials = study(*(seeds(8 * 2**n, [0.9], cell=cell) for n in range(sizes)))
    low, high = (np.array(bounds) / 100 for bounds in zip(*intervals, strict=True))
    deviation = (high - low) / 2 / stats.t.ppf(0.975, 2) * np.sqrt(3)
    return capacity.returns_of_growth(trials, PLAIN).assign(
        seeds=3, difference_low=low, difference_high=high, difference=(low + high) / 2, difference_sd=deviation
    )


@pytest.mark.parametrize(
    ("intervals", "verdict", "units", "growth"),
    [
        ([(-1, 0.2)], "levels off", 8, (8, 16)),
        ([(0.1, 0.2)], "levels off", 8, (8, 16)),  # more than nothing, but no more than the tolerance
        ([(0.1, 0.21)], "still rising", None, (8, 16)),
        ([(-0.2, 0.5)], "not known", None, (8, 16)),  # an interval that holds zero is no sign of no return
        ([UNKNOWN], "not known", None, (8, 16)),
        ([(-1.02, -0.9)], "falls", 8, (8, 16)),
        ([(-1.02, -0.1)], "levels off", 8, (8, 16)),  # it falls, but maybe by less than the tolerance
        ([(0, 0.15), (0.1, 0.3), (0, 0.15)], "levels off", 16, (16, 32)),  # small steps add up
        ([(-1, -0.8), (-0.1, 0.1), (0.7, 0.9)], "levels off", 8, (8, 32)),  # the largest is no better than the smallest
        ([(-0.1, 0.1), (-1.1, -0.9), (-1.1, -0.9)], "falls", 8, (8, 32)),
        ([(0.8, 1.2), (-0.1, 0.1), (-1.1, -0.9)], "rises, then falls", 16, (16, 32)),
        ([(-0.1, 0.2), (-0.9, -0.7), (-1, -0.8)], "falls", 8, (8, 32)),  # the smallest over which none brings more
        ([(0.1, 0.3), (-1, -0.3), (-0.9, -0.7)], "rises, then falls", 16, (16, 32)),
        ([(-0.1, 0.5), (-0.6, -0.25), (0.3, 0.5)], "not known", None, (8, 32)),  # one of two falls, maybe by chance
        ([(0.1, 0.5), (-1, 0.1), (0.1, 0.5)], "still rising", None, (16, 32)),
        ([(1, 2), (1, 2), (-0.1, 0.21)], "not known", None, (16, 32)),
        ([UNKNOWN, (0.1, 0.5), (0.1, 0.5)], "still rising", None, (16, 32)),
        ([(1, 2), (1, 2), UNKNOWN], "not known", None, (16, 32)),
        ([UNKNOWN, (-1, 0), (-1, 0)], "levels off", 16, (16, 32)),
    ],
)
def test_saturation_of_worked_examples(
    intervals: list[Bounds], verdict: str, units: int | None, growth: tuple[int, int]
) -> None:
    result = capacity.saturation_capacity(returns(*intervals), TOLERANCE, PLAIN)
    assert result.columns.tolist() == capacity.SATURATION_COLUMNS
    assert result["verdict"].tolist() == [verdict]
    row = result.iloc[0]
    assert (None if pd.isna(row["units"]) else row["units"]) == units
    assert (None if pd.isna(row["parameters"]) else row["parameters"]) == (None if units is None else 100 * units)
    assert (row["from_units"], row["to_units"]) == growth


def test_saturation_is_told_for_each_set_of_settings() -> None:
    both = pd.concat([returns((-1, 0.1)), returns((1, 2), cell="lstm")], ignore_index=True)
    result = capacity.saturation_capacity(both, TOLERANCE, PLAIN)
    assert result[["cell", "verdict"]].to_numpy().tolist() == [["gru", "levels off"], ["lstm", "still rising"]]


def test_on_a_fine_grid_the_growth_at_the_end_doubles_the_parameters() -> None:
    noise = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1]]) / 10_000
    means = 0.97 + 0.0015 * np.arange(4)
    trials = study(*(seeds(units, means[place] + noise[place]) for place, units in enumerate([8, 12, 16, 24])))
    pairs = capacity.returns_of_growth(trials, PLAIN)
    assert pairs[["units", "next_units"]].to_numpy().tolist() == [
        [8, 12], [8, 16], [8, 24], [12, 16], [12, 24], [16, 24]
    ]  # fmt: skip
    (row,) = records(capacity.saturation_capacity(pairs, TOLERANCE, PLAIN))
    assert (row["verdict"], row["from_units"], row["to_units"]) == ("still rising", 12, 24)
    # Less than a doubling in all: what was trained decides.
    (short,) = records(capacity.saturation_capacity(pairs[pairs["units"] == 16], TOLERANCE, PLAIN))
    assert (short["verdict"], short["from_units"], short["to_units"]) == ("levels off", 16, 24)


def test_a_fall_within_the_last_doubling_is_no_rise() -> None:
    noise = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1]]) / 10_000

    def verdict(sizes: list[int], means: list[float]) -> tuple[str, int | None, int, int]:
        trials = study(*(seeds(units, mean + row) for units, mean, row in zip(sizes, means, noise, strict=False)))
        table = capacity.saturation_capacity(capacity.returns_of_growth(trials, "fold"), TOLERANCE, "fold")
        (row,) = records(table)
        return row["verdict"], row["units"] if pd.notna(row["units"]) else None, row["from_units"], row["to_units"]

    assert verdict([16, 48, 64], [0.95, 0.98, 0.90]) == ("rises, then falls", 48, 48, 64)
    assert verdict([16, 32, 64, 80], [0.95, 0.98, 0.988, 0.975]) == ("rises, then falls", 64, 64, 80)
    assert verdict([16, 48, 64], [0.95, 0.98, 0.99]) == ("still rising", None, 16, 64)
    assert verdict([16, 48, 64], [0.95, 0.98, 0.9795]) == ("still rising", None, 16, 64)  # by less than the tolerance
    assert verdict([16, 48, 64], [0.95, 0.98, 0.978]) == ("not known", None, 48, 64)  # maybe by less, maybe by more


def test_seeds_that_would_show_it() -> None:
    # t · s / √n: with s = 0.1 and 7 seeds 2.447 · 0.1 / 2.646 = 0.0925, with 6 seeds 2.571 · 0.1 / 2.449 = 0.105.
    assert capacity.seeds_to_show(0.1, 0.1, PLAIN) == 7
    assert capacity.seeds_to_show(0.0925, 0.1, PLAIN) == 7
    assert capacity.seeds_to_show(10, 0.1, PLAIN) == 2
    assert capacity.seeds_to_show(0.0, 0.1, PLAIN) is None
    assert capacity.seeds_to_show(0.1, math.nan, PLAIN) is None
    assert capacity.seeds_to_show(0.0001, 0.1, PLAIN) is None, "more than anybody would train"


def test_folds_give_wider_intervals_and_never_as_narrow_as_one_likes() -> None:
    trials = study(seeds(8, [0.90, 0.92, 0.91]), seeds(32, [0.96, 0.97, 0.98]), seeds(8, [0.8, 0.9], train_samples=10))
    reach = stats.t.ppf(0.975, 2) * 0.01 * np.sqrt(1 / 3 + 1 / 9)
    (row,) = records(capacity.returns_of_growth(trials, "fold"))
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((0.06 - reach, 0.06 + reach))
    gap = capacity.gap_against_samples(trials, "fold").iloc[1]
    assert gap["generalization_gap_high"] - gap["generalization_gap"] == pytest.approx(reach)
    accuracy = capacity.capacity_table(trials, "fold").iloc[2]
    assert accuracy["validation_accuracy"] - accuracy["validation_accuracy_low"] == pytest.approx(reach)
    # With s = 0.1 half of an interval is 0.136 for 6 seeds, 0.123 for 7, 0.1001 for 11, 0.097 for 12; never 0.065.
    assert capacity.seeds_to_show(0.13, 0.1, "fold") == 7
    assert capacity.seeds_to_show(0.1, 0.1, "fold") == 12
    assert capacity.seeds_to_show(0.065, 0.1, "fold") is None


def simulated(
    studies: int, number: int, truths: dict[int, float], noise: float = 0.0015, held_out: str = PLAIN
) -> pd.DataFrame:
    """The returns of so many studies with `number` seeds, told apart by their learning rate, of this truth by units.

    Any two folds correlate by the share of samples held out, a tenth, as the correction takes it.
    """
    rng = np.random.default_rng(number)
    rate, seed = np.repeat(np.arange(1.0, studies + 1), number), np.tile(np.arange(number), studies)
    share = 0.1 if held_out == "fold" else 0.0

    def noises() -> np.ndarray:
        together = np.repeat(rng.normal(0, noise, studies), number)
        return np.sqrt(share) * together + np.sqrt(1 - share) * rng.normal(0, noise, rate.size)

    sizes = [
        seeds(units, np.zeros(studies * number)).assign(
            learning_rate=rate,
            seed=seed,
            validation_accuracy=np.round(6000 * (truth + noises())) / 6000,
        )
        for units, truth in truths.items()
    ]
    return capacity.returns_of_growth(study(*sizes), held_out)


@pytest.mark.parametrize("number", [2, 3, 8])
def test_rising_truths_are_hardly_ever_said_to_level_off(number: int) -> None:
    """2,000 studies whose last step truly brings just more than the tolerance: every sentence is held to the truth."""
    steps = simulated(2000, number, {8: 0.97, 16: 0.9721})
    table = capacity.saturation_capacity(steps, TOLERANCE, PLAIN)
    sentences = growth_findings(table, TOLERANCE, PLAIN)
    assert len(sentences) == 2000
    assert sum("levels off" in sentence for sentence in sentences) <= 0.05 * 2000
    for sentence, row in zip(sentences, records(table), strict=True):
        assert ("still rising" in sentence) == (row["difference_low"] > 0 and row["difference_high"] > TOLERANCE)
        assert ("not known" in sentence) == (not row["difference_low"] > 0 and not row["difference_high"] <= TOLERANCE)


def test_folds_that_overlap_are_hardly_ever_said_to_level_off_where_they_rise() -> None:
    steps = simulated(1000, 10, {8: 0.97, 16: 0.97201}, held_out="fold")
    wrong = capacity.saturation_capacity(steps, TOLERANCE, "fold")["verdict"] == "levels off"
    assert wrong.mean() <= 0.05, "with intervals as of independent seeds it would be 0.06"


FINE = [8, 12, 16, 24, 32, 48, 64]


@pytest.mark.parametrize(("number", "step"), [(3, 0.00105), (8, 0.0015)])
def test_a_rise_in_small_steps_is_hardly_ever_said_to_level_off(number: int, step: float) -> None:
    """100 studies each. A step brings less than the tolerance; a doubling, two steps or three, brings more."""
    steps = simulated(100, number, {units: 0.97 + step * place for place, units in enumerate(FINE)}, noise=0.0003)
    table = capacity.saturation_capacity(steps, TOLERANCE, PLAIN)
    assert table["verdict"].isin(["levels off", "falls"]).mean() <= 0.05


def test_on_a_fine_grid_it_levels_off_where_it_does() -> None:
    truth = {units: 0.97 + 0.003 * min(place, 2) for place, units in enumerate(FINE)}
    table = capacity.saturation_capacity(simulated(100, 8, truth, noise=0.0008), TOLERANCE, PLAIN)
    assert (table["units"] < 16).mean() <= 0.05
    assert (table["units"] == 16).mean() >= 0.7


def test_falling_truths_are_said_to_fall() -> None:
    steps = simulated(100, 5, {8: 0.98, 16: 0.97}, noise=0.0003)
    sentences = growth_findings(capacity.saturation_capacity(steps, TOLERANCE, PLAIN), TOLERANCE, PLAIN)
    assert sum("falls from 8 units" in sentence for sentence in sentences) == 100
    just = simulated(1000, 5, {8: 0.9720, 16: 0.9701}, noise=0.0003)  # by less than the tolerance
    assert (capacity.saturation_capacity(just, TOLERANCE, PLAIN)["verdict"] == "falls").mean() <= 0.05


def test_a_rise_is_hardly_ever_called_a_fall() -> None:
    """100 studies of seven sizes, whose rise is as good as lost in the noise."""
    truth = {units: 0.95 + 0.00105 * place for place, units in enumerate(FINE)}
    table = capacity.saturation_capacity(simulated(100, 3, truth, noise=0.01), TOLERANCE, PLAIN)
    assert table["verdict"].isin(["levels off", "falls", "rises, then falls"]).mean() <= 0.05


@pytest.mark.parametrize(
    "truth", [{16: 0.95, 48: 0.98, 64: 0.9779}, {16: 0.95, 32: 0.98, 64: 0.988, 80: 0.9859}, {8: 0.98, 16: 0.9779}]
)
def test_a_fall_at_the_end_is_hardly_ever_called_a_rise(truth: dict[int, float]) -> None:
    """100 studies that fall by just more than the tolerance, at the very end."""
    table = capacity.saturation_capacity(simulated(100, 8, truth, noise=0.001), TOLERANCE, PLAIN)
    assert (table["verdict"] == "still rising").mean() <= 0.05


def test_the_size_from_which_it_levels_off_is_hardly_ever_too_small() -> None:
    steps = simulated(1000, 8, {8: 0.97, 16: 0.9722, 32: 0.9722, 64: 0.9722}, noise=0.0008)
    table = capacity.saturation_capacity(steps, TOLERANCE, PLAIN)
    assert (table["units"] == 8).mean() <= 0.05
    assert (table["units"] == 16).mean() >= 0.7


def curve(validation: list[float], train: list[float] | None = None, number: int = 0) -> pd.DataFrame:
    falling = [1 / epoch for epoch in range(1, len(validation) + 1)]
    losses = {"train_loss": train or falling, "validation_loss": validation}
    accuracies = {"train_accuracy": 0.9, "validation_accuracy": 0.9}
    return pd.DataFrame({"number": number, "epoch": range(1, len(validation) + 1), **losses}).assign(**accuracies)


@pytest.mark.parametrize(
    ("validation", "train", "onset"),
    [
        ([5, 4, 3, 4, 5, 6], None, 3),
        ([5, 4, 3, 4, 5], None, None),  # two later epochs only
        ([6, 5, 4, 3, 2, 1], None, None),  # never turns up
        ([5, 4, 3, 4, 5, 6], [6, 5, 4, 5, 6, 7], None),  # train loss turns up, too: no overfitting
        ([5, 4, 3, 4, 5, 6, 7], [6, 5, 4, 5, 3, 3, 3], 3),  # one bad epoch does not hide it
        ([5, 3, 3, 3, 4, 4, 4], None, 2),  # the first of the lowest; equal ones are not above it
        ([5, 3, 3, 3, 4, 4], None, None),
        ([1, 2, 3, 4], None, 1),
        ([5, 4, 3, math.nan, 4, 5, 6], None, 3),
        ([math.nan, math.nan], None, None),
        ([3], None, None),
        ([], None, None),
    ],
)
def test_onset_of_worked_examples(validation: list[float], train: list[float] | None, onset: int | None) -> None:
    curves = curve(validation, train)
    assert capacity.onset_of_overfitting(curves) == onset
    assert capacity.onset_of_overfitting(curves.iloc[::-1]) == onset
    if onset is not None:
        assert capacity.onset_of_overfitting(curves, later_epochs=10) is None


def test_onset_is_found_in_noise() -> None:
    epochs = np.arange(1, 31)
    rng = np.random.default_rng(0)
    validation = 0.1 + 0.0005 * (epochs - 12) ** 2 + rng.normal(0, 0.002, (200, 30))
    train = np.exp(-0.1 * epochs) + rng.normal(0, 0.002, (200, 30))
    onsets = [capacity.onset_of_overfitting(curve(list(v), list(t))) for v, t in zip(validation, train, strict=True)]
    assert None not in onsets
    assert np.mean([onset for onset in onsets if onset]) == pytest.approx(12, abs=0.2)


def test_overfitting_table_of_a_worked_example() -> None:
    trials = study(seeds(8, [0.9, 0.9, 0.9]), seeds(16, [0.9]), seeds(32, [0.9]), seeds(64, [0.9], state="PRUNED"))
    curves = pd.concat([
        curve([5, 4, 3, 4, 5, 6], number=0),
        curve([5, 3, 4, 5, 6, 3.5], number=1),
        curve([5, 4, 3, 2, 1], number=2),
        curve([5, 4, 3], number=3),
        curve([5, 1, 2, 3, 4], number=5),
    ])  # fmt: skip
    result = capacity.overfitting_table(trials, curves)
    assert result.columns.tolist() == capacity.OVERFITTING_COLUMNS
    assert result[["units", "parameters", "seeds"]].to_numpy().tolist() == [[8, 800, 3], [16, 1600, 1]]
    assert result["onset_epoch"].tolist() == pytest.approx([2.5, math.nan], nan_ok=True)
    assert result["onset_share"].tolist() == pytest.approx([2 / 3, 0])
    assert result["overfit_at_end"].tolist() == pytest.approx([(3 + 0.5 + 0) / 3, 0])


def test_gap_of_a_worked_example() -> None:
    trials = study(
        seeds(16, [0.95, 0.96, 0.97], train_samples=20_000),
        seeds(16, [0.80, 0.90, 0.91], train_samples=1000),
        seeds(8, [0.8, 0.9], train_samples=1000),
        seeds(8, [0.9], train_samples=20_000),
        seeds(8, [0.9, 0.9], depth=2),
    )
    result = capacity.gap_against_samples(trials, PLAIN)
    assert result.columns.tolist() == capacity.GAP_COLUMNS
    assert result[["units", "depth", "train_samples", "seeds"]].to_numpy().tolist() == [
        [8, 1, 1000, 2],
        [8, 1, 20_000, 1],
        [16, 1, 1000, 3],
        [16, 1, 20_000, 3],
    ]
    assert result["generalization_gap"].tolist() == pytest.approx([0.14, 0.09, 0.12, 0.03])
    half = stats.t.ppf(0.975, 2) * 0.01 / np.sqrt(3)
    columns = ["generalization_gap_low", "generalization_gap_high"]
    assert result.iloc[3][columns].tolist() == pytest.approx([0.03 - half, 0.03 + half])
    assert result.iloc[1][columns].isna().all()


def test_tables_of_a_whole_study() -> None:
    made = capacity_records()
    trials, curves = trials_table(made), curves_table(made)
    returned = capacity.returns_of_growth(trials, PLAIN)
    steps = capacity.marginal_return(returned)
    assert len(steps) == 3 * 2 * 2  # cells, depths, steps between three sizes
    assert (steps["points_per_doubling_low"] < steps["points_per_doubling"]).all()
    assert (steps["points_per_doubling"] < steps["points_per_doubling_high"]).all()
    assert len(capacity.saturation_capacity(returned, TOLERANCE, PLAIN)) == 6
    assert capacity.overfitting_table(trials, curves)["seeds"].tolist() == [3] * 18
    assert capacity.gap_against_samples(trials, PLAIN).empty  # all on 5,000 samples
    table = configurations_of(trials)
    assert capacity.pareto_front(table, "parameters").any()
    assert capacity.equal_budget(table, "parameters").groupby("budget").size().unique().tolist() == [3]


@pytest.mark.parametrize(
    "configurations",
    [
        [],
        [seeds(8, [0.9, 0.91])],
        [seeds(8, [0.9]), seeds(16, [0.95], train_samples=1000)],
        [seeds(8, [0.9, np.nan]), seeds(16, [np.nan, 0.95])],
        [seeds(8, [0.9], state="PRUNED"), seeds(16, [np.nan], state="FAIL", parameters=np.nan, best_epoch=np.nan)],
        [seeds(8, [1.0, 1.0]), seeds(16, [1.0, 1.0], generalization_gap=np.nan)],
    ],
)
def test_too_little_is_a_table_with_the_same_columns(configurations: list[pd.DataFrame]) -> None:
    trials = study(*configurations)
    table = configurations_of(trials)
    steps = capacity.returns_of_growth(trials, PLAIN)
    results: list[tuple[pd.DataFrame, list[Any]]] = [
        (steps, capacity.RETURN_COLUMNS),
        (capacity.saturation_capacity(steps, TOLERANCE, PLAIN), capacity.SATURATION_COLUMNS),
        (capacity.overfitting_table(trials, curve([], number=0)), capacity.OVERFITTING_COLUMNS),
        (capacity.overfitting_table(trials, curve([3, 2])), capacity.OVERFITTING_COLUMNS),
        (capacity.gap_against_samples(trials, PLAIN), capacity.GAP_COLUMNS),
        (
            capacity.equal_budget(table, "parameters"),
            ["budget", *CONFIGURATION, "parameters", "validation_accuracy"],
        ),
    ]
    for result, columns in results:
        assert result.columns.tolist() == columns
    assert len(capacity.pareto_front(table, "parameters")) == len(table)
    assert set(capacity.saturation_capacity(steps, TOLERANCE, PLAIN)["verdict"]) <= {"not known"}


def test_budgets_table_of_a_worked_example() -> None:
    trials = study(
        seeds(4, [0.80]),  # number 0: the first budget
        seeds(40, [0.93]),
        seeds(5, [0.85]),
        seeds(41, [0.94], state="PRUNED"),
        seeds(3, [0.84]),
        seeds(42, [0.92]),
        seeds(6, [0.99]),  # over the budget: not even the fewest units fit
    )
    table = capacity.budgets_table(trials, [500, 5000], lambda number: number % 2)
    assert table[["budget", "trials", "pruned", "units", "parameters", "validation_accuracy"]].to_numpy().tolist() == [
        [500, 4, 0, 5, 500, 0.85],
        [5000, 3, 1, 40, 4000, 0.93],
    ]
    nothing = capacity.budgets_table(trials.assign(state="FAIL"), [500, 5000], lambda number: number % 2)
    assert nothing.empty
    assert list(nothing.columns) == capacity.BUDGET_COLUMNS


def test_capacity_table_orders_by_size() -> None:
    result = capacity.capacity_table(trials_table(capacity_records()), "fold")
    assert len(result) == 18
    assert set(result["seeds"]) == {3}
    for _, group in result.groupby("cell"):
        assert group["parameters"].is_monotonic_increasing
    assert not (result["validation_accuracy_low"] > result["validation_accuracy"]).any()
    assert not (result["generalization_gap"] > result["generalization_gap_high"]).any()
    gap = result["train_accuracy"] - result["validation_accuracy"]
    assert gap.to_numpy() == pytest.approx(result["generalization_gap"].to_numpy())


def test_capacity_table_of_nothing_keeps_its_columns() -> None:
    failed = [record(0, Configuration(cell="gru", units=8), 0, 5000, "FAIL")]
    assert capacity.capacity_table(trials_table(failed), "fold").empty
    assert "generalization_gap_high" in capacity.capacity_table(trials_table([]), "fold")
