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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from pipeline.data.sequences import SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.document import ExecutionParams
from pipeline.params.network import network_name
from pipeline.paths import SEQUENCES_SUMMARY
from pipeline.training import forkserver, travel
from pipeline.training.process import ENVIRONMENTS
from pipeline.training.seeds import seeds_at_once
from pipeline.training.task import (
    EpochFinished,
    Event,
    Finished,
    Started,
    TrainingTask,
    Unfit,
    fitness,
    misfit,
    reason_of,
    run_if_fit,
    run_tasks,
)
from pipeline.training.trials import EpochMetrics

# A training whose worker died (killed, out of memory) is tried this many times in all.
ATTEMPTS = 3

LOOKED_AT = 100  # of the tasks that wait, for such as train together with the next one

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
    future: Any
    key: int
    times: int


@dataclass(frozen=True)
class _NoResult:
    """Something other than the training itself kept it from a result."""

    future: Any
    key: int
    reason: str


@dataclass(frozen=True)
class _Unfit:
    future: Any
    key: int
    worker: str
    why: str


@dataclass(frozen=True)
class _SchedulerGone:
    pass


_Waiting = tuple[float, int, int, TrainingTask]  # priority, number of the submission to break ties, key, task


class _Running(NamedTuple):
    waited: _Waiting  # the task as it waited
    future: Any  # Dask's; tasks that train together have one
    only: set[str] | None  # the addresses of the workers that may train it, None for any


OnNews = Callable[[Event], None]


class Cluster:
    """Runs training tasks, as many at once as there are workers, and reports their progress as events. Tasks that
    differ in nothing but their seeds may run as one computation in one worker (`seeds`).

    Tasks wait here rather than in Dask's queue, which gives them an order of our own: `priority`, lowest first.
    """

    def __init__(self, execution: ExecutionParams) -> None:
        self._execution = execution
        self._waiting: list[_Waiting] = []  # a heap
        self._submissions = itertools.count()
        self._running: dict[int, _Running] = {}  # by key
        self._events: queue.Queue[Event | _WorkerDied | _NoResult | _Unfit | _SchedulerGone] = queue.Queue()
        self._no_results: list[str] = []  # why trainings have none; then nothing new is started
        self._deaths: Counter[int] = Counter()  # by key
        self._local: Any = None  # the embedded cluster, if there is one
        self._luggage: travel.Luggage | None = None  # what the workers of a running scheduler have of this project
        self._sent: Path | None = None  # the folder of the sequences that they have
        self._unfit: set[str] = set()  # addresses of workers that would train something else
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
        _check_certificates(self._execution.scheduler)
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
        for running in self._running.values():
            running.future.cancel(force=True)
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
        return self._embedded_workers() if self._client is None else len(self._fit())

    def _fit(self) -> set[str]:
        """The addresses of the workers that are there now, but for those that are known to be unfit."""
        there = set(self._client.nthreads())
        self._unfit &= there  # where one is started again, with something else, it is asked again
        return there - self._unfit

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
            self._ask_workers(self._luggage)
            self._sent = task.sequences
        assert self._luggage is None or task.sequences == self._sent, "other sequences than the workers have"
        heapq.heappush(self._waiting, (priority, next(self._submissions), key, task))

    def _ask_workers(self, luggage: travel.Luggage) -> None:
        """Raise PipelineError where a worker of a running scheduler would not train what this process does, or none
        answers. Who joins later is asked with its first training."""
        here, answers = fitness(), 0
        deadline = time.monotonic() + CONNECT_SECONDS
        while not answers:
            if time.monotonic() > deadline:
                raise PipelineError(f"no worker at {self._execution.scheduler} has taken this project's code and data")
            for address, there in travel.ask(self._client, luggage, fitness).items():
                why = misfit(here, there) if isinstance(there, dict) else reason_of(there)
                if why is not None:
                    raise PipelineError(_unfit(address, why))
                answers += 1

    def start_waiting(self) -> None:
        """Let workers that are free start with what waits for them; `next_event` does it, too."""
        try:
            self._dispatch()
        except OSError:
            self._events.put(_SchedulerGone())

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
            self.start_waiting()
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
            if isinstance(event, _Unfit | _NoResult | _WorkerDied) and not self._is_of_now(event):
                continue
            if isinstance(event, _Unfit):
                self._leave_out(event)
                continue
            if isinstance(event, _NoResult):
                self._give_up(self._running.pop(event.key).waited, event.reason)
                continue
            if isinstance(event, _WorkerDied):
                waited = self._running.pop(event.key).waited
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

    def _is_of_now(self, event: _Unfit | _NoResult | _WorkerDied) -> bool:
        """Whether this is of the training that runs now, not of an attempt before it."""
        running = self._running.get(event.key)
        return running is not None and running.future is event.future

    def _leave_out(self, event: _Unfit) -> None:
        """Train elsewhere what a worker was given that joined later and does not fit."""
        waited = self._running.pop(event.key).waited
        heapq.heappush(self._waiting, waited)
        if event.worker not in self._unfit:
            self._unfit.add(event.worker)
            if not self._fit():
                self._give_up(waited, _unfit(event.worker, event.why))
            else:
                print(f"{_unfit(event.worker, event.why)}; the study goes on without it", file=sys.stderr)

    def _dispatch(self) -> None:
        if self._unfit:
            self._free_from_the_lost()
        workers = self.workers if self._waiting else 0
        while self._waiting and not self._no_results and self._jobs < workers:
            together = self._take(workers)
            only = self._fit() if self._unfit else None
            future = self._start({key: task for _, _, key, task in together}, only)
            for waited in together:
                self._running[waited[2]] = _Running(waited, future, only)
            future.add_done_callback(functools.partial(self._on_done, [waited[2] for waited in together]))

    @property
    def _jobs(self) -> int:
        """How many workers are busy: trainings that run together keep one."""
        return len({id(running.future) for running in self._running.values() if running.future.status != "finished"})

    def _free_from_the_lost(self) -> None:
        """Dask would keep for ever what only workers may train that are no longer there."""
        fit = self._fit()
        lost = [
            key
            for key, running in self._running.items()
            if running.only is not None and not running.only & fit and not running.future.done()
        ]
        futures = {id(running.future): running.future for running in map(self._running.__getitem__, lost)}
        for key in lost:
            heapq.heappush(self._waiting, self._running.pop(key).waited)
        for future in futures.values():  # one for all that train together
            future.cancel(force=True)

    def _take(self, workers: int) -> list[_Waiting]:
        """The next task, and others that train together with it; for every other worker one is left.

        Together they come out as alone, so that nothing depends on which are waiting just now. One whose worker has
        died goes on alone: it may be the reason.
        """
        first = heapq.heappop(self._waiting)
        room = len(self._waiting) - workers + 2
        if room > 1:
            room = min(room, self._seeds_at_once(first))
        together = [first]
        for waited in self._waiting[:LOOKED_AT] if room > 1 else []:
            if len(together) >= room:
                break
            if not self._deaths[waited[2]] and _differ_in_seed(waited[3], first[3]):
                together.append(waited)
        if len(together) > 1:
            self._waiting = [waited for waited in self._waiting if waited not in together]
            heapq.heapify(self._waiting)
        return together

    def _seeds_at_once(self, waited: _Waiting) -> int:
        _, _, key, task = waited
        # That bits are the same has been tried out with these instructions alone.
        if self._deaths[key] or task.should_prune is not None or task.instructions != "avx2":
            return 1
        try:
            summary = SequencesSummary.read(task.sequences / SEQUENCES_SUMMARY.name)
        except (OSError, PipelineError):  # the worker will say so
            return 1
        return seeds_at_once(task.configuration, task.held_out, summary)

    def _start(self, tasks: dict[int, TrainingTask], only: set[str] | None) -> Any:
        """`only` are the addresses that may train these; None stands for any."""
        sequences = next(iter(tasks.values())).sequences
        if self._luggage is None:
            return self._client.submit(run_tasks, sequences, tasks, self._topic, pure=False)
        return travel.submit(self._client, self._luggage, only, run_if_fit, fitness(), tasks, self._topic)

    def _on_progress(self, event: tuple[float, Any]) -> None:
        message = event[1]
        metrics = message["metrics"]
        self._events.put(
            Started(message["key"]) if metrics is None else EpochFinished(message["key"], EpochMetrics(**metrics))
        )

    def _on_done(self, keys: Sequence[int], future: Any) -> None:
        import distributed

        if future.cancelled():  # by Dask, which does that to all of them when the scheduler is no longer there
            if not any(key in self._running and self._running[key].future is future for key in keys):
                return  # by this process, see `_free_from_the_lost`
            self._events.put(_SchedulerGone())
            return
        try:
            result = future.result()
            events: list[Event | _WorkerDied | _NoResult | _Unfit] = (
                [_Unfit(future, key, result.worker, result.why) for key in keys]
                if isinstance(result, Unfit)
                else [*result]
            )
        except distributed.KilledWorker as error:
            # Several may have needed more memory than one: each has its tries alone, however often Dask has tried all.
            times = error.allowed_failures + 1 if len(keys) == 1 else 1
            events = [_WorkerDied(future, key, times) for key in keys]
        except PipelineError as error:
            events = [_NoResult(future, key, f"a worker cannot train: {error}") for key in keys]
        except Exception as error:  # of anything but the training itself: see `run_tasks`
            events = [_NoResult(future, key, f"a worker cannot train: {reason_of(error)}") for key in keys]
        for event in events:
            self._events.put(event)


def _differ_in_seed(one: TrainingTask, other: TrainingTask) -> bool:
    return one.configuration == other.configuration and replace(one, seed=other.seed) == other


def _check_certificates(scheduler: str | None) -> None:
    """Raise PipelineError where the address wants certificates and Dask has been told of none."""
    from dask import config

    if scheduler is not None and scheduler.startswith("tls://"):
        for name in ("ca-file", "client.cert", "client.key"):
            if config.get(f"distributed.comm.tls.{name}") is None:
                variable = f"DASK_DISTRIBUTED__COMM__TLS__{name.upper().replace('-', '_').replace('.', '__')}"
                raise PipelineError(
                    f"{scheduler} (params.yaml: execution.scheduler) wants certificates: set {variable} to the path of "
                    "that file, see docs/cluster.md"
                )


def _unfit(worker: str, why: str) -> str:
    return f"the worker at {worker} cannot train what is asked for: {why}; see docs/cluster.md for what a worker needs"


def _obituary(times: int) -> str:
    return (
        f"its worker process died in each of {times} attempts to train it: most likely memory ran out (fewer units, a "
        "smaller batch_size or fewer execution.workers need less), or it was killed"
    )
