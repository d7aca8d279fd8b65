"""study NAME: train every trial of one study and write its tables."""

import json
from collections.abc import Sequence

import pandas as pd

from pipeline import paths
from pipeline.cluster import Cluster
from pipeline.cost import sgemm_rate, study_seconds, typical_configurations
from pipeline.journal import Journal
from pipeline.lineage import lineage
from pipeline.params import ListStudy, Params, SampledStudy, TrainingSettings
from pipeline.pictures import with_stable_names
from pipeline.progress import TrialProgress
from pipeline.search_plots import search_plots
from pipeline.study import StudyRun, best_document
from pipeline.tracking import StudyTracker
from pipeline.trials import Trial, TrialRecord, curves_table, during_fit_table, timings_table, trials_table

SECONDS_TO_MEASURE = 0.2  # how fast this core is


def run(params: Params, name: str) -> None:
    """Run or continue study `name` of params.yaml."""
    summary = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))
    study = StudyRun(name, params, summary, paths.SEQUENCES)
    folder = paths.study_folder(name)
    if study.most_samples_asked > study.available_samples:
        print(
            f"study {name}: {study.most_samples_asked:,} training samples are asked for, {study.available_samples:,} "
            "there are; the trainings that want more take them all"
        )
    origin = lineage(
        "study",
        experiment=params.tracking.experiment,
        data=summary,
        fingerprint=study.fingerprint,
        study=name,
        optuna_study=study.optuna_study,
    )
    with (
        StudyTracker(origin, study.study.model_dump(mode="json"), summary) as tracker,
        Cluster(params.execution) as cluster,  # after MLflow: its workers wait for TensorFlow, which is being imported
        TrialProgress(
            f"study {name}",
            study.total,
            study.cost,
            study.fixed_trials,
            expected_seconds(study, params.training, cluster.workers),
            cluster.workers,
        ) as progress,
    ):
        records = study.run(cluster, paths.optuna_storage(), Journal(paths.journal_folder()), [progress, tracker])
        write_results(folder, study, records)
        # Of a list somebody has chosen every entry: what seems to matter there is what they chose.
        chosen = isinstance(study.study, ListStudy)
        tracker.finish(folder, None if chosen else search_plots(paths.optuna_storage(), study.optuna_study))


def expected_seconds(study: StudyRun, defaults: TrainingSettings, workers: int) -> float:
    """How long the whole study takes on `workers` cores like this one, before anything of it has been trained."""
    trials = study.fixed_trials
    if isinstance(study.study, SampledStudy):
        typical = typical_configurations(study.study, defaults, study.sizes)
        trials = [Trial(0, configuration, 0) for configuration in typical]
    rate = sgemm_rate(SECONDS_TO_MEASURE)
    mean_cost = sum(study.cost(trial, rate) for trial in trials) / len(trials)
    return study_seconds(mean_cost, study.total, workers)


def write_results(folder: paths.Path, study: StudyRun, records: Sequence[TrialRecord]) -> None:
    """Write the study's tables, its networks and its best.json."""
    tables = {
        "trials": trials_table(records),
        "curves": curves_table(records),
        "during_fit": during_fit_table(records),
        "timings": timings_table(records),
    }
    for table, frame in tables.items():
        write_csv(frame, folder / f"{table}.csv")
    paths.write_json(folder / "networks.json", networks_document(records))
    paths.write_json(folder / "best.json", best_document(study, records))


def networks_document(records: Sequence[TrialRecord]) -> dict[str, dict[str, str]]:
    """Each network of the study once, by its file name: Keras's summary, and the diagram in Graphviz's language."""
    results = {
        record.trial.configuration.network.file_name: record.result for record in reversed(records) if record.result
    }
    return {
        name: {"summary": result.model_summary, "diagram": with_stable_names(result.model_dot)}
        for name, result in sorted(results.items())
    }


def write_csv(frame: pd.DataFrame, path: paths.Path) -> None:
    with paths.atomic_write(path) as file:
        frame.to_csv(file, index=False, lineterminator="\n")
