"""MLflow, Optuna and the tables say the same about every trial of a study that was really trained."""

import json
import subprocess
import sys
from pathlib import Path

import optuna
import pandas as pd
import pytest
from mlflow.entities import Run
from optuna.trial import FrozenTrial

from pipeline.documents import records
from pipeline.tracking.run_store import STATUS
from tests.helpers.project import SEARCH, Project

SETTINGS = [
    "cell", "units", "depth", "bidirectional", "dropout", "optimizer", "learning_rate", "batch_size", "train_samples",
    "epochs", "seed", "recurrent_dropout", "merge_mode", "unroll", "view",
]  # fmt: skip
OF_THE_BEST_EPOCH = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "generalization_gap"]
PER_EPOCH = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.folder / "data/studies/search" / f"{name}.csv")


def optuna_trials(project: Project) -> list[FrozenTrial]:
    [name] = optuna.get_all_study_names(project.optuna_storage)
    return optuna.load_study(study_name=name, storage=project.optuna_storage).trials


def trial_runs(project: Project) -> dict[int, Run]:
    runs = project.runs("tags.stage = 'study'")
    return {int(run.data.tags["trial"]): run for run in runs if run.data.tags["trial"]}


def test_every_trial_is_the_same_in_mlflow_in_optuna_and_in_the_tables(project: Project) -> None:
    trials, curves, timings = (table(project, name) for name in ("trials", "curves", "timings"))
    in_mlflow, in_optuna = trial_runs(project), optuna_trials(project)
    assert set(trials["state"]) == {"COMPLETE", "PRUNED", "FAIL"}, "a study without one of these proves less"
    assert list(trials["number"]) == sorted(in_mlflow) == [trial.number for trial in in_optuna]

    for row in records(trials):
        run, trial = in_mlflow[row["number"]], in_optuna[row["number"]]
        assert (run.info.status, run.data.tags["state"], trial.state.name) == (
            STATUS[row["state"]],
            row["state"],
            row["state"],
        )
        assert trial.user_attrs["mlflow_run_id"] == run.info.run_id
        assert {name: run.data.params[name] for name in SETTINGS} == {name: str(row[name]) for name in SETTINGS}
        assert trial.params == {name: row[name] for name in trial.params}
        assert trial.params.keys() == {"units", "dropout", "learning_rate"}
        curve = curves[curves["number"] == row["number"]].set_index("epoch")
        assert trial.intermediate_values == curve["validation_accuracy"].to_dict()
        for name in PER_EPOCH if row["state"] != "FAIL" else []:
            assert project.epochs(run, name) == curve[name].to_dict(), name
        if row["state"] == "FAIL":
            assert curve.empty
            assert run.data.tags["failure"] == trial.user_attrs["error"]
            assert "the loss is not a finite number" in trial.user_attrs["error"]
            continue
        assert {name: run.data.metrics[f"best_{name}"] for name in OF_THE_BEST_EPOCH} == {
            name: row[name] for name in OF_THE_BEST_EPOCH
        }
        attributes = {name: row[name] for name in ("parameters", "best_epoch", "generalization_gap", "train_samples")}
        attributes["fit_seconds"] = timings.set_index("number").loc[row["number"], "fit_seconds"]
        assert {name: trial.user_attrs[name] for name in attributes} == attributes
        for name in ("parameters", "best_epoch", "fit_seconds"):
            assert run.data.metrics[name] == attributes[name], name
        assert run.data.tags["weights_sha256"] == trial.user_attrs["weights_sha256"] == row["weights_sha256"]
        if row["state"] == "PRUNED":
            assert run.data.tags["pruned_at_epoch"] == str(len(curve)) != str(row["epochs"])
        else:
            assert trial.value == row["validation_accuracy"]


def test_the_parent_run_counts_what_the_table_holds(project: Project) -> None:
    trials = table(project, "trials")
    [parent] = [run for run in project.runs("tags.stage = 'study'") if not run.data.tags["trial"]]
    assert {run.data.tags["mlflow.parentRunId"] for run in trial_runs(project).values()} == {parent.info.run_id}
    counts = trials["state"].value_counts()
    assert {state: parent.data.metrics[f"trials_{state.lower()}"] for state in counts.index} == counts.to_dict()
    best = trials[trials["state"] == "COMPLETE"].sort_values("validation_accuracy", kind="stable").iloc[-1]
    assert parent.data.metrics["best_validation_accuracy"] == best["validation_accuracy"]
    assert optuna_trials(project)[int(parent.data.metrics["best_number"])].value == best["validation_accuracy"]


def test_a_trial_is_shown_while_it_trains_epoch_by_epoch(project: Project) -> None:
    failed = set(table(project, "trials").query("state == 'FAIL'")["number"])  # the tables have no epochs of these
    curves = table(project, "curves")
    seen = sorted((glimpse.trial, glimpse.epoch) for glimpse in project.glimpses if glimpse.trial not in failed)
    assert seen == list(zip(curves["number"], curves["epoch"], strict=True))
    assert {glimpse.status for glimpse in project.glimpses} == {"RUNNING"}
    assert all(glimpse.shown == list(range(1, glimpse.epoch + 1)) for glimpse in project.glimpses)
    assert max(curves["epoch"]) == 4


def test_the_champions_curves_are_those_of_its_runs(project: Project) -> None:
    curves = pd.read_csv(project.folder / "data/models/champion/curves.csv")
    [run] = project.runs("tags.stage = 'champion' and tags.seed = '0'")
    assert curves["number"].tolist() == [0] * len(curves)
    for name in ("train_loss", "train_accuracy"):
        assert project.epochs(run, name) == curves.set_index("epoch")[name].to_dict()
    assert not curves.empty


@pytest.mark.parametrize("verb", ["studies", "trials", "best-trial"])
def test_optunas_own_commands_open_the_study(project: Project, verb: str) -> None:
    [name] = optuna.get_all_study_names(project.optuna_storage)
    program = Path(sys.executable).with_name("optuna")
    command = [str(program), verb, "--storage", "sqlite:///optuna.db", "--format", "json"]
    command += [] if verb == "studies" else ["--study-name", name]
    answer = json.loads(subprocess.run(command, cwd=project.folder, check=True, capture_output=True, text=True).stdout)
    trials = table(project, "trials")
    if verb == "studies":
        assert [(study["name"], study["n_trials"]) for study in answer] == [(name, SEARCH["trials"])]
    elif verb == "trials":
        assert [trial["state"] for trial in answer] == trials["state"].tolist()
    else:
        complete = trials[trials["state"] == "COMPLETE"]
        assert answer["value"] == {"validation accuracy": complete["validation_accuracy"].max()}
