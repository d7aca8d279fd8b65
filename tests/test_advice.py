"""Sentences that hold a command: each one's command, taken from what is printed, mends what it is about.

Every case begins in a fresh clone of a finished project: it has what git carries, and neither data nor databases.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from pipeline import paths
from pipeline.cli import app
from pipeline.errors import PLACE, PROGRAMS, PipelineError, runnable
from pipeline.params.document import load_params
from pipeline.studies.results import StudySummary
from pipeline.studies.storage import StudyStorage
from tests.helpers.advice import command_in, shell
from tests.helpers.command_line import change

SEARCH = Path("data/studies/search")
RECORD = Path("data/record/search.jsonl.gz")


@pytest.fixture
def clone(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a space in its path; the databases are in it."""
    folder = tmp_path / "a clone"
    shell(f"git clone --quiet {finished} 'a clone'", tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PIPELINE_HOME")
    return folder


def say(*arguments: str) -> tuple[int, str]:
    """The exit status of `python -m pipeline`, and all that it prints."""
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "100", "TERM": "dumb"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output


def damaged(path: Path) -> Callable[[], object]:
    return lambda: path.write_bytes(b"{}" if path.suffix == ".json" else b"")


def gone(path: Path) -> Callable[[], object]:
    return path.unlink


def changed(place: str, value: object) -> Callable[[], object]:
    return lambda: change(Path(), place, value)


def without_study() -> None:
    for file in SEARCH.iterdir():
        file.unlink()
    SEARCH.rmdir()


def chosen_from_other_data() -> None:
    document = json.loads(paths.CHOICE.read_text())
    paths.CHOICE.write_text(json.dumps(document | {"data_sha256": ["0", "1"]}))


def curves_of_another_run() -> None:
    first, second, *_ = (SEARCH / "curves.csv").read_text().splitlines(keepends=True)
    (SEARCH / "curves.csv").write_text(first + second)


def samples() -> None:
    np.savez("samples.npz", x=np.zeros((2, 28, 28), np.uint8))


# What happens, what is then asked for, how the sentence goes on after the command, and what is asked for in the end.
CASES = {
    "a study without results": (without_study, "recommend", "makes data/studies/search"),
    "a study without a file": (gone(SEARCH / "curves.csv"), "recommend", "makes them"),
    "a study of other parameters": (changed("studies.search.seed", 7), "recommend", " first"),
    "a study whose files are of several runs": (curves_of_another_run, "verify search --trials 1", ""),
    "data of other parameters": (changed("data.seed", 1), "verify search", "makes that"),
    "a summary that is not there": (gone(paths.SEQUENCES_SUMMARY), "champion", "makes it"),
    "a document that is damaged": (damaged(paths.CHOICE), "predict samples.npz", "makes it again"),
    "a champion of other data": (chosen_from_other_data, "predict samples.npz", ""),
    "a champion without models": (gone(paths.CHAMPION / "seed-0.keras"), "predict samples.npz", "makes it"),
    "no prediction times": (gone(paths.PREDICTION_TIMES), "recommend --max-predict-ms 1000", "measures how long"),
    "data that were never brought": (samples, "prepare", "brings it"),
    "no runs of a study that has results": (samples, "show search#1", "makes runs of them"),
}  # fmt: skip


@pytest.mark.usefixtures("clone", "one_thread")
@pytest.mark.parametrize("case", CASES)
def test_the_command_in_a_sentence_mends_what_it_is_about(case: str) -> None:
    happens, asked, rest = CASES[case]
    happens()
    samples()
    status, said = say(*asked.split())
    assert status == 1
    assert said.splitlines()[-1].startswith("error: ")
    command = command_in(said)
    assert f"`{command}` {rest}".strip() in said or f"`{command}`{rest}" in said
    shell(command, Path())
    status, after = say(*asked.split())
    if "other parameters" in case:  # it is mended, and the next one is behind it: results of other data
        assert command not in after
    else:
        assert status == 0, after


@pytest.mark.usefixtures("clone")
def test_a_study_that_nobody_knows_gets_no_advice_that_does_not_help() -> None:
    status, said = say("show", "serach#1")
    assert status == 1
    assert said.endswith("error: experiment mnist-rnn has no runs of a study 'serach'; params.yaml has search\n")


@pytest.mark.usefixtures("clone")
def test_git_gives_back_what_is_damaged() -> None:
    params = Path("params.yaml").read_bytes()
    Path("params.yaml").write_bytes(b"")
    shell("git add params.yaml", Path())  # not even the index has it
    status, said = say("download")
    assert status == 1
    shell(command_in(said), Path())
    assert Path("params.yaml").read_bytes() == params

    content = RECORD.read_bytes()
    shell("dvc repro prepare", Path())
    RECORD.write_bytes(content[:40])
    status, said = say("study", "search")
    assert status == 1
    restores, forgets = re.findall(r"`([^`]+)`", said)
    shell(restores, Path())
    assert RECORD.read_bytes() == content
    RECORD.write_bytes(content[:40])
    shell(f"{forgets} && dvc repro --force --single-item study@search", Path())
    assert RECORD.read_bytes()[:2] == content[:2]
    assert shell("git status --porcelain data/studies/search/trials.csv", Path()) == "", "trained again, the same"


@pytest.mark.usefixtures("clone")
def test_a_study_that_somebody_has_changed_in_optuna_begins_again() -> None:
    shell("python -m pipeline rebuild-tracking", Path())
    name = StudySummary.read(SEARCH / "best.json").optuna_study
    storage = StudyStorage(paths.optuna_storage(), name)
    trial = optuna.load_study(study_name=name, storage=paths.optuna_storage()).trials[0]
    trial.params["units"] += 1
    with pytest.raises(PipelineError, match="somebody has changed the storage") as caught:
        storage.ask(0, trial)
    shell(command_in(str(caught.value)), Path())
    assert name not in optuna.get_all_study_names(paths.optuna_storage())
    shell("python -m pipeline study search", Path())
    assert len(optuna.load_study(study_name=name, storage=paths.optuna_storage()).trials) == 2


@pytest.mark.usefixtures("clone")
def test_a_run_with_changes_that_no_commit_has_is_made_again_in_another_clone(finished: Path, tmp_path: Path) -> None:
    change(Path(), "studies.search.seed", 3)
    shell("dvc repro study@search", Path())
    best = StudySummary.read(SEARCH / "best.json").best
    status, said = say("show", "search#1", "--json")
    assert status == 0
    document = json.loads(said)
    assert best is not None
    trials = pd.read_csv(SEARCH / "trials.csv")
    assert document["parameters"]["units"] == str(trials["units"][1])
    assert document["metrics"]["best_validation_accuracy"] == trials["validation_accuracy"][1]
    shell(f"git clone --quiet {finished} another", tmp_path)
    shell(document["reproduce"], tmp_path / "another")
    assert StudySummary.read(tmp_path / "another" / SEARCH / "best.json").best == best
    assert load_params(tmp_path / "another" / "params.yaml") == load_params()


@pytest.mark.usefixtures("clone")
def test_a_stage_that_could_not_log_is_logged_later() -> None:
    shell("dvc repro prepare", Path())
    said = shell("python -m pipeline evaluate", Path(), MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    shell(command_in(said), Path())
    client = MlflowClient(paths.tracking_uri())
    experiment = client.get_experiment_by_name("mnist-rnn")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.stage = 'evaluate'")
    assert [run.info.status for run in runs] == ["FINISHED"]


def test_a_command_is_spelled_for_the_shell_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "`rm data/x && dvc repro` makes it, `make quick` another; dvc and git are programs"
    assert runnable(sentence) == sentence
    monkeypatch.setenv(PROGRAMS, "/opt/my project/bin")
    assert runnable(sentence).startswith(
        "`rm data/x && '/opt/my project/bin/dvc' repro` makes it, `make quick` another"
    )
    assert runnable(sentence).endswith("; dvc and git are programs")
    assert runnable("git checkout a && dvc repro").endswith(" && '/opt/my project/bin/dvc' repro")
    monkeypatch.setenv(PLACE, "/my study")
    monkeypatch.setenv("PIPELINE_HOME", "/home")
    assert runnable("`rm data/x && dvc repro` makes") == (
        "`cd '/my study' && rm data/x && PIPELINE_HOME=/home '/opt/my project/bin/dvc' repro` makes"
    )
    assert runnable("`MLFLOW_TRACKING_URI='a b' mlflow runs` and").startswith(
        "`cd '/my study' && PIPELINE_HOME=/home MLFLOW_TRACKING_URI='a b' '/opt/my project/bin/mlflow' runs` and"
    )
    assert os.environ[PLACE] == "/my study"


@pytest.mark.usefixtures("clone")
def test_a_study_whose_process_was_killed_is_found_and_goes_on() -> None:
    """While it runs doctor names its process; once that is killed, the half study and the runs that it has left."""
    without_study()
    change(Path(), "studies.search.trials", 12)
    change(Path(), "studies.search.space.units", {"low": 2, "high": 100})
    shell("dvc repro prepare", Path())
    study = subprocess.Popen([sys.executable, "-m", "pipeline", "study", "search"], stderr=subprocess.PIPE, text=True)
    assert study.stderr is not None
    while "/12] #" not in (line := study.stderr.readline()):
        assert line, "it has ended"
    while_it_runs = stuck()
    assert list(while_it_runs) == ["lock"]
    assert command_in(while_it_runs["lock"]) == f"kill {study.pid}"
    study.kill()
    study.wait(timeout=60)
    study.stderr.close()
    after = stuck()
    assert list(after) == ["study search", "runs"]
    assert re.match(
        r"stopped with \d+ of 12 trials done: `dvc repro study@search` goes on from there", after["study search"]
    )
    shell(command_in(after["study search"]), Path())
    assert stuck() == {}


def stuck() -> dict[str, str]:
    """What doctor says of locks, studies and runs."""
    _, said = say("doctor", "--json")
    findings = json.loads(said)["findings"]
    return {
        each["subject"]: each["found"]
        for each in findings
        if each["state"] != "ok" and each["subject"].split()[0] in ("lock", "study", "runs")
    }
