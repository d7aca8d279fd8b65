"""What a study is: its trials, its fingerprint, the keys of its trainings and what each of them costs."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import InMemoryStorage

from pipeline.analysis.configurations import complete_trials, configurations
from pipeline.data.sequences import SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.settings import Configuration
from pipeline.params.studies import Grid
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.results import trials_table
from pipeline.training.trials import Trial, TrialRecord
from tests.helpers.cluster import ToyCluster, toy_result
from tests.helpers.runs import OWN_DATA
from tests.helpers.sequences import params_with
from tests.helpers.studies import GRID, SEARCH, SUMMARY, definition_of, run


def with_other(split: str) -> SequencesSummary:
    """The toy data, but for one split's values."""
    return SUMMARY.model_copy(update={split: SUMMARY.test.model_copy(update={"samples": 96, "sha256": "other"})})


def rows_of(records: list[TrialRecord]) -> list[dict[str, Any]]:
    """The rows of trials.csv as they are read from the file."""
    table = pd.read_csv(io.StringIO(trials_table(records).to_csv(index=False)))
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def test_fingerprints_follow_data_study_and_training_but_not_the_number_of_trials() -> None:
    def fingerprint(study: dict[str, Any] = SEARCH, summary: SequencesSummary = SUMMARY) -> str:
        return definition_of(study, summary).fingerprint

    assert fingerprint(SEARCH | {"trials": 99}) == fingerprint()
    changed = [
        fingerprint(SEARCH | {"window": 5}),
        fingerprint(SEARCH | {"seed": 1}),
        fingerprint(SEARCH | {"pruner": None}),
        fingerprint(summary=with_other("train")),
        fingerprint(),
    ]
    assert len(set(changed)) == 5
    assert fingerprint(summary=with_other("test")) == fingerprint()
    assert fingerprint(GRID | {"window": 5}) == fingerprint(GRID), "the window orders nothing where all is known"
    assert definition_of(SEARCH).optuna_study == f"search-{fingerprint()}"


def test_a_study_on_the_test_data_follows_them() -> None:
    book = GRID | {"held_out": "test"}
    params = params_with({"book": book, "s": SEARCH})
    one, other = (StudyDefinition("book", params, summary) for summary in (SUMMARY, with_other("test")))
    assert one.fingerprint != other.fingerprint
    assert (one.available_samples, one.data_sha256) == (156, ["a", "b", "c"])


def test_more_samples_than_there_are_mean_all_of_them_once() -> None:
    grid = GRID | {"space": {"cell": ["gru"], "units": [4], "train_samples": [10, 96, 97, 20_000]}}
    study = definition_of(grid)
    assert [(t.number, t.configuration.train_samples, t.seed) for t in study.fixed_trials] == [
        (0, 10, 0), (1, 10, 1), (2, None, 0), (3, None, 1),
    ]  # fmt: skip
    assert (study.total, study.most_samples_asked, study.available_samples) == (4, 20_000, 96)
    assert [study.train_samples(trial) for trial in study.fixed_trials] == [10, 10, 96, 96]


# Of every axis of a grid values that differ, and others that are the same, if not to the eye.
AXES: dict[str, list[Any]] = {
    "cell": ["gru", "lstm"],
    "units": [4, 8],
    "depth": [1, 2],
    "bidirectional": [False, True],
    "dropout": [0.0, 0.1],
    "recurrent_dropout": [0.0, 0.1],
    "merge_mode": ["concat", "sum", "mul"],
    "unroll": [False, True],
    "pooling": ["mean", "mean_max"],
    "layer_normalization": [False, True],
    "residual": [False, True],
    "optimizer": ["sgd", "adam", "adamw", "rmsprop"],
    "learning_rate": [None, 0.001, 0.01, 0.02],
    "batch_size": [32, 96, 156, 100_000],
    "train_samples": [None, 40, 96, 20_000],
    "epochs": [1, 2, 5],
    "view": [None, "rows", "columns"],
    "patience": [None, 1, 3, 4, 70],
}
VARIED = st.lists(st.sampled_from(sorted(AXES)), max_size=4, unique=True)


@st.composite
def grids(draw: st.DrawFn) -> dict[str, Any]:
    """A grid in which up to four axes vary, besides those that must have a value."""
    axes = dict.fromkeys(["cell", "units", *draw(VARIED)])
    space = {name: draw(st.lists(st.sampled_from(AXES[name]), min_size=1, max_size=4)) for name in axes}
    held_out = draw(st.sampled_from(["validation", "fold", "test"]))
    space = {"pooling": ["mean"]} | space  # residual layers that read both ways need one
    return {"sampler": "grid", "seeds": draw(st.integers(1, 3)), "held_out": held_out, "space": space}


def test_every_axis_of_a_grid_is_varied_here() -> None:
    assert set(AXES) == set(Grid.model_fields)


@settings(max_examples=60, deadline=None)
@given(grids())
def test_the_analysis_counts_each_training_of_a_grid_once(study: dict[str, Any]) -> None:
    definition = beside_a_search(study)
    records = [
        definition.record(trial, toy_result(definition.task(trial, Path()))) for trial in definition.fixed_trials
    ]
    keys = {definition.recorded_key(record) for record in records}
    table = pd.read_csv(io.StringIO(trials_table(records).to_csv(index=False)))
    assert len(keys) == len(records) == len(complete_trials(table))
    counted = configurations(table)
    assert counted["seeds"].tolist() == [study["seeds"]] * len(counted)
    assert counted["seeds"].sum() == len(keys)
    forms = {definition.as_trained(trial.configuration) for trial in definition.fixed_trials}
    assert len(counted) == len(forms), "and what is the same is there once"


def beside_a_search(study: dict[str, Any]) -> StudyDefinition:
    """The study with a search beside it, which competes for the champion."""
    return StudyDefinition("grid", params_with({"grid": study, "s": SEARCH}), SUMMARY)


@pytest.mark.parametrize(
    ("axis", "values", "kept"),
    [
        ("learning_rate", [None, 0.001, 0.002], [None, 0.002]),
        ("learning_rate", [0.001, None], [0.001]),
        ("optimizer", ["adamw", "sgd", "adam"], ["adamw", "sgd"]),
        ("view", ["rows", None, "columns"], ["rows", "columns"]),
        ("merge_mode", ["sum", "concat"], ["sum"]),
        ("residual", [True, False], [True]),
        ("batch_size", [95, 96, 1000], [95, 96]),
        ("patience", [None, 1, 4, 5], [None, 1, 4]),
        ("train_samples", [96, None, 10], [None, 10]),
    ],
)
def test_what_is_said_in_two_ways_is_trained_once_as_it_is_said_first(
    axis: str, values: list[Any], kept: list[Any]
) -> None:
    space = {"cell": ["gru"], "units": [4], "epochs": [5], "learning_rate": [0.01]} | {axis: values}
    grid = beside_a_search({"sampler": "grid", "space": space})
    assert [getattr(trial.configuration, axis) for trial in grid.fixed_trials] == kept
    once = beside_a_search({"sampler": "grid", "space": space | {axis: kept}})
    assert grid.fixed_trials == once.fixed_trials
    if axis == "patience":
        return
    sampled = beside_a_search({"sampler": "random", "trials": 3, "space": space})
    proposed = [sampled.proposed_trial(0, {"cell": "gru", "units": 4, axis: value}) for value in values]
    assert len({sampled.key(trial) for trial in proposed}) == len(kept)
    assert {getattr(trial.configuration, axis) for trial in proposed} == set(kept)


def test_other_views_are_made_from_rows() -> None:
    grid = GRID | {"space": {"cell": ["gru"], "units": [4], "view": ["rows", "columns"]}}
    params = params_with({"grid": grid, "s": SEARCH})
    study = StudyDefinition("grid", params, SUMMARY)
    assert [study.view(trial) for trial in study.fixed_trials] == ["rows", "rows", "columns", "columns"]
    with pytest.raises(PipelineError, match=r"studies\.grid: view rows is made from rows, but data.view is pixels"):
        StudyDefinition("grid", params, SUMMARY.model_copy(update={"view": "pixels"}))
    for padded in (True, False):
        with pytest.raises(PipelineError, match=r"^studies\.grid: it asks for views that only images have"):
            StudyDefinition("grid", params, SUMMARY.model_copy(update={"padded": padded, "scale": "standard"}))


@pytest.mark.parametrize("study", [GRID, SEARCH], ids=["grid", "search"])
def test_only_images_read_by_rows_or_columns_are_moved(study: dict[str, Any]) -> None:
    moved = study | {"training": {"shift_pixels": 1.0}}
    assert definition_of(moved).defaults.shift_pixels == 1.0
    by_pixels = moved | {"space": study["space"] | {"view": ["rows", "pixels"]}}
    params = params_with({"moved": by_pixels, "competes": SEARCH})
    with pytest.raises(PipelineError, match=r"shift_pixels is for images .*, and these are images in the view pixels"):
        StudyDefinition("moved", params, SUMMARY)
    with pytest.raises(PipelineError, match=r"shift_pixels is for images .*, and these are sequences"):
        definition_of(moved, OWN_DATA)


def test_few_sequences_of_ones_own_are_trained_alike_in_all_studies() -> None:
    """54 + 13 sequences, whatever a study holds out: batches of 4 and 89 epochs of 17 steps."""
    few = {
        "train": SUMMARY.train.model_copy(update={"samples": 54}),
        "validation": SUMMARY.validation.model_copy(update={"samples": 13}),
    }
    own = SUMMARY.model_copy(update={"padded": False, "scale": "standard"} | few)
    params = params_with({"grid": GRID, "folds": GRID | {"held_out": "fold"}, "s": SEARCH})
    trained = {
        (trial.configuration.batch_size, trial.configuration.epochs)
        for name in ("grid", "folds")
        for trial in StudyDefinition(name, params, own).fixed_trials
    }
    assert trained == {(4, 89)}
    assert StudyDefinition("grid", params, own).fingerprint != StudyDefinition("grid", params, SUMMARY).fingerprint


@pytest.mark.parametrize(
    "study",
    [
        SEARCH,
        SEARCH | {"parameter_budgets": [300, 3000]},
        SEARCH | {"space": {"cell": ["gru", "lstm"], "units": [4], "train_samples": [10, 20_000], "epochs": [5]}},
        GRID,
    ],
    ids=["search", "budgets", "samples", "grid"],
)
def test_a_row_of_the_table_is_the_trial_that_it_is_about(tmp_path: Path, study: dict[str, Any]) -> None:
    """So the table leads to the training in the record."""
    definition = definition_of(study)
    records = run(tmp_path, ToyCluster(0), study, InMemoryStorage())
    for record, row in zip(records, rows_of(records), strict=True):
        assert definition.recorded_trial(row) == record.trial
        assert definition.recorded_trial(row).configuration == record.trial.configuration
        assert definition.key(definition.recorded_trial(row)) == definition.key(record.trial)


def test_a_trial_is_recorded_with_what_it_was_given_and_how_it_ended(tmp_path: Path) -> None:
    definition = definition_of(GRID)
    trial = definition.fixed_trials[3]
    result = toy_result(definition.task(trial, tmp_path))
    done = definition.record(trial, result, reused=True)
    assert (done.trial, done.state, done.train_samples, done.view) == (trial, "COMPLETE", 96, "rows")
    assert (done.result, done.error, done.reused) == (result, None, True)
    assert definition.record(trial, replace(result, pruned=True)).state == "PRUNED"
    failed = definition.record(trial, None, error="the loss is not a finite number")
    assert (failed.state, failed.result, failed.error) == ("FAIL", None, "the loss is not a finite number")


def test_what_is_pruned_is_repeated_for_as_long_as_it_was_trained(tmp_path: Path) -> None:
    definition, records = definition_of(SEARCH), run(tmp_path, ToyCluster(0), storage=InMemoryStorage())
    for record, row in zip(records, rows_of(records), strict=True):
        assert record.result is not None
        length = len(record.result.epochs)
        task = definition.repetition(row, length, Path("data/sequences"))
        assert task.sequences == Path.cwd() / "data/sequences", "a worker's current folder is its own"
        assert (task.held_out, task.wants_model) == ("validation", False)
        if record.state == "PRUNED":
            assert task.should_prune is not None
            assert [task.should_prune([0.5] * epochs) for epochs in (length - 1, length)] == [False, True]
        else:
            assert task.should_prune is None


def test_trainings_of_all_studies_share_a_key_if_they_are_the_same_and_as_long() -> None:
    configuration = Configuration(cell="gru", units=4, epochs=3)
    trials = [Trial(number, configuration, seed=0) for number in (0, 1)]
    studies = [definition_of(study) for study in (GRID, SEARCH | {"pruner": None}, SEARCH, SEARCH | {"seed": 1})]
    [key] = {study.key(trial) for study in studies for trial in trials}
    stopped = {study.key(trial, epoch) for study in studies for trial in trials for epoch in (1, 2, 3)}
    assert len(stopped | {key}) == 4
    on_other_data = {definition_of(GRID, with_other(split)).key(trials[0]) for split in ("train", "validation")}
    assert len(on_other_data | {key}) == 3
    assert definition_of(GRID, with_other("test")).key(trials[0]) == key


def test_a_trial_may_be_kept_by_as_many_names_as_a_pruner_may_end_it_after_epochs() -> None:
    trial = Trial(0, Configuration(cell="gru", units=4, epochs=5), seed=0)
    late = definition_of(SEARCH | {"training": {"warmup_epochs": 1.5}})
    assert late.possible_keys(trial) == [late.key(trial), *(late.key(trial, epoch) for epoch in (3, 4, 5))]
    assert definition_of(GRID).possible_keys(trial) == [late.key(trial)]


def test_all_samples_have_one_key_whether_they_are_asked_for_or_not() -> None:
    asked, not_said = (definition_of(GRID | {"space": space}) for space in (
        {"cell": ["gru"], "units": [4], "train_samples": [20_000]}, {"cell": ["gru"], "units": [4]},
    ))  # fmt: skip
    assert asked.key(asked.fixed_trials[0]) == not_said.key(not_said.fixed_trials[0])


def test_a_trial_costs_its_samples_its_epochs_and_its_size() -> None:
    definition = definition_of(GRID)
    gru = Configuration(cell="gru", units=8, epochs=4)

    def cost(**changes: Any) -> float:
        return definition.cost(Trial(0, gru.model_copy(update=changes), 0))

    assert cost(train_samples=24) < cost() == cost(train_samples=96) == cost(train_samples=20_000)
    assert cost(epochs=2) < cost() < cost(units=256)
    assert cost(cell="simple_rnn") < cost(cell="lstm") < cost(cell="lstm", bidirectional=True)


@pytest.mark.parametrize("study", [SEARCH, SEARCH | {"parameter_budgets": [300, 3000]}, GRID])
def test_more_workers_are_expected_to_take_less(study: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.studies.definition.sgemm_rate", lambda seconds: 100e9)  # not a busy machine's
    definition = definition_of(study)
    assert 0 < definition.expected_seconds(8) < definition.expected_seconds(2) < definition.expected_seconds(1)


@pytest.mark.parametrize("study", [SEARCH, GRID])
def test_finished_trials_take_no_time(tmp_path: Path, study: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.studies.definition.sgemm_rate", lambda seconds: 100e9)
    definition = definition_of(study)
    trials = [record.trial for record in run(tmp_path, ToyCluster(0), study, InMemoryStorage())]
    left = [definition.expected_seconds(1, trials[:count]) for count in range(len(trials) + 1)]
    assert left == sorted(left, reverse=True)
    assert len(set(left)) == len(left)
    assert left[-1] == 0


def test_a_study_may_have_defaults_of_its_own() -> None:
    own = {"training": {"epochs": 7, "learning_rate": None, "learning_rate_schedule": "cosine"}}
    plain, changed = definition_of(GRID), definition_of(GRID | own)
    assert plain.shared_defaults == plain.defaults == changed.shared_defaults
    assert {(t.configuration.epochs, t.configuration.learning_rate) for t in changed.fixed_trials} == {(7, None)}
    assert {t.configuration.batch_size for t in changed.fixed_trials} == {32}, "as params.yaml says"
    assert {t.configuration.learning_rate_schedule for t in changed.fixed_trials} == {"cosine"}
    assert changed.fingerprint != plain.fingerprint
    said_twice = definition_of(GRID | {"training": {"epochs": 3}})
    assert said_twice.fingerprint == plain.fingerprint, "what is said makes no difference, what holds does"
    entry = {"cell": "gru", "units": 4, "epochs": 2}
    of_a_list = definition_of({"sampler": "list", "trials": [entry, {"cell": "gru", "units": 4}]} | own)
    assert [trial.configuration.epochs for trial in of_a_list.fixed_trials] == [2, 7]
    assert definition_of(SEARCH | own).proposed_trial(0, {"cell": "gru", "units": 4}).configuration.epochs == 7


@pytest.mark.parametrize("off", [{"global_clipnorm": None}, {"weight_decay": 0.0}, {"optimizer": "adam"}])
def test_an_entry_that_switches_off_a_default_makes_another_study(off: dict[str, Any]) -> None:
    recipe = {"global_clipnorm": 1.0, "weight_decay": 0.004, "optimizer": "adamw"}
    entry, study = {"cell": "gru", "units": 4}, {"sampler": "list", "training": recipe}
    whole, without, said_twice = (
        definition_of(study | {"trials": [each], **own})
        for each, own in ((entry, {}), (entry | off, {}), (entry | off, {"training": recipe | off}))
    )
    assert whole.fingerprint != without.fingerprint
    assert whole.key(whole.fixed_trials[0]) != without.key(without.fixed_trials[0])
    alone = definition_of(study | {"trials": [entry], "training": recipe | off})
    assert said_twice.fingerprint == alone.fingerprint, "what is said makes no difference, what holds does"


FOLDED: list[dict[str, Any]] = [
    GRID | {"held_out": "fold", "seeds": 3},
    {"sampler": "list", "held_out": "fold", "seeds": 3, "trials": [{"cell": "gru", "units": 4}]},
]


@pytest.mark.parametrize("study", FOLDED, ids=["grid", "list"])
def test_a_study_may_hold_out_another_tenth_for_each_seed(study: dict[str, Any], tmp_path: Path) -> None:
    definition = definition_of(study)
    assert (definition.held_out_samples, definition.available_samples) == (15, 141), "of 96 and 60"
    assert definition.data_sha256 == ["a", "b"]
    trials = definition.fixed_trials[:3]
    assert [trial.seed for trial in trials] == [0, 1, 2]
    assert {definition.task(trial, tmp_path).held_out for trial in trials} == {"fold"}
    on_validation = definition_of(study | {"held_out": "validation"})
    keys = {each.key(trial) for each in (definition, on_validation) for trial in trials}
    assert len(keys) == 6
    assert definition.fingerprint != on_validation.fingerprint
    table = trials_table(run(tmp_path, ToyCluster(0), study, InMemoryStorage()))
    assert set(table["train_samples"]) == {141}
    assert table["validation_accuracy"].notna().all()


def test_instructions_are_part_of_every_fingerprint_and_key() -> None:
    params = params_with({"search": GRID})
    native = params.model_copy(update={"training": params.training.model_copy(update={"instructions": "native"})})
    one, other = (StudyDefinition("search", each, SUMMARY) for each in (params, native))
    assert one.fingerprint != other.fingerprint
    assert one.key(one.fixed_trials[0]) != other.key(other.fixed_trials[0])
    assert other.task(other.fixed_trials[0], Path()).instructions == "native"


def test_an_unknown_study_is_named() -> None:
    with pytest.raises(PipelineError, match="there is no study 'gird'"):
        StudyDefinition("gird", params_with({"grid": GRID}), SUMMARY)


def test_folds_of_whole_groups() -> None:
    params = params_with({"some": GRID | {"held_out": "fold", "seeds": 3}})
    few = SUMMARY.model_copy(update={"groups": {"train": 7, "validation": 2, "test": 5}})
    with pytest.raises(PipelineError, match=r"^9 groups to learn from are too few for 10 folds"):
        StudyDefinition("some", params, few)
    StudyDefinition("some", params_with({"some": GRID}), few)
    grouped = few.model_copy(update={"folds": (30, *[14] * 9)})
    definition = StudyDefinition("some", params, grouped)
    assert (definition.held_out_samples, definition.available_samples) == (15, 126), "of 156, on average and at least"
