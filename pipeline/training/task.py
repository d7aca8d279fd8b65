"""One training as a worker runs it: the task, and the events that it reports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.params.settings import Configuration, Instructions, Metric
from pipeline.training.inputs import HeldOut, fold_of, load_data
from pipeline.training.machine import processor
from pipeline.training.model_file import model_bytes
from pipeline.training.process import configure_tensorflow
from pipeline.training.train import train
from pipeline.training.trials import EpochMetrics, Observer, TrainingResult, Trial

# Given the accuracies of the epochs so far, True to stop the training; decided in the worker.
ShouldPrune = Callable[[list[float]], bool]


@dataclass(frozen=True)
class TrainingTask:
    """All that a worker needs: a training depends on nothing else, so any worker may take it at any time."""

    configuration: Configuration
    seed: int
    sequences: Path  # absolute: a worker's current folder is its own
    held_out: HeldOut
    instructions: Instructions
    should_prune: ShouldPrune | None = None
    wants_model: bool = False  # whether the trained model comes back, too
    metric: Metric = "accuracy"


@dataclass(frozen=True)
class Started:
    key: int


@dataclass(frozen=True)
class EpochFinished:
    key: int
    metrics: EpochMetrics


@dataclass(frozen=True)
class Finished:
    """The end of a training: `result` is None where it failed, and `error` then says why."""

    key: int
    result: TrainingResult | None
    error: str | None
    model: bytes | None = None  # a .keras file, where the task wants it


Event = Started | EpochFinished | Finished


def tell_progress(observer: Observer, trial: Trial, event: Started | EpochFinished) -> None:
    """Tell `observer` the news of a training that goes on."""
    match event:
        case Started():
            observer.trial_started(trial)
        case EpochFinished():
            observer.epoch_finished(trial, event.metrics)


# Keras keeps state per process: a worker started with several threads still trains one network at a time.
_one_training_at_a_time = threading.Lock()


def run_task(key: int, task: TrainingTask, topic: str) -> Finished:
    """Train in this worker process, with news of every epoch under Dask's `topic`.

    What keeps any training from this worker is no result of this one: PipelineError where it is unfit.
    """
    import distributed

    worker = distributed.get_worker()

    def report(metrics: EpochMetrics | None) -> None:
        worker.log_event(topic, {"key": key, "metrics": None if metrics is None else vars(metrics)})

    accuracies: list[float] = []

    def on_epoch(metrics: EpochMetrics) -> bool:
        report(metrics)
        if task.should_prune is None or metrics.validation_accuracy is None:
            return False
        accuracies.append(metrics.validation_accuracy)
        return task.should_prune(accuracies)

    with _one_training_at_a_time:
        configure_tensorflow(task.instructions)
    try:
        with _one_training_at_a_time:
            report(None)
            fold = fold_of(task.seed) if task.held_out == "fold" else None
            data = load_data(task.sequences, task.held_out, task.configuration.view, fold)
            model, result = train(task.configuration, data, task.seed, on_epoch, task.metric)
            file = model_bytes(model) if task.wants_model else None
    except Exception as error:
        return Finished(key, None, reason_of(error))
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    result = replace(result, worker=worker.address, processor=processor(), trained_at=now)
    return Finished(key, result, None, file)


def reason_of(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {error}"
