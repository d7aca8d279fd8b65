"""Workers are forked from a process that has TensorFlow, but none of its threads."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.training import forkserver
from pipeline.training.process import ENVIRONMENTS

pytestmark = pytest.mark.skipif(not forkserver.AVAILABLE, reason="workers are forked on Linux only")
ALLOCATOR = "jemalloc_bg_thd"
VARIABLES = {**forkserver.ENVIRONMENT, **ENVIRONMENTS["avx2"]}


def look_around(answers: "multiprocessing.Queue[dict[str, object]]") -> None:
    threads = Path(f"/proc/{os.getppid()}/task").iterdir()
    answers.put(
        {
            "modules": [name for name in ("tensorflow", "keras", "distributed", "sklearn") if name in sys.modules],
            "frozen": gc.get_freeze_count(),
            "variables": {name: os.environ[name] for name in VARIABLES},
            "deaf": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
            "threads": len([thread for thread in threads if (thread / "comm").read_text().strip() != ALLOCATOR]),
        }
    )


def test_a_forked_process_has_tensorflow_and_the_memory_settings_and_this_one_is_as_before() -> None:
    before = dict(os.environ)
    forkserver.start(ENVIRONMENTS["avx2"])
    assert dict(os.environ) == before
    context = multiprocessing.get_context("forkserver")
    answers: multiprocessing.Queue[dict[str, object]] = context.Queue()
    process = context.Process(target=look_around, args=(answers,))
    process.start()
    answer = answers.get(timeout=60)
    process.join()
    frozen = answer.pop("frozen")
    assert answer == {
        "modules": ["tensorflow", "keras", "distributed"],
        "variables": VARIABLES,
        "deaf": True,
        "threads": 1,
    }
    assert isinstance(frozen, int)
    assert frozen > 100_000


COUNTER = """
import os, signal, time
from multiprocessing import resource_tracker
from pipeline.training import forkserver
forkserver.start({})
counter = resource_tracker._resource_tracker._pid
os.kill(counter, signal.SIGHUP)
time.sleep(1)
print(os.waitpid(counter, os.WNOHANG)[0], signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


def test_a_terminal_that_is_closed_does_not_end_the_counter_of_semaphores(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTER], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("0 False\n", "")
