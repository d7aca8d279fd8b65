"""Ten times the data: what the law says, and where it is not to be trusted."""

import dataclasses

import pandas as pd

from pipeline.analysis.scaling import fitted_laws
from pipeline.report.results import Results
from pipeline.report.scaling import Scaling, scaling, titles
from tests.helpers.laws import HELD_OUT, lawful_study
from tests.helpers.pages import ReadPage


def of_study(results: Results, trials: pd.DataFrame) -> Scaling:
    """The section that a capacity study with these trials makes."""
    capacity = dataclasses.replace(results.studies["capacity"], trials=trials)
    made = scaling(dataclasses.replace(results, studies=results.studies | {"capacity": capacity}))
    assert made is not None
    return made


def test_every_law_network_and_size_has_a_row(page: ReadPage) -> None:
    assert "scaling" in page.headings
    assert [len(table) for part in ("scaling", "foretold", "balanced") for table in page.parts[part]] == [4, 10, 4]
    assert page.parts["scaling"][0][3][0] == "GRU"
    assert page.parts["foretold"][0][1][:4] == ["SimpleRNN 1×4", "182", "54,000", "10,000"]


def test_a_true_law_is_told_with_its_intervals(results: Results) -> None:
    made = of_study(results, lawful_study(seed=1, spread=0.01))
    assert made.missing is None
    assert made.fits == (
        "GRU: the fit leaves over 0.57 % of an error (standard deviation, 12 means), the noise of seeds alone would "
        "leave about 0.48 %. That is not shown to be more than noise (F test, p = 0.253), which does not make the law "
        "true.",
    )
    assert made.tests == (
        "GRU: of a law fitted on at most 10,000 samples, 3 of 3 intervals hold the error on 54,000. That does not "
        "refute the law. An error off by a factor of up to 1.16 would have passed, too.",
    )
    assert made.answers == (
        "GRU: on 540,000 samples about 34,000 parameters (95 % interval 26,000 to 45,000), 8.1 times as many as on "
        "54,000 (95 % interval 7.3 to 9.2). No network of such a size was measured: they had 500 to 20,000 parameters. "
        "The test on 54,000 samples did not refute the law. An error off by a factor of up to 1.16 would have passed, "
        "too. Beyond them the law is an extrapolation that nothing has tested.",
    )
    assert made.laws.rows == [
        ["GRU", "7.83 (7.25 to 8.55)", "0.548 (0.536 to 0.561)", "3.09 (2.6 to 3.66)", "0.604 (0.576 to 0.633)",
         "0.45 % (0.29 % to 0.62 %)", "12", "0.57 %"]
    ]  # fmt: skip
    assert [row[-1] for row in made.test.rows] == ["yes"] * 3
    assert made.sizes.rows == [
        ["GRU", "54,000", "4,200", "3,600 to 4,900", "540,000", "34,000", "26,000 to 45,000", "8.1", "7.3 to 9.2"]
    ]


def test_a_law_that_fails_is_not_to_be_trusted(results: Results) -> None:
    made = of_study(results, lawful_study(spread=0.02, most=1.6))
    (test,), (answer,) = made.tests, made.answers
    assert "0 of 3 intervals hold the error on 54,000. Outside: GRU 1×4 is measured " in test
    assert test.endswith(" times the prediction. That refutes the law.")
    assert [row[-1] for row in made.test.rows] == ["no"] * 3
    assert "The law is not to be trusted: the test on the most samples refutes it" in answer


def test_a_network_outside_its_interval_does_not_refute_a_law_of_three(results: Results) -> None:
    made = of_study(results, lawful_study(seed=47, spread=0.03))
    (test,), (answer,) = made.tests, made.answers
    assert "2 of 3 intervals hold the error on 54,000. Outside: GRU 1×" in test
    assert " times the prediction. That does not refute the law. An error off by a factor of up to 1." in test
    assert "not to be trusted" not in answer
    assert [row[-1] for row in made.test.rows].count("no") == 1


def test_a_size_that_the_study_does_not_determine_is_not_known(results: Results) -> None:
    (answer,) = of_study(results, lawful_study(seed=3, spread=0.4)).answers
    assert answer.startswith("GRU: not known. The estimate for 540,000 samples is ")
    assert "but its 95 % interval has no ends." in answer


def test_equal_errors_are_known_to_less_than_a_sample(results: Results) -> None:
    trials = lawful_study()
    equal = trials.assign(validation_accuracy=0.95)
    one_off = equal.assign(
        validation_accuracy=equal["validation_accuracy"].where(equal["train_samples"] < 54_000, 0.95 + 1 / 6_000)
    )
    assert "3 of 3 intervals hold the error on 54,000." in of_study(results, equal).tests[0]
    for made in (of_study(results, equal), of_study(results, one_off)):
        assert "That does not refute the law." in made.tests[0]
        assert "not shown to be more than noise" in made.fits[0]
        assert "not to be trusted" not in made.answers[0]


def test_one_seed_leaves_open_what_is_noise(results: Results) -> None:
    made = of_study(results, lawful_study(seeds=1))
    assert made.fits[0].endswith("Whether that is noise or a wrong law is not known: the noise of seeds is not.")


def test_a_law_without_a_test_says_so(results: Results) -> None:
    made = of_study(results, lawful_study(samples=(1_000, 3_000, 54_000), spread=0.01))
    assert made.tests == (
        "GRU: not tested. The trainings on at most half of 54,000 samples are too few for a law of their own.",
    )
    assert made.test.rows == []
    assert made.answers[0].endswith("The law is an extrapolation that nothing has tested.")


def test_too_few_samples_say_what_a_law_takes(results: Results) -> None:
    few = lawful_study(samples=(1_000, 54_000)).assign(cell="lstm")
    assert of_study(results, few).missing == (
        "No law for LSTM: it takes networks of at least 3 sizes, trained on at least 3 numbers of samples, with more "
        "means than the law's 5 numbers, and an error above 0 in each."
    )
    assert of_study(results, few).figures == {}
    both = of_study(results, pd.concat([lawful_study(), few], ignore_index=True))
    assert both.missing is not None
    assert [row[0] for row in both.laws.rows] == ["GRU"]


def test_without_a_study_there_is_no_section(results: Results) -> None:
    assert scaling(dataclasses.replace(results, studies={})) is None


def test_laws_are_named_by_what_sets_them_apart() -> None:
    others = [lawful_study(), lawful_study().assign(dropout=0.2), lawful_study().assign(cell="lstm", depth=2)]
    both_ways = lawful_study().assign(cell="lstm", bidirectional=True)
    laws = fitted_laws(pd.concat([*others, both_ways], ignore_index=True), HELD_OUT)
    assert titles([law.settings for law in laws]) == [
        "GRU, dropout 0",
        "GRU, dropout 0.2",
        "LSTM, 2 layers",
        "bi-LSTM",
    ]
