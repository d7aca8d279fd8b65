"""Optuna's own reader finds every trial in each kind of storage, also after the process that wrote it was killed."""

import contextlib
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.params.settings import Configuration
from pipeline.studies.storage import StudyStorage, open_database
from pipeline.training.task import TrainingTask
from pipeline.training.trials import State, Trial, TrialRecord
from tests.helpers.cluster import ToyCluster, toy_result
from tests.helpers.studies import SEARCH, definition_of, run

ROOT = Path(__file__).parents[2]
STATES: list[State] = ["COMPLETE", "PRUNED", "FAIL"]


def proposal() -> FrozenTrial:
    distributions = {"cell": CategoricalDistribution(["gru", "lstm"]), "units": IntDistribution(2, 64, log=True)}
    return create_trial(state=TrialState.RUNNING, params={"cell": "gru", "units": 8}, distributions=distributions)


def record(number: int, state: State = "COMPLETE", seed: int = 7) -> TrialRecord:
    trial = Trial(number, Configuration(cell="gru", units=8, epochs=5), seed)
    if state == "FAIL":
        return TrialRecord(trial, state, 100, "rows", error="TrainingFailed: the loss is not a finite number")
    should_prune = (lambda accuracies: len(accuracies) == 3) if state == "PRUNED" else None
    task = TrainingTask(trial.configuration, seed, Path(), "validation", "avx2", should_prune)
    return TrialRecord(trial, state, 100, "rows", toy_result(task))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str | BaseStorage:
    if request.param == "memory":
        return InMemoryStorage()
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/optuna.db"
    url: str = request.getfixturevalue("postgresql")
    return url


def test_a_trial_runs_from_ask_to_tell_and_is_then_there_in_full(storage: str | BaseStorage) -> None:
    ours = StudyStorage(storage, "study")
    for number in range(4):
        ours.ask(number, proposal())
    records = [record(number, state) for number, state in enumerate(STATES)]
    for each in records:
        ours.tell(each)
    trials = optuna.load_study(study_name="study", storage=storage).trials

    assert [trial.state.name for trial in trials] == [*STATES, "RUNNING"]
    assert all(trial.params == {"cell": "gru", "units": 8} for trial in trials)
    for trial, each in zip(trials[:2], records[:2], strict=True):
        result = each.result
        assert result is not None
        assert trial.intermediate_values == {m.epoch: m.validation_accuracy for m in result.epochs}
        last = result.epochs[-1] if each.state == "PRUNED" else result.best
        assert trial.value == last.validation_accuracy
        assert trial.user_attrs == {
            "seed": 7, "train_samples": 100, "parameters": result.parameters, "best_epoch": result.best_epoch,
            "generalization_gap": result.generalization_gap, "fit_seconds": result.fit_seconds,
            "weights_sha256": result.weights_sha256,
        }  # fmt: skip
    assert trials[2].values is None
    assert trials[2].user_attrs == {"seed": 7, "train_samples": 100, "error": records[2].error}
    assert all(trial.datetime_start <= trial.datetime_complete for trial in trials[:3])  # type: ignore[operator]
    assert (trials[3].user_attrs, trials[3].intermediate_values, trials[3].datetime_complete) == ({}, {}, None)


def test_a_study_says_what_it_is_of_and_where_else_it_is_shown(storage: str | BaseStorage) -> None:
    said = {"data": "mnist5k as rows", "mlflow_experiment": "mnist-rnn", "mlflow_run": "study/search"}
    earlier = StudyStorage(storage, "study")
    earlier.ask(0, proposal())
    for attributes in (said, said | {"mlflow_experiment": "another"}, said):
        StudyStorage(storage, "study", "validation accuracy", attributes)
        study = optuna.load_study(study_name="study", storage=storage)
        assert (study.user_attrs, study.metric_names) == (attributes, ["validation accuracy"])
        assert len(study.trials) == 1


def test_asked_and_told_again_a_trial_stays_as_it_is(storage: str | BaseStorage) -> None:
    for each in (record(0), record(0, seed=8)):
        ours = StudyStorage(storage, "study")
        ours.ask(0, proposal())
        ours.tell(each)
    (trial,) = optuna.load_study(study_name="study", storage=storage).trials
    assert trial.user_attrs["seed"] == 7


@pytest.mark.parametrize("scheme", ["", "sqlite", "postgres", "postgresql"])
def test_a_failure_that_was_none_of_the_training_is_not_replayed_and_the_advice_removes_it(
    scheme: str, home: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if scheme == "sqlite":
        monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{home}/other.db")
    elif scheme:
        monkeypatch.setenv("OPTUNA_STORAGE", postgresql.replace("postgresql", scheme, 1))
    url = paths.optuna_storage()
    ours = StudyStorage(url, "search-1")
    ours.ask(0, proposal())
    ours.tell(replace(record(0, "FAIL"), error="ModuleNotFoundError: No module named 'pipeline'"))
    again = StudyStorage(url, "search-1")
    with pytest.raises(PipelineError, match="failed for another reason than its training") as caught:
        again.error(0)
    command = str(caught.value).split("`")[1]
    optuna_command = f"{Path(sys.executable).parent / 'optuna'}{command.removeprefix('optuna')}"
    subprocess.run(optuna_command, shell=True, check=True, capture_output=True)
    assert StudyStorage(url, "search-1").error(0) is None


def test_the_file_is_whole_when_a_process_has_ended(tmp_path: Path) -> None:
    """A copy of optuna.db alone has every trial."""
    url = f"sqlite:///{tmp_path}/optuna.db"
    script = (
        "from tests.studies.test_storage import StudyStorage, proposal, record\n"
        f"ours = StudyStorage({url!r}, 'study')\n"
        "ours.ask(0, proposal())\n"
        "ours.tell(record(0))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["optuna.db"]
    [trial] = optuna.load_study(study_name="study", storage=url).trials
    assert trial.state.name == "COMPLETE"


class DyingStorage(RDBStorage):
    """A storage whose process dies before it has stored the third epoch of a trial."""

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        if step == 3:
            raise KeyboardInterrupt
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)


def test_a_trial_that_was_half_told_is_told_again_in_full(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    dying = StudyStorage(DyingStorage(url), "study")
    for name, ours in (("study", dying), ("undisturbed", StudyStorage(url, "undisturbed"))):
        ours.ask(0, proposal())
        with contextlib.suppress(KeyboardInterrupt):
            ours.tell(record(0), {"mlflow_run_id": name})
    assert optuna.load_study(study_name="study", storage=url).trials[0].state == TrialState.RUNNING

    resumed = StudyStorage(url, "study")
    resumed.ask(0, proposal())
    resumed.tell(record(0), {"mlflow_run_id": "undisturbed"})
    trials = [optuna.load_study(study_name=name, storage=url).trials for name in ("study", "undisturbed")]
    assert [len(each) for each in trials] == [1, 1]
    for part in ("state", "values", "params", "user_attrs", "intermediate_values"):
        assert getattr(trials[0][0], part) == getattr(trials[1][0], part)


def test_the_end_of_a_trial_is_one_transaction(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/optuna.db")
    ours = StudyStorage(database, "study")
    ours.ask(0, proposal())
    commits: list[object] = []
    sqlalchemy.event.listen(database.engine, "commit", commits.append)
    ours.tell(record(0))
    assert len(commits) == 1
    [trial] = optuna.load_study(study_name="study", storage=database).trials
    assert (trial.state.name, len(trial.user_attrs), len(trial.intermediate_values)) == ("COMPLETE", 7, 5)


def test_two_processes_at_one_study_are_one_too_many(storage: str | BaseStorage) -> None:
    first, second = StudyStorage(storage, "study"), StudyStorage(storage, "study")
    first.ask(0, proposal())
    with pytest.raises(PipelineError, match="another process is running this study"):
        second.ask(0, proposal())


def test_a_told_trial_outlives_a_killed_process(tmp_path: Path) -> None:
    """Commits wait for no disk, yet SQLite's file has them as soon as they are made."""
    url = f"sqlite:///{tmp_path}/optuna.db"
    script = (
        "import os, signal\n"
        "from pipeline.studies.storage import StudyStorage\n"
        "from tests.studies.test_storage import proposal, record\n"
        f"ours = StudyStorage({url!r}, 'study')\n"
        "ours.ask(0, proposal())\n"
        "ours.tell(record(0))\n"
        "ours.ask(1, proposal())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == -9
    trials = optuna.load_study(study_name="study", storage=url).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "RUNNING"]
    assert trials[0].user_attrs["seed"] == 7
    with sqlite3.connect(tmp_path / "optuna.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_storage_that_was_changed_is_refused(tmp_path: Path) -> None:
    name = definition_of(SEARCH).optuna_study
    url = f"sqlite:///{tmp_path}/optuna.db"
    optuna.create_study(study_name=name, storage=url, direction="maximize").add_trial(
        optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL)
    )
    with pytest.raises(PipelineError, match="trial 0 in the Optuna storage has other parameters"):
        run(tmp_path, ToyCluster(0))


@pytest.mark.parametrize(("scheme", "driver"), [("postgresql+psycopg2", "psycopg2"), ("mysql", "MySQLdb")])
def test_a_driver_that_is_not_installed_is_named_with_addresses_that_have_theirs(scheme: str, driver: str) -> None:
    with pytest.raises(PipelineError) as caught:
        open_database(f"{scheme}://me:secret@127.0.0.1:1/db")
    assert str(caught.value) == (
        f"cannot open the Optuna storage {scheme}://***@127.0.0.1:1/db: it wants the driver {driver!r}, which is not "
        "installed: those of addresses that begin with postgresql:// or sqlite:/// are; check OPTUNA_STORAGE"
    )


def test_a_storage_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="OPTUNA_STORAGE") as caught:
        run(tmp_path, ToyCluster(0), storage="postgresql://user:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(caught.value)
