"""A cluster without workers: a toy objective whose trainings finish in any order that a seed says."""

import hashlib
import random
import time

from pipeline.training.task import Event, Finished, Started, TrainingTask
from pipeline.training.trials import EpochMetrics, TrainingResult


def toy_result(task: TrainingTask) -> TrainingResult:
    """A training that costs nothing: its curve is a function of configuration and seed, pruned as the task says."""
    digest = hashlib.sha256(f"{task.configuration.model_dump()}{task.seed}".encode()).digest()
    epochs: list[EpochMetrics] = []
    accuracies: list[float] = []
    pruned = False
    for epoch in range(1, task.configuration.epochs + 1):
        accuracies.append((digest[0] + digest[epoch] * epoch / 8) / 512)
        epochs.append(EpochMetrics(epoch, 1.0, 0.9, 1 - accuracies[-1], accuracies[-1], 1.0, 0.8))
        pruned = task.should_prune is not None and task.should_prune(accuracies)
        if pruned:
            break
    best_epoch = 1 + max(range(len(epochs)), key=lambda place: accuracies[place])
    return TrainingResult(7, tuple(epochs), best_epoch, pruned, digest.hex(), 1.0, 1.0, "summary", "digraph {}")


class ToyCluster:
    """Stands where a Cluster does. `stop_after` results it raises KeyboardInterrupt, as Ctrl-C would."""

    def __init__(self, seed: int, workers: int = 3, stop_after: int | None = None, fail_every: int = 0) -> None:
        self._random = random.Random(seed)
        self._workers = workers
        self._stop_after = stop_after
        self._fail_every = fail_every
        self._waiting: list[tuple[float, int, TrainingTask]] = []
        self._running: list[tuple[int, TrainingTask]] = []
        self._started: list[int] = []
        self.trained: list[int] = []
        self.seconds = 0.0  # in trainings
        self.processor_seconds = 0.0

    def submit(self, key: int, task: TrainingTask, priority: float) -> None:
        self._waiting.append((priority, key, task))

    def next_event(self) -> Event:
        while self._waiting and len(self._running) < self._workers:
            self._waiting.sort(key=lambda waiting: waiting[:2])
            _, key, task = self._waiting.pop(0)
            self._running.append((key, task))
            self._started.append(key)
        if self._started:
            return Started(self._started.pop(0))
        if self._stop_after is not None and len(self.trained) >= self._stop_after:
            raise KeyboardInterrupt
        key, task = self._running.pop(self._random.randrange(len(self._running)))
        self.trained.append(key)
        if self._fail_every and key % self._fail_every == 1:
            return Finished(key, None, "TrainingFailed: the loss is not a finite number after epoch 1", "toy")
        started, processor_started = time.perf_counter(), time.process_time()
        result = toy_result(task)
        self.seconds += time.perf_counter() - started
        self.processor_seconds += time.process_time() - processor_started
        return Finished(key, result, None, "toy")
