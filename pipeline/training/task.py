"""One training as a worker runs it: the task, and the events that it reports."""

from __future__ import annotations

import functools
import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.params.settings import Configuration, Instructions, Metric
from pipeline.training.identity import stable_hash, training_versions
from pipeline.training.inputs import HeldOut, TrainingData, fold_of, load_data
from pipeline.training.model_file import model_bytes
from pipeline.training.process import configure_tensorflow, trained_by
from pipeline.training.seeds import train_seeds
from pipeline.training.train import TrainingFailed, train
from pipeline.training.trials import EpochMetrics, Observer, TrainingResult, Trial

if TYPE_CHECKING:
    import keras

# Given the accuracies of the epochs so far, True to stop the training; decided in the worker.
ShouldPrune = Callable[[list[float]], bool]


@dataclass(frozen=True)
class TrainingTask:
    """All that a worker needs: a training depends on nothing else, so any worker may take it at any time."""

    configuration: Configuration
    seed: int
    sequences: Path  # here; a worker of a running scheduler gets a copy
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


def run_tasks(sequences: Path, tasks: Mapping[int, TrainingTask], topic: str) -> list[Finished]:
    """Train in this worker process, which has the `sequences`, with news of every epoch under Dask's `topic`.

    Several tasks differ in their seeds alone, and train together. Only a training's own failure is a result. Any other
    error is this worker's or its surroundings': it is raised.
    """
    import distributed

    worker = distributed.get_worker()

    def report(key: int, metrics: EpochMetrics | None) -> None:
        worker.log_event(topic, {"key": key, "metrics": None if metrics is None else vars(metrics)})

    first, keys = next(iter(tasks.values())), list(tasks)
    with _one_training_at_a_time:
        configure_tensorflow(first.instructions)
    with _one_training_at_a_time:
        for key in keys:
            report(key, None)
        if len(tasks) == 1:
            outcomes = [_train_alone(sequences, first, functools.partial(report, keys[0]))]
        else:
            seeds = [task.seed for task in tasks.values()]
            data = _data_of(sequences, first, seeds)
            outcomes = train_seeds(
                first.configuration, data, seeds, lambda place, metrics: report(keys[place], metrics), first.metric
            )
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        finished = []
        for key, outcome in zip(keys, outcomes, strict=True):
            if isinstance(outcome, TrainingFailed):
                finished.append(Finished(key, None, reason_of(outcome)))
                continue
            model, result = outcome
            result = replace(result, worker=worker.address, processor=trained_by(first.instructions), trained_at=now)
            finished.append(Finished(key, result, None, model_bytes(model) if first.wants_model else None))
    return finished


def _train_alone(
    sequences: Path, task: TrainingTask, report: Callable[[EpochMetrics], None]
) -> tuple[keras.Model, TrainingResult] | TrainingFailed:
    accuracies: list[float] = []

    def on_epoch(metrics: EpochMetrics) -> bool:
        report(metrics)
        if task.should_prune is None or metrics.validation_accuracy is None:
            return False
        accuracies.append(metrics.validation_accuracy)
        return task.should_prune(accuracies)

    try:
        return train(task.configuration, _load(sequences, task, task.seed), task.seed, on_epoch, task.metric)
    except TrainingFailed as error:
        return error


def _load(sequences: Path, task: TrainingTask, seed: int) -> TrainingData:
    fold = fold_of(seed) if task.held_out == "fold" else None
    return load_data(sequences, task.held_out, task.configuration.view, fold)


def _data_of(sequences: Path, task: TrainingTask, seeds: Sequence[int]) -> list[TrainingData]:
    """Of each seed what it trains and is measured on: one object for all, but where each holds out another fold."""
    if task.held_out != "fold":
        return [_load(sequences, task, seeds[0])] * len(seeds)
    return [_load(sequences, task, seed).only(task.configuration.train_samples) for seed in seeds]


@dataclass(frozen=True)
class Unfit:
    """The answer of a worker that would train something else than is asked for, or could not."""

    worker: str  # its address
    why: str


def run_if_fit(
    sequences: Path, driver: Mapping[str, str], tasks: Mapping[int, TrainingTask], topic: str
) -> list[Finished] | Unfit:
    """As `run_tasks`, in a worker of a running scheduler; `driver` is the `fitness` of the process that asks."""
    import distributed

    instructions = next(iter(tasks.values())).instructions
    why = misfit(driver, fitness())
    try:
        with _one_training_at_a_time:
            configure_tensorflow(instructions)
    except PipelineError as error:  # such as no GPU
        why = why or str(error)
    return run_tasks(sequences, tasks, topic) if why is None else Unfit(distributed.get_worker().address, why)


def fitness(sequences: Path | None = None) -> dict[str, str]:
    """What has to be the same in a worker as here for its trainings to count: versions, and this code."""
    return {
        "Python": platform.python_version().rpartition(".")[0],
        **training_versions(),
        "this code": code_sha256(),
    }


def misfit(driver: Mapping[str, str], worker: Mapping[str, str]) -> str | None:
    """Why a worker of this `fitness` would train something else than the driver asks for; None where it would not."""
    for name, value in driver.items():
        if (there := worker.get(name, "missing")) != value:
            return f"{name} is {value[:12]} where the study is, and {there[:12]} there"
    return None


@functools.cache
def code_sha256() -> str:
    """A hash of the code that trains: every module of `params`, `data`, `training` and `studies`."""
    root = Path(__file__).parents[1]
    files = sorted(file for room in ("params", "data", "training", "studies") for file in (root / room).rglob("*.py"))
    document = [[file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")] for file in files]
    return stable_hash(document)


def reason_of(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {error}"
