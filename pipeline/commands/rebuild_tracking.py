"""`rebuild-tracking`: what MLflow and Optuna lack of finished studies, from what is kept of their trainings."""

from pipeline import paths
from pipeline.commands import champion, study
from pipeline.data.sequences import SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.studies.results import StudyResults, has_results, read_results
from pipeline.studies.storage import has_study
from pipeline.tracking.run_store import PARENT_TAG, RunStore


def rebuild_tracking(params: Params) -> bool:
    """Play every finished study of params.yaml that MLflow or Optuna lacks once more, and then the champion.

    Nothing is trained whose training is kept. Prints a line for each; returns False if a study that has results
    could not be played.
    """
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    fine = True
    for name in params.studies:
        if not has_results(name):
            print(f"study {name}: no results in {paths.study_folder(name)}")
            continue
        try:
            results = read_results(name, params, summary)
        except PipelineError as error:
            print(f"study {name}: not rebuilt: {error}")
            fine = False
            continue
        if _has_runs(params.tracking.experiment, results) and has_study(
            paths.optuna_storage(), results.summary.optuna_study
        ):
            print(f"study {name}: already there")
        else:
            study.run(params, name)
    if fine and paths.CHOICE.exists() and not RunStore(params.tracking.experiment).search("tags.stage = 'champion'"):
        champion.run(params)
    return fine


def _has_runs(experiment: str, results: StudyResults) -> bool:
    runs = RunStore(experiment).study_runs(results.summary.study, results.summary.fingerprint)
    return any(run.info.status == "FINISHED" for run in runs if PARENT_TAG not in run.data.tags)
