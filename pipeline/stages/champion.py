"""champion: choose a configuration by the studies' validation figures, train it again on all but the test data."""

import json

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.analysis import choose_champion
from pipeline.cluster import Cluster, EpochFinished, Finished, Started, TrainingTask
from pipeline.errors import PipelineError
from pipeline.params import Configuration, Params
from pipeline.progress import TrialProgress
from pipeline.registry import log_champion
from pipeline.trials import Trial, TrialRecord


def run(params: Params) -> None:
    """Write choice.json and one model per seed to data/models/champion."""
    summary = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))
    licence = json.loads(paths.MANIFEST.read_text(encoding="utf-8"))["licence"]
    trials = {name: pd.read_csv(paths.study_folder(name) / "trials.csv") for name in params.champion.studies}
    choice = choose_champion(trials, summary["validation"]["samples"])
    paths.write_json(paths.CHOICE, choice)

    chosen = choice["choice"]
    configuration = Configuration(
        **{
            name: chosen[name]
            for name in Configuration.model_fields
            if name not in ("epochs", "patience", "train_samples", "view")
        },
        epochs=chosen["refit_epochs"],
    )
    samples = sum(summary[split]["samples"] for split in ("train", "validation"))
    records = refit(configuration, params, samples, summary["view"])
    with np.load(paths.VALIDATION, allow_pickle=False) as arrays:
        input_example = arrays["x"][:2]
    outcome = log_champion(
        experiment=params.tracking.experiment,
        choice=choice,
        records=records,
        models=[paths.CHAMPION / f"seed-{record.trial.seed}.keras" for record in records],
        data=summary,
        input_example=input_example,
        licence=licence,
    )
    print(f"champion: {outcome}")


def refit(configuration: Configuration, params: Params, samples: int, view: str) -> list[TrialRecord]:
    """Train the configuration once per seed on training and validation data; returns the records in order of seed."""
    trials = [Trial(seed, configuration, seed) for seed in range(params.champion.seeds)]
    records: dict[int, TrialRecord] = {}
    paths.CHAMPION.mkdir(parents=True, exist_ok=True)
    for stale in paths.CHAMPION.glob("seed-*.keras"):  # DVC leaves the last run's models in place
        stale.unlink()
    with (
        Cluster(params.execution) as cluster,
        TrialProgress("champion", len(trials), lambda _: 1.0, trials) as progress,
    ):
        for trial in trials:
            model = (paths.CHAMPION / f"seed-{trial.seed}.keras").resolve()
            task = TrainingTask(configuration, trial.seed, paths.SEQUENCES.resolve(), "nothing", save_to=model)
            cluster.submit(trial.number, task, priority=trial.number)
        while len(records) < len(trials):
            match cluster.next_event():
                case Started(key):
                    progress.trial_started(trials[key])
                case EpochFinished(key, metrics):
                    progress.epoch_finished(trials[key], metrics)
                case Finished(key, result, error, worker):
                    if result is None:
                        raise PipelineError(f"the champion's training with seed {key} failed: {error}")
                    records[key] = TrialRecord(trials[key], "COMPLETE", samples, view, result, worker=worker)
                    progress.trial_finished(records[key])
    return [records[trial.number] for trial in trials]
