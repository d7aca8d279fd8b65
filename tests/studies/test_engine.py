"""The engine on a toy objective: the same study whatever finishes when, wherever it is stopped."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from optuna.storages import BaseStorage, InMemoryStorage

from pipeline.studies.definition import StudyDefinition
from pipeline.studies.engine import run_study
from pipeline.studies.results import FILES, study_summary, trials_table, write_results
from pipeline.training.trials import EpochMetrics, Trial, TrialRecord
from tests.helpers.cluster import ToyCluster
from tests.helpers.sequences import params_with
from tests.helpers.studies import GRID, SEARCH, SUMMARY, definition_of, journal_of, run, tables


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with Optuna's tables, to copy: making them takes longer than a study."""
    path = tmp_path_factory.mktemp("empty") / "optuna.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}")
    return path


@pytest.mark.reproducibility
@settings(max_examples=100, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(
    sampler=st.sampled_from(["tpe", "random", "cmaes"]),
    pruner=st.sampled_from([None, "median", "percentile", "successive_halving", "hyperband"]),
    window=st.integers(1, 9),
    workers=st.integers(1, 8),
    seed=st.integers(0, 10**6),
    stop_after=st.integers(0, 8),
    storage=st.sampled_from(["memory", "sqlite"]),
    budgets=st.sampled_from([None, [300, 3000]]),
)
def test_any_order_of_completion_and_any_stop_give_the_same_study(
    empty_database: Path,
    sampler: str,
    pruner: str | None,
    window: int,
    workers: int,
    seed: int,
    stop_after: int,
    storage: str,
    budgets: list[int] | None,
) -> None:
    study = SEARCH | {"sampler": sampler, "pruner": pruner, "window": window, "trials": 9}
    if budgets:
        study["parameter_budgets"] = budgets
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        expected = tables(run(Path(one), ToyCluster(0, workers=1), study, InMemoryStorage()))
        if storage == "memory":
            url: str | BaseStorage = InMemoryStorage()
        else:
            url = f"sqlite:///{shutil.copy(empty_database, other)}"
        first, second = ToyCluster(seed, workers, stop_after), ToyCluster(seed + 1, workers)
        with pytest.raises(KeyboardInterrupt):
            run(Path(other), first, study, url)
        assert tables(run(Path(other), second, study, url)) == expected
        assert not set(first.trained) & set(second.trained), "a finished training was done again"


def test_optuna_shows_what_the_table_says(tmp_path: Path) -> None:
    records = run(tmp_path, ToyCluster(0, fail_every=5))
    name = definition_of(SEARCH).optuna_study
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{tmp_path}/optuna.db")
    assert [trial.state.name for trial in study.trials] == [record.state for record in records]
    assert {record.state for record in records} == {"COMPLETE", "PRUNED", "FAIL"}
    for trial, record in zip(study.trials, records, strict=True):
        assert trial.params["units"] == record.trial.configuration.units
        if record.result is None:
            assert trial.user_attrs["error"] == record.error
        else:
            assert trial.intermediate_values == {m.epoch: m.validation_accuracy for m in record.result.epochs}
            assert trial.user_attrs["weights_sha256"] == record.result.weights_sha256
        if record.state == "COMPLETE" and record.result is not None:
            assert trial.value == record.result.best.validation_accuracy


def test_postgresql_holds_the_study_that_sqlite_holds(tmp_path: Path, postgresql: str) -> None:
    """`OPTUNA_STORAGE` may name a server: a real one here; the study is stopped in the middle and goes on."""
    expected = tables(run(tmp_path / "sqlite", ToyCluster(0), storage=InMemoryStorage()))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, ToyCluster(3, stop_after=6), storage=postgresql)
    assert tables(run(tmp_path, ToyCluster(4), storage=postgresql)) == expected
    (summary,) = optuna.get_all_study_summaries(postgresql)
    assert summary.n_trials == 14


def test_failures_are_kept_and_not_tried_again(tmp_path: Path) -> None:
    first = run(tmp_path, ToyCluster(0, fail_every=5))
    again = ToyCluster(1)
    second = run(tmp_path, again)
    assert tables(first) == tables(second)
    assert again.trained == []
    assert [record.error for record in second if record.state == "FAIL"] == [
        "TrainingFailed: the loss is not a finite number after epoch 1"
    ] * 3


def test_more_trials_extend_the_same_study(tmp_path: Path) -> None:
    run(tmp_path, ToyCluster(0), SEARCH | {"trials": 9})
    more = ToyCluster(1)
    extended = run(tmp_path, more)
    assert sorted(more.trained) == list(range(9, 14))
    assert tables(extended) == tables(run(tmp_path / "fresh", ToyCluster(2), storage="sqlite:///:memory:"))


def test_a_lost_storage_or_a_lost_journal_loses_no_result(tmp_path: Path) -> None:
    expected = tables(run(tmp_path, ToyCluster(0)))
    (tmp_path / "optuna.db").unlink()
    without_storage = ToyCluster(1)
    assert tables(run(tmp_path, without_storage)) == expected
    assert without_storage.trained == []
    for path in (tmp_path / "journal").iterdir():
        path.unlink()
    assert tables(run(tmp_path, ToyCluster(2))) == expected


def forget(folder: Path) -> None:
    """As in a fresh clone: what git carries is there, the databases and the journal are not."""
    for path in folder.glob("optuna.db*"):
        path.unlink()
    shutil.rmtree(folder / "journal")


def write_and_record(folder: Path, study: dict[str, Any], records: list[TrialRecord], results: str) -> dict[str, bytes]:
    """What the stage does when its study has ended; returns the content of every file of the results."""
    definition = definition_of(study)
    write_results(folder / results, definition, records)
    journal_of(folder).record("search", [definition.recorded_key(record) for record in records])
    return {path.name: path.read_bytes() for path in (folder / results).iterdir()}


@pytest.mark.parametrize(
    "study",
    [
        SEARCH,
        SEARCH | {"pruner": "hyperband", "parameter_budgets": [300, 3000]},
        SEARCH | {"space": {"cell": ["gru"], "units": [2, 4], "epochs": [5]}, "sampler": "random"},
        SEARCH | {"sampler": "cmaes", "pruner": None},
        GRID,
    ],
    ids=["search", "budgets", "repetitions", "cmaes", "grid"],
)
def test_from_the_record_alone_a_study_is_the_same_and_nothing_is_trained(
    tmp_path: Path, study: dict[str, Any]
) -> None:
    first = ToyCluster(0)
    written = write_and_record(tmp_path, study, run(tmp_path, first, study), "first")
    record = (tmp_path / "record/search.jsonl.gz").read_bytes()
    assert sorted(written) == sorted(FILES)
    assert first.trained
    forget(tmp_path)

    replayed = ToyCluster(1)
    records = run(tmp_path, replayed, study)
    assert replayed.submitted == []
    assert all(each.reused for each in records)
    assert write_and_record(tmp_path, study, records, "second") == written
    assert (tmp_path / "record/search.jsonl.gz").read_bytes() == record
    assert not (tmp_path / "journal").exists()


def test_from_the_record_alone_only_failures_are_tried_again(tmp_path: Path) -> None:
    """A failure is no result, so nothing keeps it but the Optuna storage."""
    first = run(tmp_path, ToyCluster(0, fail_every=5))
    failed = [record.trial.number for record in first if record.state == "FAIL"]
    write_and_record(tmp_path, SEARCH, first, "first")
    forget(tmp_path)
    again = ToyCluster(1, fail_every=5)
    assert tables(run(tmp_path, again)) == tables(first)
    assert sorted(again.trained) == failed == [1, 6, 11]


def test_of_more_trials_only_those_that_are_not_in_the_record_are_trained(tmp_path: Path) -> None:
    write_and_record(tmp_path, SEARCH, run(tmp_path, ToyCluster(0), SEARCH | {"trials": 9}), "first")
    forget(tmp_path)
    more = ToyCluster(1)
    extended = run(tmp_path, more)
    assert sorted(more.trained) == list(range(9, 14))
    assert tables(extended) == tables(run(tmp_path / "fresh", ToyCluster(2), storage=InMemoryStorage()))


def test_a_record_is_no_answer_to_other_trainings(tmp_path: Path) -> None:
    write_and_record(tmp_path, SEARCH, run(tmp_path, ToyCluster(0)), "first")
    other = ToyCluster(0)
    run(tmp_path, other, SEARCH | {"seed": 1})
    assert sorted(other.trained) == list(range(14))


def test_a_record_is_no_answer_for_other_data(tmp_path: Path) -> None:
    write_and_record(tmp_path, GRID, run(tmp_path, ToyCluster(0), GRID), "first")
    other_data = SUMMARY.model_copy(update={"train": SUMMARY.train.model_copy(update={"sha256": "other"})})
    cluster = ToyCluster(0)
    definition = definition_of(GRID, other_data)
    run_study(definition, tmp_path, cluster, InMemoryStorage(), journal_of(tmp_path))
    assert sorted(cluster.trained) == list(range(8))


def test_a_repeated_configuration_takes_the_result_that_is_there(tmp_path: Path) -> None:
    narrow = SEARCH | {"space": {"cell": ["gru"], "units": [2, 4], "epochs": [5]}, "sampler": "random", "pruner": None}
    cluster = ToyCluster(0)
    records = run(tmp_path, cluster, narrow)
    assert len(cluster.trained) == 2, "also where the same is proposed while it trains"
    assert [record.trial.number for record in records if not record.reused] == sorted(cluster.trained)
    by_units = {(r.trial.configuration.units, r.result.weights_sha256) for r in records if r.result is not None}
    assert len(by_units) == 2


def test_a_grid_runs_the_longest_first_and_tells_in_order(tmp_path: Path) -> None:
    cluster = ToyCluster(0, workers=1)
    told: list[int] = []

    class Teller:
        def trial_started(self, trial: Trial) -> None: ...
        def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None: ...
        def trial_finished(self, record: TrialRecord) -> None:
            told.append(record.trial.number)

    study = definition_of(GRID)
    url = f"sqlite:///{tmp_path}/o.db"
    records = run_study(study, tmp_path, cluster, url, journal_of(tmp_path), [Teller()])
    assert told == list(range(8))
    costs = [study.cost(trial) for trial in study.fixed_trials]
    assert len(set(costs)) == 4, "two seeds of one network cost the same"
    assert cluster.trained == sorted(range(8), key=lambda number: -costs[number])
    summary = study_summary(study, records)
    assert summary.states == {"COMPLETE": 8}
    assert summary.best is not None
    assert summary.best.validation_accuracy == trials_table(records).validation_accuracy.max()


def test_a_trial_without_samples_or_view_of_its_own_is_recorded_with_those_that_it_was_given(tmp_path: Path) -> None:
    search = SEARCH | {"space": {"cell": ["gru"], "units": [4, 8], "train_samples": [20_000], "epochs": [5]}}
    assert {record.train_samples for record in run(tmp_path, ToyCluster(0), search)} == {96}
    grid = GRID | {"space": {"cell": ["gru"], "units": [4], "view": ["rows", "columns"]}}
    params = params_with({"grid": grid, "s": SEARCH})
    definition = StudyDefinition("grid", params, SUMMARY)
    records = run_study(definition, tmp_path, ToyCluster(0), InMemoryStorage(), journal_of(tmp_path / "grid"))
    assert [record.view for record in records] == ["rows", "rows", "columns", "columns"]
