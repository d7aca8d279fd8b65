"""`show` on a real MLflow store, as its users call it."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli import app
from tests.conftest import ROOT
from tests.helpers.runs import record, tracker


@pytest.fixture(autouse=True)
def project(home: Path) -> None:
    """A project with a study of two trials and an older one of the same name."""
    (home / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    for fingerprint in ("older", "newer"):
        with tracker(fingerprint=fingerprint) as study:
            study.trial_finished(record(0))
            study.trial_finished(record(1, "FAIL"))


def show(run: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["show", run, *options], env={"COLUMNS": "120", "TERM": "dumb"})


def test_a_trial_by_its_number_with_all_that_is_known() -> None:
    result = show("capacity#0")
    assert result.exit_code == 0, result.output
    lines = {tuple(line.split(maxsplit=1)) for line in result.output.splitlines() if line.strip()}
    assert {
        ("status", "FINISHED"),
        ("units", "8"),
        ("best_validation_accuracy", "0.708333"),
        ("fingerprint", "newer"),
        ("optuna_study", "capacity-newer"),
        ("study", "capacity"),
        ("trial", "0"),
        ("model.png",),
        ("model_summary.txt",),
    } <= {tuple(part.strip() for part in line) for line in lines}
    assert result.output.startswith("#000 LSTM 1×8")
    assert result.output.endswith(
        "This run is not of what is here now: data/sequences/summary.json not found: `dvc repro` makes it\n\n"
        "The command that makes it, where it is not up to date:\n  dvc repro study@capacity\n"
    )


def test_a_run_by_its_id_and_a_study_by_its_name() -> None:
    with tracker(fingerprint="newest") as study:
        run_id = study.trial_finished(record(1, "FAIL"))["mlflow_run_id"]
    shown = show(run_id)
    assert run_id in shown.output
    assert "the loss is not a finite number after epoch 3" in shown.output
    assert show("capacity").output.startswith("study/capacity")


def test_json_is_one_document_with_the_same_figures() -> None:
    result = show("capacity#0", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (document["name"], document["status"]) == ("#000 LSTM 1×8", "FINISHED")
    assert document["parameters"]["units"] == "8"
    assert document["metrics"]["best_validation_accuracy"] == pytest.approx(0.708333, abs=1e-6)
    assert document["tags"]["fingerprint"] == "newer"
    assert {"model.png", "model_summary.txt"} <= set(document["artifacts"])
    assert document["reproduce"] == "dvc repro study@capacity"
    assert datetime.fromisoformat(document["started"]) <= datetime.fromisoformat(document["ended"])
    run_id = document["run_id"]
    assert json.loads(show(run_id, "--json").stdout) == document


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("0" * 32, f"error: no run has the id {'0' * 32}; `show STUDY#TRIAL`, for example search#3, finds one by name"),
        ("serach#0", "error: experiment mnist-rnn has no runs of a study 'serach'; it has those of capacity"),
        ("capacity#7", "error: study capacity has no run of trial 7; its trials go from 0 to 1"),
        ("capacity#x", "error: 'capacity#x' is neither the id of a run nor STUDY#TRIAL, for example search#3"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(name: str, sentence: str) -> None:
    result = show(name)
    assert (result.exit_code, result.output) == (1, sentence + "\n")
