"""`rebuild-tracking`: finished work, played again into MLflow and Optuna from the trainings that are kept."""

from pipeline import paths
from pipeline.analysis.evaluation import Metrics
from pipeline.commands import champion, study
from pipeline.commands.sequences import make_sequences
from pipeline.data.sequences import prepared_sequences
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.studies.results import StudySummary, has_results, read_results
from pipeline.studies.storage import has_study
from pipeline.tracking.outcomes import log_evaluation
from pipeline.tracking.run_store import PARENT_TAG, RunStore


def rebuild_tracking(params: Params) -> bool:
    """Play every finished study of params.yaml that MLflow or Optuna lacks once more, then champion and evaluation.

    No training is done again that is kept. Prints a line for each study; returns False if one that has results could
    not be played.
    """
    summary = prepared_sequences(params.data)
    make_sequences(params)
    store = RunStore(params.tracking.experiment)
    fine = True
    for name in params.studies:
        if not has_results(name):
            print(f"study {name}: no results in {paths.study_folder(name)}")
            continue
        try:
            results = read_results(name, params, summary).summary
        except PipelineError as error:
            print(f"study {name}: not rebuilt: {error}")
            fine = False
            continue
        if _has_runs(store, results) and has_study(paths.optuna_storage(), results.optuna_study):
            print(f"study {name}: already there")
        else:
            study.run(params, name)
    if fine and paths.CHOICE.exists() and not _ended(store, "champion"):
        champion.run(params)
    if fine and paths.METRICS.exists() and not _ended(store, "evaluate"):
        metrics = Metrics.read(paths.METRICS)
        log_evaluation(experiment=params.tracking.experiment, metrics=metrics, data=summary, folder=paths.REPORTS)
    return fine


def _ended(store: RunStore, stage: str) -> bool:
    return any(run.info.status == "FINISHED" for run in store.search(f"tags.stage = '{stage}'"))


def _has_runs(store: RunStore, study: StudySummary) -> bool:
    runs = store.study_runs(study.study, study.fingerprint)
    return any(run.info.status == "FINISHED" for run in runs if PARENT_TAG not in run.data.tags)
