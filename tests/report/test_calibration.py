"""What the page says of the model's probabilities, and of leaving answers out."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from pipeline.analysis.temperature import Calibration
from pipeline.report.calibration import calibrated, calibration_notes
from pipeline.report.results import Results
from pipeline.report.text import interval, points
from tests.helpers.pages import ReadPage, hovers, texts


def with_figures(results: Results, **figures: Any) -> Results:
    assert results.measured_calibration is not None
    return dataclasses.replace(results, measured_calibration=results.measured_calibration.model_copy(update=figures))


def test_the_error_is_told_before_and_after_with_intervals(page: ReadPage, results: Results) -> None:
    measured = results.measured_calibration
    assert measured is not None
    assert (
        "Probabilities are calibrated by the temperature 1.25 (95 % interval 1.1 to 1.42), fitted to 6,000" in page.text
    )
    assert measured.calibrated_error > measured.error, "made up so"
    before = interval(measured.error_low, measured.error_high)
    after = interval(measured.calibrated_error_low, measured.calibrated_error_high)
    assert (
        f"On the test sequences they are off by {points(measured.calibrated_error)} points on average (95 % interval "
        f"{after}), the network's own by {points(measured.error)} points (95 % interval {before}). They are shown to "
        "be farther from the truth: the change is "
    ) in page.text
    assert "exactly right: these are not." in page.text
    [behind_reliability] = page.parts["calibration"]
    assert len(behind_reliability) == 1 + 2 * 10
    assert {row[0] for row in behind_reliability[1:]} == {"of the network", "calibrated"}


def test_what_it_is_sure_of_is_told_with_its_coverage(page: ReadPage, results: Results) -> None:
    measured = results.measured_calibration
    assert measured is not None
    assert measured.sure
    assert (
        "Sure are answers with a probability of at least 0.8: at least 99.5 % of them are right, as 6,000" in page.text
    )
    assert f"It is sure of {measured.sure:,} of the 10,000 test sequences" in page.text
    [behind_curve] = page.parts["coverage"]
    assert behind_curve[1][:2] == ["100.00 %", "10,000"]
    assert len(behind_curve) > 5


def test_the_curve_rings_what_it_is_sure_of(results: Results) -> None:
    made = calibrated(results)
    assert made is not None
    assert any(text.startswith("sure: ") for text in hovers(made.figures["coverage"]))
    unknown = calibrated(with_figures(results, sure=None, sure_right=None, answers_from=None))
    assert unknown is not None
    assert not any(text.startswith("sure: ") for text in hovers(unknown.figures["coverage"]))
    assert "A ring" in made.coverage_caption
    assert "A ring" not in unknown.coverage_caption
    assert not any("It is sure of" in sentence for sentence in unknown.coverage_findings)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"change_low": -0.02, "change_high": -0.01}, "They are shown to be nearer to the truth: the change is"),
        ({"change_low": -0.02, "change_high": 0.01}, "No difference is shown: the change is"),
        ({"calibrated_error_low": 0.0}, "exactly right: nothing shows that these are not."),
    ],
)
def test_verdicts_are_those_of_the_intervals(results: Results, figures: dict[str, float], words: str) -> None:
    made = calibrated(with_figures(results, **figures))
    assert made is not None
    assert words in " ".join(made.findings)


def test_without_another_temperature_there_is_one_kind_of_probabilities(results: Results) -> None:
    kept = Calibration(samples=9, temperature=1.0, temperature_low=0.4, temperature_high=None, answers_from=None)
    made = calibrated(dataclasses.replace(with_figures(results, temperature=1.0), calibration=kept))
    assert made is not None
    assert made.findings[0] == (
        "Probabilities are the network's own: 9 validation sequences, read by a network trained like this one without "
        "them, do not show that a temperature other than 1 fits better (95 % interval from 0.4 on)."
    )
    assert made.findings[1].startswith("On the test sequences they are off by ")
    assert "the network's own by" not in made.findings[1]
    assert made.reliability.headers[0] == "answers"
    assert "calibrated" not in texts(made.figures["reliability"])


def test_results_of_an_earlier_version_are_told_to_be_missing(results: Results) -> None:
    assert calibrated(dataclasses.replace(results, measured_calibration=None)) is None
    assert calibrated(dataclasses.replace(results, predictions=None)) is None
    assert list(calibration_notes(None)) == [
        "probabilities are the network's own, not calibrated: `dvc repro champion` calibrates them"
    ]


def test_a_single_test_sequence_makes_a_section(results: Results) -> None:
    assert results.predictions is not None
    assert results.coverage is not None
    one = dataclasses.replace(results, predictions=results.predictions.head(1), coverage=results.coverage.head(1))
    made = calibrated(with_figures(one, samples=1, sure=0, sure_right=0))
    assert made is not None
    assert np.array(made.reliability.rows).shape == (2, 5)
    assert len(made.coverage_findings) == 1, "nothing is compared"
