"""A small study's trials, tracked in the MLflow store of the fixture `home`, and ways to look at its runs."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline import paths
from pipeline.analysis.choice import Candidate, Choice, Finalist
from pipeline.data.sequences import SequencesSummary, SplitSummary
from pipeline.lineage import Lineage, lineage
from pipeline.params.settings import Configuration
from pipeline.studies.results import (
    StudyResults,
    StudySummary,
    curves_table,
    during_fit_table,
    timings_table,
    trial_row,
    trials_table,
)
from pipeline.tracking.runs import CURVES
from pipeline.tracking.study import StudyTracker
from pipeline.training.trials import EpochMetrics, State, TrainingResult, Trial, TrialRecord

DATA = SequencesSummary(
    dataset="mnist5k",
    view="rows",
    seed=0,
    classes=3,
    labels=(0, 1, 2),
    timesteps=5,
    features=3,
    train=SplitSummary(samples=90, per_class=(30, 30, 30), sha256="1a" * 32),
    validation=SplitSummary(samples=30, per_class=(10, 10, 10), sha256="2b" * 32),
    test=SplitSummary(samples=30, per_class=(10, 10, 10), sha256="3c" * 32),
)
OWN_DATA = SequencesSummary.model_validate(
    DATA.model_dump()
    | {
        "dataset": "/there/mine.csv", "labels": ("idle", "run", "walk"), "feature_names": ("mV", "°C", "rpm"),
        "padded": False, "lengths": (5, 5, 5), "scale": "standard", "missing": "refuse",
    }
)  # fmt: skip
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
        worker="tcp://127.0.0.1:1",
        processor="a processor",
        trained_at="2026-11-26T15:30:00Z",
    )
    return TrialRecord(trial(number), state, 90, "rows", result)


def choice(accuracy: float, deviation: float | None = None, seeds: int = 1) -> Choice:
    """The choice of an LSTM with 4 units, the more accurate of two candidates."""
    network = Finalist(
        cell="lstm",
        units=4,
        study="search",
        optimizer="adam",
        learning_rate=0.001,
        batch_size=128,
        train_samples=90,
        epochs=4,
        view="rows",
        seeds=seeds,
        parameters=1234,
        best_epoch=3.0,
        validation_accuracy=accuracy,
        validation_accuracy_sd=deviation,
        generalization_gap=0.125,
        within_one_standard_error=True,
        refit_epochs=3,
    )
    candidate = Candidate(**network.model_dump(exclude={"refit_epochs"}))
    return Choice(
        rule="the smallest within one standard error",
        compared_train_samples=90,
        left_out=(),
        standard_error=0.01,
        threshold=accuracy - 0.01,
        best=network,
        candidates=(candidate, candidate.model_copy(update={"units": 2, "validation_accuracy": accuracy / 2})),
        choice=network,
    )


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


def curve(run: Run, name: str) -> list[tuple[int, float]]:
    """Epoch and value, of a metric that has one for each epoch."""
    return history(run, f"{CURVES}{name}")


def artifacts(run: Run) -> list[str]:
    """Names of the run's artifacts."""
    return [file.path for file in MlflowClient(paths.tracking_uri()).list_artifacts(run.info.run_id)]


def artifact(run: Run, name: str) -> bytes:
    return Path(MlflowClient(paths.tracking_uri()).download_artifacts(run.info.run_id, name)).read_bytes()


def write_results(folder: Path, records: list[TrialRecord]) -> StudyResults:
    """The files of a finished study that MLflow takes from `folder`; returns what they hold."""
    best = trial_row(records[0]).model_copy(update={"validation_accuracy": 0.7083})
    summary = StudySummary(
        study="capacity",
        optuna_study="capacity-abc123",
        fingerprint="abc123",
        held_out="validation",
        environment={},
        states={state: sum(r.state == state for r in records) for state in ("COMPLETE", "PRUNED", "FAIL")},
        best=best,
    )
    trials, curves = trials_table(records), curves_table(records)
    summary.write(folder / "best.json")
    paths.write_csv(folder / "trials.csv", trials)
    paths.write_csv(folder / "curves.csv", curves)
    return StudyResults(summary, trials, curves, during_fit_table(records), timings_table(records), {})
