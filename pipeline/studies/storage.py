"""The Optuna study that people look at, in SQLite or in the database that `OPTUNA_STORAGE` names."""

import atexit
import os
import shlex
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from pipeline import paths
from pipeline.errors import PipelineError, storage_closed
from pipeline.training.train import TrainingFailed
from pipeline.training.trials import TrialRecord

optuna.logging.set_verbosity(optuna.logging.WARNING)

STATES = {"COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAIL": TrialState.FAIL}


class StudyStorage:
    """The Optuna study that people look at: one writer, every trial added and told in order."""

    def __init__(
        self,
        storage: str | BaseStorage,
        name: str,
        objective: str | None = None,
        attributes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`storage` is a URL, as Optuna takes it, or a storage that is open; `objective` is the name of the trials'
        value, and `attributes` say where the study belongs. Raises PipelineError if no storage answers."""
        self._storage = open_database(storage) if isinstance(storage, str) else storage
        self._name = name
        study = optuna.create_study(storage=self._storage, study_name=name, direction="maximize", load_if_exists=True)
        _describe(study, objective, attributes)
        self._study_id = study._study_id
        self._earlier = dict(enumerate(study.get_trials(deepcopy=False)))  # as an earlier run has left them
        self._ids = {number: trial._trial_id for number, trial in self._earlier.items()}

    def ask(self, number: int, proposal: FrozenTrial) -> None:
        """Store trial `number` as running, with all of its parameters, in one transaction; once."""
        if number in self._earlier:
            if self._earlier[number].params != proposal.params:
                raise PipelineError(
                    f"trial {number} in the Optuna storage has other parameters than this study gives it: somebody has "
                    f"changed the storage; {self._begin_again}"
                )
            return
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING, params=proposal.params, distributions=proposal.distributions
        )
        self._ids[number] = self._storage.create_new_trial(self._study_id, template)
        if self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number) != self._ids[number]:
            raise PipelineError("another process is running this study in the same Optuna storage: let it finish first")

    def error(self, number: int) -> str | None:
        """Why trial `number` failed in an earlier run; None if it did not."""
        trial = self._earlier.get(number)
        if trial is None or trial.state != TrialState.FAIL:
            return None
        error = str(trial.user_attrs.get("error"))
        if not error.startswith(TrainingFailed.__name__):  # as earlier versions told what kept them from a training
            raise PipelineError(
                f"trial {number} in the Optuna storage failed for another reason than its training, {error!r}, which "
                f"says nothing of the network; {self._begin_again}"
            )
        return error

    @property
    def _begin_again(self) -> str:
        return (
            f"remove the study by `optuna delete-study --study-name {self._name} --storage "
            f"{storage_in_a_shell()}` and run again: finished trainings are kept"
        )

    def tell(self, record: TrialRecord, kept: Mapping[str, str] = MappingProxyType({})) -> None:
        """Store how a trial ended, unless an earlier run has done so.

        The state goes last, in one transaction with the rest where the storage has any: a trial that was half told,
        because the process died, is told again in full.
        `kept` are attributes that observers want to be there, such as the trial's `mlflow_run_id`.
        """
        earlier = self._earlier.get(record.trial.number)
        if earlier is not None and earlier.state.is_finished():
            return
        trial_id = self._ids[record.trial.number]
        attributes: dict[str, Any] = {"seed": record.trial.seed, "train_samples": record.train_samples}
        attributes |= kept
        if record.result is not None:
            attributes |= {
                "parameters": record.result.parameters,
                "best_epoch": record.result.best_epoch,
                "generalization_gap": record.result.generalization_gap,
                "fit_seconds": record.result.fit_seconds,
                "weights_sha256": record.result.weights_sha256,
            }
        if record.error is not None:
            attributes["error"] = record.error
        with _one_transaction(self._storage):
            for name, value in attributes.items():
                self._storage.set_trial_user_attr(trial_id, name, value)
            store_result(self._storage, trial_id, record)


def _describe(study: optuna.Study, objective: str | None, attributes: Mapping[str, str]) -> None:
    """For people who look at the study; written where it is not there as it should be."""
    if objective is not None and study.metric_names != [objective]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([objective])
    there = study.user_attrs
    for name, value in attributes.items():
        if there.get(name) != value:
            study.set_user_attr(name, value)


class _Joined(Session):
    """A session whose calls join one transaction: what each of them commits and closes waits for the end of all."""

    def commit(self) -> None: ...

    def close(self) -> None: ...


@contextmanager
def _one_transaction(storage: BaseStorage) -> Iterator[None]:
    """Optuna commits at the end of each call, some twenty times for a trial; in this block once, at its end."""
    if not isinstance(storage, RDBStorage):
        yield
        return
    own = storage.scoped_session
    with storage.engine.begin() as connection:
        storage.scoped_session = scoped_session(sessionmaker(connection, class_=_Joined, autoflush=False))
        session = storage.scoped_session()
        try:
            yield
            session.flush()
        finally:
            storage.scoped_session = own
            Session.close(session)


def store_result(storage: BaseStorage, trial_id: int, record: TrialRecord) -> None:
    """Curve, value and state."""
    for epoch, accuracy in _curve(record).items():
        storage.set_trial_intermediate_value(trial_id, epoch, accuracy)
    value = _value(record)
    storage.set_trial_state_values(trial_id, STATES[record.state], None if value is None else [value])


def _curve(record: TrialRecord) -> dict[int, float]:
    """Epoch → validation accuracy, where one was measured."""
    epochs = () if record.result is None else record.result.epochs
    return {m.epoch: m.validation_accuracy for m in epochs if m.validation_accuracy is not None}


def _value(record: TrialRecord) -> float | None:
    """The validation accuracy at the best epoch; a pruned trial's is its last."""
    if record.result is None:
        return None
    return (record.result.epochs[-1] if record.state == "PRUNED" else record.result.best).validation_accuracy


class _WriteAhead(sqlite3.Connection):
    """A commit that does not wait for the disk, and readers (the dashboard) that never block the writer.

    It outlives any death of this process. A power cut may take the last trials with it, never one from the middle;
    the next run takes their results from the journal.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        (mode,) = self.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode == "wal":  # else a power cut could damage the file
            self.execute("PRAGMA synchronous = NORMAL")


def open_database(url: str) -> RDBStorage:
    """Optuna's storage at `url`; raises PipelineError if none answers."""
    sqlite_options = {"connect_args": {"factory": _WriteAhead}} if url.startswith("sqlite") else None
    try:
        storage = RDBStorage(url, engine_kwargs=sqlite_options)
        # The last connection that is closed brings everything into the one file: then a copy of it is whole.
        atexit.register(storage.engine.dispose)
        return storage
    except Exception as error:  # SQLAlchemy's many kinds of "no database there"
        raise storage_closed(url, error) from error


def trials_done(storage: BaseStorage, name: str, total: int) -> int | None:
    """How many of the study's first `total` trials have ended; None where there is no such study."""
    if name not in optuna.get_all_study_names(storage):
        return None
    trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    return sum(trial.state.is_finished() for trial in trials[:total])


def storage_in_a_shell() -> str:
    """How a shell command names the storage; no password is in it."""
    url = os.environ.get("OPTUNA_STORAGE", "")
    if url.startswith("postgres://"):  # which Optuna's own commands do not take
        return '"postgresql${OPTUNA_STORAGE#postgres}"'
    return '"$OPTUNA_STORAGE"' if url else shlex.quote(paths.optuna_storage())


def has_study(url: str, name: str) -> bool:
    """Whether the database at `url`, which is made if it is not there, has a study called `name`."""
    return name in optuna.get_all_study_names(open_database(url))
