"""This project as a contestant: its study with a clock, as `python -m pipeline study` runs it."""

import json
import time
from collections.abc import Sequence
from typing import Any

from pipeline import paths
from pipeline.cluster import Cluster, Event, Started
from pipeline.journal import Journal
from pipeline.lineage import lineage
from pipeline.params import Configuration, ListStudy, load_params
from pipeline.progress import TrialProgress
from pipeline.search_plots import search_plots
from pipeline.stages.study import expected_seconds, write_results
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
    """All that the stage does (`pipeline.stages.study.run`), with a clock; or, where there are configurations `wanted`,
    until one of them is found. Raises RuntimeError if none is."""
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
        with (
            StudyTracker(origin, study.study.model_dump(mode="json"), summary) as tracker,
            cluster,
            TrialProgress(
                f"study {name}",
                study.total,
                study.cost,
                study.fixed_trials,
                expected_seconds(study, params.training, cluster.workers),
                cluster.workers,
            ) as progress,
        ):
            records = study.run(
                cluster, paths.optuna_storage(), Journal(paths.journal_folder()), [progress, tracker, stop]
            )
            write_results(folder, study, records)
            chosen = isinstance(study.study, ListStudy)
            tracker.finish(folder, None if chosen else search_plots(paths.optuna_storage(), study.optuna_study))
    except Found:
        pass
    else:
        if wanted:
            raise RuntimeError(f"study {name} ended without one of the configurations {wanted}")
    return {"first_training": cluster.first_training, "accuracies": stop.accuracies}, cluster, records
