"""Locks: a second process is told who holds what it wants, and any death frees it; in PostgreSQL for all machines."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.locks import alone, alone_in_database, way_out

ROOT = Path(__file__).parents[1]
HOLD = """
import sys, time
from pipeline.locks import alone, alone_in_database, way_out
with alone("study a") if len(sys.argv) == 1 else alone_in_database("study a", sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(home: Path, *url: str) -> subprocess.Popen[str]:
    """Another process, which has the lock now."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PIPELINE_HOME": str(home)}
    other = subprocess.Popen([sys.executable, "-c", HOLD, *url], env=environment, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert process.stdout is not None
    process.stdout.close()


def test_who_holds_it_is_named_and_any_death_frees_it(home: Path) -> None:
    other = holder(home)
    with pytest.raises(PipelineError) as caught, alone("study a"):
        pass
    assert str(caught.value).startswith(f"study a is held by process {other.pid} on ")
    assert f"`kill {other.pid}`" in str(caught.value)
    with alone("study b"):  # which nobody holds
        pass
    kill(other)
    with alone("study a"):
        pass


def test_it_is_free_after_the_block_however_that_ends(home: Path) -> None:
    with pytest.raises(KeyboardInterrupt), alone("study a"):
        raise KeyboardInterrupt
    with alone("study a"), pytest.raises(PipelineError, match=rf"held by process {os.getpid()} on"), alone("study a"):
        pass
    assert paths.locks_folder() == home / ".locks"


def test_in_postgresql_the_lock_is_that_of_all_machines(
    home: Path, tmp_path: Path, postgresql: str, postgresql_for_mlflow: str
) -> None:
    """Another machine has another home: no file of the two is shared."""
    other = holder(tmp_path / "another machine", postgresql)
    with pytest.raises(PipelineError) as caught, alone_in_database("study a", postgresql):
        pass
    said = str(caught.value)
    assert said.startswith(f"study a is held by process {other.pid} on {socket.gethostname()[:40]} (since 20")
    assert said.endswith(f"UTC): let it finish, or end it by `kill {other.pid}`; finished work is kept")
    with alone_in_database("study b", postgresql), alone_in_database("study a", postgresql_for_mlflow):
        pass
    kill(other)
    free_again(postgresql)


def free_again(url: str) -> None:
    """The server sees within moments that a process has died."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with alone_in_database("study a", url):
                return
        except PipelineError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_in_postgresql_too_it_is_free_after_the_block_however_that_ends(postgresql: str) -> None:
    with pytest.raises(KeyboardInterrupt), alone_in_database("study a", postgresql):
        raise KeyboardInterrupt
    held = pytest.raises(PipelineError, match=rf"held by process {os.getpid()} on")
    with alone_in_database("study a", postgresql), held, alone_in_database("study a", postgresql):
        pass


def test_a_server_that_ends_the_session_ends_no_study(postgresql: str) -> None:
    import psycopg

    with alone_in_database("study a", postgresql), psycopg.connect(postgresql, autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    free_again(postgresql)


def test_a_lock_that_wants_another_driver_says_which_is_here() -> None:
    told = pytest.raises(PipelineError, match=r"the driver 'psycopg2', which is not installed: .* postgresql:// ")
    with told, alone_in_database("study a", "postgresql+psycopg2://me@127.0.0.1:1/database"):
        pass


@pytest.mark.parametrize("url", ["sqlite:///nowhere/optuna.db", "mysql://me@127.0.0.1:1/database"])
def test_another_database_has_no_lock(url: str) -> None:
    with alone_in_database("study a", url):
        pass


def test_a_postgresql_that_does_not_answer_is_named_without_its_password() -> None:
    url = "postgresql://me:secret@127.0.0.1:1/database"
    with (
        pytest.raises(PipelineError, match=r"\*\*\*@127\.0\.0\.1:1/database: .*refused") as caught,
        alone_in_database("a", url),
    ):
        pass
    assert "secret" not in str(caught.value)
    assert str(caught.value).endswith("; check OPTUNA_STORAGE")


def test_a_process_is_ended_on_the_machine_that_it_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 64)
    for host in ("h" * 64, "h" * 40):  # as a file and PostgreSQL have it
        assert way_out(f"process 7 on {host}") == "let it finish, or end it by `kill 7`; finished work is kept"
    assert way_out("process 7 on laptop (since noon)") == (
        "let it finish, or end it by `kill 7` on laptop; finished work is kept"
    )
    assert way_out("another process") == "let it finish"
