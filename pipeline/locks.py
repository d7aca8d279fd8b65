"""One process at a time, for what two would spoil: a study, the champion, a workspace."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from zc.lockfile import LockError, LockFile  # type: ignore[import-untyped]

from pipeline import paths
from pipeline.errors import PipelineError


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Hold the lock of `what` while the block runs; raises PipelineError that says who holds it, if somebody does.

    The system frees it with the process, whatever that dies of. `what` is a text that is the same in every process that
    may not run beside this one; the locks lie at home, as the databases do.
    """
    folder = paths.locks_folder()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{hashlib.sha256(os.fsencode(what)).hexdigest()[:16]}.lock"
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    command = " ".join(["python -m pipeline", *sys.argv[1:]])[:200].replace("{", "").replace("}", "")
    command = command.encode(errors="replace").decode()  # of a name that is in another encoding
    try:
        lock = LockFile(str(file), content_template=f"process {{pid}} on {{hostname}} ({command}, since {now})")
    except LockError as error:
        holder = file.read_text(encoding="utf-8", errors="replace").strip() or "another process"
        raise PipelineError(
            f"{what} is held by {holder}: let it finish, or end it by `kill {_pid(holder)}`; finished work is kept"
        ) from error
    try:
        yield
    finally:
        lock.close()


def _pid(holder: str) -> str:
    words = holder.split()
    return words[1] if words[:1] == ["process"] and len(words) > 1 else "PID"
