"""`rebuild-tracking`: finished work, played again into MLflow and Optuna from the trainings that are kept."""

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import tested_model
from pipeline.commands import champion, study
from pipeline.commands.sequences import make_sequences
from pipeline.commands.stuck import end_orphans
from pipeline.data.sequences import SequencesSummary, prepared_sequences
from pipeline.documents import Document
from pipeline.errors import PipelineError, runnable
from pipeline.params.document import Params
from pipeline.studies.results import StudySummary, has_results, read_results
from pipeline.studies.storage import has_study
from pipeline.tracking.outcomes import fingerprint_of, log_evaluation
from pipeline.tracking.run_store import PARENT_TAG, RunStore


def rebuild_tracking(params: Params) -> bool:
    """Play every finished study of params.yaml that MLflow or Optuna lacks once more, then champion and evaluation.

    Runs that nobody works on any more are ended. No training is done again that is kept. Prints a line for each study;
    returns False if one that has results could not be played.
    """
    store = RunStore(params.tracking.experiment)
    end_orphans(store)
    summary = prepared_sequences(params.data)
    make_sequences(params)
    fine = True
    for name in params.studies:
        if not has_results(name):
            print(f"study {name}: no results in {paths.study_folder(name)}")
            continue
        try:
            results = read_results(name, params, summary).summary
        except PipelineError as error:
            print(runnable(f"study {name}: not rebuilt: {error}"))
            fine = False
            continue
        if _has_runs(store, results) and has_study(paths.optuna_storage(), results.optuna_study):
            print(f"study {name}: already there")
        else:
            study.run(params, name)
    if fine and paths.CHOICE.exists() and not _is_there(store, "champion", Choice.read(paths.CHOICE), summary):
        champion.run(params)
    metrics = None
    if fine and paths.CHOICE.exists():
        choice = Choice.read_for(summary.learning_sha256, paths.CHOICE).choice
        metrics = tested_model(choice, summary.all_sha256, params.champion.metric)
    if metrics is not None and not _is_there(store, "evaluate", metrics, summary):
        log_evaluation(experiment=params.tracking.experiment, metrics=metrics, data=summary, folder=paths.REPORTS)
    return fine


def _is_there(store: RunStore, stage: str, found: Document, data: SequencesSummary) -> bool:
    runs = store.search(f"tags.stage = '{stage}' and tags.fingerprint = '{fingerprint_of(found, data)}'")
    return any(run.info.status == "FINISHED" for run in runs)


def _has_runs(store: RunStore, study: StudySummary) -> bool:
    """Whether there is a finished run for the study, and one for each of its trials."""
    runs = store.study_runs(study.study, study.fingerprint)
    parents = [run for run in runs if PARENT_TAG not in run.data.tags and run.info.status == "FINISHED"]
    children = [run for run in runs if parents and run.data.tags.get(PARENT_TAG) == parents[0].info.run_id]
    return len(children) == sum(study.states.values())
