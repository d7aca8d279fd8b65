"""`rebuild-tracking`: what comes out of the files of the results is what tracking logged while the study ran."""

import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline import paths
from pipeline.commands.rebuild_tracking import rebuild_tracking
from pipeline.lineage import WORKSPACE_TAGS, lineage
from pipeline.params.document import Params
from pipeline.studies.engine import StudyRun
from pipeline.studies.results import write_results
from pipeline.tracking.study import StudyTracker
from pipeline.training.journal import Journal
from tests.helpers.cluster import ToyCluster
from tests.helpers.runs import all_runs, artifact, history
from tests.helpers.sequences import params_with, write_sequences

SEARCH = {
    "sampler": "tpe", "trials": 9, "pruner": "median", "window": 2,
    "space": {
        "cell": ["gru"], "units": {"low": 2, "high": 64}, "epochs": [4], "optimizer": ["sgd", "adam"],
        "learning_rate": {"low": 0.001, "high": 0.1, "log": True}, "train_samples": [30, None],
    },
}  # fmt: skip


@pytest.fixture
def params(home: Path) -> Params:
    """A study with complete, pruned and failed trials, tracked while it ran."""
    summary = write_sequences(paths.SEQUENCES)
    params = params_with({"search": SEARCH})
    study = StudyRun("search", params, summary, paths.SEQUENCES)
    origin = lineage(
        "study",
        experiment="mnist-rnn",
        data=summary,
        fingerprint=study.fingerprint,
        study="search",
        optuna_study=study.optuna_study,
    )
    with StudyTracker(origin, study.study.model_dump(mode="json"), summary) as tracker:
        cluster: Any = ToyCluster(0, fail_every=4)
        records = study.run(cluster, paths.optuna_storage(), Journal(home / "journal"), [tracker])
        folder = paths.study_folder("search")
        write_results(folder, study, records)
        tracker.finish(folder)
    assert {record.state for record in records} == {"COMPLETE", "PRUNED", "FAIL"}
    return params


@pytest.fixture
def elsewhere(home: Path, params: Params, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty MLflow store in the place of the study's."""
    (home / "new").mkdir()
    shutil.copy(empty_mlflow, home / "new" / "mlflow.db")
    monkeypatch.setenv("PIPELINE_HOME", str(home / "new"))


def everything() -> dict[str, Any]:
    return {
        name: (
            run.info.status,
            run.data.params,
            {metric: history(run, metric) for metric in run.data.metrics},
            {
                tag: value
                for tag, value in run.data.tags.items()
                if tag not in ("mlflow.parentRunId", "rebuilt", "python", "mlflow", *WORKSPACE_TAGS)
                and not (run.info.status == "FAILED" and tag in ("failure", "worker"))
            },
        )
        for name, run in all_runs().items()
    }


def test_rebuilt_runs_are_those_that_were_tracked(
    params: Params, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    tracked = everything()
    request.getfixturevalue("elsewhere")
    assert rebuild_tracking(params)
    rebuilt = all_runs()
    assert len(rebuilt) == 10
    assert everything() == tracked
    parent = rebuilt["study/search"]
    children = [run for run in rebuilt.values() if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.data.tags["rebuilt"] for run in rebuilt.values()} == {"true"}
    assert artifact(parent, "trials.csv") == (paths.study_folder("search") / "trials.csv").read_bytes()

    ends = {name: run.info.end_time for name, run in rebuilt.items()}
    assert rebuild_tracking(params)
    assert {name: run.info.end_time for name, run in all_runs().items()} == ends
    assert capsys.readouterr().out == "study search: 9 trials logged\nstudy search: already there\n"


@pytest.mark.usefixtures("params")
def test_every_trial_in_optuna_names_its_run_in_mlflow() -> None:
    [name] = optuna.get_all_study_names(paths.optuna_storage())
    trials = optuna.load_study(study_name=name, storage=paths.optuna_storage()).trials
    runs = {int(run.data.tags["trial"]): run.info.run_id for run in all_runs().values() if run.data.tags["trial"]}
    assert {trial.number: trial.user_attrs["mlflow_run_id"] for trial in trials} == runs


def test_a_study_that_is_still_there_is_left_alone(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    assert rebuild_tracking(params)
    assert capsys.readouterr().out == "study search: already there\n"
    assert not any("rebuilt" in run.data.tags for run in all_runs().values())


@pytest.mark.usefixtures("elsewhere")
def test_what_cannot_be_rebuilt_is_said(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    folder = paths.study_folder("search")
    best = json.loads((folder / "best.json").read_text())
    (folder / "best.json").write_text(json.dumps(best | {"fingerprint": "other"}))
    assert not rebuild_tracking(params)
    assert "`dvc repro study@search` runs it as it is now" in capsys.readouterr().out
    (folder / "curves.csv").unlink()
    assert not rebuild_tracking(params)
    assert "not rebuilt, curves.csv not found: run `dvc checkout` first" in capsys.readouterr().out
    shutil.rmtree(folder)
    assert rebuild_tracking(params)
    assert capsys.readouterr().out == "study search: no results in data/studies/search\n"
