"""study NAME: train every trial of one study and write its tables."""

import json

import pandas as pd

from pipeline import paths
from pipeline.cluster import Cluster
from pipeline.journal import Journal
from pipeline.params import Params
from pipeline.progress import TrialProgress
from pipeline.study import StudyRun, best_document
from pipeline.tracking import StudyTracker
from pipeline.trials import curves_table, during_fit_table, timings_table, trials_table


def run(params: Params, name: str) -> None:
    """Run or continue study `name` of params.yaml."""
    summary = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))
    study = StudyRun(name, params, summary, paths.SEQUENCES)
    folder = paths.study_folder(name)
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
        paths.write_json(folder / "best.json", best_document(study, records))
        tracker.finish(folder)


def write_csv(frame: pd.DataFrame, path: paths.Path) -> None:
    with paths.atomic_write(path) as file:
        frame.to_csv(file, index=False, lineterminator="\n")
