"""One process at a time, for what two would spoil: a study, the champion, a workspace."""

import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from zc.lockfile import LockError, LockFile, SimpleLockFile  # type: ignore[import-untyped]

from pipeline import paths
from pipeline.errors import PipelineError, storage_closed

LONGEST_HOST = 40  # characters; PostgreSQL cuts the name of a session

# The name tells who holds a lock. No server ends the session for being idle, and one whose machine is gone ends soon.
SESSION = """
    SELECT set_config(name, value, false)
    FROM pg_settings JOIN (VALUES
        ('application_name', CAST(:name AS text)), ('idle_session_timeout', '0'),
        ('tcp_keepalives_idle', '60'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '6')
    ) AS wanted (name, value) USING (name)
"""
# Address and moment are hidden from a user who is neither the holder nor a superuser.
HOLDER = """
    SELECT application_name || coalesce(' (' || nullif(concat_ws(', ', host(client_addr),
        to_char(backend_start AT TIME ZONE 'UTC', '"since" YYYY-MM-DD HH24:MI:SS "UTC"')), '') || ')', '')
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = :key
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


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
    command = command.encode(errors="replace").decode()  # of a name that is in another encoding
    try:
        lock = LockFile(str(file), content_template=f"process {{pid}} on {{hostname}} ({command}, since {now})")
    except LockError as error:
        holder = _holder(file)
        raise PipelineError(f"{what} is held by {holder}: {way_out(holder)}") from error
    try:
        yield
    finally:
        lock.close()


@contextmanager
def alone_in_database(what: str, url: str) -> Iterator[None]:
    """As `alone`, but among all machines that use the PostgreSQL at `url`; does nothing for another database.

    The lock belongs to a connection. PostgreSQL frees it when the process dies, and two minutes after its machine does.
    """
    if not url.startswith("postgresql"):
        yield
        return
    from sqlalchemy import NullPool, create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    key = int.from_bytes(hashlib.sha256(os.fsencode(what)).digest()[:8], signed=True)
    try:
        engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool, pool_reset_on_return=None)
        connection = engine.connect()
        connection.execute(text(SESSION), {"name": f"process {os.getpid()} on {socket.gethostname()[:LONGEST_HOST]}"})
        free = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        holder = "" if free else connection.scalar(text(HOLDER), {"key": key}) or "another process"
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise storage_closed(url, error) from error
    with closing(connection):
        if not free:
            raise PipelineError(f"{what} is held by {holder}: {way_out(holder)}")
        yield


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
    host = socket.gethostname()
    elsewhere = "" if words[3] in (host, host[:LONGEST_HOST]) else f" on {words[3]}"
    return f"let it finish, or end it by `kill {words[1]}`{elsewhere}; finished work is kept"


def _file(what: str) -> Path:
    return paths.locks_folder() / f"{hashlib.sha256(os.fsencode(what)).hexdigest()[:16]}.lock"


def _is_held(file: Path) -> bool:
    try:
        SimpleLockFile(str(file)).close()
    except LockError:
        return True
    return False


def _holder(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip() or "another process"
