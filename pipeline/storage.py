"""The Optuna study that people look at, in SQLite or whatever `OPTUNA_STORAGE` names."""

from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline.errors import PipelineError
from pipeline.trials import TrialRecord

optuna.logging.set_verbosity(optuna.logging.WARNING)

STATES = {"COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAIL": TrialState.FAIL}


class StudyStorage:
    """The Optuna study that people look at: one writer, every trial added and told in order."""

    def __init__(self, storage: str | BaseStorage, name: str) -> None:
        """`storage` is a URL, as Optuna takes it, or a storage that is open. Raises PipelineError if none answers."""
        try:
            self._storage = optuna.storages.get_storage(storage)
            study = optuna.create_study(
                storage=self._storage, study_name=name, direction="maximize", load_if_exists=True
            )
        except Exception as error:  # SQLAlchemy's many kinds of "no database there"
            reason = str(error).splitlines()[0]
            where = str(storage).rpartition("@")[2]  # without user and password
            raise PipelineError(f"cannot open the Optuna storage {where}: {reason}; check OPTUNA_STORAGE") from error
        self._study_id = study._study_id
        self._trials = dict(enumerate(study.get_trials(deepcopy=False)))

    def ask(self, number: int, proposal: FrozenTrial) -> None:
        """Store trial `number` as running, with all of its parameters, in one transaction; once."""
        if number in self._trials:
            if self._trials[number].params != proposal.params:
                raise PipelineError(
                    f"trial {number} in the Optuna storage has other parameters than this study gives it: somebody has "
                    "changed the storage; remove the study with `optuna delete-study` and run again"
                )
            return
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING, params=proposal.params, distributions=proposal.distributions
        )
        trial_id = self._storage.create_new_trial(self._study_id, template)
        if self._storage.get_trial_number_from_id(trial_id) != number:
            raise PipelineError("another process is running this study in the same Optuna storage: let it finish first")
        self._trials[number] = self._storage.get_trial(trial_id)

    def error(self, number: int) -> str | None:
        """Why trial `number` failed in an earlier run; None if it did not."""
        trial = self._trials[number]
        return trial.user_attrs["error"] if trial.state == TrialState.FAIL else None

    def tell(self, record: TrialRecord) -> None:
        """Store how a trial ended, unless an earlier run has done so; the state goes last, so it seals the rest."""
        trial = self._trials[record.trial.number]
        if trial.state.is_finished():
            return
        attributes: dict[str, Any] = {"seed": record.trial.seed, "train_samples": record.train_samples}
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
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(trial._trial_id, name, value)
        store_result(self._storage, trial._trial_id, record)


def store_result(storage: BaseStorage, trial_id: int, record: TrialRecord) -> None:
    """Curve, value and state; the value is the validation accuracy at the best epoch, a pruned trial's its last."""
    value: float | None = None
    if record.result is not None:
        for metrics in record.result.epochs:
            if metrics.validation_accuracy is not None:
                storage.set_trial_intermediate_value(trial_id, metrics.epoch, metrics.validation_accuracy)
        last = record.result.epochs[-1]
        value = (last if record.state == "PRUNED" else record.result.best).validation_accuracy
    storage.set_trial_state_values(trial_id, STATES[record.state], None if value is None else [value])
