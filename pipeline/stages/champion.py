"""champion: choose a configuration by the studies' validation figures, train it again on all but the test data."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.analysis import choose_champion
from pipeline.cluster import Cluster, EpochFinished, Finished, Started, TrainingTask
from pipeline.errors import PipelineError
from pipeline.params import Configuration, Params
from pipeline.progress import TrialProgress
from pipeline.registry import log_champion
from pipeline.trials import Trial, TrialRecord, curves_table


def run(params: Params) -> None:
    """Write choice.json, one model per seed and their learning curves, by seed, to data/models/champion.

    Where a larger network was the best, one model of it, best-0.keras, is there too: to be compared with, no more.
    """
    summary = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))
    licence = json.loads(paths.MANIFEST.read_text(encoding="utf-8"))["licence"]
    studies = {name: pd.read_csv(paths.study_folder(name) / "trials.csv") for name in params.champion.studies}
    choice = choose_champion(studies, summary["validation"]["samples"])
    paths.write_json(paths.CHOICE, choice)

    configuration = _configuration(choice["choice"])
    trials = {
        paths.CHAMPION / f"seed-{seed}.keras": Trial(seed, configuration, seed) for seed in range(params.champion.seeds)
    }
    models = list(trials)
    if choice["best"] != choice["choice"]:
        trials[paths.BEST_MODEL] = Trial(len(models), _configuration(choice["best"]), 0)
    samples = sum(summary[split]["samples"] for split in ("train", "validation"))
    records = refit(trials, params, samples, summary["view"])
    with paths.atomic_write(paths.CHAMPION_CURVES) as file:
        curves_table(records[: len(models)]).to_csv(file, index=False, lineterminator="\n")
    with np.load(paths.VALIDATION, allow_pickle=False) as arrays:
        input_example = arrays["x"][:2]
    outcome = log_champion(
        experiment=params.tracking.experiment,
        choice=choice,
        records=records[: len(models)],
        models=models,
        data=summary,
        input_example=input_example,
        licence=licence,
    )
    print(f"champion: {outcome}")


def _configuration(row: dict[str, Any]) -> Configuration:
    """An entry of choice.json as it is trained without validation data: for its `refit_epochs`, on all there is."""
    left_out = ("epochs", "patience", "train_samples", "view")
    settings = {name: row[name] for name in Configuration.model_fields if name not in left_out}
    return Configuration(**settings, epochs=row["refit_epochs"])


def refit(trials: Mapping[Path, Trial], params: Params, samples: int, view: str) -> list[TrialRecord]:
    """Train each trial on training and validation data and save it under its path; returns the records in order."""
    by_number = {trial.number: trial for trial in trials.values()}
    records: dict[int, TrialRecord] = {}
    paths.CHAMPION.mkdir(parents=True, exist_ok=True)
    for stale in paths.CHAMPION.glob("*.keras"):  # DVC leaves the last run's models in place
        stale.unlink()
    with (
        Cluster(params.execution) as cluster,
        TrialProgress("champion", len(trials), lambda _: 1.0, list(by_number.values())) as progress,
    ):
        for path, trial in trials.items():
            task = TrainingTask(
                trial.configuration, trial.seed, paths.SEQUENCES.resolve(), "nothing", save_to=path.resolve()
            )
            cluster.submit(trial.number, task, priority=trial.number)
        while len(records) < len(trials):
            match cluster.next_event():
                case Started(key):
                    progress.trial_started(by_number[key])
                case EpochFinished(key, metrics):
                    progress.epoch_finished(by_number[key], metrics)
                case Finished(key, result, error, worker):
                    if result is None:
                        raise PipelineError(f"the training of {by_number[key].title} failed: {error}")
                    records[key] = TrialRecord(by_number[key], "COMPLETE", samples, view, result, worker=worker)
                    progress.trial_finished(records[key])
    return [records[number] for number in by_number]
