"""Locks: a second process is told who holds what it wants, and any death frees it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.locks import alone

ROOT = Path(__file__).parents[1]
HOLD = """
import time
from pipeline.locks import alone
with alone("study a"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_who_holds_it_is_named_and_any_death_frees_it(home: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PIPELINE_HOME": str(home)}
    other = subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(PipelineError) as caught, alone("study a"):
        pass
    assert str(caught.value).startswith(f"study a is held by process {other.pid} on ")
    assert f"`kill {other.pid}`" in str(caught.value)
    with alone("study b"):  # which nobody holds
        pass
    other.send_signal(signal.SIGKILL)
    other.wait(timeout=30)
    other.stdout.close()
    with alone("study a"):
        pass


def test_it_is_free_after_the_block_however_that_ends(home: Path) -> None:
    with pytest.raises(KeyboardInterrupt), alone("study a"):
        raise KeyboardInterrupt
    with alone("study a"), pytest.raises(PipelineError, match=rf"held by process {os.getpid()} on"), alone("study a"):
        pass
    assert paths.locks_folder() == home / ".locks"
