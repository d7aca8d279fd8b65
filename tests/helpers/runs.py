"""A small study's trials, tracked in the MLflow store of the fixture `home`, and ways to look at its runs."""

import json
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline import paths
from pipeline.lineage import Lineage, lineage
from pipeline.params.settings import Configuration
from pipeline.studies.results import curves_table, trial_row, trials_table
from pipeline.tracking.study import StudyTracker
from pipeline.training.trials import EpochMetrics, State, TrainingResult, Trial, TrialRecord

DATA: dict[str, Any] = {
    "dataset": "mnist5k",
    "view": "rows",
    "classes": 3,
    "timesteps": 5,
    "features": 3,
    "train": {"samples": 90, "sha256": "1a" * 32},
    "validation": {"samples": 30, "sha256": "2b" * 32},
    "test": {"samples": 30, "sha256": "3c" * 32},
}
DOT = """digraph G {
dpi=200;
140523537691344 [label="sequence"];
140521754122896 [label="lstm_1"];
140523537691344 -> 140521754122896 [penwidth=2];
}
"""
PER_EPOCH = {
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "generalization_gap",
    "during_fit_loss",
    "during_fit_accuracy",
}


def epoch(number: int, *, held_out: bool = True) -> EpochMetrics:
    accuracy = 1 - 0.5 / number
    return EpochMetrics(
        epoch=number,
        train_loss=1 / number,
        train_accuracy=accuracy,
        validation_loss=1.5 / number if held_out else None,
        validation_accuracy=accuracy - 0.125 if held_out else None,
        during_fit_loss=2 / number,
        during_fit_accuracy=accuracy - 0.25,
    )


def trial(number: int) -> Trial:
    return Trial(number, Configuration(cell="lstm", units=8 + number, epochs=4), seed=100 + number)


def record(number: int, state: State = "COMPLETE", epochs: int = 4, *, held_out: bool = True) -> TrialRecord:
    if state == "FAIL":
        return TrialRecord(trial(number), "FAIL", 90, "rows", error="the loss is not a finite number after epoch 3")
    result = TrainingResult(
        parameters=1234,
        epochs=tuple(epoch(n, held_out=held_out) for n in range(1, epochs + 1)),
        best_epoch=epochs - 1,
        pruned=state == "PRUNED",
        weights_sha256="f0" * 32,
        fit_seconds=2.5,
        predict_microseconds_per_sequence=float("nan") if not held_out else 40.0,
        model_summary="Model: lstm · 1,234 parameters",
        model_dot=DOT,
    )
    return TrialRecord(trial(number), state, 90, "rows", result, worker="tcp://127.0.0.1:1")


def tracker(study: str = "capacity", fingerprint: str = "abc123") -> StudyTracker:
    parameters = {"sampler": "grid", "space": {"units": [8, 9], "dropout": {"low": 0.0, "high": 0.3}}, "seeds": None}
    return StudyTracker(origin(study, fingerprint), parameters, DATA)


def origin(study: str, fingerprint: str) -> Lineage:
    return lineage(
        "study",
        experiment="mnist-rnn",
        data=DATA,
        fingerprint=fingerprint,
        study=study,
        optuna_study=f"{study}-{fingerprint}",
    )


def all_runs(experiment: str = "mnist-rnn") -> dict[str, Run]:
    """All runs of an experiment by name; no two of them may have the same name."""
    client = MlflowClient(paths.tracking_uri())
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = list(client.search_runs([found.experiment_id]))
    names = [run.info.run_name for run in runs]
    assert len(set(names)) == len(names), names
    return {str(run.info.run_name): run for run in runs}


def history(run: Run, metric: str) -> list[tuple[int, float]]:
    points = MlflowClient(paths.tracking_uri()).get_metric_history(run.info.run_id, metric)
    return sorted((point.step, point.value) for point in points)


def artifact(run: Run, name: str) -> bytes:
    return Path(MlflowClient(paths.tracking_uri()).download_artifacts(run.info.run_id, name)).read_bytes()


def write_results(folder: Path, records: list[TrialRecord]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    trials_table(records).to_csv(folder / "trials.csv", index=False)
    curves_table(records).to_csv(folder / "curves.csv", index=False)
    states = {state: sum(r.state == state for r in records) for state in ("COMPLETE", "PRUNED", "FAIL")}
    best = trial_row(records[0]) | {"validation_accuracy": 0.7083}
    document = {"study": "capacity", "held_out": "validation", "states": states, "best": best}
    (folder / "best.json").write_text(json.dumps(document))
    return folder
