"""The time left is that of the work left, not of the number of trials."""

import re

import pytest

from pipeline import progress
from pipeline.params.settings import Configuration
from pipeline.progress import TrialProgress
from pipeline.training.trials import EpochMetrics, TrainingResult, Trial, TrialRecord
from tests.helpers.runs import epoch

PROCESSOR = "Zilog Z80"


def record(trial: Trial, reused: bool = False) -> TrialRecord:
    epochs = (EpochMetrics(1, 0.5, 0.8, 0.6, 0.75, 0.7, 0.7),)
    result = TrainingResult(10, epochs, 1, False, "abc", 1.0, 1.0, "", "", "tcp", PROCESSOR, "2026-11-26T15:00:00Z")
    return TrialRecord(trial, "COMPLETE", 90, "rows", result, reused=reused)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    return seconds


def test_time_left_weighs_trials_by_their_cost(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    trials = [Trial(n, Configuration(cell="gru", units=units, epochs=1), 0) for n, units in enumerate([60, 20, 10, 10])]
    with TrialProgress("study", 4, lambda trial: trial.configuration.units, trials) as shown:
        for trial, now in zip(trials, (600.0, 800.0, 900.0, 1000.0), strict=True):
            clock[0] = now
            shown.trial_started(trial)
            shown.epoch_finished(trial, record(trial).result.epochs[0])  # type: ignore[union-attr]
            shown.trial_finished(record(trial))
    lines = capsys.readouterr().err.splitlines()
    assert [re.findall(r"about (.*) left", line) for line in lines[1:]] == [["7 min"], ["3 min"], ["2 min"], []]


@pytest.mark.parametrize(
    ("expectation", "said"), [("", ""), ("about 58 min on 2 workers", ", about 58 min on 2 workers")]
)
def test_first_line_says_how_long_it_will_take(expectation: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with TrialProgress("study capacity", 0, lambda _: 1.0, (), expectation):
        pass
    assert capsys.readouterr().err.splitlines()[0] == f"study capacity: 0 trials{said}"


def test_where_and_when_a_training_was_done_may_be_unknown() -> None:
    result = TrainingResult(10, (), 1, False, "abc", 1.0, 1.0, "", "")
    assert progress.replayed([result], 3) == (
        "1 of 3 trainings taken from finished ones: trained on an unknown processor, on an unknown day"
    )


@pytest.mark.parametrize(("seconds", "words"), [(3480.0, "about 58 min"), (40.0, "about 40 s")])
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert progress.about(seconds) == words


def test_what_was_finished_before_takes_no_time_and_what_is_not_proposed_yet_the_average(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    reused, trained = (Trial(n, Configuration(cell="gru", units=10, epochs=1), 0) for n in (0, 1))
    with TrialProgress("study", 5, lambda trial: trial.configuration.units) as shown:
        shown.trial_finished(record(reused, reused=True))
        clock[0] = 20.0
        shown.trial_started(trained)
        shown.epoch_finished(trained, record(trained).result.epochs[0])  # type: ignore[union-attr]
        shown.trial_finished(record(trained))
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].endswith("about 60 s left"), "three more of 20 s each"
    assert lines[2] == f"study: 1 of 2 trainings taken from finished ones: trained on {PROCESSOR}, 2026-11-26"


def test_the_time_left_is_never_below_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    trials = [Trial(number, Configuration(cell="gru", units=10, epochs=6), 0) for number in (0, 1)]
    with TrialProgress("study", 2, lambda _: 1.3, trials) as shown:  # six sixths of 1.3 add up to a little more
        clock[0] = 30.0
        for trial in trials:
            shown.trial_started(trial)
            for number in range(1, 7):
                shown.epoch_finished(trial, epoch(number))
        shown.trial_finished(record(trials[0]))
    assert "left" not in capsys.readouterr().err.splitlines()[1], "less than a second is not worth a word"
