"""Tasks run in worker processes, embedded or of a scheduler that runs already; a worker's death costs a try."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from dask import config as dask_config
from distributed.security import Security

from pipeline.errors import PipelineError
from pipeline.params.document import ExecutionParams
from pipeline.params.settings import Configuration
from pipeline.training.cluster import ATTEMPTS, Cluster
from pipeline.training.inputs import HeldOut, fold_of, load_data
from pipeline.training.machine import processor
from pipeline.training.model_file import load_model, model_bytes
from pipeline.training.process import ENVIRONMENTS
from pipeline.training.task import EpochFinished, Event, Finished, ShouldPrune, Started, TrainingTask
from pipeline.training.train import train
from tests.helpers.dask import Dask
from tests.helpers.processes import worker_processes
from tests.helpers.sequences import CLASSES, write_sequences

ROOT = Path(__file__).parents[2]
GRU = Configuration(cell="gru", units=3, batch_size=32, epochs=2, learning_rate=0.01)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sequences")
    write_sequences(folder)
    return folder


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Dask]:
    """A scheduler with two workers that have nothing of this project but its libraries."""
    with Dask(tmp_path) as started:
        for _ in range(2):
            started.start_worker()
        yield started


def run_all(cluster: Cluster, tasks: dict[int, TrainingTask]) -> tuple[dict[int, Finished], list[tuple[type, int]]]:
    """How each task ended, and all events as they came."""
    events: list[tuple[type, int]] = []
    finished = cluster.run(tasks, lambda event: events.append((type(event), event.key)))
    return finished, events


def assert_as_here(sequences: Path, finished: Finished, seed: int) -> None:
    """The training of GRU with this seed is the one that this process makes."""
    assert finished.result is not None
    _, here = train(GRU, load_data(sequences, "validation"), seed)
    assert finished.result.weights_sha256 == here.weights_sha256
    assert finished.result.epochs == here.epochs


@pytest.mark.usefixtures("one_thread")
def test_workers_of_a_running_scheduler_train_what_this_process_trains(dask: Dask, sequences: Path) -> None:
    tasks = {seed: TrainingTask(GRU, seed, sequences, "validation", "avx2") for seed in range(3)}
    with Cluster(ExecutionParams(scheduler=dask.address)) as cluster:
        with Cluster(ExecutionParams(scheduler=dask.address)) as other:
            another_study = threading.Thread(target=run_all, args=(other, tasks))
            another_study.start()
            finished, events = run_all(cluster, tasks)
            another_study.join()
        endless = GRU.model_copy(update={"epochs": 10_000})
        killer = threading.Timer(2, dask.kill, [dask.scheduler])
        killer.start()
        with pytest.raises(PipelineError, match="the Dask scheduler has gone"):
            run_all(cluster, {0: TrainingTask(endless, 0, sequences, "validation", "avx2")})
        killer.join()
    for seed in tasks:
        assert_as_here(sequences, finished[seed], seed)
        own = [kind for kind, key in events if key == seed]
        assert own == [Started, EpochFinished, EpochFinished, Finished]
        result = finished[seed].result
        assert result is not None
        assert result.worker.startswith("tcp://127.0.0.1:")
        assert result.processor == processor()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result.trained_at)


@pytest.mark.usefixtures("one_thread")
def test_code_and_data_travel_to_workers_that_join_later_too(dask: Dask, sequences: Path, tmp_path: Path) -> None:
    lent = tmp_path / "lent"
    shutil.copytree(sequences, lent)
    longer = GRU.model_copy(update={"epochs": 300})
    with Cluster(ExecutionParams(scheduler=dask.address)) as cluster:
        cluster.submit(0, TrainingTask(longer, 0, lent, "validation", "avx2", wants_model=True), priority=0)
        shutil.rmtree(lent)
        first = cluster.next_event()
        dask.kill(*dask.workers)
        dask.start_worker()
        while not isinstance(end := cluster.next_event(), Finished):
            pass
    assert isinstance(first, Started)
    assert end.result is not None
    model, here = train(longer, load_data(sequences, "validation"), 0)
    assert end.result.weights_sha256 == here.weights_sha256
    assert end.model == model_bytes(model)


@pytest.mark.usefixtures("one_thread")
def test_with_certificates_everything_is_encrypted(sequences: Path, tmp_path: Path) -> None:
    files = tls_files(tmp_path)
    options = [f"--tls-{name.replace('_', '-')}={file}" for name, file in files.items()]
    with Dask(tmp_path, "--protocol", "tls", *options) as dask:
        dask.start_worker()
        # As the variables DASK_DISTRIBUTED__COMM__TLS__… say it, which Dask reads when it is imported.
        names = {"ca_file": "ca-file", "cert": "client.cert", "key": "client.key"}
        with (
            dask_config.set({f"distributed.comm.tls.{names[name]}": str(file) for name, file in files.items()}),
            Cluster(ExecutionParams(scheduler=dask.address)) as cluster,
        ):
            finished, _ = run_all(cluster, {0: TrainingTask(GRU, 0, sequences, "validation", "avx2")})
    assert dask.address.startswith("tls://")
    assert_as_here(sequences, finished[0], 0)
    assert finished[0].result is not None
    assert finished[0].result.worker.startswith("tls://")


def tls_files(folder: Path) -> dict[str, Path]:
    """A certificate, which is its own authority, and its key."""
    security = Security.temporary()
    contents = {"ca_file": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    files = {name: folder / f"{name}.pem" for name in contents}
    for name, file in files.items():
        file.write_text(str(contents[name]))
    return files


UNFIT = (
    r"the worker at tcp://127\.0\.0\.1:\d+ cannot train what is asked for: tensorflow is [\d.]+ where the study is, "
    r"and 9\.9 there; see docs/cluster\.md for what a worker needs"
)


def other_tensorflow(folder: Path) -> dict[str, str]:
    """The environment of a machine that seems to have another TensorFlow."""
    information = folder / "other" / "tensorflow-9.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow\nVersion: 9.9\n")
    return {"PYTHONPATH": str(information.parent)}


def test_a_worker_that_would_train_something_else_is_named_before_the_first_training(
    dask: Dask, sequences: Path, tmp_path: Path
) -> None:
    dask.start_worker(**other_tensorflow(tmp_path))
    with Cluster(ExecutionParams(scheduler=dask.address)) as cluster:
        cluster._client.wait_for_workers(3)
        with pytest.raises(PipelineError) as caught:
            cluster.run({0: TrainingTask(GRU, 0, sequences, "validation", "avx2")})
    assert re.fullmatch(UNFIT, str(caught.value))


@pytest.mark.usefixtures("one_thread")
def test_one_that_joins_later_and_does_not_fit_is_named_and_left_out(
    dask: Dask, sequences: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    long = GRU.model_copy(update={"epochs": 300})
    with Cluster(ExecutionParams(scheduler=dask.address)) as cluster:
        cluster._client.wait_for_workers(2)
        tasks = {seed: TrainingTask(GRU, seed, sequences, "validation", "avx2") for seed in range(7)}
        finished, _ = run_all(cluster, {0: tasks[0]})
        fit = cluster._client.nthreads().keys()
        dask.start_worker(**other_tensorflow(tmp_path))
        cluster._client.wait_for_workers(3)
        while cluster.workers == 3:  # it takes Dask some tasks to give one to the third
            finished |= run_all(cluster, tasks)[0]
        assert {end.result.worker for end in finished.values() if end.result is not None} <= fit

        # What only the fit ones may train is not lost with them.
        cluster.submit(7, TrainingTask(long, 0, sequences, "validation", "avx2"), priority=0)
        while not isinstance(cluster.next_event(), EpochFinished):
            pass
        dask.kill(*dask.workers[:2])
        dask.start_worker()
        while not isinstance(last := cluster.next_event(), Finished):
            pass
    assert len(re.findall(f"{UNFIT}; the study goes on without it", capfd.readouterr().err)) == 1
    for seed, end in finished.items():
        assert_as_here(sequences, end, seed)
    assert last.result is not None
    assert last.result.weights_sha256 == train(long, load_data(sequences, "validation"), 0)[1].weights_sha256


def test_what_a_lost_worker_trained_is_not_taken_from_one_that_does_not_fit(
    dask: Dask, sequences: Path, tmp_path: Path
) -> None:
    """Dask gives it to any worker that is there."""
    endless = GRU.model_copy(update={"epochs": 10_000})
    with Cluster(ExecutionParams(scheduler=dask.address)) as cluster:
        cluster.submit(0, TrainingTask(endless, 0, sequences, "validation", "avx2"), priority=0)
        while not isinstance(cluster.next_event(), EpochFinished):
            pass
        dask.start_worker(**other_tensorflow(tmp_path))
        cluster._client.wait_for_workers(3)
        dask.kill(*dask.workers[:2])
        with pytest.raises(PipelineError, match=f"^trial 0, GRU 1×3, has no result: {UNFIT}"):
            deque(iter(cluster.next_event, None))


def test_data_that_are_missing_here_cannot_travel(dask: Dask, tmp_path: Path) -> None:
    with Cluster(ExecutionParams(scheduler=dask.address)) as cluster, pytest.raises(FileNotFoundError):
        cluster.run({0: TrainingTask(GRU, 0, tmp_path / "sequences", "validation", "avx2")})


@pytest.mark.usefixtures("one_thread")
def test_an_embedded_cluster_saves_models_and_fails_what_fails(
    sequences: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    diverging = GRU.model_copy(update={"optimizer": "sgd", "learning_rate": 3e38})
    with Cluster(ExecutionParams(workers=2)) as cluster:
        finished = cluster.run(
            {
                0: TrainingTask(GRU, 0, sequences, "nothing", "avx2", wants_model=True),
                1: TrainingTask(diverging, 0, sequences, "validation", "avx2"),
                2: TrainingTask(GRU, 0, sequences, "validation", "avx2"),
            }
        )
    assert finished[0].result is not None
    assert finished[0].result.best.validation_accuracy is None
    assert finished[1].error is not None
    assert finished[1].error.startswith("TrainingFailed: the loss is not a finite number after epoch")
    assert [finished[key].model for key in (1, 2)] == [None, None]
    assert capfd.readouterr().err == "", "TensorFlow in a worker writes nothing over the progress bar"

    assert finished[0].model is not None
    (tmp_path / "model.keras").write_bytes(finished[0].model)
    assert load_model(tmp_path / "model.keras").output_shape == (None, CLASSES)
    model, _ = train(GRU, load_data(sequences, "nothing", "avx2"), 0)
    assert finished[0].model == model_bytes(model), "a worker's model is the same bytes as one that is trained here"


def test_a_cluster_runs_one_set_of_tasks_after_the_other(sequences: Path) -> None:
    """Tasks start in the order of their keys. A listener that raises ends the waiting, and the cluster still closes."""
    tasks = {seed: TrainingTask(GRU, seed, sequences, "validation", "avx2") for seed in (5, 3)}
    endless = GRU.model_copy(update={"epochs": 10_000})

    def stop(event: Event) -> None:
        raise KeyboardInterrupt

    with Cluster(ExecutionParams(workers=1)) as cluster:
        finished, events = run_all(cluster, tasks)
        assert {key: event.key for key, event in finished.items()} == {3: 3, 5: 5}
        assert events == [
            (kind, key) for key in (3, 5) for kind in (Started, EpochFinished, EpochFinished, Finished)
        ]  # fmt: skip
        assert run_all(cluster, {}) == ({}, [])
        again = cluster.run({5: tasks[5]})[5].result
        with pytest.raises(KeyboardInterrupt):
            cluster.run({0: TrainingTask(endless, 0, sequences, "validation", "avx2")}, stop)
    three, five = finished[3].result, finished[5].result
    assert three is not None
    assert five is not None
    assert again is not None
    assert three.weights_sha256 != five.weights_sha256 == again.weights_sha256


def test_no_worker_is_started_before_there_is_a_training() -> None:
    """A study that is replayed from the record trains nothing."""
    with Cluster(ExecutionParams(workers=3)) as cluster:
        assert cluster.workers == 3
        assert cluster.run({}) == {}
        assert worker_processes(psutil.Process()) == []


def test_no_news_of_a_training_is_lost_however_fast_the_worker_is(
    sequences: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TrainingTask(GRU, 0, sequences, "validation", "avx2")
    with Cluster(ExecutionParams(workers=1)) as cluster:
        cluster.run({0: task})
        submit: Callable[..., Any] = cluster._client.submit

        def submit_and_sleep(*arguments: Any, **options: Any) -> Any:
            future = submit(*arguments, **options)
            future.result()
            time.sleep(0.1)
            return future

        monkeypatch.setattr(cluster._client, "submit", submit_and_sleep)
        _, events = run_all(cluster, {0: task})
    assert events == [(Started, 0), (EpochFinished, 0), (EpochFinished, 0), (Finished, 0)]


def test_a_training_outlives_its_workers(sequences: Path, tmp_path: Path) -> None:
    """Workers die in the middle of a training, as those do for which there is too little memory."""
    kills = killer(tmp_path / "kills", ATTEMPTS - 1)
    tasks = {
        0: TrainingTask(GRU, 0, sequences, "validation", "avx2"),
        1: TrainingTask(GRU, 0, sequences, "validation", "avx2", should_prune=kills),
    }
    with Cluster(ExecutionParams(workers=2)) as cluster:
        finished, _ = run_all(cluster, tasks)
    undisturbed, outlived = finished[0].result, finished[1].result
    assert undisturbed is not None
    assert outlived is not None, finished[1].error
    assert outlived.weights_sha256 == undisturbed.weights_sha256


def test_a_training_that_kills_all_its_workers_is_no_result(sequences: Path, tmp_path: Path) -> None:
    """Of that the cluster tells when what ran beside it has ended; nothing else is started."""
    kills = killer(tmp_path / "kills", ATTEMPTS)
    long = GRU.model_copy(update={"epochs": 100_000})
    tasks = {
        0: TrainingTask(GRU, 0, sequences, "validation", "avx2", should_prune=kills),
        1: TrainingTask(long, 0, sequences, "validation", "avx2", should_prune=later_than(tmp_path / "kills")),
        2: TrainingTask(GRU, 1, sequences, "validation", "avx2"),
    }
    finished: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, Finished):
            finished.append(event.key)

    with Cluster(ExecutionParams(workers=2)) as cluster, pytest.raises(PipelineError) as caught:
        cluster.run(tasks, note)
    assert str(caught.value) == (
        "trial 0, GRU 1×3, has no result: its worker process died in each of 3 attempts to train it: most likely "
        "memory ran out (fewer units, a smaller batch_size or fewer execution.workers need less), or it was killed; "
        "finished trainings are kept: once that is mended, the same command goes on"
    )
    assert finished == [1]


# With one epoch fewer, each would train alone.
STEADY = GRU.model_copy(update={"units": 8, "batch_size": 2, "epochs": 21, "train_samples": 96})


def watched(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The keys of the tasks that start together, as they start."""
    started: list[list[int]] = []
    start = cluster._start

    def watch(tasks: dict[int, TrainingTask], only: set[str] | None) -> Any:
        started.append(list(tasks))
        return start(tasks, only)

    monkeypatch.setattr(cluster, "_start", watch)
    return started


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("held_out", ["validation", "fold"])
def test_seeds_of_one_configuration_train_together_and_come_out_as_alone(
    sequences: Path, held_out: HeldOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One task is left for the other worker; another configuration trains alone."""
    tasks = {seed: TrainingTask(STEADY, seed, sequences, held_out, "avx2") for seed in range(3)}
    tasks[3] = TrainingTask(STEADY.model_copy(update={"units": 16}), 0, sequences, held_out, "avx2")
    with Cluster(ExecutionParams(workers=2)) as cluster:
        started = watched(cluster, monkeypatch)
        finished, events = run_all(cluster, tasks)
    assert started == [[0, 1, 2], [3]]
    for key, task in tasks.items():
        fold = fold_of(task.seed) if held_out == "fold" else None
        _, here = train(task.configuration, load_data(sequences, held_out, None, fold), task.seed)
        result = finished[key].result
        assert result is not None
        assert (result.weights_sha256, result.epochs, result.mistakes) == (
            here.weights_sha256, here.epochs, here.mistakes
        )  # fmt: skip
        assert [kind for kind, own in events if own == key] == [Started, *[EpochFinished] * 21, Finished]


def test_trainings_whose_worker_dies_go_on_alone(sequences: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {seed: TrainingTask(STEADY, seed, sequences, "validation", "avx2") for seed in range(3)}
    with Cluster(ExecutionParams(workers=1)) as cluster:
        started = watched(cluster, monkeypatch)
        killed: list[int] = []

        def kill_once(event: Event) -> None:
            if isinstance(event, EpochFinished) and not killed:
                (worker,) = worker_processes(psutil.Process())
                killed.append(worker.pid)
                worker.kill()

        finished = cluster.run(tasks, kill_once)
        assert cluster._deaths == {0: 1, 1: 1, 2: 1}
    assert started == [[0, 1, 2], [0], [1], [2]]
    assert all(end.result is not None for end in finished.values())


def test_damaged_data_are_no_result_of_a_training(sequences: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "sequences"
    shutil.copytree(sequences, damaged)
    whole = (damaged / "train.npz").read_bytes()
    (damaged / "train.npz").write_bytes(whole[: len(whole) // 2])
    task = TrainingTask(GRU, 0, damaged, "validation", "avx2")
    with (
        Cluster(ExecutionParams(workers=1)) as cluster,
        pytest.raises(PipelineError, match=r"GRU 1×3, has no result: a worker cannot train: .*is no \.npz archive"),
    ):
        cluster.run({0: task})
    (damaged / "train.npz").write_bytes(whole)
    with Cluster(ExecutionParams(workers=1)) as cluster:
        assert cluster.run({0: task})[0].error is None


def test_what_listens_is_for_this_machine_alone(sequences: Path) -> None:
    with Cluster(ExecutionParams(workers=2)) as cluster:
        cluster.run({0: TrainingTask(GRU, 0, sequences, "validation", "avx2")})
        driver = psutil.Process()
        processes = [driver, *driver.children(recursive=True)]
        listening = [
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
    assert len(listening) >= 3, "a scheduler and two workers"
    assert set(listening) == {"127.0.0.1"}


def killer(folder: Path, deaths: int) -> ShouldPrune:
    """A pruner that kills the worker it runs in, the first so many times."""
    folder.mkdir()

    def should_prune(_: list[float]) -> bool:
        died = len(list(folder.iterdir()))
        if died < deaths:
            (folder / str(died)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    return should_prune


def later_than(folder: Path) -> ShouldPrune:
    """A pruner that ends its training three seconds after the last kill that `killer` has noted in this folder."""

    def should_prune(_: list[float]) -> bool:
        notes = list(folder.iterdir())
        return len(notes) == ATTEMPTS and time.time() - max(note.stat().st_mtime for note in notes) > 3

    return should_prune


def test_an_embedded_worker_is_started_for_the_instructions_of_its_task(sequences: Path, tmp_path: Path) -> None:
    """TensorFlow reads them when it is imported, before the worker has a task."""
    with Cluster(ExecutionParams(workers=1)) as cluster:
        task = TrainingTask(GRU, 0, sequences, "validation", "avx2", note_environment(tmp_path / "environment.json"))
        assert cluster.run({0: task})[0].error is None
    found = json.loads((tmp_path / "environment.json").read_text(encoding="utf-8"))
    assert found | ENVIRONMENTS["avx2"] == found


def test_a_worker_that_cannot_train_ends_the_study_and_fails_no_training(sequences: Path) -> None:
    """What it says is no result: the same trainings may go well on another worker."""
    with Cluster(ExecutionParams(workers=1)) as cluster:
        assert cluster.run({0: TrainingTask(GRU, 0, sequences, "validation", "avx2")})[0].error is None
        with pytest.raises(
            PipelineError,
            match=r"^trial 1, GRU 1×3, has no result: a worker cannot train: this process has imported TensorFlow with",
        ):
            cluster.run({1: TrainingTask(GRU, 0, sequences, "validation", "native")})


def note_environment(file: Path) -> ShouldPrune:
    """A pruner that writes down the environment of the worker it runs in."""

    def should_prune(_: list[float]) -> bool:
        file.write_text(json.dumps(dict(os.environ)), encoding="utf-8")
        return True

    return should_prune


@pytest.mark.parametrize("deaths", [1, ATTEMPTS])
def test_an_embedded_cluster_is_started_again_a_few_times(sequences: Path, deaths: int) -> None:
    """A worker of each of the first `deaths` starts is killed as soon as it is there."""
    victims: set[int] = set()

    def kill_early() -> None:
        while len(victims) < deaths and threading.main_thread().is_alive():
            fresh = [child.pid for child in worker_processes(psutil.Process()) if child.pid not in victims]
            if fresh:
                victims.add(fresh[0])
                os.kill(fresh[0], signal.SIGKILL)
            time.sleep(0.005)

    def train_one(workers: int) -> None:
        with Cluster(ExecutionParams(workers=workers)) as cluster:
            finished = cluster.run({0: TrainingTask(GRU, 0, sequences, "validation", "avx2")})
            assert finished[0].result is not None
            assert cluster.workers == workers

    killer = threading.Thread(target=kill_early)
    killer.start()
    if deaths == ATTEMPTS:
        with pytest.raises(PipelineError, match="3 times in a row one of its worker processes died"):
            train_one(workers=1)
    else:
        train_one(workers=2)
    killer.join()
    assert len(victims) == deaths
    assert worker_processes(psutil.Process()) == []


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.training.cluster.CONNECT_SECONDS", 1)
    with (
        pytest.raises(PipelineError, match=r"no Dask workers at tcp://127\.0\.0\.1:1: start `dask scheduler`"),
        Cluster(ExecutionParams(scheduler="tcp://127.0.0.1:1")),
    ):
        pass


def test_a_certificate_that_is_wanted_and_missing_is_named() -> None:
    for names, missing in ((), "CA_FILE"), (("ca-file",), "CLIENT__CERT"), (("ca-file", "client.cert"), "CLIENT__KEY"):
        told = rf"^tls://10\.0\.0\.1:1 .*: set DASK_DISTRIBUTED__COMM__TLS__{missing} to the path of that file"
        with (
            dask_config.set({f"distributed.comm.tls.{name}": "any.pem" for name in names}),
            pytest.raises(PipelineError, match=told),
            Cluster(ExecutionParams(scheduler="tls://10.0.0.1:1")),
        ):
            pass


STOPPED_AS_IT_STARTS = """
import os, signal, threading
import distributed
from pipeline.params.document import ExecutionParams
from pipeline.training.cluster import Cluster

start = distributed.LocalCluster.__init__
def start_and_stop(cluster, **options):
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    start(cluster, **options)
distributed.LocalCluster.__init__ = start_and_stop

if __name__ == "__main__":
    try:
        with Cluster(ExecutionParams(workers=2)) as cluster:
            cluster._open({})
    except KeyboardInterrupt:
        print("stopped")
"""


def test_a_cluster_that_is_stopped_as_it_starts_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(STOPPED_AS_IT_STARTS)
    done = subprocess.run(
        [sys.executable, "driver.py"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=200,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.stdout == "stopped\n"
