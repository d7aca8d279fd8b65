"""Virtual workers, real order: what the benchmarks of many workers rest on."""

import pytest

from benchmarks.looked_up import grid, looked_up, search, seconds_of
from benchmarks.simulation import SimulatedCluster, simulated
from pipeline.paths import SEQUENCES
from pipeline.training.task import Finished


def test_with_a_worker_a_trial_a_grid_takes_as_long_as_its_longest_training() -> None:
    definition = grid(36)
    seconds = [seconds_of(definition.task(trial, SEQUENCES)) for trial in definition.fixed_trials]
    found = simulated(definition, 36, driver_seconds=0.0)
    assert found["busy"] == pytest.approx(sum(seconds) / (36 * max(seconds)), abs=1e-4)
    assert found["trials_an_hour"] == round(3600 * 36 / max(seconds))


def test_trainings_are_those_of_the_capacity_study() -> None:
    definition = search(3, 1, epochs=5)
    task = definition.task(
        definition.proposed_trial(0, {"cell": "lstm", "units": 16, "train_samples": 1000, "epochs": 5}), SEQUENCES
    )
    assert (len(looked_up(task).epochs), looked_up(task).parameters) == (5, 3050)
    assert looked_up(task).best_epoch <= 5


def test_a_driver_that_takes_too_long_keeps_workers_waiting() -> None:
    definition = grid(144)
    idle = simulated(definition, 8, driver_seconds=0.0)
    busy = simulated(definition, 8, driver_seconds=60.0)
    assert busy["driver_busy"] == pytest.approx(1.0, abs=0.01)
    assert busy["trials_an_hour"] <= 3600 / 60 < idle["trials_an_hour"]


def test_free_workers_start_between_two_results_that_were_held_back() -> None:
    """One long training is waited for while all the others end; then they are told, which takes the driver long."""
    cluster = SimulatedCluster(workers=2, driver_seconds=2.0)
    definition = grid(36)
    for trial in definition.fixed_trials[:2]:
        cluster.submit(trial.number, definition.task(trial, SEQUENCES), priority=trial.number)
    cluster.start_waiting()
    assert cluster.clock == 2.0, "both were started, a second each"
    event = cluster.next_event()
    assert isinstance(event, Finished)
    third = definition.fixed_trials[2]
    cluster.submit(third.number, definition.task(third, SEQUENCES), priority=2)
    before = cluster.clock
    cluster.start_waiting()
    assert cluster.clock == before + 1.0, "the third is started without a wait for the second"
