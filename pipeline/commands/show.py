"""`show`: everything that is known about one run, in one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import tested_model
from pipeline.commands.champion import outdated
from pipeline.data.sequences import prepared_sequences
from pipeline.documents import print_json
from pipeline.errors import PipelineError, runnable
from pipeline.params.document import Params
from pipeline.studies.results import has_results, study_definition
from pipeline.tracking.outcomes import fingerprint_of
from pipeline.tracking.registry import version_facts
from pipeline.tracking.run_store import PARENT_TAG, RunStore, in_a_shell

if TYPE_CHECKING:
    from mlflow.entities import Run

OUTCOMES = ("champion", "evaluate")
RUN_ID = re.compile(r"[0-9a-f]{32}")
STUDY_AND_TRIAL = re.compile(r"([\w.-]+)(?:#(\d+))?")


def show_run(params: Params, name: str, as_json: bool = False) -> None:
    """Print the run called `name`: a run's id, or STUDY#TRIAL, or STUDY, or one of `OUTCOMES`; of several the newest.

    Says if it is not a run of params.yaml and of the data that are there now. Raises PipelineError where there is none.
    """
    store = RunStore(params.tracking.experiment)
    run = _find(store, params, name)
    artifacts, again = store.artifacts(run.info.run_id), runnable(_reproduce(run))
    reason = _other_than_now(run.data.tags, params)
    if as_json:
        print_json(_document(run, artifacts, again, reason))
        return
    console = Console(highlight=False, markup=False)
    console.print(_table(run, artifacts, _version(store, run)))
    if reason:
        console.print(f"\nThis run is not of what is here now: {reason}", soft_wrap=True)
    if run.data.tags.get("git_dirty") == "true":
        console.print(
            "\nThe sources had changes that no commit has: they are git.diff among the artifacts of the study."
        )
    if again:
        console.print(f"\nThe command that makes it, where it is not up to date:\n  {again}", soft_wrap=True)


def _other_than_now(tags: Mapping[str, str], params: Params) -> str | None:
    """Why the run does not answer for params.yaml, data/sequences and the studies that are there; None where it does.

    Runs of other stages, such as a page without a study, are not compared.
    """
    try:
        summary = prepared_sequences(params.data)
        if (stage := tags.get("stage")) == "study":
            now = study_definition(tags["study"], params, summary).fingerprint
        elif stage in OUTCOMES:
            choice = Choice.read_for(summary.learning_sha256, paths.CHOICE)
            if reason := outdated(params, summary, choice):
                return reason
            metrics = tested_model(choice.choice, summary.all_sha256, params.champion.metric)
            found = choice if stage == "champion" else metrics
            now = "" if found is None else fingerprint_of(found, summary)
        else:
            return None
    except FileNotFoundError as error:
        return f"{error.filename} not found: `dvc repro` makes it"
    except PipelineError as error:
        return str(error)
    if tags.get("fingerprint") == now:
        return None
    return (
        "its fingerprint is another one than data, parameters and results have now. It stays true of its own data_md5, "
        "parameters and git_commit, see above"
    )


def _version(store: RunStore, run: Run) -> dict[str, str]:
    """What is known of the registered model that the run has made or tested; nothing where there is none."""
    name, version = (run.data.tags.get(tag) for tag in ("model", "model_version"))
    return version_facts(store.client, name, version) if name and version else {}


def _reproduce(run: Run) -> str:
    """The command that makes the run again, with the changes that no commit has; empty for a run without one."""
    command = run.data.tags.get("reproduce", "")
    if run.data.tags.get("git_dirty") != "true" or not command:
        return command
    holder = run.data.tags.get(PARENT_TAG, run.info.run_id)
    fetch = f"{in_a_shell()} artifacts download --run-id {holder} --artifact-path git.diff --dst-path ."
    checkout, _, rest = command.partition(" && ")
    return f"{checkout} && {fetch} && git apply git.diff && {rest}"


def _document(run: Run, artifacts: list[str], reproduce: str, other: str | None) -> dict[str, Any]:
    """The run as JSON has it; moments are in UTC, metrics have their last value."""
    started, ended = (
        datetime.fromtimestamp(moment / 1000, UTC).isoformat() if moment else None
        for moment in (run.info.start_time, run.info.end_time)
    )
    return {
        "name": run.info.run_name,
        "run_id": run.info.run_id,
        "status": run.info.status,
        "started": started,
        "ended": ended,
        "parameters": run.data.params,
        "metrics": run.data.metrics,
        "tags": {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.") and value},
        "artifacts": artifacts,
        "artifacts_in": run.info.artifact_uri,
        "reproduce": reproduce,
        "other_than_now": other,
    }


def _find(store: RunStore, params: Params, name: str) -> Run:
    if RUN_ID.fullmatch(name):
        run = store.run(name)
        if run is None:
            raise PipelineError(
                f"no run has the id {name}; `show STUDY#TRIAL`, for example search#3, finds one by name"
            )
        return run
    parts = STUDY_AND_TRIAL.fullmatch(name)
    if parts is None:
        raise PipelineError(f"{name!r} is neither the id of a run nor STUDY#TRIAL, for example search#3")
    study, trial = parts[1], "" if parts[2] is None else str(int(parts[2]))
    outcomes = store.search(f"tags.stage = '{name}' and tags.trial = ''") if name in OUTCOMES else []
    if outcomes:
        return outcomes[-1]
    runs = [run for run in store.search("tags.stage = 'study'") if run.data.tags["study"] == study]
    if not runs:
        known = sorted({run.data.tags["study"] for run in store.search("tags.stage = 'study'")})
        if has_results(study) or (name in OUTCOMES and paths.CHOICE.exists()):
            way_out = "its results are there: `python -m pipeline rebuild-tracking` makes runs of them"
        else:
            makes = f"`dvc repro {paths.study_stage(study)}` makes them" if study in params.studies else ""
            others = f"it has those of {', '.join(known)}" if known else ""
            way_out = makes or others or f"params.yaml has {', '.join(params.studies)}"
        raise PipelineError(f"experiment {params.tracking.experiment} has no runs of a study {study!r}; {way_out}")
    found = [run for run in runs if run.data.tags["trial"] == trial]
    if not found:
        last = max(int(run.data.tags["trial"] or 0) for run in runs)
        raise PipelineError(f"study {study} has no run of trial {trial}; its trials go from 0 to {last}")
    return found[-1]


def _table(run: Run, artifacts: list[str], version: dict[str, str]) -> Table:
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    tags.pop("reproduce", None)
    started, ended = (
        datetime.fromtimestamp(moment / 1000).isoformat(" ", "seconds") if moment else "not yet"
        for moment in (run.info.start_time, run.info.end_time)
    )
    sections = {
        str(run.info.run_name): {"run": run.info.run_id, "status": run.info.status, "started": started, "ended": ended},
        "parameters": run.data.params,
        "metrics, last value": {name: f"{value:.6g}" for name, value in run.data.metrics.items()},
        "where it comes from": {name: value for name, value in tags.items() if value},
        "registered model": version,
        "artifacts": dict.fromkeys(artifacts, "") | {"in": str(run.info.artifact_uri)},
    }
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for title, entries in sections.items():
        if not entries:
            continue
        table.add_row(Text(title, style="bold"))
        ordered = entries.items() if title in (run.info.run_name, "artifacts") else sorted(entries.items())
        for name, value in ordered:
            table.add_row(Text(f"  {name}"), Text(value, overflow="fold"))
    return table
