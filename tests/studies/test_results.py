"""The folder of a study: its columns are an interface, its rows are the records, and it answers for itself alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.storages import InMemoryStorage

from pipeline import paths
from pipeline.data.sequences import SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.settings import Configuration
from pipeline.studies.results import (
    FILES,
    TABLES,
    TRIAL_COLUMNS,
    NetworkText,
    StudyResults,
    StudySummary,
    TrialRow,
    curves_table,
    during_fit_table,
    has_results,
    network_texts,
    read_results,
    study_summary,
    timings_table,
    trial_row,
    trials_table,
    write_results,
)
from pipeline.training import identity
from pipeline.training.trials import EpochMetrics, TrainingResult, Trial, TrialRecord
from tests.helpers.cluster import ToyCluster
from tests.helpers.sequences import params_with
from tests.helpers.studies import GRID, SEARCH, SUMMARY, definition_of, run

EPOCHS = (
    EpochMetrics(1, 0.9, 0.5, 1.0, 0.4, 1.2, 0.3),
    EpochMetrics(2, 0.1 + 0.2, 0.875, 0.7, 0.75, 0.8, 0.6),
    EpochMetrics(3, 0.2, 0.9, 0.9, 0.7, 0.5, 0.7),
)
RESULT = TrainingResult(
    42, EPOCHS, 2, False, "abc", 6.0, 3.5, "summary", "digraph {\n140 -> 150\n}", "w", "cpu", "2026-11-26T15:30:00Z"
)
DONE = TrialRecord(Trial(0, Configuration(cell="gru", units=4, optimizer="sgd"), 7), "COMPLETE", 90, "rows", RESULT)
FAILED = TrialRecord(Trial(1, Configuration(cell="lstm", units=8), 8), "FAIL", 90, "rows", error="no")


def test_columns_of_trials_csv() -> None:
    header = trials_table([DONE]).to_csv(index=False).splitlines()[0]
    assert header == (
        "number,state,cell,units,depth,bidirectional,dropout,optimizer,learning_rate,batch_size,train_samples,epochs,seed,"
        "parameters,best_epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,generalization_gap,weights_sha256,"
        "recurrent_dropout,merge_mode,unroll,view,pooling,layer_normalization,residual,learning_rate_schedule,"
        "warmup_epochs,weight_decay,global_clipnorm,label_smoothing,ema_momentum"
    )


def test_rows_are_those_of_the_best_epoch_and_failures_are_blank() -> None:
    _, done, failed = trials_table([DONE, FAILED]).to_csv(index=False).splitlines()
    assert done == (
        "0,COMPLETE,gru,4,1,False,0.0,sgd,0.01,128,90,20,7,42,2,0.30000000000000004,0.875,0.7,0.75,0.125,abc,"
        "0.0,concat,False,rows,last,False,False,constant,0.0,0.0,,0.0,"
    )
    blank = "," * 9
    off = "last,False,False,constant,0.0,0.0,,0.0,"
    assert failed == f"1,FAIL,lstm,8,1,False,0.0,adam,0.001,128,90,20,8{blank}0.0,concat,False,rows,{off}"


def test_a_row_says_what_was_used_where_nothing_was_asked_for() -> None:
    row = trial_row(DONE)
    assert isinstance(row, TrialRow)
    assert (row.learning_rate, row.train_samples, row.view) == (0.01, 90, "rows")
    assert (row.best_epoch, row.generalization_gap) == (2, 0.125)
    assert trial_row(FAILED).parameters is None


def test_patience_is_told_where_trials_differ_in_it() -> None:
    patient = replace(DONE, trial=Trial(2, DONE.trial.configuration.model_copy(update={"patience": 3}), 7))
    table = trials_table([DONE, patient])
    assert table.columns.tolist() == [*TRIAL_COLUMNS, "patience"]
    assert [row.rpartition(",")[2] for row in table.to_csv(index=False).splitlines()] == ["patience", "", "3"]
    assert trials_table([patient, patient]).columns.tolist() == TRIAL_COLUMNS
    best = study_summary(definition_of(GRID), [patient, DONE]).best
    assert best is not None
    assert best.model_dump()["patience"] == 3
    alone = study_summary(definition_of(GRID), [patient]).best
    assert alone is not None
    assert "patience" not in alone.model_dump()


def test_epoch_tables_have_a_row_for_each_epoch_trained() -> None:
    curves, during = curves_table([DONE, FAILED]), during_fit_table([DONE, FAILED])
    assert curves.to_csv(index=False).splitlines()[2] == "0,2,0.30000000000000004,0.875,0.7,0.75"
    assert during.to_csv(index=False).splitlines() == [
        "number,epoch,loss,accuracy",
        "0,1,1.2,0.3",
        "0,2,0.8,0.6",
        "0,3,0.5,0.7",
    ]


def test_timings_are_apart() -> None:
    header, row = timings_table([DONE, FAILED]).to_csv(index=False).split()
    assert header == (
        "number,fit_seconds,seconds_per_epoch,predict_microseconds_per_sequence,worker,processor,trained_at"
    )
    assert row == "0,6.0,2.0,3.5,w,cpu,2026-11-26T15:30:00Z"


def test_networks_are_told_once_and_by_names_that_are_the_same_everywhere() -> None:
    again = TrialRecord(Trial(2, DONE.trial.configuration, 8), "COMPLETE", 90, "rows", RESULT)
    texts = network_texts([DONE, FAILED, again])
    assert texts == {"gru-1x4": NetworkText(summary="summary", diagram="digraph {\nnode0 -> node1\n}")}


def test_a_network_that_looks_otherwise_in_another_view_is_told_for_each() -> None:
    longer = replace(DONE, view="pixels", result=replace(RESULT, model_summary="longer"))
    same = replace(DONE, view="columns")
    texts = network_texts([DONE, longer, same])
    assert {name: text.summary for name, text in texts.items()} == {
        "gru-1x4-rows": "summary",
        "gru-1x4-pixels": "longer",
    }


def test_a_summary_counts_and_names_the_best(tmp_path: Path) -> None:
    records = run(tmp_path, ToyCluster(0, fail_every=5))
    definition = definition_of(SEARCH)
    summary = study_summary(definition, records)
    assert summary.states == {
        state: sum(record.state == state for record in records) for state in ("COMPLETE", "FAIL", "PRUNED")
    }
    complete = [record for record in records if record.state == "COMPLETE"]
    best = max(complete, key=lambda record: record.result.best.validation_accuracy if record.result else 0)  # type: ignore[arg-type, return-value]
    assert summary.best == trial_row(best)
    assert (summary.study, summary.held_out, summary.fingerprint) == ("search", "validation", definition.fingerprint)
    assert summary.environment == {"processor": "toy processor"} | identity.training_versions()
    nothing = study_summary(definition, [FAILED])
    assert (nothing.best, nothing.states) == (None, {"FAIL": 1})


Finished = tuple[StudyResults, Params]


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    """Study `search`, with complete, pruned and failed trials, written where the stages look for it."""
    monkeypatch.chdir(tmp_path)
    params = params_with({"search": SEARCH})
    records = run(tmp_path, ToyCluster(0, fail_every=5), storage=InMemoryStorage())
    return write_results(paths.study_folder("search"), definition_of(SEARCH), records), params


def test_results_come_back_as_they_were_written(finished: Finished) -> None:
    written, params = finished
    assert sorted(path.name for path in paths.study_folder("search").iterdir()) == sorted(FILES)
    assert has_results("search")
    assert not has_results("other")
    read = read_results("search", params, SUMMARY)
    assert (read.summary, read.networks) == (written.summary, written.networks)
    assert set(read.trials["state"]) == {"COMPLETE", "PRUNED", "FAIL"}
    for table in TABLES:
        pd.testing.assert_frame_equal(
            getattr(read, table), getattr(written, table), check_dtype=False, check_exact=True
        )


def test_results_written_again_are_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    write_results(
        tmp_path / "again", definition_of(SEARCH), run(tmp_path, ToyCluster(1, fail_every=5), storage=InMemoryStorage())
    )
    for file in FILES:
        assert (tmp_path / "again" / file).read_bytes() == (paths.study_folder("search") / file).read_bytes()


def other_data(params: Params) -> tuple[Params, SequencesSummary]:
    return params, SUMMARY.model_copy(update={"train": SUMMARY.train.model_copy(update={"sha256": "other"})})


def other_study(changes: dict[str, Any]) -> Callable[[Params], tuple[Params, SequencesSummary]]:
    return lambda _: (params_with({"search": SEARCH | changes}), SUMMARY)


def other_training(params: Params) -> tuple[Params, SequencesSummary]:
    return params.model_copy(update={"training": params.training.model_copy(update={"batch_size": 64})}), SUMMARY


NOT_THESE = (
    "data/studies/search does not hold study search as params.yaml, data/sequences and the installed libraries say: "
    "run `dvc repro --force study@search` first"
)


@pytest.mark.parametrize(
    "change",
    [
        other_data,
        other_training,
        other_study({"seed": 1}),
        other_study({"space": SEARCH["space"] | {"epochs": [6]}}),  # type: ignore[operator]
        lambda _: (params_with({"search": GRID}), SUMMARY),
    ],
    ids=["data", "training", "seed", "space", "sampler"],
)
def test_results_of_anything_else_never_answer(
    finished: Finished, change: Callable[[Params], tuple[Params, SequencesSummary]]
) -> None:
    with pytest.raises(PipelineError) as caught:
        read_results("search", *change(finished[1]))
    assert str(caught.value) == NOT_THESE


@pytest.mark.parametrize("trials", [13, 15])
def test_more_or_fewer_trials_are_the_same_study(finished: Finished, trials: int) -> None:
    """Its next run goes on from these."""
    params, summary = other_study({"trials": trials})(finished[1])
    assert len(read_results("search", params, summary).trials) == 14


def test_results_of_other_versions_never_answer(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SEMANTICS_VERSION", identity.SEMANTICS_VERSION + 1)
    with pytest.raises(PipelineError) as caught:
        read_results("search", finished[1], SUMMARY)
    assert str(caught.value) == NOT_THESE


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named_with_its_cure(finished: Finished, file: str) -> None:
    (paths.study_folder("search") / file).unlink()
    with pytest.raises(PipelineError) as caught:
        read_results("search", finished[1], SUMMARY)
    assert str(caught.value) == (
        "study search has not run: `dvc repro study@search` makes data/studies/search"
        if file == "best.json"
        else f"data/studies/search lacks {file}: `dvc repro study@search` makes them"
    )


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        (lambda document: document | {"states": {"COMPLETE": "14"}}, "states.COMPLETE"),
        (lambda document: {key: value for key, value in document.items() if key != "fingerprint"}, "fingerprint"),
        (lambda document: [document], "the document"),
    ],
)
def test_a_damaged_summary_is_named_with_its_cure(
    finished: Finished, damage: Callable[[dict[str, Any]], object], place: str
) -> None:
    path = paths.study_folder("search") / "best.json"
    path.write_text(json.dumps(damage(paths.read_json(path))), encoding="utf-8")
    with pytest.raises(PipelineError) as caught:
        read_results("search", finished[1], SUMMARY)
    assert str(caught.value).startswith(f"{path}: is damaged or of another version: {place}: ")
    assert str(caught.value).endswith("&& dvc repro` makes it again")
    with pytest.raises(PipelineError, match="is damaged"):
        StudySummary.read(path)


def test_a_study_that_never_ran_is_named_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = params_with({"grid": GRID})
    with pytest.raises(
        PipelineError, match=r"^study grid has not run: `dvc repro study@grid` makes data/studies/grid$"
    ):
        read_results("grid", params, SUMMARY)
    race = params_with({"grid": GRID, "race": {"sampler": "race", "entrants": ["grid"]}})
    with pytest.raises(PipelineError, match=r"^study race has not run: `dvc repro race` makes data/studies/race$"):
        read_results("race", race, SUMMARY)
