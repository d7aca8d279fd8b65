"""Runs in a real MLflow store: their tree, their content, and what happens when a study is stopped and continued."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.network import build
from pipeline.params import Configuration
from pipeline.tracking import StudyTracker, log_champion, log_evaluation
from pipeline.trials import EpochMetrics, State, TrainingResult, Trial, TrialRecord, curves_table, trials_table

DATA: dict[str, Any] = {
    "dataset": "mnist5k",
    "view": "rows",
    "classes": 3,
    "train": {"samples": 90, "sha256": "1a" * 32},
    "validation": {"samples": 30, "sha256": "2b" * 32},
    "test": {"samples": 30, "sha256": "3c" * 32},
}
DOT = """digraph G {
dpi=200;
140523537691344 [label="sequence"];
140521754122896 [label="lstm_1"];
140523537691344 -> 140521754122896 [penwidth=2];
}
"""
PER_EPOCH = {
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "generalization_gap",
    "during_fit_loss",
    "during_fit_accuracy",
}


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as it makes it, to copy: making one takes seconds."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(autouse=True)
def home(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root with a space in its path, no git, and the databases in it."""
    root = tmp_path / "my project"
    root.mkdir()
    shutil.copy(empty_database, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PIPELINE_HOME", str(root))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return root


def epoch(number: int, *, held_out: bool = True) -> EpochMetrics:
    accuracy = 1 - 0.5 / number
    return EpochMetrics(
        epoch=number,
        train_loss=1 / number,
        train_accuracy=accuracy,
        validation_loss=1.5 / number if held_out else None,
        validation_accuracy=accuracy - 0.125 if held_out else None,
        during_fit_loss=2 / number,
        during_fit_accuracy=accuracy - 0.25,
    )


def trial(number: int) -> Trial:
    return Trial(number, Configuration(cell="lstm", units=8 + number, epochs=4), seed=100 + number)


def record(number: int, state: State = "COMPLETE", epochs: int = 4, *, held_out: bool = True) -> TrialRecord:
    if state == "FAIL":
        return TrialRecord(trial(number), "FAIL", 90, "rows", error="the loss is not a finite number after epoch 3")
    result = TrainingResult(
        parameters=1234,
        epochs=tuple(epoch(n, held_out=held_out) for n in range(1, epochs + 1)),
        best_epoch=epochs - 1,
        pruned=state == "PRUNED",
        weights_sha256="f0" * 32,
        fit_seconds=2.5,
        predict_microseconds_per_sequence=float("nan") if not held_out else 40.0,
        model_summary="Model: lstm · 1,234 parameters",
        model_dot=DOT,
    )
    return TrialRecord(trial(number), state, 90, "rows", result, worker="tcp://127.0.0.1:1")


def tracker(study: str = "capacity", fingerprint: str = "abc123") -> StudyTracker:
    return StudyTracker(
        experiment="mnist-rnn",
        study=study,
        parameters={"sampler": "grid", "space": {"units": [8, 9], "dropout": {"low": 0.0, "high": 0.3}}, "seeds": None},
        optuna_study=f"{study}-{fingerprint}",
        fingerprint=fingerprint,
        data=DATA,
    )


def all_runs(experiment: str = "mnist-rnn") -> dict[str, Run]:
    """All runs of an experiment by name; no two of them may have the same name."""
    client = MlflowClient(paths.tracking_uri())
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = list(client.search_runs([found.experiment_id]))
    names = [run.info.run_name for run in runs]
    assert len(set(names)) == len(names), names
    return {str(run.info.run_name): run for run in runs}


def history(run: Run, metric: str) -> list[tuple[int, float]]:
    points = MlflowClient(paths.tracking_uri()).get_metric_history(run.info.run_id, metric)
    return sorted((point.step, point.value) for point in points)


def artifact(run: Run, name: str) -> bytes:
    return Path(MlflowClient(paths.tracking_uri()).download_artifacts(run.info.run_id, name)).read_bytes()


def write_results(folder: Path, records: list[TrialRecord]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    trials_table(records).to_csv(folder / "trials.csv", index=False)
    curves_table(records).to_csv(folder / "curves.csv", index=False)
    states = {state: sum(r.state == state for r in records) for state in ("COMPLETE", "PRUNED", "FAIL")}
    best = {"number": 0, "validation_accuracy": 0.7083}
    (folder / "best.json").write_text(json.dumps({"states": states, "best": best}))
    return folder


def test_a_study_with_a_complete_a_pruned_and_a_failed_trial(home: Path) -> None:
    records = [record(0), record(1, "PRUNED", epochs=2), record(2, "FAIL")]
    with tracker() as study:
        study.trial_started(trial(0))
        for number in (1, 2):  # the rest arrives with the result
            study.epoch_finished(trial(0), epoch(number))
        live = all_runs()["#000 lstm 1×8"]
        ids = [study.trial_finished(r) for r in records]
        study.finish(write_results(home / "results", records))

    runs = all_runs()
    names = ["study/capacity", "#000 lstm 1×8", "#001 lstm 1×9", "#002 lstm 1×10"]
    assert sorted(runs) == sorted(names)
    parent, complete, pruned, failed = (runs[name] for name in names)
    assert (live.info.status, live.data.metrics["train_accuracy"]) == ("RUNNING", 0.75)
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
    for metric, values in {
        "train_loss": [1, 1 / 2, 1 / 3, 1 / 4],
        "validation_accuracy": [0.375, 0.625, 1 - 0.5 / 3 - 0.125, 0.75],
        "generalization_gap": [0.125] * 4,
        "during_fit_accuracy": [0.25, 0.5, 1 - 0.5 / 3 - 0.25, 0.625],
    }.items():
        assert history(complete, metric) == [(n, pytest.approx(v)) for n, v in enumerate(values, start=1)], metric
    assert complete.data.metrics.keys() == PER_EPOCH | {f"best_{name}" for name in PER_EPOCH} | {
        "parameters",
        "best_epoch",
        "fit_seconds",
        "predict_microseconds_per_sequence",
    }
    assert complete.data.metrics["best_validation_loss"] == 0.5
    assert complete.data.metrics["best_epoch"] == 3

    assert artifact(complete, "model_summary.txt").decode() == "Model: lstm · 1,234 parameters"
    assert all(artifact(complete, name).startswith(b"\x89PNG") for name in ("model.png", "curves.png"))
    assert complete.inputs is not None
    [used] = complete.inputs.dataset_inputs
    assert (used.dataset.name, len(used.dataset.digest)) == ("mnist5k as rows", 36)


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
        "#000 lstm 1×8": "FINISHED",
        "#001 lstm 1×9": "KILLED",
    }
    assert stopped["#001 lstm 1×9"].data.tags["interrupted"] == "true"

    with tracker() as study:
        assert all_runs()["study/capacity"].info.status == "RUNNING"
        study.trial_finished(record(0))  # told by the earlier session
        study.trial_started(trial(1))  # trained again from the start
        assert all_runs()["#001 lstm 1×9"].info.status == "RUNNING"
        for number in (1, 2, 3):
            study.epoch_finished(trial(1), epoch(number))
        study.trial_finished(record(1))
        study.trial_finished(record(1))

    continued = all_runs()
    assert {name: run.info.run_id for name, run in continued.items()} == {
        name: run.info.run_id for name, run in stopped.items()
    }
    assert {run.info.status for run in continued.values()} == {"FINISHED"}
    assert "interrupted" not in continued["#001 lstm 1×9"].data.tags
    for name in ("#000 lstm 1×8", "#001 lstm 1×9"):
        for metric in PER_EPOCH:
            assert [step for step, _ in history(continued[name], metric)] == [1, 2, 3, 4]
        assert len(history(continued[name], "best_epoch")) == 1


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
        "#000 lstm 1×8": "FINISHED",
        "#001 lstm 1×9": "KILLED",
    }
    assert history(runs["#000 lstm 1×8"], "train_loss") == [(n, pytest.approx(1 / n)) for n in (1, 2, 3, 4)]


def test_a_failed_trial_that_is_tried_again_succeeds_in_its_old_run() -> None:
    with tracker() as study:
        failed = study.trial_finished(record(0, "FAIL"))
    with tracker() as study:
        study.trial_started(trial(0))
        assert study.trial_finished(record(0)) == failed
    run = all_runs()["#000 lstm 1×8"]
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


def test_more_values_than_mlflow_takes_at_once_are_all_logged() -> None:
    parameters = {f"value {number}": number for number in range(130)}
    study = StudyTracker(
        experiment="mnist-rnn", study="long", parameters=parameters, optuna_study="", fingerprint="f", data=DATA
    )
    with study:
        study.trial_finished(record(0, epochs=200))
    runs = all_runs()
    assert runs["study/long"].data.params == {name: str(value) for name, value in parameters.items()}
    assert [step for step, _ in history(runs["#000 lstm 1×8"], "during_fit_accuracy")] == list(range(1, 201))


def test_a_deleted_experiment_is_named_in_one_sentence() -> None:
    client = MlflowClient(paths.tracking_uri())
    client.delete_experiment(client.create_experiment("mnist-rnn"))
    with pytest.raises(PipelineError, match=r"mlflow experiments restore .*tracking\.experiment"):
        tracker().__enter__()


def test_a_server_that_does_not_answer_is_named_before_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the port of the discard service
    started = time.monotonic()
    with pytest.raises(PipelineError, match=r"127\.0\.0\.1:9 cannot be used: set MLFLOW_TRACKING_URI"):
        tracker().__enter__()
    assert time.monotonic() - started < 30


def test_champion_is_registered_and_predicts_as_the_file_does(home: Path) -> None:
    choice = {
        "rule": "the smallest within one standard error",
        "choice": {"study": "search", "cell": "lstm", "units": 8, "learning_rate": None, "validation_accuracy": 0.75}
        | {"validation_accuracy_sd": float("nan")},
    }
    network = Configuration(cell="lstm", units=4).network
    models = [build(network, timesteps=5, features=3, classes=3, seed=seed) for seed in (0, 1)]
    files = [home / f"seed-{seed}.keras" for seed in (0, 1)]
    for model, file in zip(models, files, strict=True):
        model.save(file)
    records = [
        dataclasses.replace(record(seed, held_out=False), trial=Trial(seed, trial(0).configuration, seed))
        for seed in (0, 1)
    ]
    x = np.random.default_rng(0).random((7, 5, 3), dtype=np.float32)
    for _ in range(2):  # a second champion takes the alias
        log_champion(
            experiment="mnist-rnn-quick", choice=choice, records=records, models=files, data=DATA, input_example=x[:2]
        )
        assert "MLFLOW_TRACKING_URI" not in os.environ

    client = MlflowClient(paths.tracking_uri())
    champion = client.get_model_version_by_alias("mnist-rnn-quick", "champion")
    assert int(champion.version) == 2
    run = client.get_run(str(champion.run_id))
    assert (run.info.run_name, run.info.status) == ("champion seed 0", "FINISHED")
    assert not [name for name in run.data.metrics if "validation" in name or "gap" in name or "predict" in name]
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert (parent.info.run_name, parent.info.status) == ("champion", "FINISHED")
    assert parent.data.metrics == {"validation_accuracy": 0.75}
    assert parent.data.params == {"study": "search", "cell": "lstm", "units": "8", "learning_rate": "null"}
    assert parent.data.tags["fingerprint"] == run.data.tags["fingerprint"] != ""
    names = {r.info.run_name for r in client.search_runs([run.info.experiment_id])}
    assert names == {"champion", "champion seed 0", "champion seed 1"}

    import mlflow

    mlflow.set_tracking_uri(paths.tracking_uri())
    try:
        uri = "models:/mnist-rnn-quick@champion"
        loaded = mlflow.keras.load_model(uri)
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), models[0].predict(x, verbose=0))
        info = mlflow.models.get_model_info(uri)
        requirements = Path(mlflow.artifacts.download_artifacts(f"{uri}/requirements.txt")).read_text()
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    assert info.signature is not None
    assert [tensor.shape for tensor in info.signature.inputs.inputs] == [(-1, 5, 3)]
    assert [tensor.shape for tensor in info.signature.outputs.inputs] == [(-1, 3)]
    assert info.saved_input_example_info is not None
    assert {line.split("==")[0] for line in requirements.split()} >= {"tensorflow", "keras", "numpy"}
    assert all("==" in line for line in requirements.split())


def test_evaluation_keeps_its_figures_and_files(home: Path) -> None:
    paths.SEQUENCES.mkdir(parents=True)
    paths.SEQUENCES_SUMMARY.write_text(json.dumps(DATA))
    paths.REPORTS.mkdir(parents=True)
    metrics = {"dataset": "mnist5k", "cell": "lstm", "bidirectional": False, "units": 8, "test_accuracy": 0.9375}
    paths.METRICS.write_text(json.dumps(metrics))
    paths.CONFUSION.write_text("actual,predicted\n0,0\n")
    paths.ANSWER.write_text("<svg/>")
    log_evaluation(experiment="mnist-rnn", metrics=metrics, folder=paths.REPORTS)
    run = all_runs()["evaluate"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"units": 8, "test_accuracy": 0.9375}
    assert run.data.params == {"dataset": "mnist5k", "cell": "lstm", "bidirectional": "False"}
    artifacts = MlflowClient(paths.tracking_uri()).list_artifacts(run.info.run_id)
    assert [file.path for file in artifacts] == ["answer.svg", "confusion.csv", "metrics.json"]


def test_tracking_a_study_imports_no_tensorflow_and_prints_nothing(home: Path) -> None:
    (home / "mlflow.db").unlink()
    program = f"""
import sys
from pipeline.tracking import StudyTracker
assert "mlflow" not in sys.modules
data = {DATA!r}
with StudyTracker(experiment="e", study="s", parameters={{}}, optuna_study="o", fingerprint="f", data=data) as study:
    pass
assert "mlflow" in sys.modules
assert not {{"tensorflow", "keras", "torch"}} & sys.modules.keys()
"""
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (home / "mlflow.db").exists()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


@pytest.fixture
def server(home: Path) -> Iterator[str]:
    """`mlflow server` as a user starts it at the project's root, but on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    address = f"http://127.0.0.1:{port}"
    log_file = home.parent / "server.log"
    with log_file.open("w") as log:
        lean = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen(command, cwd=home, env=lean, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + 240  # seconds; it takes 10 on a machine that does nothing else
            while not answers(f"{address}/health"):
                assert process.poll() is None, log_file.read_text()
                assert time.monotonic() < deadline, log_file.read_text()
                time.sleep(0.2)
            yield address
        finally:
            os.killpg(process.pid, 15)
            process.wait(timeout=30)


def test_a_server_at_the_root_shows_the_runs_and_takes_new_ones(
    home: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracker() as study:  # straight into mlflow.db
        run_id = study.trial_finished(record(0))
    shown = requests.get(f"{server}/get-artifact", {"path": "curves.png", "run_uuid": run_id}, timeout=10)
    assert shown.content == artifact(all_runs()["#000 lstm 1×8"], "curves.png")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with tracker() as study:  # through the server, and in the same study
        study.trial_started(trial(1))
        study.epoch_finished(trial(1), epoch(1))
        assert study.trial_finished(record(0)) == run_id
        study.trial_finished(record(1))
    runs = all_runs()
    assert set(runs) == {"study/capacity", "#000 lstm 1×8", "#001 lstm 1×9"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert [step for step, _ in history(runs["#001 lstm 1×9"], "train_loss")] == [1, 2, 3, 4]
    assert artifact(runs["#001 lstm 1×9"], "model_summary.txt").decode() == "Model: lstm · 1,234 parameters"
