"""`dvc repro` and `quick`, killed at seeded moments of all stages: the same command ends as if nothing had been."""

import time
from pathlib import Path

from tests.faults import kills, small
from tests.helpers import reliability

MOMENTS = 48


def test_whatever_is_killed_whenever_nothing_is_lost(tmp_path: Path, empty_mlflow: Path) -> None:
    outcomes = list(kills.struck(tmp_path, MOMENTS, empty_mlflow))
    print(f"seed {kills.SEED}")
    print(reliability.markdown(kills.faults(outcomes)))
    assert [(outcome.moment, outcome.stage, outcome.lost) for outcome in outcomes if outcome.lost] == []
    assert len(outcomes) >= MOMENTS
    tried = {(outcome.moment.target, outcome.moment.number) for outcome in outcomes}
    assert tried == {(target, number) for target, numbers in kills.SIGNALS.items() for number in numbers}
    assert {outcome.stage for outcome in outcomes} == set(kills.STAGES)


def test_quick_takes_all_that_it_has_started_with_it(tmp_path: Path, empty_mlflow: Path) -> None:
    """Its process is the one that its lock names, so `kill` gets that number."""
    project = small.make_small(tmp_path / "project", empty_mlflow)
    run = kills.Run(project, "pipeline", "quick")
    while run.stage != "study@capacity" and not run.ended:
        time.sleep(0.05)
    time.sleep(2)
    run.process.terminate()
    assert run.process.wait(timeout=kills.SECONDS_TO_END) == 130, run.output
    assert "stopped; finished work is kept" in run.output
    assert "Traceback" not in run.output
    assert kills.processes_of(project) == [], "what it leaves would hold the study's lock"


def test_the_page_shows_the_table() -> None:
    text = reliability.PAGE.read_text(encoding="utf-8")
    assert reliability.markdown(reliability.read()) in text
