"""A study's trainings as MLflow runs, written while they happen. MLflow is a view: no stage reads it back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.errors import runnable
from pipeline.lineage import Lineage
from pipeline.tracking.run_store import NOTE_TAG, PARENT_TAG, RunStore, StoreAway
from pipeline.tracking.runs import curves, flattened, trial_parameters
from pipeline.training.trials import EpochMetrics, Trial, TrialRecord

if TYPE_CHECKING:
    from types import TracebackType

    from mlflow.entities import Run

    from pipeline.data.sequences import SequencesSummary
    from pipeline.studies.results import StudyResults
    from pipeline.tracking.search_plots import SearchPlots

ENDED = ("FINISHED", "KILLED", "FAILED")
SECONDS_BETWEEN_ATTEMPTS = 10.0  # to log where MLflow took nothing
# Shorter epochs of a trial are logged together: one request costs as much as many, and MLflow's page reloads only
# every 30 seconds. Where more trials than these train at once, each is shown less often: the driver does it for all.
SECONDS_BETWEEN_SHOWN_EPOCHS, TRIALS_SHOWN_SO_OFTEN = 5.0, 50


class StudyTracker:
    """One study's runs: a parent `study/<name>` and a nested run for each trial.

    A context manager, used by one thread. A study that was stopped goes on in the runs that it began: figures
    that they have already are not logged again. Whichever way the block ends, no run of the study is left RUNNING.

    Nothing that happens to MLflow stops a study: finished trials wait, and when it takes them again the tracker goes on
    in the runs that it finds there, as it does for a study that was stopped.
    """

    def __init__(self, lineage: Lineage, parameters: dict[str, Any], data: SequencesSummary) -> None:
        """`parameters` are the study's, nested as in params.yaml; `data` describes the sequences."""
        self.run_name = f"study/{lineage.study}"
        self._lineage = lineage
        self._parameters = flattened(parameters)
        self._data = data
        self._runs: dict[int, _TrialRun] = {}
        self._training: set[int] = set()  # trials whose runs are written at present
        self._waiting: list[TrialRecord] = []  # finished, not logged yet
        self._opened: RunStore | None = None
        self._away_since: float | None = None  # when MLflow last took nothing, if that still holds

    def __enter__(self) -> StudyTracker:
        try:
            self._attempt(self._open)
        except KeyboardInterrupt:  # for which `__exit__` is not called
            if self._opened is not None:  # else it came while MLflow was imported, which cannot begin again
                self._attempt(lambda: self._close("KILLED"))
            raise
        return self

    def trial_started(self, trial: Trial) -> None:
        """Show the trial as running. One that was interrupted or that failed before goes on in its old run."""
        self._attempt(lambda: self._claim(trial, retry=True))

    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None:
        """Show one epoch's figures while the trial still trains."""
        self._attempt(lambda: self._log_epoch(trial, metrics))

    def trial_finished(self, record: TrialRecord) -> dict[str, str]:
        """Log the remaining figures and end the trial's run; returns its id, for the Optuna trial to name it.

        Does nothing to a run that has ended. There is no id yet where the server went away before the run began.
        """
        self._waiting.append(record)
        self._attempt(self._log_waiting)
        run = self._runs.get(record.trial.number)
        return {"mlflow_run_id": run.run_id} if run else {}

    def finish(self, folder: Path, results: StudyResults, plots: SearchPlots | None = None) -> None:
        """Log the study's summary and results on the parent run; `folder` has their files."""
        self._attempt(lambda: self._summarize(folder, results, plots), patient=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = "FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED"
        self._attempt(lambda: self._close(status), patient=self._away_since is None)
        if self._away_since is not None:
            sentence = (
                f"MLflow takes nothing: {len(self._waiting)} finished trials are not logged. When it does again, a "
                "stopped study logs them as it goes on, a finished one by `python -m pipeline rebuild-tracking`"
            )
            print(runnable(sentence))

    def _attempt(self, write: Callable[[], object], *, patient: bool = False) -> None:
        """Do something in MLflow. While a server is away try only now and then, unless `patient`."""
        now = time.monotonic()
        if self._away_since is not None and now - self._away_since < SECONDS_BETWEEN_ATTEMPTS and not patient:
            return
        try:
            if self._opened is None:
                self._opened = RunStore(self._lineage.experiment)
            with self._store.answering(patient=patient):
                if self._away_since is not None:
                    self._open()
                    self._log_waiting()
                    self._away_since = None
                write()
        except StoreAway as reason:
            if self._away_since is None:
                print(f"MLflow takes nothing at the moment; the study goes on, its runs wait ({reason})")
            self._away_since = now

    @property
    def _store(self) -> RunStore:
        assert self._opened is not None  # within `_attempt`
        return self._opened

    def _open(self) -> None:
        """Find the study's runs, and begin or reopen the parent."""
        study = self._lineage.study
        runs = self._store.study_runs(study, self._lineage.fingerprint)
        parents = [run for run in runs if PARENT_TAG not in run.data.tags]
        tags = self._lineage.tags()
        if parents:
            self._parent_id = parents[0].info.run_id
            self._store.reopen(self._parent_id, tags, self._parameters)
            self._store.log_changes(self._parent_id, self._lineage)
        else:
            self._parent_id = self._store.create(self.run_name, self._lineage, tags, self._parameters, self._data)
        children = [run for run in runs if run.data.tags.get(PARENT_TAG) == self._parent_id]
        self._runs = {int(run.data.tags["trial"]): _TrialRun.found(run) for run in children}

    def _log_epoch(self, trial: Trial, metrics: EpochMetrics) -> None:
        run = self._claim(trial)
        if run.ended or metrics.epoch in run.steps:
            return
        run.fresh[metrics.epoch] = curves(metrics)
        between = SECONDS_BETWEEN_SHOWN_EPOCHS * max(1, len(self._training) / TRIALS_SHOWN_SO_OFTEN)
        if time.monotonic() - run.shown_at >= between:
            self._store.log(run.run_id, metrics=run.fresh.items())
            run.steps |= run.fresh.keys()
            run.fresh, run.shown_at = {}, time.monotonic()

    def _log_waiting(self) -> None:
        while self._waiting:
            record = self._waiting[0]
            run = self._claim(record.trial)
            if not run.ended:
                self._store.conclude(run.run_id, record, run.steps)
                run.ended = True
            self._training.discard(record.trial.number)
            del self._waiting[0]

    def _summarize(self, folder: Path, results: StudyResults, plots: SearchPlots | None) -> None:
        summary: dict[str, float | None] = {
            f"trials_{state.lower()}": count for state, count in results.summary.states.items()
        }
        if (best := results.summary.best) is not None:
            summary |= {"best_number": best.number, "best_validation_accuracy": best.validation_accuracy}
        logged = self._store.client.get_run(self._parent_id).data.metrics
        new = {name: value for name, value in summary.items() if value is not None and logged.get(name) != value}
        importances = plots.importances if plots else {}
        # They import scipy and matplotlib, for which no study should wait at its start.
        from pipeline.tracking.study_note import PICTURE, study_note
        from pipeline.tracking.study_picture import study_picture

        picture = study_picture(results.trials, results.summary.held_out)
        shown_in = self._parent_id if picture else None
        note = study_note(results.summary, self._parameters["sampler"], results.trials, importances, shown_in)
        self._store.log(self._parent_id, metrics=[(0, new)], tags={NOTE_TAG: note})
        if picture:
            with TemporaryDirectory() as temporary:
                Path(temporary, PICTURE).write_bytes(picture)
                self._store.client.log_artifacts(self._parent_id, temporary)
        for name in ("trials.csv", "curves.csv", "best.json"):
            self._store.client.log_artifact(self._parent_id, str(folder / name))
        if plots:
            self._store.client.log_dict(self._parent_id, importances, "importances.json")
            self._store.client.log_text(self._parent_id, plots.page, "plots/optuna.html")

    def _close(self, status: str) -> None:
        # As MLflow has them: a stop may come when a run has begun and nobody here knows its number yet.
        for run in self._store.study_runs(self._lineage.study, self._lineage.fingerprint):
            if run.info.status == "RUNNING":
                of_a_trial = PARENT_TAG in run.data.tags
                if of_a_trial:
                    self._store.log(run.info.run_id, tags={"interrupted": "true"})
                self._store.end(run.info.run_id, "KILLED" if of_a_trial else status)

    def _claim(self, trial: Trial, *, retry: bool = False) -> _TrialRun:
        """The trial's run, created or opened again so that it can be written, unless it has ended for good."""
        tags = self._lineage.tags(trial=str(trial.number), seed=str(trial.seed))
        parameters = trial_parameters(trial, self._data.view)
        run = self._runs.get(trial.number)
        if run is None:
            run_id = self._store.create(trial.title, self._lineage, tags, parameters, self._data, self._parent_id)
            run = self._runs[trial.number] = _TrialRun(run_id, claimed=True)
            self._training.add(trial.number)
        elif not run.claimed and (not run.ended or (retry and run.failed)):
            self._store.reopen(run.run_id, tags, parameters)
            run.steps |= self._store.logged_steps(run.run_id)
            run.ended, run.claimed = False, True
            self._training.add(trial.number)
        return run


@dataclass
class _TrialRun:
    run_id: str
    ended: bool = False
    failed: bool = False
    claimed: bool = False  # created or opened again by this tracker
    steps: set[int] = field(default_factory=set)  # the epochs logged, and 0 for the final figures
    fresh: dict[int, dict[str, float]] = field(default_factory=dict)  # epochs to be logged with the next one
    shown_at: float = field(default_factory=time.monotonic)

    @classmethod
    def found(cls, run: Run) -> _TrialRun:
        """A run of an earlier start. An interrupted one has not ended, even if its status says so."""
        ended = run.info.status in ENDED and "interrupted" not in run.data.tags
        return cls(run.info.run_id, ended=ended, failed=run.info.status == "FAILED")
