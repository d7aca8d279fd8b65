"""No verb of its own: the states in which a project gets stuck, each with a sentence that says what ends it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Literal, NamedTuple

from ruamel.yaml import YAML, YAMLError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from voluptuous import Invalid

from pipeline import locks, paths
from pipeline.data.sequences import prepared_sequences
from pipeline.errors import PipelineError, without_credentials
from pipeline.lineage import DVC_LOCK
from pipeline.params.document import Params
from pipeline.report.text import plural
from pipeline.studies.results import has_results, read_results, study_definition
from pipeline.studies.storage import open_database, trials_done
from pipeline.tracking.run_store import PARENT_TAG, RunStore, StoreAway, environment_variable

if TYPE_CHECKING:
    from mlflow.entities import Run

SECONDS_OF_LOGGING = 600  # the stages that log once their results are there take some seconds for it
PACKAGES = {"MySQLdb": "mysqlclient", "psycopg": "psycopg[binary]"}  # of drivers that are called otherwise


class Finding(NamedTuple):
    """A subject and what is found of it: all well, a note, or a fault without whose cure the pipeline cannot work."""

    subject: str
    found: str
    state: Literal["ok", "note", "fault"] = "ok"


def git_repository() -> Finding:
    """Whether this project has a git repository of its own: its runs name a commit, and DVC wants one."""
    if shutil.which("git") is None:
        return Finding("git", "not found on the PATH: install it; runs cannot name their commit", "fault")
    here = Path.cwd()
    asked = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, encoding="utf-8")
    if "dubious ownership" in asked.stderr:
        cure = f"git config --global --add safe.directory {quote(str(here))}"
        return Finding("git", f"the repository belongs to another user: `{cure}` has git trust it", "fault")
    if asked.returncode:
        if Path(".dvc").is_dir() and not _without_git():
            return Finding("git", "no repository, and DVC does nothing without one: `git init` makes it", "fault")
        return Finding("git", "no repository: runs cannot name their commit", "note")
    top = Path(asked.stdout.strip("\n"))
    ours = top.samefile(here) or (top / "pipeline" / "cli.py").exists()  # as of a workspace of `quick`
    if not ours and not _git_answers("ls-files", "--error-unmatch", "params.yaml"):
        sentence = f"the project lies in somebody else's repository, {top}: `git init` makes one of its own"
        return Finding("git", sentence, "note")
    if not _git_answers("rev-parse", "--verify", "HEAD"):
        cure = "git add --all && git commit --message 'The project as it is'"
        return Finding("git", f"no commit that runs could name: `{cure}` makes one", "note")
    version = subprocess.run(["git", "--version"], capture_output=True, text=True).stdout
    return Finding("git", version.removeprefix("git version").strip())


def _git_answers(*arguments: str) -> bool:
    return subprocess.run(["git", *arguments], capture_output=True).returncode == 0


def _without_git() -> bool:
    """Whether DVC is told to do without git, as in a workspace of `quick`."""
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read([Path(".dvc/config"), Path(".dvc/config.local")], encoding="utf-8")
        return settings.getboolean("core", "no_scm", fallback=False)
    except (configparser.Error, ValueError):  # of what DVC cannot read either
        return False


def held_locks() -> list[Finding]:
    """Who holds locks, each process once."""
    return [
        Finding("lock", f"held by {holder}: {locks.way_out(holder)}", "note")
        for holder in dict.fromkeys(locks.holders())
    ]


def damaged_lock() -> list[Finding]:
    """dvc.lock where DVC died while it wrote it: then DVC does nothing any more."""
    if not is_damaged(DVC_LOCK):
        return []
    cure = "`rm dvc.lock`, then `dvc repro` makes it again; finished trainings are kept"
    return [Finding("dvc.lock", f"damaged, as by a death of DVC while it wrote it: {cure}", "fault")]


def is_damaged(lock: Path) -> bool:
    """Whether DVC cannot read a dvc.lock that is there."""
    if not lock.exists():
        return False
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # type: ignore[import-untyped]

    try:
        document = YAML(typ="safe").load(lock.read_text(encoding="utf-8"))
        COMPILED_LOCKFILE_SCHEMA(document or {})
    except (YAMLError, UnicodeDecodeError, Invalid):
        return True
    return False


def missing_drivers() -> list[Finding]:
    """The drivers that the addresses of the databases ask for, and that are not installed."""
    addresses = {"OPTUNA_STORAGE": paths.optuna_storage(), "MLFLOW_TRACKING_URI": paths.tracking_uri()}
    findings = []
    for variable, address in addresses.items():
        if address.startswith(("http://", "https://")):
            continue
        try:
            make_url(address).get_dialect().import_dbapi()
        except (ArgumentError, NoSuchModuleError) as error:
            reason = without_credentials(str(error).splitlines()[0])
            sentence = f"{variable} is no address of a database ({reason}): `unset {variable}` takes the file"
            findings.append(Finding("driver", sentence, "fault"))
        except ImportError as error:
            name = (error.name or str(error)).partition(".")[0]
            cure = f"{quote(sys.executable)} -m pip install {quote(PACKAGES.get(name, name))}"
            sentence = f"{variable} asks for {name}, which is not installed: `{cure}` installs it"
            findings.append(Finding("driver", sentence, "fault"))
    return findings


def half_studies(params: Params) -> list[Finding]:
    """Studies that were stopped, and results that are incomplete or of other parameters, where no process works on
    them."""
    try:
        summary = prepared_sequences(params.data)
        storage = open_database(paths.optuna_storage()) if _is_made(paths.optuna_storage()) else None
    except FileNotFoundError:  # nothing is prepared yet
        return []
    except PipelineError as error:
        return [Finding("studies", str(error), "fault")]
    findings = []
    for name in params.studies:
        try:
            definition = study_definition(name, params, summary)
        except PipelineError:  # a race among studies without results: of these there is a finding
            continue
        if locks.is_held(locks.of_study(definition.optuna_study)):
            continue
        done = trials_done(storage, definition.optuna_study, definition.total) if storage else None
        stopped = done is not None and not has_results(name)
        if stopped:
            goes_on = f"`dvc repro {paths.study_stage(name)}` goes on from there"
            sentence = f"stopped with {done} of {definition.total} trials done: {goes_on}"
            findings.append(Finding(f"study {name}", sentence, "note"))
        elif any(paths.study_folder(name).glob("*")):
            try:
                read_results(name, params, summary)
            except PipelineError as error:
                findings.append(Finding(f"study {name}", str(error), "note"))
    return findings


def orphaned_runs(params: Params) -> list[Finding]:
    """Runs in MLflow that no process works on; or why MLflow cannot be asked."""
    if not _is_made(paths.tracking_uri()):
        return []
    try:
        with environment_variable("MLFLOW_HTTP_REQUEST_TIMEOUT", "5"):
            store = RunStore(params.tracking.experiment)
            with store.answering(patient=False):
                found = orphans(store)
    except StoreAway as error:
        return [Finding("runs", str(error), "note")]
    if not found:
        return []
    names = ", ".join(str(run.info.run_name) for run in found[:3]) + ", …" * (len(found) > 3)
    sentence = (
        f"{len(found)} RUNNING that no process works on ({names}): `python -m pipeline rebuild-tracking` ends them"
    )
    return [Finding("runs", sentence, "note")]


def orphans(store: RunStore) -> list[Run]:
    """Runs that are RUNNING though whoever began them has died.

    Only those in a file: of a server's runs other machines may take care, whose locks are not here.
    """
    if not paths.tracking_uri().startswith("sqlite"):
        return []
    return [run for run in store.search("attributes.status = 'RUNNING'") if _is_orphan(run)]


def _is_orphan(run: Run) -> bool:
    if study := run.data.tags.get("optuna_study"):
        return not locks.is_held(locks.of_study(study))
    return time.time() - run.info.start_time / 1000 > SECONDS_OF_LOGGING


def end_orphans(store: RunStore) -> None:
    """End these runs as an interrupted study ends its own: it goes on in them."""
    found = orphans(store)
    for run in found:
        if PARENT_TAG in run.data.tags:
            store.log(run.info.run_id, tags={"interrupted": "true"})
        store.end(run.info.run_id, "KILLED")
    if found:
        print(f"{plural(len(found), 'run')} that no process worked on: ended")


def _is_made(address: str) -> bool:
    """Whether there is a database to ask; a file that is not there yet would be made."""
    file = paths.sqlite_file(address)
    return file is None or file.exists()
