"""study NAME: train every trial of one study and write its tables."""

from pathlib import Path

from pipeline import paths
from pipeline.data.sequences import prepared_sequences
from pipeline.documents import records
from pipeline.errors import PipelineError
from pipeline.lineage import lineage
from pipeline.locks import alone, alone_in_database, of_study
from pipeline.params.document import Params
from pipeline.params.studies import ListStudy, RaceStudy
from pipeline.progress import TrialProgress, about
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.engine import run_study
from pipeline.studies.results import read_results, remove_results, study_definition, write_results
from pipeline.tracking.search_plots import search_plots
from pipeline.tracking.study import StudyTracker
from pipeline.training.cluster import Cluster
from pipeline.training.journal import Journal
from pipeline.training.trials import Trial


def run(params: Params, name: str) -> None:
    """Run or continue study `name` of params.yaml, and record its trainings.

    A study of views of images has no results where the data are sequences of one's own.
    """
    summary = prepared_sequences(params.data)
    if summary.is_own and params.study(name).of_images:
        remove_results(paths.study_folder(name))
        print(f"study {name}: not run, as it asks for views that only images have")
        return
    study = study_definition(name, params, summary)
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
    journal = Journal(paths.journal_folder(), paths.RECORD)
    with (
        alone(f"study {name} in {Path.cwd()}"),
        alone(of_study(study.optuna_study)),  # of any workspace
        alone_in_database(f"study {study.optuna_study}", paths.optuna_storage()),  # of any machine
        StudyTracker(origin, study.study.model_dump(mode="json"), summary) as tracker,
        Cluster(params.execution) as cluster,  # after MLflow: its workers wait for TensorFlow, which is being imported
        TrialProgress(
            f"study {name}",
            study.total,
            study.cost,
            study.fixed_trials,
            _expectation(study, params, journal, cluster.workers),
        ) as progress,
    ):
        in_mlflow = {"mlflow_experiment": params.tracking.experiment, "mlflow_run": tracker.run_name}
        records = run_study(
            study, paths.SEQUENCES, cluster, paths.optuna_storage(), journal, [progress, tracker], in_mlflow
        )
        results = write_results(paths.study_folder(name), study, records)
        journal.record(name, [study.recorded_key(record) for record in records])
        # Every entry of a list and of a race was chosen: importances would only show that choice.
        chosen = isinstance(study.study, ListStudy | RaceStudy)
        plots = None if chosen else search_plots(paths.optuna_storage(), study.optuna_study)
        tracker.finish(paths.study_folder(name), results, plots)


def _expectation(study: StudyDefinition, params: Params, journal: Journal, workers: int) -> str:
    """How many trainings are finished already, as far as that is known before a sampler proposes, and how long the
    others will take."""
    known = _known_trials(study, params)
    done = {
        (trial.configuration, trial.seed)
        for trial in known
        if any(journal.get(key) is not None for key in study.possible_keys(trial))
    }
    finished = [trial for trial in known if (trial.configuration, trial.seed) in done]  # repeated proposals, too
    kept = f"{len(finished)} of them finished before" if finished else ""
    if len(finished) >= study.total:
        return kept
    left = f"{about(study.expected_seconds(workers, finished))} on {workers} worker{'s' * (workers > 1)}"
    if isinstance(study.study, RaceStudy):
        if kept and len(finished) == len(known):
            return f"{kept}, all that an earlier run has needed"
        return f"{kept}; the others, if no network leaves, take {left}" if kept else f"{left} if no network leaves"
    if kept:
        return f"{kept}, the others take {left}"
    return left if study.fixed_trials or journal.is_empty else f"{left}, less if some are finished already"


def _known_trials(study: StudyDefinition, params: Params) -> list[Trial]:
    """The trials of a list or grid; of a study that proposes them those that an earlier run has left results of."""
    if study.fixed_trials:
        return study.fixed_trials
    try:
        results = read_results(study.name, params, study.summary)
    except (PipelineError, ValueError, KeyError):  # there are none, of another study, or damaged
        return []
    return [study.recorded_trial(row) for row in records(results.trials) if row["number"] < study.total]
