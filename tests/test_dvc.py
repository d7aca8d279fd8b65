"""A queued DVC experiment: run in a copy of the project, its runs and trials in the project's own databases."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import optuna
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from tests.helpers.sequences import params_with, write_sequences

ROOT = Path(__file__).parents[1]
SEARCH = {
    "sampler": "random", "trials": 1,
    "space": {"cell": ["simple_rnn"], "units": {"low": 2, "high": 99}, "epochs": [1]},
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with the pipeline, of dvc.yaml the stage `study`, and sequences for it."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"study": graph["stages"]["study"]}}))
    params = params_with({"search": SEARCH}, workers=1).model_dump(mode="json", exclude_unset=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copyfile(ROOT / ".gitignore", folder / ".gitignore")
    write_sequences(folder / "data" / "sequences")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PIPELINE_HOME")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "true")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
    run("git", "init", "--quiet")
    dvc("init", "--quiet")
    run("git", "add", ".")
    run("git", "commit", "--quiet", "--message", "first")
    return folder


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(*arguments: str) -> str:
    return run(sys.executable, "-m", "dvc", *arguments)


def test_a_queued_experiment_is_in_mlflow_in_optuna_and_in_dvc(project: Path) -> None:
    commit = run("git", "rev-parse", "HEAD").strip()
    dvc("exp", "run", "--queue", "--name", "two-trials", "--set-param", "studies.search.trials=2")
    dvc("exp", "run", "--run-all")

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("mnist-rnn")
    assert experiment is not None
    runs = {run.data.tags["trial"]: run for run in client.search_runs([experiment.experiment_id])}
    assert runs.keys() == {"", "0", "1"}
    for each in runs.values():
        assert each.info.status == "FINISHED"
        assert each.data.tags["dvc_experiment"] == "two-trials"
        assert each.data.tags["reproduce"].endswith(" && dvc exp apply two-trials && dvc repro study@search")
        assert str(each.info.artifact_uri).startswith((project / "mlruns").as_uri())
    assert client.list_artifacts(runs["0"].info.run_id)
    [name] = optuna.get_all_study_names(f"sqlite:///{project}/optuna.db")
    trials = optuna.load_study(study_name=name, storage=f"sqlite:///{project}/optuna.db").trials
    assert [trial.user_attrs["mlflow_run_id"] for trial in trials] == [runs[n].info.run_id for n in ("0", "1")]

    assert not (project / "data/studies").exists(), "a queued experiment leaves the workspace alone"
    shown = json.loads(dvc("exp", "show", "--json"))
    [baseline] = [revision for revision in shown if revision["rev"] == commit]
    [attempt] = baseline["experiments"]
    assert (attempt["name"], attempt["revs"][0]["error"]) == ("two-trials", None)
    dvc("exp", "apply", "two-trials")
    table = pd.read_csv(project / "data/studies/search/trials.csv")
    assert table["validation_accuracy"].tolist() == [trial.value for trial in trials]
    changed = json.loads(dvc("params", "diff", "--json", "HEAD"))
    assert changed == {"params.yaml": {"studies.search.trials": {"old": 1, "new": 2, "diff": 1}}}
