"""Studies like the capacity study of params.yaml whose trainings are looked up in its record."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.work import ROOT
from pipeline import paths
from pipeline.data.sequences import SequencesSummary
from pipeline.params.document import Params, load_params, validate_params
from pipeline.params.settings import Configuration
from pipeline.studies.definition import StudyDefinition
from pipeline.training.journal import Journal
from pipeline.training.task import Finished, TrainingTask
from pipeline.training.trials import TrainingResult

SEEDS, ALL_SAMPLES, HELD_OUT = 3, 54_000, 6_000  # of the capacity study
SPACE: dict[str, Any] = {
    "cell": ["simple_rnn", "lstm", "gru"], "units": [4, 16, 64], "train_samples": [1000, 3000, 10000, ALL_SAMPLES],
}  # fmt: skip
RATES = {"low": 0.0005, "high": 0.01, "log": True}  # none comes twice, so that no trial is another one's


def search(trials: int, window: int, epochs: int = 50, **settings: Any) -> StudyDefinition:
    """Proposals from the capacity study's space, at random unless `settings` have another sampler."""
    space = SPACE | {"learning_rate": RATES, "epochs": [epochs]}
    study = {"sampler": "random", "trials": trials, "window": window, "held_out": "fold", "space": space}
    return StudyDefinition("search", _params(study | settings), _sequences())


def grid(trials: int) -> StudyDefinition:
    """The capacity study with more seeds: at least so many trials."""
    space = SPACE | {"learning_rate": [0.004], "epochs": [50]}
    networks = len(_capacity()) // SEEDS
    study = {"sampler": "grid", "seeds": -(-trials // networks), "held_out": "fold", "space": space}
    return StudyDefinition("grid", _params(study), _sequences())


def looked_up(task: TrainingTask) -> TrainingResult:
    """A training of the capacity study in place of the task's own, cut off where the task has fewer epochs."""
    configuration = task.configuration
    digest = hashlib.sha256(f"{configuration.learning_rate} {task.seed}".encode()).digest()
    result = _capacity()[_place(configuration, digest[0])]
    epochs = result.epochs[: configuration.epochs]
    return replace(result, epochs=epochs, best_epoch=min(result.best_epoch, len(epochs)))


def seconds_of(task: TrainingTask) -> float:
    """How long that training took a core: its epochs, and evaluating after each."""
    result = looked_up(task)
    evaluated = HELD_OUT + min(task.configuration.train_samples or ALL_SAMPLES, HELD_OUT)
    return result.fit_seconds + len(result.epochs) * evaluated * result.predict_microseconds_per_sequence / 1e6


def look_up(sequences: Path, tasks: Mapping[int, TrainingTask], topic: str) -> list[Finished]:
    """In place of `task.run_tasks` in a worker: the same messages to the driver, but no training."""
    import distributed

    results = {key: looked_up(task) for key, task in tasks.items()}
    for key, result in results.items():
        for metrics in (None, *result.epochs):
            message = {"key": key, "metrics": None if metrics is None else vars(metrics)}
            distributed.get_worker().log_event(topic, message)
    return [Finished(key, result, None) for key, result in results.items()]


def _params(study: dict[str, Any]) -> Params:
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    champion = {"studies": ["search"], "seeds": 1, "metric": "accuracy"}
    studies = {"search": study, "grid": study}
    kept = {"data": document["data"], "training": document["training"], "studies": studies, "champion": champion}
    return validate_params(kept, "benchmarks")


def _sequences() -> SequencesSummary:
    return SequencesSummary.read(ROOT / paths.SEQUENCES_SUMMARY)


@functools.cache
def _capacity() -> dict[tuple[str, int, int | None, int], TrainingResult]:
    """The trainings of the capacity study by cell, units, samples and seed."""
    definition = StudyDefinition("capacity", load_params(ROOT / "params.yaml"), _sequences())
    record = Journal(Path("nothing here"), ROOT / paths.RECORD)
    found = {
        _place(trial.configuration, trial.seed): record.get(definition.key(trial)) for trial in definition.fixed_trials
    }
    missing = [place for place, result in found.items() if result is None]
    if missing:
        raise RuntimeError(f"{paths.RECORD} lacks trainings of the capacity study: {missing[:3]} …")
    return {place: result for place, result in found.items() if result is not None}


def _place(configuration: Configuration, seed: int) -> tuple[str, int, int | None, int]:
    return configuration.cell, configuration.units, configuration.train_samples, seed % SEEDS
