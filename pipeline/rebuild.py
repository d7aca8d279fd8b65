"""`rebuild-tracking`: the studies' MLflow runs once more, from the files of their results and without training."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import paths
from pipeline.analysis import records as rows_of
from pipeline.lineage import lineage
from pipeline.params import Params
from pipeline.run_store import PARENT_TAG, RunStore
from pipeline.study import StudyRun
from pipeline.tracking import StudyTracker
from pipeline.trials import EpochMetrics, TrainingResult, Trial, TrialRecord


def rebuild_tracking(params: Params) -> bool:
    """Log every finished study of params.yaml that MLflow does not have; prints a line for each.

    The runs have the tag `rebuilt`. What no file knows is left out: the commit, Optuna's plots, why a trial failed
    and where. Returns False if a study that has results could not be logged.
    """
    fine = True
    for name in params.studies:
        folder = paths.study_folder(name)
        missing = paths.missing_results(name)
        if not paths.SEQUENCES_SUMMARY.exists():
            missing.append(str(paths.SEQUENCES_SUMMARY))
        if not (folder / "best.json").exists():
            outcome = f"no results in {folder}"
        elif missing:
            outcome, fine = f"not rebuilt, {', '.join(missing)} not found: run `dvc checkout` first", False
        else:
            outcome, done = _rebuild(params, name, folder)
            fine = fine and done
        print(f"study {name}: {outcome}")
    return fine


def _rebuild(params: Params, name: str, folder: Path) -> tuple[str, bool]:
    """Log one study; returns what to tell about it, and whether MLflow has it now."""
    data = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))
    best = json.loads((folder / "best.json").read_text(encoding="utf-8"))
    study = StudyRun(name, params, data, paths.SEQUENCES)
    if best["fingerprint"] != study.fingerprint:
        changed = "params.yaml, the data or the libraries have changed since it ran"
        return f"not rebuilt, {changed}: `dvc repro study@{name}` runs it as it is now", False
    experiment = params.tracking.experiment
    runs = RunStore(experiment).study_runs(name, study.fingerprint)
    if any(run.info.status == "FINISHED" for run in runs if PARENT_TAG not in run.data.tags):
        return "already there", True
    today = lineage(
        "study",
        experiment=experiment,
        data=data,
        fingerprint=study.fingerprint,
        study=name,
        optuna_study=study.optuna_study,
    )
    origin = dataclasses.replace(
        today, git_commit="", git_dirty="", dvc_experiment="", environment=best["environment"], rebuilt=True
    )
    records = recorded_trials(study, folder)
    with StudyTracker(origin, study.study.model_dump(mode="json"), data) as tracker:
        for record in records:
            tracker.trial_finished(record)
        tracker.finish(folder)
    return f"{len(records)} trials logged", True


def recorded_trials(study: StudyRun, folder: Path) -> list[TrialRecord]:
    """The records of a study of which `folder` has all results, as the study itself gave them."""
    networks = json.loads((folder / "networks.json").read_text(encoding="utf-8"))
    curves = _read(folder / "curves.csv").merge(
        _read(folder / "during_fit.csv").rename(columns={"loss": "during_fit_loss", "accuracy": "during_fit_accuracy"}),
        on=["number", "epoch"],
    )
    epochs = {
        number: tuple(EpochMetrics(**row) for row in rows_of(group.drop(columns="number")))
        for number, group in curves.groupby("number")
    }
    timings = {row["number"]: row for row in rows_of(_read(folder / "timings.csv", keep_default_na=False))}
    records = []
    for row in rows_of(_read(folder / "trials.csv")):
        number = row["number"]
        lasted = epochs.get(number, ())
        configuration = study.repetition(row, len(lasted)).configuration
        result, timing = None, timings.get(number, {})
        if lasted:
            network = networks[configuration.network.file_name]
            result = _result(row, lasted, timing, network)
        records.append(
            TrialRecord(
                Trial(number, configuration, row["seed"]),
                row["state"],
                row["train_samples"],
                row["view"],
                result,
                error=None if result else "trials.csv does not say why",
                worker=timing.get("worker", ""),
                reused=timing.get("worker") == "",  # nobody trained it
            )
        )
    return records


def _result(
    row: dict[str, Any], epochs: Sequence[EpochMetrics], timing: dict[str, Any], network: dict[str, str]
) -> TrainingResult:
    return TrainingResult(
        parameters=int(row["parameters"]),
        epochs=tuple(epochs),
        best_epoch=int(row["best_epoch"]),
        pruned=row["state"] == "PRUNED",
        weights_sha256=row["weights_sha256"],
        fit_seconds=timing["fit_seconds"],
        predict_microseconds_per_sequence=timing["predict_microseconds_per_sequence"],
        model_summary=network["summary"],
        model_dot=network["diagram"],
    )


def _read(path: Path, **options: Any) -> pd.DataFrame:
    return pd.read_csv(path, float_precision="round_trip", **options)
