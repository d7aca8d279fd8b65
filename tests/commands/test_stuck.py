"""What `doctor` finds stuck: each state is made for real, and ended by the command that is printed."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from pipeline import paths
from pipeline.cli import app
from pipeline.commands.stuck import end_orphans, orphans
from pipeline.locks import alone, of_study
from pipeline.tracking.run_store import RunStore
from tests.helpers.advice import command_in, shell
from tests.helpers.command_line import ROOT
from tests.helpers.runs import all_runs, record, tracker

HOLD = """
import sys, time
from pipeline.locks import alone
with alone(sys.argv[1]), alone("something else"):
    print("held", flush=True)
    time.sleep(600)
"""
# No proxy listens there: mirrors are out of reach at once.
NO_MIRROR = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


@pytest.fixture
def project(home: Path) -> Path:
    (home / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return home


def found(subject: str, **environment: str) -> list[tuple[str, str]]:
    """What doctor says of a subject in the current folder: sentences, and `note` or `fault`."""
    result = CliRunner().invoke(app, ["doctor", "--json"], env=NO_MIRROR | environment)
    document = json.loads(result.stdout)
    assert result.exit_code == (0 if document["fine"] else 1)
    findings: list[dict[str, Any]] = document["findings"]
    return [(each["found"], each["state"]) for each in findings if each["subject"] == subject and each["state"] != "ok"]


def the_one(subject: str, **environment: str) -> tuple[str, str]:
    [finding] = found(subject, **environment)
    return finding


def test_no_git_and_no_commit(project: Path) -> None:
    (project / ".dvc").mkdir()
    sentence, state = the_one("git")
    assert (state, command_in(sentence)) == ("fault", "git init")
    shell(command_in(sentence), project)
    sentence, state = the_one("git")
    assert sentence.startswith("no commit that runs could name: ")
    shell(command_in(sentence), project)
    assert found("git") == []
    assert shell("git status --porcelain params.yaml", project) == ""


def test_a_workspace_that_does_without_git(project: Path) -> None:
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    assert found("git") == [("no repository: runs cannot name their commit", "note")]


def test_somebody_else_s_git(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_CEILING_DIRECTORIES")
    shell("git init --quiet && git commit --allow-empty --quiet --message theirs", project.parent)
    sentence, state = the_one("git")
    assert state == "note"
    assert sentence.startswith(f"the project lies in somebody else's repository, {project.parent}: ")
    shell(f"{command_in(sentence)} && git add params.yaml && git commit --message ours", project)
    assert found("git") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_repository_of_another_user(project: Path) -> None:
    shell("git init --quiet && git add params.yaml && git commit --quiet --message first", project)
    for path in (project, project / ".git"):
        os.chown(path, 12345, 12345)
    user = {"HOME": str(project.parent)}  # where git keeps whom it trusts
    sentence, state = the_one("git", **user)
    assert state == "fault"
    shell(command_in(sentence), project, **user)
    assert found("git", **user) == []


def test_the_wrong_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sentence, state = the_one("folder")
    assert (state, sentence) == ("fault", f"params.yaml not found in {tmp_path}: run `cd {quote(str(ROOT))}` first")
    shell(f"{command_in(sentence)} && python -m pipeline recommend", tmp_path)


def test_a_lock_that_is_held_and_by_whom(project: Path) -> None:
    holder = hold("study a")
    sentence, state = the_one("lock")  # of two locks
    assert state == "note"
    assert sentence.startswith(f"held by process {holder.pid} on ")
    assert command_in(sentence) == f"kill {holder.pid}"
    shell(command_in(sentence), project)
    holder.wait(timeout=60)
    assert found("lock") == []


def hold(what: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen([sys.executable, "-c", HOLD, what], env=environment, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def orphan() -> None:
    """The runs of a study whose process dies in its second trial."""
    study = tracker(fingerprint="killed")
    study.__enter__()
    study.trial_finished(record(0))
    study.trial_started(record(1).trial)


def test_one_database_for_both(project: Path) -> None:
    url = f"sqlite:///{project}/both.db"
    sentence, state = the_one("databases", OPTUNA_STORAGE=url, MLFLOW_TRACKING_URI=url)
    assert (state, sentence.partition(":")[0]) == ("fault", "OPTUNA_STORAGE and MLFLOW_TRACKING_URI both name sqlite")
    assert not (project / "both.db").exists()


def test_runs_that_no_process_works_on(project: Path) -> None:
    orphan()
    [study] = {run.data.tags["optuna_study"] for run in all_runs().values()}
    with alone(of_study(study)):
        assert found("runs") == [], "somebody works on them"
    sentence, state = the_one("runs")
    assert state == "note"
    assert sentence.startswith("2 RUNNING that no process works on (")
    # There is nothing yet that could be played again, which it says; the runs are ended all the same.
    done = subprocess.run(command_in(sentence), shell=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert sorted(run.info.status for run in all_runs().values()) == ["FINISHED", "KILLED", "KILLED"]
    assert found("runs") == []
    with tracker(fingerprint="killed") as again:  # which goes on in them
        again.trial_finished(record(0))
        again.trial_finished(record(1))
    assert [run.info.status for run in all_runs().values()] == ["FINISHED"] * 3


def test_runs_of_a_stage_that_logs_for_a_moment(project: Path) -> None:
    store = RunStore("mnist-rnn")
    hour = 3_600_000
    for begun in (int(1000 * time.time()), int(1000 * time.time()) - hour):
        store.client.create_run(store._experiment_id, start_time=begun, tags={"stage": "evaluate"})
    [old] = orphans(store)
    assert old.info.start_time < 1000 * time.time() - hour / 2
    end_orphans(store)
    assert orphans(store) == []
    assert store.client.get_run(old.info.run_id).info.status == "KILLED"


def test_an_experiment_that_somebody_has_deleted(project: Path) -> None:
    client = MlflowClient(paths.tracking_uri())
    client.delete_experiment(client.create_experiment("mnist-rnn"))
    sentence, state = the_one("runs")
    assert state == "note"
    shell(command_in(sentence), project.parent)
    assert found("runs") == []


def test_a_driver_that_is_not_installed(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip brings is a wheel that only has the driver's name, into a folder of its own."""
    with zipfile.ZipFile(tmp_path / "mysqlclient-9-py3-none-any.whl", "w") as wheel:
        wheel.writestr("MySQLdb.py", "paramstyle = 'format'\n")
        wheel.writestr("mysqlclient-9.dist-info/METADATA", "Metadata-Version: 2.1\nName: mysqlclient\nVersion: 9\n")
        wheel.writestr(
            "mysqlclient-9.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("mysqlclient-9.dist-info/RECORD", "")
    address = {"OPTUNA_STORAGE": "mysql://me:secret@localhost/db"}
    sentence, state = the_one("driver", **address)
    assert state == "fault"
    assert sentence.startswith("OPTUNA_STORAGE asks for MySQLdb, which is not installed: ")
    installed = tmp_path / "installed"
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_TARGET": str(installed)}
    shell(command_in(sentence), project, **pip)
    monkeypatch.syspath_prepend(installed)
    try:
        assert found("driver", **address) == []
    finally:
        sys.modules.pop("MySQLdb", None)  # other tests want it missing


def test_what_is_no_address_of_a_database(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = {"MLFLOW_TRACKING_URI": "nosuch://me:secret@localhost/db"}
    sentence, state = the_one("driver", **address)
    assert state == "fault"
    assert "secret" not in sentence
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address["MLFLOW_TRACKING_URI"])
    assert shell(f"{command_in(sentence)} && echo $MLFLOW_TRACKING_URI", project) == "\n"


def test_a_dvc_lock_of_which_dvc_wrote_half(project: Path) -> None:
    whole = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    lock = project / "dvc.lock"
    lock.write_text(whole, encoding="utf-8")
    assert found("dvc.lock") == []
    for half in (whole[: whole.index("params.yaml:") + 11], whole[: whole.index("size:") + 3]):
        lock.write_text(half, encoding="utf-8")
        sentence, state = the_one("dvc.lock")
        assert state == "fault"
        shell(command_in(sentence), project)
        assert found("dvc.lock") == []
