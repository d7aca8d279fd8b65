"""A cluster without workers: a toy objective whose trainings finish in any order that a seed says."""

import hashlib
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Self

from pipeline.params.document import ExecutionParams
from pipeline.training.cluster import Cluster
from pipeline.training.task import Event, Finished, Started, TrainingTask
from pipeline.training.trials import EpochMetrics, TrainingResult

Truth = Callable[[TrainingTask], float]  # the accuracy that a training is about; not a number where it fails


def toy_result(task: TrainingTask, truth: Truth | None = None) -> TrainingResult:
    """A training that costs nothing: its curve is a function of configuration and seed, pruned as the task says.

    With a `truth` it is as flat as can be, within 0.0005 of that.
    """
    digest = _digest(task)
    epochs = range(1, task.configuration.epochs + 1)
    if truth is None:
        return looked_up(task, [(digest[0] + digest[epoch] * epoch / 8) / 512 for epoch in epochs])
    return looked_up(task, [truth(task) + (digest[0] - 127.5) / 255_000 for _ in epochs])


def looked_up(task: TrainingTask, curve: Sequence[float]) -> TrainingResult:
    """A training whose validation accuracies after each epoch are those of `curve`, pruned as the task says."""
    epochs: list[EpochMetrics] = []
    accuracies: list[float] = []
    pruned = False
    for epoch, accuracy in enumerate(curve, start=1):
        accuracies.append(accuracy)
        epochs.append(EpochMetrics(epoch, 1.0, 0.9, 1 - accuracy, accuracy, 1.0, 0.8))
        pruned = task.should_prune is not None and task.should_prune(accuracies)
        if pruned:
            break
    best_epoch = 1 + max(range(len(epochs)), key=lambda place: accuracies[place])
    return TrainingResult(
        parameters=7,
        epochs=tuple(epochs),
        best_epoch=best_epoch,
        pruned=pruned,
        weights_sha256=_digest(task).hex(),
        fit_seconds=1.0,
        predict_microseconds_per_sequence=1.0,
        model_summary="summary",
        model_dot="digraph {}",
        worker="toy",
        processor="toy processor",
        trained_at="2026-11-26T15:30:00Z",
    )


def toy_model(task: TrainingTask) -> bytes:
    """What a toy training saves: another file for each configuration and seed."""
    return b"model " + _digest(task)


def _digest(task: TrainingTask) -> bytes:
    return hashlib.sha256(f"{task.configuration.model_dump()}{task.seed}".encode()).digest()


class ToyCluster(Cluster):
    """Stands where a Cluster does. `stop_after` results it raises KeyboardInterrupt, as Ctrl-C would.

    With a `truth` every training is about as accurate as that says, see `toy_result`.

    `trained` are the keys of the trainings that finished, `submitted` those of all that were asked for.
    """

    def __init__(
        self,
        seed: int,
        workers: int = 3,
        stop_after: int | None = None,
        fail_every: int = 0,
        truth: Truth | None = None,
    ) -> None:
        super().__init__(ExecutionParams(workers=workers))
        self._random = random.Random(seed)
        self._workers = workers
        self._stop_after = stop_after
        self._fail_every = fail_every
        self._truth = truth
        self._queued: list[tuple[float, int, TrainingTask]] = []
        self._training: list[tuple[int, TrainingTask]] = []
        self._started: list[int] = []
        self.submitted: list[int] = []
        self.trained: list[int] = []
        self.seconds = 0.0  # in trainings
        self.processor_seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing runs that could be stopped."""

    @property
    def workers(self) -> int:
        return self._workers

    def result(self, task: TrainingTask) -> TrainingResult:
        """How the training ends, unless it fails."""
        return toy_result(task, self._truth)

    def submit(self, key: int, task: TrainingTask, priority: float) -> None:
        self.submitted.append(key)
        self._queued.append((priority, key, task))

    def next_event(self) -> Event:
        while self._queued and len(self._training) < self._workers:
            self._queued.sort(key=lambda waiting: waiting[:2])
            _, key, task = self._queued.pop(0)
            self._training.append((key, task))
            self._started.append(key)
        if self._started:
            return Started(self._started.pop(0))
        if self._stop_after is not None and len(self.trained) >= self._stop_after:
            raise KeyboardInterrupt
        key, task = self._training.pop(self._random.randrange(len(self._training)))
        self.trained.append(key)
        fails = self._truth is not None and math.isnan(self._truth(task))
        if fails or (self._fail_every and key % self._fail_every == 1):
            return Finished(key, None, "TrainingFailed: the loss is not a finite number after epoch 1")
        started, processor_started = time.perf_counter(), time.process_time()
        result = self.result(task)
        self.seconds += time.perf_counter() - started
        self.processor_seconds += time.process_time() - processor_started
        return Finished(key, result, None, toy_model(task) if task.wants_model else None)
