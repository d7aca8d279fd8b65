"""How runs are written in a real MLflow store, and the sentences where it cannot be used."""

import subprocess
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.lineage import lineage
from pipeline.tracking.run_store import EXPERIMENT_NOTE, NOTE_TAG, RunStore
from pipeline.tracking.study import StudyTracker
from tests.helpers.runs import DATA, all_runs, curve, origin, record, tracker

pytestmark = pytest.mark.usefixtures("home")


def test_more_values_than_mlflow_takes_at_once_are_all_logged() -> None:
    parameters = {f"value {number}": number for number in range(130)}
    with StudyTracker(origin("long", "f"), parameters, DATA) as study:
        study.trial_finished(record(0, epochs=200))
    runs = all_runs()
    assert runs["study/long"].data.params == {name: str(value) for name, value in parameters.items()}
    assert [step for step, _ in curve(runs["#000 LSTM 1×8"], "during_fit_accuracy")] == list(range(1, 201))


def test_a_deleted_experiment_is_named_in_one_sentence() -> None:
    client = MlflowClient(paths.tracking_uri())
    client.delete_experiment(client.create_experiment("mnist-rnn"))
    with pytest.raises(PipelineError, match=r"mlflow experiments restore .*tracking\.experiment"):
        RunStore("mnist-rnn")


def test_a_server_that_does_not_answer_is_named_before_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the port of the discard service
    started = time.monotonic()
    with pytest.raises(PipelineError, match=r"127\.0\.0\.1:9 cannot be used: set MLFLOW_TRACKING_URI"):
        RunStore("mnist-rnn")
    assert time.monotonic() - started < 30


def test_uncommitted_changes_lie_beside_the_parent_run(home: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=home, check=True, capture_output=True)

    (home / "params.yaml").write_text("data: {}\n")
    git("init", "--quiet")
    git("add", "params.yaml")
    git("commit", "--quiet", "--message", "first")
    with tracker(fingerprint="clean"):
        pass
    (home / "params.yaml").write_text("data: {seed: 1}\n")
    with tracker(fingerprint="dirty") as study:
        study.trial_finished(record(0))
    client = MlflowClient(paths.tracking_uri())
    experiment = client.get_experiment_by_name("mnist-rnn")
    assert experiment is not None
    files = {
        (run.data.tags["fingerprint"], run.data.tags["trial"]): [
            file.path for file in client.list_artifacts(run.info.run_id) if file.path.endswith(".diff")
        ]
        for run in client.search_runs([experiment.experiment_id])
    }
    assert files == {("clean", ""): [], ("dirty", ""): ["git.diff"], ("dirty", "0"): []}


def test_a_search_finds_the_trials_of_a_study_and_nothing_else(home: Path) -> None:
    for study in ("capacity", "search"):
        with tracker(study) as runs:
            runs.trial_finished(record(0))
            runs.trial_finished(record(1, "FAIL"))
    store = RunStore("mnist-rnn")
    chosen = lineage("champion", experiment="mnist-rnn", data=DATA, fingerprint="f", study="search")
    for tags in (chosen.tags(), chosen.tags(trial="0", seed="0")):
        store.create("champion", chosen, tags, {}, DATA)

    def names(condition: str) -> list[str]:
        return [str(run.info.run_name) for run in store.search(condition)]

    assert names("tags.kind = 'trial' and tags.study = 'search'") == ["#000 LSTM 1×8", "#001 LSTM 1×9"]
    assert names("tags.kind = 'trial' and tags.optuna_study = 'search-abc123'") == ["#000 LSTM 1×8", "#001 LSTM 1×9"]
    assert sorted(names("tags.kind = 'study'")) == ["study/capacity", "study/search"]
    assert names("tags.stage = 'champion'") == ["champion", "champion"]


def test_an_experiment_says_what_it_holds_and_keeps_what_somebody_has_written(home: Path) -> None:
    client = RunStore("mnist-rnn").client
    experiment = client.get_experiment_by_name("mnist-rnn")
    assert experiment is not None
    assert experiment.tags[NOTE_TAG] == EXPERIMENT_NOTE
    client.set_experiment_tag(experiment.experiment_id, NOTE_TAG, "mine")
    client.create_experiment("older")
    for name, note in {"mnist-rnn": "mine", "older": EXPERIMENT_NOTE}.items():
        RunStore(name)
        found = client.get_experiment_by_name(name)
        assert found is not None
        assert found.tags[NOTE_TAG] == note
