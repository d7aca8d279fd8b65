"""Tasks run in worker processes, embedded or of a scheduler that runs already; a worker's death costs a try."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.cluster import Cluster, EpochFinished, Finished, Started, TrainingTask, load_data
from pipeline.errors import PipelineError
from pipeline.params import Configuration, ExecutionParams
from pipeline.training import configure_tensorflow, train
from tests.example_sequences import CLASSES, write_sequences

ROOT = Path(__file__).parents[1]
GRU = Configuration(cell="gru", units=3, batch_size=32, epochs=2, learning_rate=0.01)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sequences")
    write_sequences(folder)
    return folder


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """The address of a real `dask scheduler` with two real `dask worker` processes."""
    file = tmp_path / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    dask = [sys.executable, "-m", "dask"]
    options = ["--scheduler-file", str(file)]
    commands = [[*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *options]]
    commands += [[*dask, "worker", "--nthreads", "1", "--no-dashboard", *options]] * 2
    processes = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    yield json.loads(file.read_text(encoding="utf-8"))["address"]
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=30)


def run_all(cluster: Cluster, tasks: dict[int, TrainingTask]) -> tuple[dict[int, Finished], list[tuple[type, int]]]:
    for key, task in tasks.items():
        cluster.submit(key, task, priority=key)
    events: list[tuple[type, int]] = []
    finished: dict[int, Finished] = {}
    while len(finished) < len(tasks):
        event = cluster.next_event()
        events.append((type(event), event.key))
        if isinstance(event, Finished):
            finished[event.key] = event
    return finished, events


def test_workers_of_a_running_scheduler_train_what_this_process_trains(scheduler: str, sequences: Path) -> None:
    tasks = {seed: TrainingTask(GRU, seed, sequences, "validation") for seed in range(3)}
    with Cluster(ExecutionParams(scheduler=scheduler)) as cluster:
        finished, events = run_all(cluster, tasks)
        assert cluster.workers == 2
    for seed, task in tasks.items():
        result = finished[seed].result
        assert result is not None
        configure_tensorflow()
        _, here = train(GRU, load_data(sequences, "validation"), task.seed)
        assert result.weights_sha256 == here.weights_sha256
        assert result.epochs == here.epochs
        own = [kind for kind, key in events if key == seed]
        assert own == [Started, EpochFinished, EpochFinished, Finished]
    assert all(event.worker.startswith("tcp://127.0.0.1:") for event in finished.values())


def test_an_embedded_cluster_saves_models_fails_what_fails_and_survives_a_killed_worker(
    sequences: Path, tmp_path: Path
) -> None:
    import keras

    diverging = GRU.model_copy(update={"optimizer": "sgd", "learning_rate": 3e38})
    long = GRU.model_copy(update={"epochs": 400})
    with Cluster(ExecutionParams(workers=2)) as cluster:
        finished, _ = run_all(
            cluster,
            {
                0: TrainingTask(GRU, 0, sequences, "nothing", save_to=tmp_path / "model.keras"),
                1: TrainingTask(diverging, 0, sequences, "validation"),
            },
        )
        assert finished[0].result is not None
        assert finished[0].result.best.validation_accuracy is None
        assert finished[1].error is not None
        assert finished[1].error.startswith("TrainingFailed: the loss is not a finite number after epoch")

        cluster.submit(2, TrainingTask(long, 0, sequences, "validation"), priority=0)
        while not isinstance(cluster.next_event(), EpochFinished):
            pass
        killed = kill_the_worker_that_trains()
        while not isinstance(event := cluster.next_event(), Finished):
            pass
        assert event.result is not None, f"the training of killed worker {killed} is tried again: {event.error}"
        assert len(event.result.epochs) == 400
    assert keras.saving.load_model(tmp_path / "model.keras").output_shape == (None, CLASSES)


def kill_the_worker_that_trains() -> int:
    import psutil

    children = [c for c in psutil.Process().children() if "spawn_main" in " ".join(c.cmdline())]
    busiest = max(children, key=lambda child: child.cpu_percent(interval=0.3))
    os.kill(busiest.pid, signal.SIGKILL)
    return busiest.pid


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cluster.CONNECT_SECONDS", 1)
    with (
        pytest.raises(PipelineError, match=r"no Dask workers at tcp://127\.0\.0\.1:1: start `dask scheduler`"),
        Cluster(ExecutionParams(scheduler="tcp://127.0.0.1:1")),
    ):
        pass


def test_held_out_data_is_never_trained_on(sequences: Path) -> None:
    validated, tested, everything = (load_data(sequences, name) for name in ("validation", "test", "nothing"))
    assert (len(validated.x), len(tested.x), len(everything.x)) == (96, 156, 156)
    with np.load(sequences / "test.npz") as test:
        assert tested.held_out_x is not None
        assert np.array_equal(tested.held_out_x, test["x"])
        assert not {row.tobytes() for row in tested.x} & {row.tobytes() for row in test["x"]}
    assert everything.held_out_x is None
