"""Where trainings run: an embedded Dask cluster, or the workers of a running scheduler."""

from __future__ import annotations

import atexit
import contextlib
import functools
import heapq
import itertools
import logging
import os
import queue
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from pipeline.errors import PipelineError
from pipeline.params.document import ExecutionParams
from pipeline.params.network import network_name
from pipeline.training import forkserver, travel
from pipeline.training.process import ENVIRONMENTS
from pipeline.training.task import (
    EpochFinished,
    Event,
    Finished,
    Started,
    TrainingTask,
    fitness,
    reason_of,
    run_task,
)
from pipeline.training.trials import EpochMetrics

# A training whose worker died (killed, out of memory) is tried this many times in all.
ATTEMPTS = 3

CONNECT_SECONDS = 60
CLOSE_SECONDS = 3
# Runs first in each worker; Dask takes it as source text. Ctrl-C is for the driver to answer.
PRELOAD = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


DASK_SETTINGS = {
    # Dask would at once queue a training whose worker died behind another worker's, and take it for guilty if that one
    # dies, too.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
    "distributed.admin.system-monitor.gil.enabled": False,
    # Dask's profiler looks at every stack a hundred times a second and keeps what it sees: 1.6 MiB a training, and a
    # fifth of a small one's time.
    "distributed.worker.profile.enabled": False,
    # Dask gives up a worker that is absent for longer: in effect, never. It would also give up one that is absent only
    # because it was killed once more.
    "distributed.deploy.lost-worker-timeout": "365 days",
    "distributed.worker.multiprocessing-method": "forkserver" if forkserver.AVAILABLE else "spawn",
}


@dataclass(frozen=True)
class _WorkerDied:
    key: int
    times: int


@dataclass(frozen=True)
class _NoResult:
    """Something other than the training itself kept it from a result."""

    key: int
    reason: str


@dataclass(frozen=True)
class _SchedulerGone:
    pass


_Waiting = tuple[float, int, int, TrainingTask]  # priority, number of the submission to break ties, key, task


OnNews = Callable[[Event], None]


class Cluster:
    """Runs training tasks, as many at once as there are workers, and reports their progress as events.

    Tasks wait here rather than in Dask's queue, which gives them an order of our own: `priority`, lowest first.
    """

    def __init__(self, execution: ExecutionParams) -> None:
        self._execution = execution
        self._waiting: list[_Waiting] = []  # a heap
        self._submissions = itertools.count()
        self._running: dict[int, tuple[_Waiting, Any]] = {}  # key → the task as it waited, and its Dask future
        self._events: queue.Queue[Event | _WorkerDied | _NoResult | _SchedulerGone] = queue.Queue()
        self._no_results: list[str] = []  # why trainings have none; then nothing new is started
        self._deaths: Counter[int] = Counter()  # by key
        self._local: Any = None  # the embedded cluster, if there is one
        self._luggage: travel.Luggage | None = None  # what the workers of a running scheduler have of this project
        self._fit: set[str] = set()  # the workers that train as this process does
        self._unfit: set[str] = set()
        self._client: Any = None  # Dask's, None until there is something to train

    def __enter__(self) -> Self:
        """Connect to the scheduler, if there is one; embedded workers are started for the first task, not before."""
        if self._execution.scheduler is not None:
            self._open()
        return self

    def _open(self, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """`variables` are the environment of embedded workers; those of a running scheduler have their own."""
        import dask
        import distributed
        from distributed.deploy.spec import close_clusters

        atexit.unregister(close_clusters)  # it fails, aloud, for a cluster that was stopped as it started
        for handler in logging.getLogger("distributed").handlers:
            handler.setLevel(logging.CRITICAL)  # the important part of Dask's log arrives as events and errors
        dask.config.set(DASK_SETTINGS)
        # For the forkserver that Dask starts where ours was killed.
        dask.config.set({"distributed.nanny.pre-spawn-environ": {**forkserver.ENVIRONMENT, **variables}})
        try:
            self._local = self._start_workers(variables) if self._execution.scheduler is None else None
            self._client = distributed.Client(self._local or self._execution.scheduler, timeout=CONNECT_SECONDS)
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError) as error:
            where = self._execution.scheduler or "the embedded cluster"
            raise PipelineError(
                f"no Dask workers at {where}: start `dask scheduler` and `dask worker`, or set "
                f"execution.scheduler to null in params.yaml for the embedded cluster ({error})"
            ) from error
        self._topic = f"trainings of {self._client.id}"  # not of another client of the same scheduler
        self._client.subscribe_topic(self._topic, self._on_progress)

    def _start_workers(self, variables: Mapping[str, str]) -> Any:
        """An embedded cluster; started anew when something kills one of its workers before all of them are there."""
        import distributed

        forkserver.start(variables)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return distributed.LocalCluster(
                    n_workers=self._embedded_workers(),
                    threads_per_worker=1,
                    host="127.0.0.1",
                    # Any free port, for this machine alone. None would be 8787, for everybody.
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                    silence_logs="CRITICAL",
                    preload=PRELOAD,
                )
            except RuntimeError as error:  # after Dask has ended the other workers
                if attempt == ATTEMPTS:
                    raise PipelineError(
                        f"the embedded cluster did not start: {ATTEMPTS} times in a row one of its worker processes "
                        "died at once, killed by somebody or for want of memory; try again, or with fewer workers "
                        "(params.yaml: execution.workers)"
                    ) from error

    def __exit__(self, *exception: object) -> None:
        for _, future in self._running.values():
            future.cancel(force=True)
        if self._local is not None:
            for nanny in list(self._local.workers.values()):
                nanny.close_gracefully()  # starts no other worker in place of the one that goes
                if nanny.pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(nanny.pid, signal.SIGKILL)
        # Do not wait for slow processes: they end with this one.
        if self._client is not None:
            with contextlib.suppress(TimeoutError):
                self._client.close(timeout=CLOSE_SECONDS)
        if self._local is not None:
            with contextlib.suppress(TimeoutError):
                self._local.close(timeout=CLOSE_SECONDS)

    @property
    def workers(self) -> int:
        """How many trainings run at once."""
        if self._client is None:
            return self._embedded_workers()
        there = self._client.nthreads().keys()
        return len(there if self._luggage is None else there & self._fit)

    def _embedded_workers(self) -> int:
        from dask.system import CPU_COUNT  # knows the limits of containers

        return self._execution.workers or CPU_COUNT

    def submit(self, key: int, task: TrainingTask, priority: float) -> None:
        """Queue a task; `key` names it in the events. It starts when events are next waited for, so that of tasks
        submitted together the one with the lowest priority is first."""
        if self._client is None:
            self._open(ENVIRONMENTS[task.instructions])
        if self._local is None and self._luggage is None:
            self._luggage = travel.send(self._client, task.sequences)
            self._look_at_workers(self._luggage)
        heapq.heappush(self._waiting, (priority, next(self._submissions), key, task))

    def _look_at_workers(self, luggage: travel.Luggage) -> None:
        """Let those train, of a running scheduler, that would train what this process does.

        Raises PipelineError where one of the first does not fit, or none answers. Who joins later and does not fit is
        named, and the study goes on.
        """
        here, first = fitness(), not self._fit
        deadline = time.monotonic() + CONNECT_SECONDS
        while new := sorted(self._client.nthreads().keys() - self._fit - self._unfit):
            for address, there in travel.ask(self._client, luggage, new, fitness).items():
                if (misfit := _misfit(address, here, there)) is None:
                    self._fit.add(address)
                elif first:
                    raise PipelineError(misfit)
                else:
                    self._unfit.add(address)
                    print(f"{misfit}; the study goes on without it", file=sys.stderr)
            if self._fit or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if not self._fit:
            raise PipelineError(f"no worker at {self._execution.scheduler} has taken this project's code and data")

    def has_news(self) -> bool:
        """Whether an event waits to be taken. Lets workers that are free start with what waits for them."""
        self._dispatch()
        return not self._events.empty()

    def next_event(self) -> Event:
        """Wait for the next event; a task's events come in order: Started, EpochFinished …, Finished.

        Raises PipelineError where a training can have no result, good or bad: the scheduler has gone, a worker is
        unfit, or dies of every attempt. Before that, what runs elsewhere ends and is told, so that it can be kept.
        """
        while True:
            if self._no_results and not self._running:
                raise PipelineError(
                    f"{self._no_results[0]}; finished trainings are kept: once that is mended, the same command goes on"
                )
            self._dispatch()
            try:
                # A timeout keeps the wait interruptible and notices workers that joined meanwhile.
                event = self._events.get(timeout=1.0)
            except queue.Empty:
                continue
            if isinstance(event, _SchedulerGone):
                raise PipelineError(
                    "the Dask scheduler has gone: once it is there again, the same command goes on with the trials "
                    "that are left"
                )
            if isinstance(event, _NoResult):
                waited, _ = self._running.pop(event.key)
                self._give_up(waited, event.reason)
                continue
            if isinstance(event, _WorkerDied):
                waited, _ = self._running.pop(event.key)
                self._deaths[event.key] += event.times
                if self._deaths[event.key] < ATTEMPTS:
                    heapq.heappush(self._waiting, waited)
                else:
                    self._give_up(waited, _obituary(self._deaths[event.key]))
                continue
            if event.key not in self._running:
                continue  # late news of a training that has been given up
            if isinstance(event, Finished):
                self._running.pop(event.key)
            return event

    def run(self, tasks: Mapping[int, TrainingTask], on_news: OnNews | None = None) -> dict[int, Finished]:
        """Train all of these and return how each ended, by key; `on_news` is told every event as it comes."""
        for key, task in tasks.items():
            self.submit(key, task, priority=key)
        finished: dict[int, Finished] = {}
        while len(finished) < len(tasks):
            event = self.next_event()
            if on_news is not None:
                on_news(event)
            if isinstance(event, Finished):
                finished[event.key] = event
        return finished

    def _give_up(self, waited: _Waiting, reason: str) -> None:
        """Start nothing new, since there is no result of this training."""
        _, _, key, task = waited
        self._no_results.append(f"trial {key}, {network_name(task.configuration)}, has no result: {reason}")
        self._waiting.clear()

    def _dispatch(self) -> None:
        try:
            self._start_waiting()
        except OSError:
            self._events.put(_SchedulerGone())

    def _start_waiting(self) -> None:
        if self._waiting and self._luggage is not None:
            self._look_at_workers(self._luggage)
        while self._waiting and not self._no_results and len(self._running) < self.workers:
            waited = heapq.heappop(self._waiting)
            _, _, key, task = waited
            future = self._start(key, task)
            self._running[key] = waited, future
            future.add_done_callback(functools.partial(self._on_done, key))

    def _start(self, key: int, task: TrainingTask) -> Any:
        if self._luggage is None:
            return self._client.submit(run_task, task.sequences, key, task, self._topic, pure=False)
        only = sorted(self._fit) if self._unfit else None
        return travel.submit(self._client, self._luggage, only, run_task, key, task, self._topic)

    def _on_progress(self, event: tuple[float, Any]) -> None:
        message = event[1]
        metrics = message["metrics"]
        self._events.put(
            Started(message["key"]) if metrics is None else EpochFinished(message["key"], EpochMetrics(**metrics))
        )

    def _on_done(self, key: int, future: Any) -> None:
        import distributed

        if future.cancelled():  # by Dask, which does that to all of them when the scheduler is no longer there
            self._events.put(_SchedulerGone())
            return
        try:
            self._events.put(future.result())
        except distributed.KilledWorker as error:
            self._events.put(_WorkerDied(key, error.allowed_failures + 1))
        except PipelineError as error:
            self._events.put(_NoResult(key, f"a worker cannot train: {error}"))
        except Exception as error:  # of anything but the training itself: see `run_task`
            self._events.put(_NoResult(key, f"a worker cannot train: {reason_of(error)}"))


def _misfit(address: str, here: dict[str, str], there: dict[str, str] | BaseException) -> str | None:
    """Why this worker would train something else than this process; None where it would not."""
    if isinstance(there, BaseException):
        cure = "start it with the environment of requirements.lock"
        return f"the worker at {address} cannot train: {reason_of(there)}; {cure}"
    for name, value in here.items():
        if there.get(name) != value:
            found = f"{name} is {value[:12]} here and {there.get(name, 'missing')[:12]} there"
            return f"the worker at {address} does not fit: {found}; give it the same, and start it again"
    return None


def _obituary(times: int) -> str:
    return (
        f"its worker process died in each of {times} attempts to train it: most likely memory ran out (fewer units, a "
        "smaller batch_size or fewer execution.workers need less), or it was killed"
    )
