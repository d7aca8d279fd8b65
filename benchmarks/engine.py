"""This project as a contestant: its study with a clock, as `python -m pipeline study` runs it."""

import json
import time
from collections.abc import Sequence
from typing import Any

from pipeline import paths
from pipeline.cluster import Cluster, Event, Started
from pipeline.journal import Journal
from pipeline.lineage import lineage
from pipeline.params import Configuration, load_params
from pipeline.stages.study import write_results
from pipeline.study import StudyRun
from pipeline.tracking import StudyTracker
from pipeline.trials import TrialRecord


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
    """The search has what it was looking for."""


class StopWhenFound:
    """An observer that ends a study when a configuration of `wanted` has been trained to its end."""

    def __init__(self, wanted: Sequence[tuple[Any, ...]]) -> None:
        self._wanted = wanted
        self.accuracies: list[float] = []

    def trial_started(self, trial: object) -> None: ...
    def epoch_finished(self, trial: object, metrics: object) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None:
        if record.result is None:
            return
        self.accuracies.append(record.result.best.validation_accuracy or 0.0)
        if record.state == "COMPLETE" and identity(record.trial.configuration) in self._wanted:
            raise Found


def identity(configuration: Configuration) -> tuple[Any, ...]:
    """What tells the configurations of the search for quality apart."""
    return configuration.cell, configuration.units, configuration.learning_rate


def timed_study(
    name: str, wanted: Sequence[tuple[Any, ...]] = ()
) -> tuple[dict[str, Any], TimedCluster, list[TrialRecord]]:
    """What `python -m pipeline study` does, with a clock; it ends early when a configuration of `wanted` is found."""
    params, folder = load_params(), paths.study_folder(name)
    summary = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))
    study = StudyRun(name, params, summary, paths.SEQUENCES)
    origin = lineage(
        "study", experiment="benchmark", data=summary, fingerprint=study.fingerprint, study=name,
        optuna_study=study.optuna_study,
    )  # fmt: skip
    stop = StopWhenFound(wanted)
    records: list[TrialRecord] = []
    cluster = TimedCluster(params.execution)
    try:
        with StudyTracker(origin, study.study.model_dump(mode="json"), summary) as tracker, cluster:
            records = study.run(cluster, paths.optuna_storage(), Journal(paths.journal_folder()), [tracker, stop])
            write_results(folder, study, records)
            tracker.finish(folder)
    except Found:
        pass
    return {"first_training": cluster.first_training, "accuracies": stop.accuracies}, cluster, records
