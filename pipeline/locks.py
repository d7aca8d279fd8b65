"""One process at a time, for what two would spoil: a study, the champion, a workspace."""

import hashlib
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from zc.lockfile import LockError, LockFile, SimpleLockFile  # type: ignore[import-untyped]

from pipeline import paths
from pipeline.errors import PipelineError


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Hold the lock of `what` while the block runs; raises PipelineError that says who holds it, if somebody does.

    The system frees it with the process, whatever that dies of. `what` is a text that is the same in every process that
    may not run beside this one; the locks lie at home, as the databases do.
    """
    file = _file(what)
    file.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    command = " ".join(["python -m pipeline", *sys.argv[1:]])[:200].replace("{", "").replace("}", "")
    try:
        lock = LockFile(str(file), content_template=f"process {{pid}} on {{hostname}} ({command}, since {now})")
    except LockError as error:
        holder = _holder(file)
        raise PipelineError(f"{what} is held by {holder}: {way_out(holder)}") from error
    try:
        yield
    finally:
        lock.close()


def of_study(optuna_study: str) -> str:
    """What a process holds while it works on this study, in whatever workspace."""
    return f"study {optuna_study} in the databases of {paths.home()}"


def is_held(what: str) -> bool:
    """Whether some process holds the lock of `what`."""
    file = _file(what)
    return file.exists() and _is_held(file)


def holders() -> list[str]:
    """Who holds locks of this home, a text for each lock that is held."""
    return [_holder(file) for file in sorted(paths.locks_folder().glob("*.lock")) if _is_held(file)]


def way_out(holder: str) -> str:
    """How to get what `holder` holds."""
    words = holder.split()
    if words[:1] != ["process"] or len(words) < 4:  # it is just beginning
        return "let it finish"
    elsewhere = "" if words[3] == socket.gethostname() else f" on {words[3]}"
    return f"let it finish, or end it by `kill {words[1]}`{elsewhere}; finished work is kept"


def _file(what: str) -> Path:
    return paths.locks_folder() / f"{hashlib.sha256(what.encode()).hexdigest()[:16]}.lock"


def _is_held(file: Path) -> bool:
    try:
        SimpleLockFile(str(file)).close()
    except LockError:
        return True
    return False


def _holder(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip() or "another process"
