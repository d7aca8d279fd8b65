"""`python -m pipeline` ends by any of the usual signals with a sentence, also while it still imports."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import __version__

ROOT = Path(__file__).parents[1]
# Sends itself the signal as soon as the command line is imported, before any command begins.
EARLY = """
import os, runpy, sys, types
sys.argv = ["pipeline", "doctor"]
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "pipeline.cli":
            os.kill(os.getpid(), int(os.environ["NUMBER"]))
sys.meta_path.insert(0, Finder())
runpy.run_module("pipeline", run_name="__main__")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_is_answered_in_the_first_second_too(number: signal.Signals, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBER": str(int(number))}
    process = subprocess.run(
        [sys.executable, "-c", EARLY], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 130
    assert process.stderr == "stopped; finished work is kept, and the same command goes on from there\n"


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBER": str(int(signal.SIGHUP))}
    process = subprocess.run(
        ["nohup", sys.executable, "-c", EARLY], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert process.returncode == 1
    assert "params.yaml not found" in process.stdout


# The signal comes while Python runs what it runs for an object that nobody needs any more: no error leaves that.
SWALLOWED = """
import os, runpy, sys, time, types
class Unneeded:
    def __del__(self):
        os.kill(os.getpid(), int(os.environ["NUMBER"]))
        time.sleep(0.01)
def main():
    Unneeded()
    time.sleep(60)
    print("not stopped")
command_line = types.ModuleType("pipeline.cli")
command_line.main = main
sys.modules["pipeline.cli"] = command_line
runpy.run_module("pipeline", run_name="__main__")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_is_answered_where_python_raises_no_error(number: signal.Signals, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBER": str(int(number))}
    process = subprocess.run(
        [sys.executable, "-c", SWALLOWED], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50
    )
    assert process.returncode == 130
    assert process.stdout == ""
    assert process.stderr == "stopped; finished work is kept, and the same command goes on from there\n"


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_what_somebody_has_closed_is_opened_to_nowhere(closed: tuple[int, ...], tmp_path: Path) -> None:
    """Else Python prints nowhere, or the next file is opened in its place and gets what is printed."""
    script = (
        "import os, sys, types\n"
        "from pathlib import Path\n"
        "def main():\n"
        "    file = open('answer', 'w')\n"
        "    print('a note', file=sys.stderr)\n"
        "    file.write(f'{file.fileno()}')\n"
        "line = types.ModuleType('pipeline.cli'); line.main = main; sys.modules['pipeline.cli'] = line\n"
        "from pipeline.__main__ import main as whole\n"
        "whole()\n"
    )
    done = closing(closed, ["-c", script], tmp_path)
    assert done.returncode == 0
    assert int((tmp_path / "answer").read_text()) > 2
    assert done.stdout == ""
    assert done.stderr == ("" if 2 in closed else "a note\n")


@pytest.mark.parametrize(("closed", "status"), [((0,), 0), ((1,), 1), ((2,), 0), ((0, 1, 2), 0)])
def test_an_answer_that_nobody_gets_is_an_error_where_it_can_be_told(
    closed: tuple[int, ...], status: int, tmp_path: Path
) -> None:
    done = closing(closed, ["-m", "pipeline", "--version"], tmp_path)
    assert done.returncode == status
    assert done.stdout == ("" if 1 in closed else f"howbig {__version__}\n")
    sentence = (
        "error: Bad file descriptor: standard output is closed, nobody would get the answer; run the same command with "
        "it open\n"
    )
    assert done.stderr == (sentence if status else "")


def closing(closed: tuple[int, ...], arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Python in a shell that has closed some of standard input, output and error."""
    redirected = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    return subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {redirected}', sys.executable, *arguments], cwd=folder, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60,
    )  # fmt: skip
