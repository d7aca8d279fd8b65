"""In MLflow: the test result, and the report with the study that it answers from, or in a run of its own."""

from pathlib import Path

from mlflow import MlflowClient

from pipeline import paths
from pipeline.analysis.evaluation import Metrics
from pipeline.lineage import Lineage, lineage
from pipeline.tracking.outcomes import log_evaluation, log_report
from pipeline.tracking.run_store import WORKSPACE_TAG, RunStore
from tests.helpers.runs import DATA, all_runs, artifact, record, tracker

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'
FILES = ["report/answer.svg", "report/report.html"]


def origin_of(fingerprint: str) -> Lineage:
    return lineage("report", experiment="mnist-rnn", data=DATA, fingerprint=fingerprint, study="capacity")


def log(fingerprint: str) -> None:
    page = Path("report.html")
    page.write_text("<!doctype html>")
    origin = origin_of(fingerprint)
    log_report(experiment="mnist-rnn", origin=origin, data=DATA, figures={"answer": SVG}, page=page)


def artifacts(run_id: str) -> list[str]:
    return [file.path for file in MlflowClient(paths.tracking_uri()).list_artifacts(run_id, "report")]


def test_page_and_figures_are_with_the_study(home: Path) -> None:
    with tracker() as tracked:
        tracked.trial_started(record(0).trial)
        tracked.trial_finished(record(0))
    log("abc123")
    log("abc123")
    runs = all_runs()
    assert "report" not in runs
    parent = runs["study/capacity"]
    assert parent.info.status == "FINISHED"
    assert artifacts(parent.info.run_id) == FILES
    assert artifact(parent, "report/answer.svg").decode() == SVG
    assert artifacts(runs["#000 LSTM 1×8"].info.run_id) == []


def test_without_the_studys_run_they_have_one_of_their_own(home: Path) -> None:
    log("another study")
    run = all_runs()["report"]
    assert run.info.status == "FINISHED"
    assert run.data.tags["stage"] == "report"
    assert artifacts(run.info.run_id) == FILES


def test_a_run_over_which_a_process_was_killed_does_not_stay_running(home: Path) -> None:
    store = RunStore("mnist-rnn")
    left, other, elsewhere = (
        store.create("left", origin_of(name), origin_of(name).tags(), {}, DATA) for name in ("a", "b", "a")
    )
    store.log(elsewhere, tags={WORKSPACE_TAG: "another machine's"})
    log("a")
    found = {run.info.run_id: run.info.status for run in store.search("")}
    assert (found.pop(left), found.pop(other)) == ("KILLED", "RUNNING"), "others may be at work on another result"
    assert found.pop(elsewhere) == "RUNNING", "or on the same one, where a server is shared"
    assert list(found.values()) == ["FINISHED"]


def test_a_run_of_its_own_is_never_taken_for_the_studys(home: Path) -> None:
    log("abc123")
    with tracker() as tracked:
        tracked.trial_started(record(0).trial)
        tracked.trial_finished(record(0))
    runs = all_runs()
    assert {"report", "study/capacity", "#000 LSTM 1×8"} == set(runs)
    assert runs["#000 LSTM 1×8"].data.tags["mlflow.parentRunId"] == runs["study/capacity"].info.run_id


def test_evaluation_keeps_its_figures_and_files(home: Path) -> None:
    metrics = Metrics(
        dataset="mnist5k",
        cell="lstm",
        units=8,
        depth=1,
        bidirectional=False,
        parameters=1234,
        seeds=1,
        test_accuracy=0.9375,
        test_accuracy_sd=None,
        test_accuracy_low=0.875,
        test_accuracy_high=0.96875,
        test_loss=0.25,
        generalization_gap=0.03125,
        model_seed=0,
        model_sha256="5a" * 32,
        model_test_accuracy=0.9375,
        model_test_accuracy_low=0.875,
        model_test_accuracy_high=0.96875,
        tested="0" * 64,
    )
    metrics.write(paths.METRICS)
    paths.CONFUSION.write_text("actual,predicted\n0,0\n")
    paths.MCNEMAR.write_text("null\n")
    paths.TEST_TABLE.write_text("role\n")
    paths.PREDICTION_TIMES.write_text("cell\n")
    paths.PREDICTIONS.write_text("a row for each test sequence\n")
    log_evaluation(experiment="mnist-rnn", metrics=metrics, data=DATA, folder=paths.REPORTS)
    run = all_runs()["evaluate"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {
        "units": 8,
        "depth": 1,
        "parameters": 1234,
        "seeds": 1,
        "test_accuracy": 0.9375,
        "test_accuracy_low": 0.875,
        "test_accuracy_high": 0.96875,
        "test_loss": 0.25,
        "generalization_gap": 0.03125,
        "model_seed": 0,
        "model_test_accuracy": 0.9375,
        "model_test_accuracy_low": 0.875,
        "model_test_accuracy_high": 0.96875,
    }
    assert run.data.params == {
        "dataset": "mnist5k",
        "cell": "lstm",
        "bidirectional": "False",
        "model_sha256": "5a" * 32,
        "tested": "0" * 64,
        "test_accuracy_sd": "null",
    }
    assert run.inputs is not None
    [used] = run.inputs.dataset_inputs
    assert [tag.value for tag in used.tags] == ["testing"]
    artifacts = [file.path for file in MlflowClient(paths.tracking_uri()).list_artifacts(run.info.run_id)]
    assert artifacts == ["confusion.csv", "mcnemar.json", "metrics.json", "prediction_times.csv", "test.csv"]
