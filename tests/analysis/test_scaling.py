"""A law of error against samples and parameters, fitted to studies that follow one, or not."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import scaling
from pipeline.analysis.scaling import NAMES, Law, checked, fitted_law, fitted_laws
from tests.helpers.laws import BALANCED, GROWTH, HELD_OUT, SAMPLES, SEEDS, SIZES, TRUTH, lawful_study, true_error
from tests.helpers.trials import table, trial


def law_of(trials: pd.DataFrame) -> Law:
    (law,) = fitted_laws(trials, HELD_OUT)
    return law


def test_a_law_is_found_where_there_is_one() -> None:
    law = law_of(lawful_study(spread=1e-7))
    assert law.estimate == pytest.approx(TRUTH, rel=1e-3)
    assert law.settings["cell"] == "gru"
    assert law.degrees == 7
    assert law.error(54_000, 20_000) == pytest.approx(true_error(54_000, 20_000), rel=1e-5)
    balanced, low, high = law.balanced_parameters(540_000)
    assert balanced == pytest.approx(BALANCED, rel=1e-2)
    assert low <= balanced <= high
    times, low, high = law.growth(10)
    assert times == pytest.approx(GROWTH, rel=1e-3)
    assert low <= times <= high


def test_the_same_study_has_the_same_law() -> None:
    first, second = law_of(lawful_study()), law_of(lawful_study())
    assert first.estimate.tolist() == second.estimate.tolist()
    assert first.resampled.tolist() == second.resampled.tolist()


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for the share of many intervals that hold a truth, where one interval would take more."""
    monkeypatch.setattr(scaling, "RESAMPLES", 100)


def drawn_means(studies: int, spread: float, most: float = 1.0, seed: int = 1) -> Iterator[Law]:
    """That many studies as `lawful_study` draws them: laws whose `means` are drawn, and whose numbers are of others.

    `Law.means` without the detour through trials.csv, which takes longer than the fits.
    """
    law, rng = law_of(lawful_study()), np.random.default_rng(seed)
    truth = true_error(law.means["train_samples"], law.means["parameters"])
    truth = truth * np.where(law.means["train_samples"] == 54_000, most, 1.0)
    for _ in range(studies):
        noise = rng.normal(0, spread, (len(truth), SEEDS))
        error = truth * np.exp(noise).mean(axis=1)
        rounding = 1 / (np.sqrt(12) * HELD_OUT * error)
        errors = {"error": error, "log_error_sd": noise.std(axis=1, ddof=1), "rounding": rounding}
        yield dataclasses.replace(law, means=law.means.assign(**errors))


@pytest.fixture(scope="module")
def drawn_laws() -> list[Law]:
    """200 such studies, fitted; 5 % noise."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(scaling, "RESAMPLES", 100)
        laws = [fitted_law(law.settings, law.means) for law in drawn_means(200, 0.05)]
    return [law for law in laws if law is not None]


def drawn_checks(studies: int, spread: float, most: float = 1.0) -> pd.DataFrame:
    """The same, tested: the tables of `checked`, one below the other."""
    laws = drawn_means(studies, spread, most)
    return pd.concat([checked(law).assign(study=number) for number, law in enumerate(laws)])


def test_drawn_means_are_those_of_a_study() -> None:
    (drawn,), law = drawn_means(1, 1e-9), law_of(lawful_study(spread=1e-9))
    pd.testing.assert_frame_equal(drawn.means, law.means, atol=1e-8)


def test_the_five_numbers_and_the_balanced_size_lie_in_their_intervals(drawn_laws: list[Law]) -> None:
    truths = [*TRUTH, BALANCED, GROWTH]
    inside = []
    for law in drawn_laws:
        intervals = [law.interval(name) for name in NAMES]
        intervals += [law.balanced_parameters(540_000)[1:], law.growth(10)[1:]]
        inside.append([low <= truth <= high for (low, high), truth in zip(intervals, truths, strict=True)])
    shares = np.mean(inside, axis=0)
    assert len(inside) == 200
    assert shares.min() >= 0.9
    assert 0.93 <= shares.mean() <= 0.99


@pytest.mark.usefixtures("few_resamples")
def test_a_true_law_foretells_95_percent_of_the_errors_on_the_most_samples() -> None:
    checks = drawn_checks(200, 0.1)
    assert len(checks) == 3 * 200
    assert 0.92 <= checks["inside"].mean() <= 0.98
    assert (checks.groupby("parameters")["inside"].mean() >= 0.9).all()


def test_a_true_law_is_refuted_in_at_most_5_percent_of_studies() -> None:
    studies = drawn_checks(200, 0.1).groupby("study")
    assert studies["refutes"].any().mean() <= 0.05
    assert 1 - studies["inside"].all().mean() >= 0.07, "one of three networks lies outside more often than that"


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize("most", [1.6, 0.5])
def test_a_broken_law_is_found_out(most: float) -> None:
    """On the most samples the error is so many times what the law has."""
    checks = drawn_checks(50, 0.03, most)
    assert checks.groupby("study")["refutes"].any().mean() >= 0.9
    outside = checks[~checks["inside"].astype(bool)]
    assert ((outside["error"] > outside["predicted"]) == (most > 1)).all()


def test_a_law_of_fewer_samples_tells_the_error_on_the_most() -> None:
    tested = checked(law_of(lawful_study(spread=0.02)))
    assert tested["train_samples"].tolist() == [54_000] * 3
    assert tested["parameters"].tolist() == list(SIZES.values())
    assert tested["units"].tolist() == list(SIZES)
    assert tested["fitted_up_to"].tolist() == [10_000] * 3
    assert tested["inside"].all()
    assert tested["predicted"].tolist() == pytest.approx(tested["error"].tolist(), rel=0.2)


def test_intervals_widen_with_noise() -> None:
    widths = [
        np.diff(law_of(lawful_study(1, spread)).prediction_interval(540_000, 20_000))[0] for spread in (0.02, 0.1)
    ]
    assert widths[0] < widths[1]
    assert law_of(lawful_study(1, 2.0)).prediction_interval(1_000, 500)[1] == 1.0, "no error is above 1"


def test_seeds_tell_noise_from_a_law_that_is_wrong(drawn_laws: list[Law]) -> None:
    alone = [law.seeds_alone() for law in drawn_laws]
    assert np.mean([seeds for seeds, _ in alone]) == pytest.approx(0.05 / np.sqrt(SEEDS), rel=0.03)
    assert 0.01 <= np.mean([p_value < 0.05 for _, p_value in alone]) <= 0.09
    wrong = lawful_study()
    wrong.loc[(wrong["units"] == 4) & (wrong["train_samples"] == 1_000), "validation_accuracy"] -= 0.2
    assert law_of(wrong).seeds_alone()[1] < 0.001
    assert np.isnan(law_of(lawful_study(seeds=1)).seeds_alone()).all()


def test_nothing_is_known_to_less_than_the_rounding_of_accuracies() -> None:
    """Three seeds without any noise: what counts is that an error is a multiple of one sample."""
    law = law_of(lawful_study(spread=0.0))
    errors = law.means["error"]
    rounding = np.sqrt((1 / (12 * (HELD_OUT * errors) ** 2)).mean())
    assert law.spread == pytest.approx(rounding)
    assert law.seeds_alone() == (pytest.approx(rounding), pytest.approx(0.5, abs=0.1))
    assert not checked(law)["refutes"].any()


def test_what_the_study_does_not_determine_has_no_interval() -> None:
    """Errors that no network's size changes: there is no term of the network, so its exponent may be anything."""
    rows = [
        trial(number, units, 1 - 8 * count**-0.55 * np.exp(0.05 * np.sin(7 * number)), train_samples=count)
        for number, (units, count) in enumerate((units, count) for units in SIZES for count in SAMPLES)
    ]
    law = law_of(table(*rows))
    infinite = float("inf")
    assert law.interval("beta") == (-infinite, infinite)
    assert law.balanced_parameters(540_000)[1:] == (0.0, infinite)
    assert law.growth(10)[1:] == (0.0, infinite)
    low, high = law.interval("alpha")
    assert low < 0.55 < high < 1
    low, high = law.interval("c")
    assert 0 <= low <= high < 0.03


def test_each_cell_and_each_setting_has_its_own_law() -> None:
    wider = lawful_study(1).assign(dropout=0.2)
    other = lawful_study(2).assign(cell="lstm", depth=2)
    laws = fitted_laws(pd.concat([lawful_study(), wider, other], ignore_index=True), HELD_OUT)
    assert [(law.settings["cell"], law.settings["depth"], law.settings["dropout"]) for law in laws] == [
        ("gru", 1, 0.0),
        ("gru", 1, 0.2),
        ("lstm", 2, 0.0),
    ]
    assert [law.most_samples for law in laws] == [54_000] * 3
    assert laws[0].estimate.tolist() == law_of(lawful_study()).estimate.tolist()


def test_too_little_has_no_law() -> None:
    assert fitted_laws(lawful_study(samples=(1_000, 54_000)), HELD_OUT) == ()
    assert checked(law_of(lawful_study(samples=(1_000, 3_000, 54_000)))).empty
    assert fitted_laws(table(), HELD_OUT) == ()
    faultless = lawful_study()
    faultless.loc[faultless["units"] == 64, "validation_accuracy"] = 1.0
    assert fitted_laws(faultless, HELD_OUT) == ()
