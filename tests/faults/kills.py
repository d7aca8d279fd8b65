"""`dvc repro` killed at seeded moments of all stages, again and again, until it ends: what was lost on the way."""

import contextlib
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import psutil

from tests.faults import small
from tests.helpers.reliability import Fault

STAGES = ("download", "prepare", "study@capacity", "study@search", "race", "champion", "evaluate", "report")
Target = Literal["its process group", "the stage alone", "dvc alone"]
SIGNALS: dict[Target, tuple[signal.Signals, ...]] = {
    "its process group": (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
    "the stage alone": (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
    "dvc alone": (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP),  # while a stage runs it does not heed Ctrl-C
}
MARK = "FAULTS_PROJECT"  # in the environment of every process of a project
HELD = re.compile(r"error: (?:study|champion) .* is held by process (\d+) on .* or end it by `kill \1`.*")
TRACEBACK = re.compile(r"^Traceback .*\n(?:  .*\n)*\S.*", re.MULTILINE)
# Ctrl-C before the program has imported `signal` is Python's to answer.
OURS = re.compile(r"/pipeline/(?!__main__\.py\", line \d,|__init__\.py)")
DAMAGED = re.compile(r"dvc\.lock' (validation failed|is invalid)")
SEED = 2027
MOMENTS_OF_A_PROJECT = 24
SECONDS_TO_END = 90
SECONDS_TO_RUN = 300


@dataclass(frozen=True)
class Moment:
    """When to strike: a fraction of the time that an undisturbed run spends in a stage."""

    stage: str
    fraction: float
    target: Target
    number: signal.Signals
    obeys: bool  # whether a user whose second command is refused ends the first one as the sentence says


@dataclass
class Outcome:
    """What a moment did."""

    moment: Moment
    stage: str  # in which it struck
    seen: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    recovery_seconds: float = 0.0  # from the signal until the same command is at work in a stage again

    def look_at(self, output: str) -> None:
        """Take what a user saw: the sentences among the lines; a traceback is none."""
        tracebacks = TRACEBACK.findall(output)
        if any(OURS.search(traceback) or not traceback.endswith("\nKeyboardInterrupt") for traceback in tracebacks):
            self.lost.append(f"a traceback: {output[-3000:]}")
        self.seen += [
            HELD.sub("… is held by process N: let it finish, or end it by `kill N`", line)
            for line in output.splitlines()
            if line.startswith(("error:", "stopped"))
        ]


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: what it leaves, and how long its stages take."""

    folder: Path
    seconds: dict[str, float]


def moments(seed: int) -> Iterator[Moment]:
    """Endless: every stage in turn, and every signal to every target before one comes again."""
    draws = random.Random(seed)
    deck: list[tuple[Target, signal.Signals]] = []
    for stage in itertools.cycle(STAGES):
        if not deck:
            deck = [(target, number) for target, numbers in SIGNALS.items() for number in numbers]
            draws.shuffle(deck)
        target, number = deck.pop()
        yield Moment(stage, draws.random(), target, number, draws.random() < 0.5)


class Run:
    """One `dvc repro` of a project, or another command, in a process group of its own."""

    def __init__(self, folder: Path, *command: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "PIPELINE_"))}
        environment |= {
            MARK: str(folder), "COLUMNS": "200", "TERM": "dumb", "DVC_NO_ANALYTICS": "true",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_CEILING_DIRECTORIES": str(folder.parent),
        }  # fmt: skip
        self.folder = folder
        self.log = folder.with_name(f"{folder.name}-{next(_numbers)}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(command or ("dvc", "repro"))], cwd=folder, env=environment, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_heed,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def stage(self) -> str | None:
        """The stage that runs, or ran last; None before the first."""
        found = re.findall(r"^Running stage '(.+)':\n> ", self.output, re.MULTILINE)
        return found[-1] if found else None

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait_for(self, wanted: str, seconds: float) -> None:
        """Return `seconds` after the stage has begun, or when a later one begins, or at the end."""
        first, deadline = STAGES.index(wanted), time.monotonic() + SECONDS_TO_RUN
        while not self.ended and time.monotonic() < deadline:
            stage = self.stage
            if stage is not None and STAGES.index(stage) >= first:
                began = time.monotonic()
                while time.monotonic() - began < seconds and not self.ended and self.stage == stage:
                    time.sleep(0.02)
                return
            time.sleep(0.02)

    def strike(self, moment: Moment) -> None:
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if moment.target == "its process group":
                os.killpg(self.process.pid, moment.number)
            elif moment.target == "dvc alone":
                self.process.send_signal(moment.number)
            else:
                dvc = psutil.Process(self.process.pid)
                while not (stages := [process for process in dvc.children() if _is_stage(process)]):
                    if self.ended:
                        return
                    time.sleep(0.005)  # it is about to start one
                stages[0].send_signal(moment.number)


_numbers = itertools.count()


def _heed() -> None:
    """Even where the tests run under `nohup` or in the background of a script, which ignore signals."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _is_stage(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()[1:3] == ["-m", "pipeline"]
    return False


def processes_of(folder: Path) -> list[psutil.Process]:
    """All that live and work for the project in `folder`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(folder) and _works(process):
                found.append(process)
    return found


def _works(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def wait_until_all_ended(folder: Path) -> list[str]:
    """Wait for the project's processes; returns the command lines of those that do not end, and ends them."""
    deadline = time.monotonic() + SECONDS_TO_END
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    lines = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            lines.append(f"a process is left: {' '.join(process.cmdline())[:200]}")
            process.kill()
    return lines


def undisturbed(folder: Path, empty_mlflow: Path) -> Reference:
    run = Run(small.make_small(folder, empty_mlflow))
    began: dict[str, float] = {}
    while not run.ended:
        if (stage := run.stage) is not None:
            began.setdefault(stage, time.monotonic())
        time.sleep(0.02)
    assert run.process.wait() == 0, run.output
    assert tuple(began) == STAGES, run.output
    times = itertools.pairwise([*began.values(), time.monotonic()])
    return Reference(folder, {stage: end - start for stage, (start, end) in zip(began, times, strict=True)})


def struck(folder: Path, number: int, empty_mlflow: Path, seed: int = SEED) -> Iterator[Outcome]:
    """Strike at so many moments, in as many projects as that takes; what lost something stays in `folder`.

    A moment that came too late, as the run had ended, comes in the next project, after half its time.
    """
    reference = undisturbed(folder / "undisturbed", empty_mlflow)
    draws, left = moments(seed), number
    late: list[Moment] = []
    while left > 0:
        planned = late + list(itertools.islice(draws, min(left, MOMENTS_OF_A_PROJECT) - len(late)))
        outcomes = _struck_project(reference, folder / f"struck-{left}", planned, empty_mlflow)
        struck_at = [outcome.moment for outcome in outcomes]
        late = [replace(moment, fraction=moment.fraction / 2) for moment in planned if moment not in struck_at]
        left -= len(outcomes)
        yield from outcomes


def _struck_project(reference: Reference, folder: Path, planned: list[Moment], empty_mlflow: Path) -> list[Outcome]:
    """Strike at these moments in one new project, each time running the same command again, and let it end.

    Moments that come too late are left out.
    """
    small.make_small(folder, empty_mlflow)
    outcomes: list[Outcome] = []
    left: set[tuple[str, str, str]] = set()
    run = Run(folder)
    for moment in sorted(planned, key=lambda moment: (STAGES.index(moment.stage), moment.fraction)):
        run.wait_for(moment.stage, moment.fraction * reference.seconds[moment.stage])
        if run.ended:
            break
        outcomes.append(Outcome(moment, str(run.stage)))
        run = _strike_and_look(run, outcomes[-1], reference, left)
    run.process.wait(SECONDS_TO_RUN)
    lost = wait_until_all_ended(folder)
    if run.process.returncode != 0:
        lost.append(f"the last run ends with {run.process.returncode}: {run.output[-2000:]}")
    else:
        lost += differences(reference.folder, folder)
    if outcomes:
        outcomes[-1].lost += lost
    else:
        assert not lost, lost
    if not any(outcome.lost for outcome in outcomes):
        shutil.rmtree(folder)
    return outcomes


def _strike_and_look(run: Run, outcome: Outcome, reference: Reference, left: set[tuple[str, str, str]]) -> Run:
    """Strike, look at what is left, and run the same command again until a stage of it is at work.

    `left` are runs of MLflow that a SIGKILL has left running.
    """
    moment, folder, struck_at = outcome.moment, run.folder, time.monotonic()
    kept = _journal(folder)
    run.strike(moment)
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.process.wait(SECONDS_TO_END)
    if not run.ended:
        outcome.lost.append(f"dvc does not end: {run.output[-1000:]}")
    again = _second_while_an_orphan_lives(folder, outcome) if moment.target == "dvc alone" else None
    if again is None:
        outcome.lost += wait_until_all_ended(folder)
        outcome.lost += _half_done(folder, reference)
        running = {run for run in small.mlflow_runs(folder) if run[2] == "RUNNING"}
        if moment.number == signal.SIGKILL:
            left |= running  # until a later run takes them up
        outcome.lost += [f"{run} in MLflow" for run in running - left]
        again = Run(folder)
    outcome.look_at(run.output)
    after = _journal(folder)
    outcome.lost += [f"a finished training is lost: {name}" for name in kept if after.get(name) != kept[name]]
    while again.stage is None and not again.ended:
        time.sleep(0.02)
    if again.ended and DAMAGED.search(again.output):  # DVC died while it wrote it: as `doctor` says
        outcome.seen.append("dvc.lock is damaged: `rm dvc.lock`")
        (folder / "dvc.lock").unlink()
        again = Run(folder)
    outcome.recovery_seconds = time.monotonic() - struck_at
    return again


def _second_while_an_orphan_lives(folder: Path, outcome: Outcome) -> Run | None:
    """The same command while the stage whose `dvc` died lives on: returns it if it was not refused.

    Refused, it names the process that is in its way, which ends by itself or as the sentence says.
    """
    orphans = processes_of(folder)
    if not orphans:
        return None
    second = Run(folder)
    while not second.ended and any(orphan.is_running() and _works(orphan) for orphan in orphans):
        time.sleep(0.05)
    time.sleep(1)  # it may have been refused just before
    if not second.ended and HELD.search(second.output) is None:
        return second
    second.process.wait(SECONDS_TO_END)
    outcome.look_at(second.output)
    if second.process.returncode == 0:
        return second
    if (held := HELD.search(second.output)) is None:
        outcome.lost.append(f"the second command does not say who is in its way: {second.output[-2000:]}")
    elif outcome.moment.obeys:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(held[1]), signal.SIGTERM)
    return None


def _half_done(folder: Path, reference: Reference) -> list[str]:
    """What no reader may find, at no time: half a file, another one's content, debris in an output."""
    found, expected = small.files(folder), small.outputs(small.files(reference.folder))
    wrong = [
        f"{name} is not that of an undisturbed run"
        for name, sha256 in small.outputs(found).items()
        if not name.startswith("data/.tmp/") and expected.get(name) != sha256
    ]
    for name in found:
        if small.CLOCK.fullmatch(name) or (name.startswith(".journal/") and ".tmp" not in name):
            try:
                small.check_whole(folder / name)
            except (AssertionError, OSError, ValueError) as error:
                wrong.append(f"{name} is not whole: {error}")
    return wrong


def differences(reference: Path, folder: Path) -> list[str]:
    """How a project that has been struck differs at its end from one that was not."""
    expected, found = small.files(reference), small.files(folder)
    wrong = [f"{name} is missing" for name in expected.keys() - found.keys()]
    wrong += [f"{name} is debris" for name in found.keys() - expected.keys()]
    same = small.outputs(expected)
    wrong += [f"{name} has other bytes" for name, sha256 in small.outputs(found).items() if sha256 != same.get(name)]
    if small.lock_document(reference) != small.lock_document(folder):
        wrong.append("dvc.lock differs")
    if small.optuna_trials(reference) != small.optuna_trials(folder):
        wrong.append("Optuna has other trials")
    runs, others = small.mlflow_runs(reference), small.mlflow_runs(folder)
    wrong += [f"{run} is not in MLflow" for run in set(runs) - set(others)]
    wrong += [f"{run} in MLflow" for run in others if run[2] == "RUNNING"]
    if [run for run in runs if run[0] == "study"] != [run for run in others if run[0] == "study"]:
        wrong.append("MLflow has other runs of studies")
    return wrong


def _journal(folder: Path) -> dict[str, bytes]:
    """The trainings that are finished: there with the time when they were done, so that it shows if one is repeated."""
    return {path.name: path.read_bytes() for path in (folder / ".journal").glob("*") if path.is_file()}


def faults(outcomes: list[Outcome]) -> list[Fault]:
    """The rows of the table: one for each target and signal."""
    rows = []
    for target, numbers in SIGNALS.items():
        for number in numbers:
            of_this = [each for each in outcomes if (each.moment.target, each.moment.number) == (target, number)]
            if of_this:
                seen = Counter(sentence for each in of_this for sentence in each.seen or ["nothing"])
                rows.append(
                    Fault(
                        f"`dvc repro` is killed: {target}",
                        number.name,
                        len(of_this),
                        sum(bool(each.lost) for each in of_this),
                        "; ".join(f"{sentence} ({times} ×)" for sentence, times in seen.most_common()),
                        round(max(each.recovery_seconds for each in of_this), 1),
                    )
                )
    return rows
