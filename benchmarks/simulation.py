"""Workers in virtual time: the real engine and the real order of dispatch, for trainings that are looked up."""

import heapq
import tempfile
from pathlib import Path
from typing import Any

from optuna.storages import InMemoryStorage

from benchmarks.looked_up import looked_up, seconds_of
from pipeline.params.document import ExecutionParams
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.engine import run_study
from pipeline.training.cluster import Cluster
from pipeline.training.journal import Journal
from pipeline.training.task import Finished, TrainingTask
from pipeline.training.trials import EpochMetrics, TrainingResult, Trial, TrialRecord


class SimulatedCluster(Cluster):
    """Trainings take the seconds that they took; the driver takes half of its own for a trial when it starts one, half
    when it tells its result. An observer of the study, for that."""

    def __init__(self, workers: int, driver_seconds: float) -> None:
        super().__init__(ExecutionParams(workers=workers))
        self._count = workers
        self._client = self._local = self  # there is nothing to open
        self._events: Any = self
        self._half = driver_seconds / 2
        self._ending: list[tuple[float, int, TrainingResult]] = []  # a heap
        self.clock = self.trained = self.driven = 0.0
        self.last_start = self.trained_by_then = 0.0

    @property
    def workers(self) -> int:
        return self._count

    def get(self, timeout: float) -> Finished:
        """The next news."""
        end, key, result = heapq.heappop(self._ending)
        self.clock = max(self.clock, end)
        return Finished(key, result, None)

    def trial_started(self, trial: Trial) -> None: ...

    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None:
        self._drive()

    def _seeds_at_once(self, waited: Any) -> int:
        return 1  # each was measured alone

    def _start(self, tasks: dict[int, TrainingTask], only: set[str] | None) -> Any:
        [(key, task)] = tasks.items()
        self._drive()
        seconds = seconds_of(task)
        self.trained += seconds
        heapq.heappush(self._ending, (self.clock + seconds, key, looked_up(task)))
        self.last_start = self.clock
        self.trained_by_then = self.trained - sum(max(0.0, end - self.clock) for end, _, _ in self._ending)
        return _Future(self, self.clock + seconds)

    def _drive(self) -> None:
        self.clock += self._half
        self.driven += self._half


class _Future:
    """As Dask's: a worker is free from the end of its training on, whether or not the driver has taken the news."""

    def __init__(self, cluster: SimulatedCluster, end: float) -> None:
        self._cluster, self._end = cluster, end

    @property
    def status(self) -> str:
        return "finished" if self._end <= self._cluster.clock else "pending"

    def add_done_callback(self, _: Any) -> None:
        """The end of a training is news by the clock."""


class _NoJournal(Journal):
    def get(self, key: str) -> TrainingResult | None:
        return None

    def put(self, key: str, result: TrainingResult, model: bytes | None = None) -> None: ...


def simulated(definition: StudyDefinition, workers: int, driver_seconds: float) -> dict[str, float]:
    """Shares of their time for which workers and driver are busy: of a whole study, and of workers until the last
    training starts, as its end matters less in longer studies."""
    cluster = SimulatedCluster(workers, driver_seconds)
    with tempfile.TemporaryDirectory() as folder:
        journal = _NoJournal(Path(folder), Path(folder))
        run_study(definition, Path(folder), cluster, InMemoryStorage(), journal, [cluster])
    return {
        "busy": round(cluster.trained / (workers * cluster.clock), 4),
        "busy_until_last_start": round(cluster.trained_by_then / (workers * cluster.last_start or 1.0), 4),
        "driver_busy": round(cluster.driven / cluster.clock, 4),
        "trials_an_hour": round(3600 * definition.total / cluster.clock),
    }
