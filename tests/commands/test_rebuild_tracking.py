"""`rebuild-tracking`: from a fresh clone come the same runs that were tracked while the study ran."""

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline import paths
from pipeline.commands import study
from pipeline.commands.rebuild_tracking import rebuild_tracking
from tests.helpers.project import Project
from tests.helpers.runs import all_runs, artifact, history

# Tags that say where and when the runs were made, not what is in them.
OF_THE_OCCASION = {"mlflow.parentRunId", "workspace", "reused", "python", "mlflow"}
OF_THE_TRAINING = {"worker", "trained_at"}


@pytest.fixture
def clone(project: Project, home: Path) -> Path:
    """The files of the project that git carries, and its data: no database, no journal."""
    shutil.copytree(project.folder / "data", home / "data")
    return home


def everything() -> dict[str, Any]:
    """All that the runs hold, but for their ids. A failed trial leaves nothing: it is trained, and fails, once more."""
    return {
        name: (
            run.info.status,
            run.data.params,
            {metric: history(run, metric) for metric in run.data.metrics if run.info.status != "FAILED"},
            {
                tag: value.replace(run.info.run_id, "its own id")
                for tag, value in run.data.tags.items()
                if tag not in OF_THE_OCCASION and not (run.info.status == "FAILED" and tag in OF_THE_TRAINING)
            },
        )
        for name, run in all_runs().items()
    }


def test_rebuilt_runs_are_those_that_were_tracked(
    project: Project, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as there:
        there.setenv("PIPELINE_HOME", str(project.folder))
        tracked = everything()
    tables = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
    assert rebuild_tracking(project.params)
    rebuilt = all_runs()
    assert everything() == tracked
    assert {path: path.read_bytes() for path in tables} == tables
    parent = rebuilt["study/search"]
    children = [run for run in rebuilt.values() if run.data.tags["trial"] and run.data.tags["stage"] == "study"]
    assert len(children) == 10
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.data.tags["state"]: run.data.tags["reused"] for run in children} == {
        "COMPLETE": "true", "PRUNED": "true", "FAIL": "false",
    }  # fmt: skip
    timings = Path("data/studies/search/timings.csv").read_text().splitlines()[1:]
    assert {run.data.tags["trained_at"] for run in children if "trained_at" in run.data.tags} == {
        line.rpartition(",")[2] for line in timings
    }
    assert artifact(parent, "trials.csv") == (paths.study_folder("search") / "trials.csv").read_bytes()
    assert rebuilt["champion seed 0"].data.tags["reused"] == "true"

    runs = {int(run.data.tags["trial"]): run.info.run_id for run in children}
    assert runs_named_in_optuna() == runs

    capsys.readouterr()
    ends = {name: run.info.end_time for name, run in rebuilt.items()}
    assert rebuild_tracking(project.params)
    assert {name: run.info.end_time for name, run in all_runs().items()} == ends
    assert capsys.readouterr().out == "study search: already there\n"

    for file in clone.glob("optuna.db*"):
        file.unlink()
    assert rebuild_tracking(project.params)
    assert runs_named_in_optuna() == runs
    assert everything() == tracked


def runs_named_in_optuna() -> dict[int, str]:
    """By the trial's number, the id of the MLflow run that Optuna keeps with it."""
    [name] = optuna.get_all_study_names(paths.optuna_storage())
    trials = optuna.load_study(study_name=name, storage=paths.optuna_storage()).trials
    return {trial.number: trial.user_attrs["mlflow_run_id"] for trial in trials}


def test_what_cannot_be_rebuilt_is_said(
    project: Project, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "run", lambda *_: pytest.fail("there is nothing that could be played"))
    folder = paths.study_folder("search")
    (folder / "curves.csv").unlink()
    assert not rebuild_tracking(project.params)
    assert capsys.readouterr().out == (
        f"study search: not rebuilt: {folder} lacks curves.csv: `dvc repro study@search` makes them\n"
    )
    best = json.loads((folder / "best.json").read_text())
    (folder / "best.json").write_text(json.dumps(best | {"fingerprint": "other"}))
    assert not rebuild_tracking(project.params)
    assert (
        "study search: not rebuilt: data/studies/search does not hold study search as params.yaml, data/sequences and"
        in (capsys.readouterr().out)
    )
    shutil.rmtree(folder)
    paths.CHOICE.unlink()
    assert rebuild_tracking(project.params)
    assert capsys.readouterr().out == "study search: no results in data/studies/search\n"
