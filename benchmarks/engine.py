"""This project as a contestant: the stage that runs a study, with a clock."""

import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from pipeline import paths
from pipeline.commands import study as stage
from pipeline.params.document import load_params
from pipeline.params.settings import Configuration
from pipeline.tracking.study import StudyTracker
from pipeline.training.cluster import Cluster
from pipeline.training.task import Event, Started
from pipeline.training.trials import TrialRecord


class TimedCluster(Cluster):
    """Keeps every event with the time at which the driver heard of it."""

    def __enter__(self) -> "TimedCluster":
        self.timeline: list[tuple[float, Event]] = []
        super().__enter__()
        return self

    def next_event(self) -> Event:
        event = super().next_event()
        self.timeline.append((time.time(), event))
        return event

    @property
    def first_training(self) -> float:
        return next(moment for moment, event in self.timeline if isinstance(event, Started))


class Found(Exception):
    """The search has found one of the best configurations."""


def identity(configuration: Configuration) -> tuple[Any, ...]:
    """The fields that tell the configurations of the search for quality apart."""
    return configuration.cell, configuration.units, configuration.learning_rate


def timed_study(name: str, wanted: Sequence[tuple[Any, ...]] = ()) -> tuple[dict[str, Any], TimedCluster]:
    """Run the stage; where there are configurations `wanted`, until one of them has been trained to its end.

    Raises RuntimeError if none has.
    """
    params = load_params()
    cluster = TimedCluster(params.execution)
    accuracies: list[float] = []

    class WatchedTracker(StudyTracker):
        def trial_finished(self, record: TrialRecord) -> dict[str, str]:
            logged = super().trial_finished(record)
            if record.result is not None:
                accuracies.append(record.result.best.validation_accuracy or 0.0)
                if record.state == "COMPLETE" and identity(record.trial.configuration) in wanted:
                    raise Found
            return logged

    # The stage itself and no copy of it, so that its time is complete. Its record goes to the new databases, so that no
    # other run of the same study takes its trainings from there.
    with (
        patch.object(stage, "Cluster", lambda _: cluster),
        patch.object(stage, "StudyTracker", WatchedTracker),
        patch.object(paths, "RECORD", paths.home() / "record"),
    ):
        try:
            stage.run(params, name)
        except Found:
            pass
        else:
            if wanted:
                raise RuntimeError(f"study {name} ended without one of the configurations {wanted}")
    return {"first_training": cluster.first_training, "accuracies": accuracies}, cluster
