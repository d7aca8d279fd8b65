"""DVC on the real dvc.yaml: which changes make which stages out of date, and a queued experiment."""

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
from dvc.repo import Repo  # type: ignore[import-untyped]
from mlflow import MlflowClient

from pipeline.commands.quick import make_workspace
from tests.helpers.command_line import change
from tests.helpers.sequences import params_with, write_sequences

ROOT = Path(__file__).parents[1]
SEARCH = {
    "sampler": "random", "trials": 1,
    "space": {"cell": ["simple_rnn"], "units": {"low": 2, "high": 99}, "epochs": [1]},
}  # fmt: skip


STUDIES = {"study@book", "study@capacity", "study@search", "study@views", "race"}
# A file that changes or comes, and the stages that it makes out of date.
CHANGES = {
    "pipeline/training/__pycache__/train.cpython-311.pyc": set(),
    "pipeline/tracking/__init__.py": set(),
    "pipeline/progress.py": set(),
    "pipeline/paths.py": set(),
    "pipeline/commands/verify.py": set(),
    "data/record/search.jsonl.gz": set(),
    "pipeline/report/__init__.py": {"report"},
    "pipeline/commands/champion.py": {"champion", "report"},
    "pipeline/analysis/__init__.py": {"champion", "evaluate", "report"},
    "pipeline/data/mirrors.py": {"download", "prepare", "champion", "report"},
    "pipeline/studies/__init__.py": {*STUDIES, "champion", "evaluate", "report"},
    "pipeline/training/__init__.py": {*STUDIES, "champion", "evaluate", "report"},
    "pipeline/params/__init__.py": {"download", "prepare", *STUDIES, "champion", "evaluate", "report"},
    "data/studies/views/trials.csv": {"study@views", "champion", "evaluate", "report"},
    "data/studies/search/trials.csv": {"study@search", "race", "champion", "evaluate", "report"},
    "data/studies/new/trials.csv": {"champion", "evaluate", "report"},
}


@pytest.fixture
def reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace with the real graph and code in which DVC takes every stage for done; the outputs are made up."""
    make_workspace(ROOT, tmp_path, "mnist5k")
    monkeypatch.chdir(tmp_path)
    with Repo() as repo:
        entries = [entry.def_path for stage in repo.index.stages for entry in (*stage.outs, *stage.deps)]
        for path in (Path(entry) for entry in entries if entry.startswith("data")):
            file = path if path.suffix else path / "trials.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("made up\n")
        repo.commit(force=True)


def out_of_date() -> set[str]:
    """The stages that `dvc repro` would run at once; it may find more when these have run."""
    with Repo() as repo:
        return set(repo.status())


@pytest.mark.usefixtures("reproduced")
def test_a_change_makes_out_of_date_exactly_what_depends_on_it() -> None:
    assert out_of_date() == set()
    found = {}
    for name in CHANGES:
        file = Path(name)
        before = file.read_bytes() if file.exists() else None
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((before or b"") + b"# changed\n")
        found[name] = out_of_date()
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)
    assert found == CHANGES


def value_at(place: str) -> object:
    found = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    for key in place.split("."):
        found = found.get(key, 0)
    return found


@pytest.mark.usefixtures("reproduced")
@pytest.mark.parametrize(
    ("place", "stages"),
    [
        ("studies.search.seed", {"study@search", "race", "champion", "evaluate", "report"}),
        ("studies.views.seed", {"study@views", "champion", "evaluate", "report"}),
        ("race.tolerance", {"race", "champion", "report"}),
        ("champion.seeds", {"champion", "report"}),
        ("data.seed", {"prepare", *STUDIES, "champion", "evaluate", "report"}),
        ("execution.workers", set()),
        ("tracking.experiment", set()),
    ],
)
def test_a_parameter_makes_out_of_date_what_reads_it(place: str, stages: set[str]) -> None:
    before = value_at(place)
    change(Path(), place, before + 1 if isinstance(before, int) else 0.5)
    assert out_of_date() == stages


@pytest.mark.usefixtures("reproduced")
def test_a_new_study_is_run_before_the_champion_is_chosen() -> None:
    studies = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["studies"]
    change(Path(), "studies.new", studies["search"])
    assert out_of_date() == {"study@new", "champion", "evaluate", "report"}
    with Repo() as repo:
        stages = {stage.addressing: stage for stage in repo.index.stages}
        assert set(repo.index.graph.successors(stages["champion"])) >= {stages["study@new"], stages["study@search"]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with the pipeline, of dvc.yaml the stage `study`, and sequences for it."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"study": graph["stages"]["study"]}}))
    params = params_with({"search": SEARCH}, workers=1).model_dump(mode="json", exclude_unset=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for name in (".gitignore", ".dvcignore"):
        shutil.copyfile(ROOT / name, folder / name)
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
