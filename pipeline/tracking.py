"""Every training as an MLflow run, written while it happens. MLflow is a view: no stage reads it back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.lineage import Lineage, digest, lineage
from pipeline.params import Configuration
from pipeline.runs import epoch_figures, final_figures, flattened, numbers, save_artifacts, trial_parameters
from pipeline.trials import EpochMetrics, Trial, TrialRecord

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np
    from mlflow import MlflowClient
    from mlflow.entities import Run

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
ENDED = ("FINISHED", "KILLED", "FAILED")
PARENT_TAG = "mlflow.parentRunId"
LONGEST_TAG = 5000  # characters; the shortest limit among MLflow's stores

# What MLflow takes in one request.
METRICS_PER_REQUEST, PARAMETERS_PER_REQUEST = 1000, 100


class StudyTracker:
    """One study's runs: a parent `study/<name>` and a nested run for each trial.

    A context manager, used by one thread. A study that was stopped goes on in the runs that it began: whatever
    they hold already is not logged again. Whichever way the block ends, no run of the study is left RUNNING.
    """

    def __init__(
        self,
        *,
        experiment: str,
        study: str,
        parameters: dict[str, Any],
        optuna_study: str,
        fingerprint: str,
        data: dict[str, Any],
    ) -> None:
        """`parameters` are the study's, nested as in params.yaml; `data` is data/sequences/summary.json."""
        self._experiment = experiment
        self._study = study
        self._parameters = flattened(parameters)
        self._data = data
        self._lineage = lineage(
            "study",
            experiment=experiment,
            data=data,
            fingerprint=fingerprint,
            study=study,
            optuna_study=optuna_study,
        )
        self._runs: dict[int, _TrialRun] = {}

    def __enter__(self) -> StudyTracker:
        self._store = _Store(self._experiment)
        runs = self._store.search(f"tags.fingerprint = '{self._lineage.fingerprint}' and tags.study = '{self._study}'")
        parents = [run for run in runs if PARENT_TAG not in run.data.tags]
        if parents:
            self._parent_id = parents[0].info.run_id
            self._store.reopen(self._parent_id, self._lineage.tags())
            missing = {name: self._parameters[name] for name in self._parameters.keys() - parents[0].data.params}
            self._store.log(self._parent_id, parameters=missing)
        else:
            self._parent_id = self._store.create(
                f"study/{self._study}", self._lineage, self._lineage.tags(), self._parameters, self._data
            )
        children = [run for run in runs if run.data.tags.get(PARENT_TAG) == self._parent_id]
        self._runs = {int(run.data.tags["trial"]): _TrialRun.found(run) for run in children}
        return self

    def trial_started(self, trial: Trial) -> None:
        """Show the trial as running. One that was interrupted or that failed before goes on in its old run."""
        self._claim(trial, retry=True)

    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None:
        """Show one epoch's figures while the trial still trains."""
        run = self._claim(trial)
        if not run.ended and metrics.epoch not in run.epochs:
            self._store.log(run.run_id, metrics=[(metrics.epoch, epoch_figures(metrics))])
            run.epochs.add(metrics.epoch)

    def trial_finished(self, record: TrialRecord) -> str:
        """Log what is not logged yet and end the trial's run; returns its id. Does nothing to a run that has ended."""
        run = self._claim(record.trial)
        if not run.ended:
            self._store.conclude(run.run_id, record, record.trial.title, run.epochs)
            run.ended = True
        return run.run_id

    def finish(self, folder: Path) -> None:
        """Log the study's summary and results on the parent run, from its `folder` of results."""
        best = json.loads((folder / "best.json").read_text(encoding="utf-8"))
        summary = {f"trials_{state.lower()}": count for state, count in best["states"].items()}
        if best["best"] is not None:
            summary |= {f"best_{name}": best["best"].get(name) for name in ("number", "validation_accuracy")}
        logged = self._store.client.get_run(self._parent_id).data.metrics
        new = {name: value for name, value in summary.items() if value is not None and logged.get(name) != value}
        self._store.log(self._parent_id, metrics=[(0, new)])
        for name in ("trials.csv", "curves.csv", "best.json"):
            self._store.client.log_artifact(self._parent_id, str(folder / name))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for run in self._runs.values():
            if not run.ended:
                self._store.log(run.run_id, tags={"interrupted": "true"})
                self._store.client.set_terminated(run.run_id, "KILLED")
        status = "FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED"
        self._store.client.set_terminated(self._parent_id, status)

    def _claim(self, trial: Trial, *, retry: bool = False) -> _TrialRun:
        """The trial's run, created or opened again so that it can be written, unless it has ended for good."""
        tags = self._lineage.tags(trial=str(trial.number), seed=str(trial.seed))
        run = self._runs.get(trial.number)
        if run is None:
            parameters = trial_parameters(trial)
            run_id = self._store.create(trial.title, self._lineage, tags, parameters, self._data, self._parent_id)
            run = self._runs[trial.number] = _TrialRun(run_id, claimed=True)
        elif not run.claimed and (not run.ended or (retry and run.failed)):
            self._store.reopen(run.run_id, tags)
            history = self._store.client.get_metric_history(run.run_id, "train_loss")
            run.epochs |= {metric.step for metric in history}
            run.ended, run.claimed = False, True
        return run


@dataclass
class _TrialRun:
    run_id: str
    ended: bool = False
    failed: bool = False
    claimed: bool = False  # created or opened again by this tracker
    epochs: set[int] = field(default_factory=set)  # those logged

    @classmethod
    def found(cls, run: Run) -> _TrialRun:
        """A run of an earlier session. An interrupted one has not ended, whatever its status."""
        ended = run.info.status in ENDED and "interrupted" not in run.data.tags
        return cls(run.info.run_id, ended=ended, failed=run.info.status == "FAILED")


def log_champion(
    *,
    experiment: str,
    choice: dict[str, Any],
    records: Sequence[TrialRecord],
    models: Sequence[Path],
    data: dict[str, Any],
    input_example: np.ndarray,
) -> None:
    """Log the champion's trainings, one run a seed, and register the first seed's model with alias `champion`.

    `choice` is the content of choice.json; `models` are .keras files in the order of `records`; `input_example`
    is float32 (n, timesteps, features). The registered model has the experiment's name.
    """
    store = _Store(experiment)
    chosen = choice["choice"]
    origin = lineage(
        "champion", experiment=experiment, data=data, fingerprint=digest([choice, data]), study=chosen.get("study", "")
    )
    parameters = {name: value for name, value in chosen.items() if name in (*Configuration.model_fields, "study")}
    parent_id = store.create("champion", origin, origin.tags(), flattened(parameters), data)
    store.log(parent_id, metrics=[(0, numbers(chosen, leave_out=parameters))])
    store.client.log_dict(parent_id, choice, "choice.json")
    for index, (record, path) in enumerate(zip(records, models, strict=True)):
        tags = origin.tags(trial=str(record.trial.number), seed=str(record.trial.seed))
        name = f"champion seed {record.trial.seed}"
        run_id = store.create(name, origin, tags, trial_parameters(record.trial), data, parent_id)
        if index == 0:
            _register(run_id, experiment, path, input_example)
        store.conclude(run_id, record, name)
    store.client.set_terminated(parent_id)


def _register(run_id: str, name: str, path: Path, input_example: np.ndarray) -> None:
    import keras
    import mlflow
    from mlflow.models import Model, infer_signature

    class KerasFlavor:
        """mlflow.keras, but `save_model` finds its folder: it writes the input example before it makes one."""

        @staticmethod
        def save_model(path: str, **options: Any) -> None:
            Path(path).mkdir(parents=True, exist_ok=True)
            mlflow.keras.save_model(path=path, **options)

    model = keras.models.load_model(path)
    signature = infer_signature(input_example, model.predict_on_batch(input_example))  # any number of sequences
    # Only MLflow's global functions log a model. They try it on the example, and Keras draws a progress bar for that.
    store = _environment("MLFLOW_TRACKING_URI", paths.tracking_uri())
    with store, redirect_stdout(StringIO()), mlflow.start_run(run_id=run_id):
        info = Model.log(
            artifact_path=None,
            name="champion",
            flavor=KerasFlavor,
            flavor_name="mlflow.keras",
            model=model,
            signature=signature,
            input_example=input_example,
            pip_requirements=[f"{package}=={version(package)}" for package in ("tensorflow", "keras", "numpy")],
            registered_model_name=name,
        )
        mlflow.MlflowClient().set_registered_model_alias(name, "champion", str(info.registered_model_version))


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for a while; MLflow reads its settings from there at every use."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def log_evaluation(*, experiment: str, metrics: dict[str, Any], folder: Path) -> None:
    """Log the test result; `metrics` is the content of metrics.json, `folder` has it, confusion.csv and pictures."""
    store = _Store(experiment)
    data = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))
    origin = lineage("evaluate", experiment=experiment, data=data, fingerprint=digest([metrics, data]))
    figures = numbers(metrics)
    facts = {name: value for name, value in metrics.items() if name not in figures}
    run_id = store.create("evaluate", origin, origin.tags(), flattened(facts), data)
    store.log(run_id, metrics=[(0, figures)])
    for pattern in ("metrics.json", "confusion.csv", "*.png", "*.svg"):
        for file in sorted(folder.glob(pattern)):
            store.client.log_artifact(run_id, str(file))
    store.client.set_terminated(run_id)


class _Store:
    """An MLflow experiment, made if it is not there, and how the pipeline writes runs in it."""

    def __init__(self, experiment: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # a new database reports every table otherwise
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        uri = paths.tracking_uri()
        try:
            # A wrong address should be known before any training; later on, MLflow's minutes of patience are welcome.
            with _environment("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"):
                self.client = MlflowClient(tracking_uri=uri)
                self._experiment_id = _experiment_id(self.client, experiment, uri)
        except MlflowException as error:
            raise PipelineError(
                f"the MLflow store {uri} cannot be used: set MLFLOW_TRACKING_URI to one that answers, "
                f"or unset it to use mlflow.db ({error})"
            ) from error

    def search(self, condition: str) -> list[Run]:
        """All runs for which the condition holds, oldest first."""
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self._experiment_id], condition, order_by=["attributes.start_time ASC"], page_token=token
            )
            runs += page
            token = page.token
            if not token:
                return runs

    def create(
        self,
        name: str,
        origin: Lineage,
        tags: dict[str, str],
        parameters: dict[str, str],
        data: dict[str, Any],
        parent_id: str | None = None,
    ) -> str:
        """Begin a run; returns its id."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = {
            "mlflow.source.name": " ".join(["python -m pipeline", origin.stage, origin.study]).strip(),
            "mlflow.source.git.commit": origin.git_commit,
        }
        parent = {PARENT_TAG: parent_id} if parent_id else {}
        run_id = self.client.create_run(self._experiment_id, tags=tags | source | parent, run_name=name).info.run_id
        dataset = Dataset(
            name=f"{data['dataset']} as {data['view']}",
            digest=digest(data)[:36],
            source_type="local",
            source=json.dumps({"uri": paths.SEQUENCES.as_posix()}),
            profile=json.dumps(data),
        )
        context = InputTag("mlflow.data.context", "testing" if origin.stage == "evaluate" else "training")
        self.client.log_inputs(run_id, [DatasetInput(dataset, [context])])
        self.log(run_id, parameters=parameters)
        return run_id

    def reopen(self, run_id: str, tags: dict[str, str]) -> None:
        """Set an earlier run RUNNING again, with the tags of what goes on with it now."""
        self.client.update_run(run_id, status="RUNNING")
        for outdated in {"interrupted", "failure"} & self.client.get_run(run_id).data.tags.keys():
            self.client.delete_tag(run_id, outdated)
        self.log(run_id, tags=tags)

    def log(
        self,
        run_id: str,
        *,
        metrics: Iterable[tuple[int, dict[str, float]]] = (),
        parameters: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Log metrics, as (step, values) pairs, parameters and tags in as few requests as MLflow allows."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(1000 * time.time())
        points = [Metric(name, value, now, step) for step, values in metrics for name, value in values.items()]
        entries = [Param(name, value) for name, value in (parameters or {}).items()]
        labels = [RunTag(name, value[:LONGEST_TAG]) for name, value in (tags or {}).items()]
        while points or entries or labels:
            self.client.log_batch(run_id, points[:METRICS_PER_REQUEST], entries[:PARAMETERS_PER_REQUEST], labels)
            points, entries, labels = points[METRICS_PER_REQUEST:], entries[PARAMETERS_PER_REQUEST:], []

    def conclude(self, run_id: str, record: TrialRecord, title: str, logged_epochs: Iterable[int] = ()) -> None:
        """Log a finished trial's figures, all epochs but those logged, and its artifacts; end its run."""
        tags = {"state": record.state, "worker": record.worker, "reused": str(record.reused).lower()}
        metrics: list[tuple[int, dict[str, float]]] = []
        result = record.result
        if result is not None:
            metrics = [
                (epoch.epoch, epoch_figures(epoch)) for epoch in result.epochs if epoch.epoch not in logged_epochs
            ]
            metrics.append((0, final_figures(result)))
            tags["weights_sha256"] = result.weights_sha256
            with TemporaryDirectory() as folder:
                save_artifacts(Path(folder), title, result)
                self.client.log_artifacts(run_id, folder)
        if record.state == "PRUNED" and result is not None:
            tags["pruned_at_epoch"] = str(len(result.epochs))
        if record.state == "FAIL":
            tags["failure"] = record.error or "unknown"
        self.log(run_id, metrics=metrics, parameters={"train_samples": str(record.train_samples)}, tags=tags)
        self.client.set_terminated(run_id, STATUS[record.state])


def _experiment_id(client: MlflowClient, name: str, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    # A server keeps artifacts where it was told to. A database only knows the folder of whoever opens it first.
    served = uri.startswith(("http://", "https://"))
    location = None if served else (paths.home() / "mlruns" / name).as_uri()
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, location)
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process was faster
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        raise PipelineError(
            f"MLflow's experiment {name!r} in {uri} has been deleted: bring it back with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`, "
            "or choose another name (params.yaml: tracking.experiment)"
        )
    return experiment.experiment_id
