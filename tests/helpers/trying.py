"""Trying many hostile inputs: what became of each, how long it took, and how much memory.

python -m tests.helpers.trying KIND FOLDER [--seed N] [--count N]
"""

import argparse
import faulthandler
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
SECONDS = 60  # for one input; a machine that others use is no reason to fail
LONGEST_TOLD = 2500  # characters; the longest messages name twenty mistakes of params.yaml


class TooLong(BaseException):
    """An input that is not done within its time."""


@dataclass
class Case:
    """One input: what it is, what to do with it, and a text that a refusal has to contain."""

    what: str
    action: Callable[[], object]
    place: str


@dataclass
class Tally:
    """What became of all inputs of a kind. `failures` are tracebacks, hangs, and refusals that name no place."""

    kind: str
    seed: int
    tried: int = 0
    accepted: int = 0
    refused: int = 0
    peak_megabytes: float = 0.0  # more than before, the largest of all inputs
    longest_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, case: Case) -> None:
        _forget_peak()
        before, begun = _megabytes("VmRSS"), time.perf_counter()
        told, failure = _outcome(case)
        seconds, megabytes = time.perf_counter() - begun, _megabytes("VmHWM") - before
        self.tried += 1
        self.accepted += not told and not failure
        self.refused += bool(told)
        self.peak_megabytes = max(self.peak_megabytes, megabytes)
        self.longest_seconds = max(self.longest_seconds, seconds)
        if told and case.place not in told:
            failure = f"names no place: {told}"
        if "Traceback" in told or len(told) > LONGEST_TOLD:
            failure = f"no sentence: {told[:3000]}"
        if failure:
            self.failures.append(f"{self.kind}, seed {self.seed}, number {self.tried - 1}: {case.what}: {failure}")
        if told:
            reason = (told.replace(case.place, "…") if case.place else told)[:60]
            self.reasons[reason] = self.reasons.get(reason, 0) + 1


def _outcome(case: Case) -> tuple[str, str]:
    """What was told of a refusal, "" of what was accepted; and the traceback of what should not be."""
    import typer

    from pipeline.cli import plain_errors

    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    told = StringIO()
    try:
        with redirect_stdout(StringIO()), redirect_stderr(told), plain_errors():
            case.action()
    except typer.Exit as end:
        return told.getvalue() or f"exit {end.exit_code}", ""
    except BaseException:
        return "", traceback.format_exc()[-2500:]
    finally:
        signal.alarm(0)
    return "", ""


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLong


def _forget_peak() -> None:
    with suppress(OSError):  # another system, or a container that does not let it
        Path("/proc/self/clear_refs").write_text("5")


def _megabytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1e3


def tried(kind: str, folder: Path, count: int, seed: int = 1) -> Tally:
    """Try so many inputs of a kind in a process of its own, which a crash or a hang ends and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    options = [kind, str(folder), "--count", str(count), "--seed", str(seed)]
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.helpers.trying", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if process.returncode:
        raise AssertionError(f"{kind}, seed {seed}, number {(folder / 'trying').read_text()}: {process.stderr[-3000:]}")
    return Tally(**json.loads(process.stdout))


def main() -> None:
    """Try so many inputs of a kind, in this process, and print the tally as JSON."""
    from pipeline.training.process import ENVIRONMENTS

    os.environ.update(ENVIRONMENTS["avx2"])  # before TensorFlow is imported
    from tests.helpers.hostile.kinds import KINDS

    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    os.chdir(options.folder)
    tally = Tally(options.kind, options.seed)
    faulthandler.enable()  # a crash says where
    for number in range(options.count):
        rng = random.Random(f"{options.kind} {options.seed} {number}")
        case = KINDS[options.kind](Path(), rng)
        if options.only in (None, number):
            Path("trying").write_text(f"{number}: {case.what}")
            tally.add(case)
    json.dump(asdict(tally), sys.stdout)


if __name__ == "__main__":
    main()
