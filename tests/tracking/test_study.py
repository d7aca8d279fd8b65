"""Runs in a real MLflow store: their tree, their content, and a study that is stopped and goes on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

from pipeline import paths
from pipeline.tracking.run_store import RunStore, in_a_shell
from pipeline.tracking.search_plots import SearchPlots
from pipeline.training.machine import surroundings
from tests.helpers.runs import (
    DATA,
    PER_EPOCH,
    all_runs,
    artifact,
    artifacts,
    curve,
    epoch,
    history,
    record,
    tracker,
    trial,
    write_results,
)
from tests.helpers.servers import Server, mlflow_server, serving

pytestmark = pytest.mark.usefixtures("home")


def test_a_study_with_a_complete_a_pruned_and_a_failed_trial(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tracking.study.SECONDS_BETWEEN_SHOWN_EPOCHS", 0.0)
    records = [record(0), record(1, "PRUNED", epochs=2), record(2, "FAIL")]
    with tracker() as study:
        study.trial_started(trial(0))
        for number in (1, 2):  # the rest arrives with the result
            study.epoch_finished(trial(0), epoch(number))
        live = all_runs()["#000 LSTM 1×8"]
        ids = [study.trial_finished(r)["mlflow_run_id"] for r in records]
        plots = SearchPlots({"units": 1.0}, "<h1>plots</h1>")
        study.finish(home / "results", write_results(home / "results", records), plots)

    runs = all_runs()
    names = ["study/capacity", "#000 LSTM 1×8", "#001 LSTM 1×9", "#002 LSTM 1×10"]
    assert sorted(runs) == sorted(names)
    parent, complete, pruned, failed = (runs[name] for name in names)
    assert (live.info.status, live.data.metrics["curves/train_accuracy"]) == ("RUNNING", 0.75)
    assert ids == [run.info.run_id for run in (complete, pruned, failed)]
    assert [run.info.status for run in (parent, complete, pruned, failed)] == [
        "FINISHED",
        "FINISHED",
        "KILLED",
        "FAILED",
    ]
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in (complete, pruned, failed))
    assert pruned.data.tags["pruned_at_epoch"] == "2"
    assert failed.data.tags["failure"] == "the loss is not a finite number after epoch 3"

    assert parent.data.metrics == {
        "trials_complete": 1,
        "trials_pruned": 1,
        "trials_fail": 1,
        "best_number": 0,
        "best_validation_accuracy": 0.7083,
    }
    assert parent.data.params == {
        "sampler": "grid",
        "space.units": "[8, 9]",
        "space.dropout.low": "0.0",
        "space.dropout.high": "0.3",
        "seeds": "null",
    }
    note = parent.data.tags["mlflow.note.content"]
    assert "Trials: 1 complete, 1 pruned, 1 fail. The best is #000, LSTM 1×8, with 70.83%" in note
    assert "(PED-ANOVA): units 100%" in note
    assert note.startswith("![Accuracy and generalization gap by parameters](get-artifact?path=networks.png&run_uuid=")
    assert parent.info.run_id in note.splitlines()[0]
    assert artifact(parent, "networks.png").startswith(b"\x89PNG")
    assert json.loads(artifact(parent, "importances.json")) == {"units": 1.0}
    assert artifact(parent, "plots/optuna.html") == b"<h1>plots</h1>"
    assert artifact(parent, "trials.csv") == (home / "results" / "trials.csv").read_bytes()

    assert complete.data.params == {
        "cell": "lstm",
        "units": "8",
        "depth": "1",
        "bidirectional": "False",
        "dropout": "0.0",
        "optimizer": "adam",
        "learning_rate": "0.001",
        "batch_size": "128",
        "epochs": "4",
        "patience": "null",
        "seed": "100",
        "train_samples": "90",
        "recurrent_dropout": "0.0",
        "merge_mode": "concat",
        "unroll": "False",
        "view": "rows",
        "pooling": "last",
        "layer_normalization": "False",
        "residual": "False",
        "learning_rate_schedule": "constant",
        "warmup_epochs": "0.0",
        "weight_decay": "0.0",
        "global_clipnorm": "null",
        "label_smoothing": "0.0",
        "ema_momentum": "null",
    }
    tags = complete.data.tags
    assert {name: tags[name] for name in ("stage", "study", "trial", "seed", "fingerprint", "optuna_study")} == {
        "stage": "study",
        "study": "capacity",
        "trial": "0",
        "seed": "100",
        "fingerprint": "abc123",
        "optuna_study": "capacity-abc123",
    }
    outcome = ("state", "reused", "weights_sha256", "worker", "trained_at")
    assert {name: tags[name] for name in outcome} == {
        "state": "COMPLETE",
        "reused": "false",
        "weights_sha256": "f0" * 32,
        "worker": "tcp://127.0.0.1:1",
        "trained_at": "2026-11-26T15:30:00Z",
    }
    assert tags["processor"] == "a processor", "of the worker that trained it, not of this process"
    assert surroundings().items() <= parent.data.tags.items()
    assert surroundings().items() - {("processor", surroundings()["processor"])} <= tags.items()
    assert surroundings().keys() >= {"python", "tensorflow", "keras", "mlflow", "processor"}
    for metric, values in {
        "train_loss": [1, 1 / 2, 1 / 3, 1 / 4],
        "validation_accuracy": [0.375, 0.625, 1 - 0.5 / 3 - 0.125, 0.75],
        "generalization_gap": [0.125] * 4,
        "during_fit_accuracy": [0.25, 0.5, 1 - 0.5 / 3 - 0.25, 0.625],
    }.items():
        assert curve(complete, metric) == [(n, pytest.approx(v)) for n, v in enumerate(values, start=1)], metric
    assert complete.data.metrics.keys() == {f"curves/{name}" for name in PER_EPOCH} | {
        f"best_{name}" for name in PER_EPOCH
    } | {
        "parameters",
        "best_epoch",
        "fit_seconds",
        "predict_microseconds_per_sequence",
    }
    assert complete.data.metrics["best_validation_loss"] == 0.5
    assert complete.data.metrics["best_epoch"] == 3

    assert artifact(complete, "model_summary.txt").decode() == "Model: lstm · 1,234 parameters"
    assert artifact(complete, "model.png").startswith(b"\x89PNG")
    assert artifacts(complete) == ["model.png", "model_summary.txt"], "the curves MLflow draws itself"
    assert complete.inputs is not None
    [used] = complete.inputs.dataset_inputs
    assert (used.dataset.name, len(used.dataset.digest)) == ("mnist5k as rows", 36)


def test_epochs_that_come_fast_are_shown_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def show(number: int, seconds_between: float) -> list[int]:
        monkeypatch.setattr("pipeline.tracking.study.SECONDS_BETWEEN_SHOWN_EPOCHS", seconds_between)
        study.epoch_finished(trial(0), epoch(number))
        return [step for step, _ in curve(all_runs()["#000 LSTM 1×8"], "train_loss")]

    with tracker() as study:
        study.trial_started(trial(0))
        assert [show(1, 60.0), show(2, 0.0), show(3, 60.0)] == [[], [1, 2], [1, 2]]
        study.trial_finished(record(0))
    assert [step for step, _ in curve(all_runs()["#000 LSTM 1×8"], "train_loss")] == [1, 2, 3, 4]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")])
def test_a_stopped_study_leaves_nothing_running_and_goes_on_in_the_same_runs(
    error: type[BaseException], status: str
) -> None:
    def stopped_study() -> None:
        with tracker() as study:
            study.trial_finished(record(0))
            study.trial_started(trial(1))
            study.epoch_finished(trial(1), epoch(1))
            raise error

    with pytest.raises(error):
        stopped_study()
    stopped = all_runs()
    assert {name: run.info.status for name, run in stopped.items()} == {
        "study/capacity": status,
        "#000 LSTM 1×8": "FINISHED",
        "#001 LSTM 1×9": "KILLED",
    }
    assert stopped["#001 LSTM 1×9"].data.tags["interrupted"] == "true"

    with tracker() as study:
        assert all_runs()["study/capacity"].info.status == "RUNNING"
        study.trial_finished(record(0))  # told by the earlier session
        study.trial_started(trial(1))  # trained again from the start
        assert all_runs()["#001 LSTM 1×9"].info.status == "RUNNING"
        for number in (1, 2, 3):
            study.epoch_finished(trial(1), epoch(number))
        study.trial_finished(record(1))
        study.trial_finished(record(1))

    continued = all_runs()
    assert {name: run.info.run_id for name, run in continued.items()} == {
        name: run.info.run_id for name, run in stopped.items()
    }
    assert {run.info.status for run in continued.values()} == {"FINISHED"}
    assert "interrupted" not in continued["#001 LSTM 1×9"].data.tags
    for name in ("#000 LSTM 1×8", "#001 LSTM 1×9"):
        for metric in PER_EPOCH:
            assert [step for step, _ in curve(continued[name], metric)] == [1, 2, 3, 4]
        assert len(history(continued[name], "best_epoch")) == 1


@pytest.mark.parametrize("begins", ["study/capacity", "#000 LSTM 1×8"])
def test_a_stop_just_when_a_run_has_begun_leaves_nothing_running(
    home: Path, monkeypatch: pytest.MonkeyPatch, begins: str
) -> None:
    create = RunStore.create

    def stopped(store: RunStore, name: str, *rest: Any) -> str:
        run_id = create(store, name, *rest)
        if name == begins:
            raise KeyboardInterrupt
        return run_id

    def stopped_study() -> None:
        with tracker() as study:
            study.trial_started(trial(0))

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "create", stopped)
        with pytest.raises(KeyboardInterrupt):
            stopped_study()
    assert {run.info.status for run in all_runs().values()} == {"KILLED"}
    with tracker() as study:
        study.trial_finished(record(0))
    assert {name: run.info.status for name, run in all_runs().items()} == {
        "study/capacity": "FINISHED",
        "#000 LSTM 1×8": "FINISHED",
    }


def test_runs_left_running_by_a_crash_are_continued_or_closed() -> None:
    crashed = tracker().__enter__()  # a process that dies leaves its block by no way at all
    crashed.trial_started(trial(0))
    crashed.epoch_finished(trial(0), epoch(1))
    crashed.trial_started(trial(1))
    assert all_runs()["study/capacity"].info.status == "RUNNING"
    with tracker() as study:
        study.trial_finished(record(0))  # its result had been kept
    runs = all_runs()
    assert {name: run.info.status for name, run in runs.items()} == {
        "study/capacity": "FINISHED",
        "#000 LSTM 1×8": "FINISHED",
        "#001 LSTM 1×9": "KILLED",
    }
    assert curve(runs["#000 LSTM 1×8"], "train_loss") == [(n, pytest.approx(1 / n)) for n in (1, 2, 3, 4)]


def test_a_failed_trial_that_is_tried_again_succeeds_in_its_old_run() -> None:
    with tracker() as study:
        failed = study.trial_finished(record(0, "FAIL"))
    with tracker() as study:
        study.trial_started(trial(0))
        assert study.trial_finished(record(0)) == failed
    run = all_runs()["#000 LSTM 1×8"]
    assert (run.info.status, run.data.tags["state"]) == ("FINISHED", "COMPLETE")
    assert "failure" not in run.data.tags


def test_another_fingerprint_or_study_begins_runs_of_its_own() -> None:
    for study, fingerprint in (("capacity", "one"), ("capacity", "two"), ("search", "two")):
        with tracker(study, fingerprint) as tracked:
            tracked.trial_started(trial(0))
    client = MlflowClient(paths.tracking_uri())
    experiment = client.get_experiment_by_name("mnist-rnn")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 6
    assert len({run.data.tags["mlflow.parentRunId"] for run in runs if run.data.tags["trial"]}) == 3


def test_tracking_a_study_imports_no_tensorflow_and_prints_nothing(home: Path) -> None:
    (home / "mlflow.db").unlink()
    program = f"""
import sys
from pipeline.data.sequences import SequencesSummary
from pipeline.lineage import lineage
from pipeline.tracking.study import StudyTracker
assert "mlflow" not in sys.modules
data = SequencesSummary.model_validate_json({DATA.model_dump_json()!r})
with StudyTracker(lineage("study", experiment="e", data=data, fingerprint="f", study="s"), {{}}, data) as study:
    pass
assert "mlflow" in sys.modules
assert not {{"tensorflow", "keras", "torch"}} & sys.modules.keys()
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (home / "mlflow.db").exists()


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    server = mlflow_server(home)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def test_a_server_at_the_root_shows_the_runs_and_takes_new_ones(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracker() as study:  # straight into mlflow.db
        run_id = study.trial_finished(record(0))["mlflow_run_id"]
    shown = requests.get(f"{server.address}/get-artifact", {"path": "model.png", "run_uuid": run_id}, timeout=10)
    assert shown.content == artifact(all_runs()["#000 LSTM 1×8"], "model.png")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    with tracker() as study:  # through the server, and in the same study
        study.trial_started(trial(1))
        study.epoch_finished(trial(1), epoch(1))
        assert study.trial_finished(record(0)) == {"mlflow_run_id": run_id}
        study.trial_finished(record(1))
    runs = all_runs()
    assert set(runs) == {"study/capacity", "#000 LSTM 1×8", "#001 LSTM 1×9"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert [step for step, _ in curve(runs["#001 LSTM 1×9"], "train_loss")] == [1, 2, 3, 4]
    assert artifact(runs["#001 LSTM 1×9"], "model_summary.txt").decode() == "Model: lstm · 1,234 parameters"


def test_a_server_behind_passwords_keeps_runs_in_postgresql_and_artifacts_in_its_own_folder(
    home: Path, tmp_path: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", "of-12-letters")
    monkeypatch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "any")
    host = tmp_path / "another host"
    host.mkdir()
    server = mlflow_server(host, "server", "--app-name", "basic-auth", "--backend-store-uri", postgresql)
    with serving(server) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with tracker() as study:
            study.trial_finished(record(0))
        told = capsys.readouterr().out
        assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to those of a user that it knows" in told
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "of-12-letters")
        with tracker() as study:
            study.trial_finished(record(0))
        runs = all_runs()
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        assert artifact(runs["#000 LSTM 1×8"], "model_summary.txt").decode() == "Model: lstm · 1,234 parameters"
    assert capsys.readouterr().out == ""
    assert len(list(host.rglob("model_summary.txt"))) == 1
    assert not list(home.rglob("model_summary.txt"))


def test_a_stop_while_mlflow_is_imported_does_not_begin_that_again(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def stopped(experiment: str) -> RunStore:
        opened.append(experiment)
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.tracking.study.RunStore", stopped)
    with pytest.raises(KeyboardInterrupt), tracker():
        pass
    assert len(opened) == 1


def test_a_server_that_goes_away_stops_no_study_and_misses_nothing_when_it_is_back(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.tracking.study.SECONDS_BETWEEN_ATTEMPTS", 0.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    records = [record(0), record(1, "PRUNED", epochs=2), record(2), record(3)]
    with tracker() as study:
        study.trial_started(trial(0))
        study.epoch_finished(trial(0), epoch(1))
        study.trial_started(trial(2))
        server.kill()
        started = time.monotonic()
        study.epoch_finished(trial(0), epoch(2))
        study.epoch_finished(trial(2), epoch(1))
        ids = [study.trial_finished(r) for r in records[:2]]
        assert time.monotonic() - started < 60
        assert [len(kept) for kept in ids] == [1, 0], "a run that has not begun has no id"
        server.start()
        study.epoch_finished(trial(2), epoch(3))
        assert all_runs()["#001 LSTM 1×9"].info.status == "KILLED"
        study.trial_finished(records[2])
        study.trial_started(trial(3))
        server.kill()
        study.trial_finished(records[3])
        server.start()
        study.finish(home / "results", write_results(home / "results", records))

    assert capsys.readouterr().out.count("MLflow takes nothing at the moment; the study goes on") == 2
    runs = all_runs()
    assert {name: run.info.status for name, run in runs.items()} == {
        "study/capacity": "FINISHED",
        "#000 LSTM 1×8": "FINISHED",
        "#001 LSTM 1×9": "KILLED",
        "#002 LSTM 1×10": "FINISHED",
        "#003 LSTM 1×11": "FINISHED",
    }
    assert runs["#000 LSTM 1×8"].info.run_id == ids[0]["mlflow_run_id"]
    for number, name in ((0, "#000 LSTM 1×8"), (2, "#002 LSTM 1×10"), (3, "#003 LSTM 1×11")):
        assert [step for step, _ in curve(runs[name], "train_loss")] == [1, 2, 3, 4]
        assert history(runs[name], "best_epoch") == [(0, 3)]
        assert runs[name].data.params["units"] == str(8 + number)
    assert runs["study/capacity"].data.metrics["trials_complete"] == 3


def test_a_server_that_stays_away_leaves_the_results_alone(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with tracker() as study:
        study.trial_started(trial(0))
        server.kill()
        study.trial_finished(record(0))
        study.finish(home / "results", write_results(home / "results", [record(0)]))
    assert "1 finished trials are not logged. When it does again, " in capsys.readouterr().out
    server.start()
    with tracker() as study:
        study.trial_finished(record(0))
    assert {run.info.status for run in all_runs().values()} == {"FINISHED"}


def test_a_run_that_is_deleted_meanwhile_stops_no_study(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a click on MLflow's page deletes it: the trial gets another one."""
    monkeypatch.setattr("pipeline.tracking.study.SECONDS_BETWEEN_ATTEMPTS", 0.0)
    with tracker() as study:
        study.trial_started(trial(0))
        MlflowClient(paths.tracking_uri()).delete_run(all_runs()["#000 LSTM 1×8"].info.run_id)
        for number in range(2):
            study.trial_finished(record(number))
        study.finish(home / "results", write_results(home / "results", [record(0), record(1)]))
    assert capsys.readouterr().out.count("the study goes on") == 1
    assert {name: run.info.status for name, run in all_runs().items()} == dict.fromkeys(
        ("study/capacity", "#000 LSTM 1×8", "#001 LSTM 1×9"), "FINISHED"
    )


@pytest.mark.parametrize(
    ("uri", "begins"),
    [
        ("postgres://me@host/mlflow", 'MLFLOW_TRACKING_URI="postgresql${MLFLOW_TRACKING_URI#postgres}" mlflow'),
        ("http://host:5000", "mlflow"),
    ],
)
def test_a_command_of_mlflow_asks_the_same_store(uri: str, begins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert in_a_shell() == begins
    told = subprocess.run(
        ["bash", "-c", f"{begins.removesuffix('mlflow')} printenv MLFLOW_TRACKING_URI"], capture_output=True, text=True
    )
    assert told.stdout == f"{paths.tracking_uri()}\n"


def test_an_experiment_that_is_deleted_meanwhile_stops_no_study(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.tracking.study.SECONDS_BETWEEN_ATTEMPTS", 0.0)
    client = MlflowClient(paths.tracking_uri())
    with tracker() as study:
        experiment = client.get_experiment_by_name("mnist-rnn")
        assert experiment is not None
        client.delete_experiment(experiment.experiment_id)
        study.trial_finished(record(0))
        client.restore_experiment(experiment.experiment_id)
        study.trial_finished(record(1))
        study.finish(home / "results", write_results(home / "results", [record(0), record(1)]))
    assert capsys.readouterr().out.count("the study goes on") == 1
    assert {name: run.info.status for name, run in all_runs().items()} == dict.fromkeys(
        ("study/capacity", "#000 LSTM 1×8", "#001 LSTM 1×9"), "FINISHED"
    )


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9",
        "sqlite:////proc/nowhere/mlflow.db",
        "nonsense://there",
        "postgresql+psycopg2://me@there/db",
    ],
)
def test_an_address_that_never_works_stops_no_study(
    address: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with tracker() as study:
        study.trial_started(trial(0))
        assert study.trial_finished(record(0)) == {}
        study.finish(home / "results", write_results(home / "results", [record(0)]))
    out = capsys.readouterr().out
    assert "the study goes on" in out
    assert "set MLFLOW_TRACKING_URI to one that answers" in out
    assert "1 finished trials are not logged" in out
