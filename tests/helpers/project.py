"""A project after a small study and its champion, both really trained: databases, tables, a registered model."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline import paths
from pipeline.commands import champion, study
from pipeline.data.datasets import Manifest
from pipeline.params.document import Params
from pipeline.tracking.runs import CURVES
from pipeline.tracking.study import StudyTracker
from pipeline.training.trials import EpochMetrics, Trial
from tests.helpers.sequences import params_with, write_sequences

# A learning rate that no network survives, so that some trials fail; slow ones, so that some are pruned.
SEARCH = {
    "sampler": "tpe", "trials": 10, "pruner": "median", "window": 4, "seed": 0,
    "space": {
        "cell": ["simple_rnn"], "units": {"low": 2, "high": 16, "log": True},
        "dropout": {"low": 0.0, "high": 0.2}, "optimizer": ["sgd"], "learning_rate": [0.0001, 0.1, 1e38], "epochs": [4],
    },
}  # fmt: skip


@dataclass(frozen=True)
class Glimpse:
    """A trial as another client of MLflow saw it right after one of its epochs."""

    trial: int
    epoch: int
    status: str
    shown: list[int]  # the epochs whose validation accuracy was there


@dataclass(frozen=True)
class Project:
    folder: Path
    params: Params
    glimpses: list[Glimpse]

    @property
    def mlflow(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    @property
    def optuna_storage(self) -> str:
        return f"sqlite:///{self.folder}/optuna.db"

    def runs(self, condition: str = "") -> list[Run]:
        """The runs of experiment mnist-rnn for which the condition holds."""
        experiment = self.mlflow.get_experiment_by_name("mnist-rnn")
        assert experiment is not None
        return list(self.mlflow.search_runs([experiment.experiment_id], condition))

    def epochs(self, run: Run, metric: str) -> dict[int, float]:
        """Epoch → the curve's value, as MLflow has it; fails where an epoch is there twice."""
        points = self.mlflow.get_metric_history(run.info.run_id, f"{CURVES}{metric}")
        values = {point.step: point.value for point in points}
        assert len(values) == len(points), f"{metric} of {run.info.run_name} is logged twice"
        return values


def make_project(folder: Path) -> Project:
    """Run study `search` and the champion in `folder`, the current folder and the home of the databases."""
    params = params_with({"search": SEARCH})
    write_sequences(paths.SEQUENCES)
    Manifest(dataset="slopes", source="made up", files={}, licence="none").write(paths.MANIFEST)
    project = Project(folder, params, [])
    track = StudyTracker.epoch_finished

    def track_and_look(tracker: StudyTracker, trial: Trial, metrics: EpochMetrics) -> None:
        track(tracker, trial, metrics)
        [run] = project.runs(f"tags.stage = 'study' and tags.trial = '{trial.number}'")
        shown = list(project.epochs(run, "validation_accuracy"))
        project.glimpses.append(Glimpse(trial.number, metrics.epoch, run.info.status, shown))

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("pipeline.tracking.study.SECONDS_BETWEEN_SHOWN_EPOCHS", 0.0)
        monkeypatch.setattr(StudyTracker, "epoch_finished", track_and_look)
        study.run(params, "search")
    champion.run(params)
    return project
