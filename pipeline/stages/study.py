"""study NAME: train every trial of one study and write its tables."""

import json
from collections.abc import Sequence

import pandas as pd

from pipeline import paths
from pipeline.cluster import Cluster
from pipeline.journal import Journal
from pipeline.params import Params
from pipeline.pictures import with_stable_names
from pipeline.progress import TrialProgress
from pipeline.study import StudyRun, best_document
from pipeline.tracking import StudyTracker
from pipeline.trials import TrialRecord, curves_table, during_fit_table, timings_table, trials_table


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
    with (
        StudyTracker(
            experiment=params.tracking.experiment,
            study=name,
            parameters=study.study.model_dump(mode="json"),
            optuna_study=study.optuna_study,
            fingerprint=study.fingerprint,
            data=summary,
        ) as tracker,
        Cluster(params.execution) as cluster,
        TrialProgress(f"study {name}", study.total) as progress,
    ):
        records = study.run(cluster, paths.optuna_storage(), Journal(paths.journal_folder()), [progress, tracker])
        trials = trials_table(records)
        tables = {
            "trials": trials,
            "curves": curves_table(records),
            "during_fit": during_fit_table(records),
            "timings": timings_table(records),
        }
        for table, frame in tables.items():
            write_csv(frame, folder / f"{table}.csv")
        paths.write_json(folder / "networks.json", networks_document(records))
        paths.write_json(folder / "best.json", best_document(study, records))
        tracker.finish(folder)


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
