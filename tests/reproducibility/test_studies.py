"""The promise, on real training: one worker or many, never stopped or killed again and again, the same bytes."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pandas as pd
import psutil
import pytest

from pipeline.training import forkserver
from pipeline.training.cluster import ATTEMPTS
from tests.helpers.dask import Dask
from tests.helpers.processes import worker_processes
from tests.helpers.sequences import write_sequences

pytestmark = pytest.mark.reproducibility
ROOT = Path(__file__).parents[2]
KILLS_OF_EACH = 5


def start(folder: Path, workers: int, *elsewhere: str) -> subprocess.Popen[bytes]:
    """Start the study in a fresh process over the sequences in `folder`, made there if missing.

    `elsewhere` may be the addresses of a running scheduler and of Optuna's storage.
    """
    if not (folder / "sequences").exists():
        write_sequences(folder / "sequences")
    command = [sys.executable, "-m", "tests.reproducibility.driver", str(folder), str(workers), *elsewhere]
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def finish(folder: Path, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Wait for the study; returns trials.csv and curves.csv."""
    assert process.wait(timeout=300) == 0, (folder / "log.txt").read_text(encoding="utf-8")[-2000:]
    return (folder / "trials.csv").read_bytes(), (folder / "curves.csv").read_bytes()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The study, run once with two workers and never disturbed."""
    folder = tmp_path_factory.mktemp("two-workers")
    tables = finish(folder, start(folder, workers=2))
    trials = pd.read_csv(folder / "trials.csv")
    assert (trials.state == "PRUNED").sum() >= 3, "a study in which nothing is pruned proves nothing about pruning"
    assert trials.weights_sha256.nunique() == len(trials)
    return tables


@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_changes_nothing(expected: tuple[bytes, bytes], tmp_path: Path, workers: int) -> None:
    assert finish(tmp_path, start(tmp_path, workers)) == expected


def test_studies_killed_again_and_again_end_like_one_that_never_was(
    expected: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """SIGKILL, at moments from a seeded generator, to the driver, a worker or the workers' parent.

    There are more studies if need be. A trial whose worker has died in all of its attempts ends the study, and rightly:
    no driver loses so many.
    """
    moments = random.Random(2026)
    kills = {"driver": 0, "worker": 0}
    while min(kills.values()) < KILLS_OF_EACH:
        folder = tmp_path / str(sum(kills.values()))
        process, lost_workers = start(folder, workers=2), 0
        while min(kills.values()) < KILLS_OF_EACH:
            time.sleep(moments.uniform(1, 8))  # from the start of the workers to several trials later
            if process.poll() == 0:
                break
            if process.poll() is not None:  # workers were killed before the cluster stood: the user starts again
                process, lost_workers = start(folder, workers=2), 0
                continue
            workers = worker_processes(psutil.Process(process.pid))
            if moments.random() < 0.5 or not workers or lost_workers == ATTEMPTS - 1:
                process.kill()
                process.wait()
                kills["driver"] += 1
                process, lost_workers = start(folder, workers=2), 0
            else:
                lost_workers += 1
                with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                    # With their parent all of them are lost.
                    parent = [workers[0].ppid()] if forkserver.AVAILABLE else []
                    os.kill(moments.choice([worker.pid for worker in workers] + parent), signal.SIGKILL)
                kills["worker"] += 1
        if process.wait(timeout=300) != 0:
            process = start(folder, workers=2)
        assert finish(folder, process) == expected, kills
        assert len(list((folder / "journal").glob("*.json"))) == 14, "one result for each trial"


@pytest.mark.cluster
def test_workers_elsewhere_one_of_them_killed_and_postgresql_change_nothing(
    expected: tuple[bytes, bytes], tmp_path: Path, postgresql: str
) -> None:
    """Each worker has a folder of its own and nothing of this project. One joins when another has been killed."""
    machines = tmp_path / "machines"
    machines.mkdir()
    with Dask(machines) as dask:
        for _ in range(2):
            dask.start_worker()
        process = start(tmp_path, 2, dask.address, postgresql)
        wait_for_a_training(tmp_path)
        dask.kill(dask.workers[0])
        dask.start_worker()
        assert finish(tmp_path, process) == expected
    assert not (tmp_path / "optuna.db").exists()
    [name] = optuna.get_all_study_names(postgresql)
    assert len(optuna.load_study(study_name=name, storage=postgresql).trials) == 14


def wait_for_a_training(folder: Path) -> int:
    """Wait until the study in `folder` has finished a training; returns how many."""
    deadline = time.monotonic() + 120
    while not (finished := len(list(folder.glob("journal/*.json")))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return finished


def test_ctrl_c_ends_soon_and_the_same_command_goes_on(expected: tuple[bytes, bytes], tmp_path: Path) -> None:
    process = start(tmp_path, workers=2)
    finished = wait_for_a_training(tmp_path)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert not (tmp_path / "trials.csv").exists()
    assert finish(tmp_path, start(tmp_path, workers=2)) == expected
    trained = pd.read_json(tmp_path / "trained.json")[0].tolist()
    assert finished >= 1
    assert len(trained) <= 14 - finished
