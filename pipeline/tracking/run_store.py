"""How the pipeline writes runs in an MLflow experiment: in few requests, and with one sentence if it cannot."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.errors import PipelineError, runnable, why_closed, without_credentials
from pipeline.lineage import Lineage, uncommitted_changes
from pipeline.tracking.links import experiment_page
from pipeline.tracking.runs import CURVES, curves, final_figures, save_artifacts
from pipeline.training.identity import stable_hash
from pipeline.training.trials import TrialRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

    from pipeline.data.sequences import SequencesSummary

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"  # what MLflow's page has as description, in Markdown
WORKSPACE_TAG = "workspace"  # tells the runs of several machines and folders on one server apart
LONGEST_TAG = 5000  # characters; the shortest limit among MLflow's stores

EXPERIMENT_NOTE = """How big should a recurrent network be? Each run here is a result of `python -m pipeline`.

| its name | what it is | all of them, in the field for searches |
| --- | --- | --- |
| `study/NAME` | a study; its trials are below it, and its description says what came out | `tags.kind = 'study'` |
| `#012 …` | a trial: one network trained once | `tags.kind = 'trial' and tags.study = 'NAME'` |
| `champion` | the network that was chosen; it was trained again with each seed | `tags.stage = 'champion'` |
| `evaluate` | the champion on the test data | `tags.kind = 'evaluate'` |

The tag `reproduce` is the command that makes a run again. The champion's model is under *Models*, with the alias
`champion`.
"""

# The most that MLflow takes in one request.
METRICS_PER_REQUEST, PARAMETERS_PER_REQUEST = 1000, 100


class StoreAway(PipelineError):
    """MLflow does not take what there is to log. It is a view: no stage dies of that."""


@contextmanager
def as_a_view(stage: str, mended_by: str = "python -m pipeline rebuild-tracking") -> Iterator[None]:
    """For what a stage logs once its results are there: where MLflow takes nothing, a sentence says so."""
    try:
        yield
    except StoreAway as reason:
        print(runnable(f"{stage}: not logged in MLflow, `{mended_by}` does it later ({reason})"))


class RunStore:
    """An MLflow experiment, made if it is not there, and how the pipeline writes runs in it."""

    def __init__(self, experiment: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # a new database reports every table otherwise
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with user and password in it
        from mlflow import MlflowClient

        uri = paths.tracking_uri()
        self.where = without_credentials(uri)
        self._is_server = uri.startswith(("http://", "https://"))
        try:
            with self.answering(patient=False):
                _check_can_be_opened(uri)
                self.client = MlflowClient(tracking_uri=uri)
                self._experiment_id = _experiment_id(self.client, experiment, self.where, self._is_server)
        except StoreAway as error:
            if isinstance(error.__cause__, PipelineError):
                raise
            cure = "set MLFLOW_TRACKING_URI to one that answers, or unset it to use mlflow.db"
            if getattr(error.__cause__, "error_code", "") == "UNAUTHENTICATED":
                cure = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to those of a user that it knows"
            raise StoreAway(f"the MLflow store {self.where} cannot be used: {cure} ({error})") from error

    @property
    def page(self) -> str:
        """The address of the experiment's runs in the browser."""
        return experiment_page(self._experiment_id)

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

    def study_runs(self, study: str, fingerprint: str) -> list[Run]:
        """A study's runs, oldest first: its parent, which has no parent itself, and its trials."""
        return self.search(f"tags.stage = 'study' and tags.study = '{study}' and tags.fingerprint = '{fingerprint}'")

    def run(self, run_id: str) -> Run | None:
        """The run with this id, in any experiment; None if there is none."""
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def artifacts(self, run_id: str, folder: str | None = None) -> list[str]:
        """The paths of all of a run's artifacts."""
        entries = self.client.list_artifacts(run_id, folder)
        return [path for e in entries for path in (self.artifacts(run_id, e.path) if e.is_dir else [e.path])]

    def create(
        self,
        name: str,
        origin: Lineage,
        tags: dict[str, str],
        parameters: dict[str, str],
        data: SequencesSummary,
        parent_id: str | None = None,
    ) -> str:
        """Begin a run; returns its id."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = {
            "mlflow.source.name": " ".join(["python -m pipeline", origin.stage, origin.study]).strip(),
            "mlflow.source.git.commit": origin.git_commit,
        }
        document = data.model_dump(mode="json")
        parent = {PARENT_TAG: parent_id} if parent_id else {}
        all_tags = tags | source | parent | {WORKSPACE_TAG: _workspace()}
        run_id = self.client.create_run(self._experiment_id, tags=all_tags, run_name=name).info.run_id
        dataset = Dataset(
            name=data.title,
            digest=stable_hash(document)[:36],
            source_type="local",
            source=json.dumps({"uri": paths.SEQUENCES.as_posix()}),
            profile=json.dumps(document),
        )
        context = InputTag("mlflow.data.context", "testing" if origin.stage == "evaluate" else "training")
        self.client.log_inputs(run_id, [DatasetInput(dataset, [context])])
        self.log(run_id, parameters=parameters)
        if parent_id is None:
            self.log_changes(run_id, origin)
        return run_id

    def log_changes(self, run_id: str, origin: Lineage) -> None:
        """Keep the changes that the commit in the tags lacks: `git apply git.diff` adds them."""
        if origin.git_dirty == "true":
            self.client.log_text(run_id, uncommitted_changes(), "git.diff")

    def reopen(self, run_id: str, tags: dict[str, str], parameters: dict[str, str]) -> None:
        """Set an earlier run RUNNING again, with the tags of the run that continues it and the parameters it lacks."""
        self.client.update_run(run_id, status="RUNNING")
        earlier = self.client.get_run(run_id).data
        for outdated in {"interrupted", "failure"} & earlier.tags.keys():
            self.client.delete_tag(run_id, outdated)
        lacking = {name: value for name, value in parameters.items() if name not in earlier.params}
        self.log(run_id, parameters=lacking, tags=tags | {WORKSPACE_TAG: _workspace()})

    def logged_steps(self, run_id: str) -> set[int]:
        """The epochs whose figures a trial's run has, and 0 if it has the final ones."""
        metrics = (f"{CURVES}train_loss", "best_epoch")
        return {point.step for name in metrics for point in self.client.get_metric_history(run_id, name)}

    @contextmanager
    def answering(self, *, patient: bool) -> Iterator[None]:
        """Raise StoreAway for whatever MLflow has against it: no server, a run or an experiment that somebody deletes,
        a database that is locked or full, a folder that takes no artifacts. A server is asked twice; if `patient`, as
        often as MLflow does.
        """
        from alembic.util import CommandError  # two that make the database at once
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        retries = nullcontext() if patient else environment_variable("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        try:
            with retries:
                yield
        except StoreAway:
            raise
        except (
            MlflowException,
            SQLAlchemyError,
            CommandError,
            OSError,
            ModuleNotFoundError,
            PipelineError,
            ValueError,  # an address that is none
        ) as error:  # requests' are OSErrors
            raise StoreAway(why_closed(error)) from error

    @contextmanager
    def logging(self, origin: Lineage) -> Iterator[None]:
        """As `answering`, for a block that begins runs and ends them: however it ends, none stays RUNNING.

        Nor does one that another process has begun in this workspace for the same result, and was killed over. Others'
        runs of the same result may be on a server: they are at work.
        """
        try:
            with self.answering(patient=False):
                self._end_all(origin, "KILLED")
                yield
        except BaseException as error:
            status = "FAILED" if isinstance(error, Exception) else "KILLED"
            with suppress(StoreAway), self.answering(patient=False):
                self._end_all(origin, status)
            raise

    def _end_all(self, origin: Lineage, status: str) -> None:
        same_result = f"tags.stage = '{origin.stage}' and tags.fingerprint = '{origin.fingerprint}'"
        begun_here = f"tags.{WORKSPACE_TAG} = '{_workspace()}'"
        for run in self.search(f"attributes.status = 'RUNNING' and {same_result} and {begun_here}"):
            self.end(run.info.run_id, status)

    def end(self, run_id: str, status: str = "FINISHED") -> None:
        """End a run."""
        self.client.set_terminated(run_id, status)

    def log(
        self,
        run_id: str,
        *,
        metrics: Iterable[tuple[int, dict[str, float]]] = (),
        parameters: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
        of: ModelVersion | None = None,
    ) -> None:
        """Log metrics, as (step, values) pairs, parameters and tags in as few requests as MLflow allows.

        Metrics `of` a version are also on the page of its model, which becomes an input of the run.
        """
        from mlflow.entities import LoggedModelInput, Metric, Param, RunTag

        model_id = of.tags.get("model_id") if of is not None else None
        if model_id is not None:
            self.client.log_inputs(run_id, models=[LoggedModelInput(model_id)])

        now = int(1000 * time.time())
        points = [
            Metric(name, value, now, step, model_id) for step, values in metrics for name, value in values.items()
        ]
        entries = [Param(name, value) for name, value in (parameters or {}).items()]
        labels = [RunTag(name, value[:LONGEST_TAG]) for name, value in (tags or {}).items()]
        while points or entries or labels:
            self.client.log_batch(run_id, points[:METRICS_PER_REQUEST], entries[:PARAMETERS_PER_REQUEST], labels)
            points, entries, labels = points[METRICS_PER_REQUEST:], entries[PARAMETERS_PER_REQUEST:], []

    def conclude(self, run_id: str, record: TrialRecord, logged_steps: Collection[int] = ()) -> None:
        """Log a finished trial's figures, all but those of `logged_steps`, and its artifacts; end its run."""
        tags = {"state": record.state, "reused": str(record.reused).lower()}
        metrics: list[tuple[int, dict[str, float]]] = []
        result = record.result
        if result is not None:
            steps = [(0, final_figures(result))] + [(epoch.epoch, curves(epoch)) for epoch in result.epochs]
            metrics = [(step, figures) for step, figures in steps if step not in logged_steps]
            tags |= {name: getattr(result, name) for name in ("weights_sha256", "worker", "processor", "trained_at")}
            with TemporaryDirectory() as folder:
                save_artifacts(Path(folder), result)
                self.client.log_artifacts(run_id, folder)
        if record.state == "PRUNED" and result is not None:
            tags["pruned_at_epoch"] = str(len(result.epochs))
        if record.state == "FAIL":
            tags["failure"] = record.error or "unknown"
        self.log(run_id, metrics=metrics, parameters={"train_samples": str(record.train_samples)}, tags=tags)
        self.end(run_id, STATUS[record.state])


@contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
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


def in_a_shell() -> str:
    """How a shell command begins that asks MLflow about this store; no password is in it."""
    url = os.environ.get("MLFLOW_TRACKING_URI", "")
    if url.startswith("postgres://"):  # which MLflow's own commands do not take
        return 'MLFLOW_TRACKING_URI="postgresql${MLFLOW_TRACKING_URI#postgres}" mlflow'
    # It is in the user's shell already; without it MLflow takes mlflow.db of the current folder.
    return "mlflow" if url else f"MLFLOW_TRACKING_URI={quote(paths.tracking_uri())} mlflow"


def _workspace() -> str:
    """This machine and folder, by a hash: a server need not know what they are called."""
    return stable_hash([socket.gethostname(), str(paths.home())])[:16]


def _check_can_be_opened(uri: str) -> None:
    """Raises OSError where SQLite cannot open its file: MLflow would try for minutes."""
    path = paths.sqlite_file(uri)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("rb" if path.exists() else "ab"):
        pass


def _experiment_id(client: MlflowClient, name: str, where: str, is_server: bool) -> str:
    from mlflow.exceptions import MlflowException

    # A server keeps artifacts where it was told to. A database only knows the folder of whoever opens it first.
    location = None if is_server else (paths.home() / "mlruns" / name).as_uri()
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, location, tags={NOTE_TAG: EXPERIMENT_NOTE})
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another process was faster
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        raise PipelineError(
            f"MLflow's experiment {name!r} in {where} has been deleted: bring it back with "
            f"`{in_a_shell()} experiments restore --experiment-id {experiment.experiment_id}`, "
            "or choose another name (params.yaml: tracking.experiment)"
        )
    if NOTE_TAG not in experiment.tags:  # made by an earlier version, or by somebody
        client.set_experiment_tag(experiment.experiment_id, NOTE_TAG, EXPERIMENT_NOTE)
    return experiment.experiment_id
