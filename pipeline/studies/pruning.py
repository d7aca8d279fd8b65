"""Optuna's pruners against a frozen view: a decision depends on the trials told before and on nothing else."""

import functools
from collections.abc import Sequence

import optuna
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.trial import FrozenTrial, TrialState

from pipeline.params.studies import SampledStudy
from pipeline.training.trials import TrainingResult

optuna.logging.set_verbosity(optuna.logging.WARNING)  # also in workers, which import no other module of this room

# These judge a trial by their notes about the ones before.
PRUNERS_WITH_NOTES = ("successive_halving", "hyperband")

# Hyperband spreads trials over its brackets by the study's name: here it is always this one.
MEMORY_STUDY = "study"


def as_pruned(results: Sequence[TrainingResult], should_prune: "FrozenPruner | None") -> TrainingResult | None:
    """The one of `results` that a trial with this pruner comes to; None if it is not among them.

    All are results of the same training, each stopped after another epoch or not at all.
    """
    curves = ([metrics.validation_accuracy or 0.0 for metrics in result.epochs] for result in results)
    longest = max(curves, key=len, default=[])  # the others are its beginnings
    stopped_after = next(
        (epoch for epoch in range(1, len(longest) + 1) if should_prune and should_prune(longest[:epoch])), None
    )
    return next((result for result in results if result.stopped_after == stopped_after), None)


def without_parameters(trial: FrozenTrial) -> FrozenTrial:
    """All of a trial that has ended that a pruner looks at: it is sent to the workers with every later trial."""
    return optuna.trial.create_trial(
        state=trial.state,
        values=trial.values,
        system_attrs=trial.system_attrs,
        intermediate_values=trial.intermediate_values,
    )


class FrozenPruner:
    """Optuna's own pruner on a frozen view: the trials told when the one at `place` was asked, and its own curve.

    Made in the driver, sent to a worker, and called there after each epoch.
    """

    def __init__(self, settings: SampledStudy, epochs: range, view: tuple[FrozenTrial, ...], place: int) -> None:
        self._settings, self._epochs, self._view, self._place = settings, epochs, view, place
        self._shown = 0
        self._decision = False

    def __call__(self, accuracies: Sequence[float]) -> bool:
        """True to stop after the last of `accuracies`, the trial's validation accuracies from its first epoch."""
        for epoch, accuracy in enumerate(accuracies, start=1):
            if epoch > self._shown:
                self._storage.set_trial_intermediate_value(self._trial_id, epoch, accuracy)
                self._decision = bool(self._pruner.prune(self._study, self._storage.get_trial(self._trial_id)))
                self._shown = epoch
        return self._decision

    def notes(self) -> dict[str, float]:
        """The pruner's notes about the trial, for its decisions on later ones."""
        return self._storage.get_trial(self._trial_id).system_attrs

    @functools.cached_property
    def _pruner(self) -> BasePruner:
        return pruner_of(self._settings, self._epochs)

    @functools.cached_property
    def _storage(self) -> optuna.storages.InMemoryStorage:
        return optuna.storages.InMemoryStorage()

    @functools.cached_property
    def _study(self) -> optuna.Study:
        study = optuna.create_study(
            storage=self._storage, study_name=MEMORY_STUDY, direction="maximize", pruner=self._pruner
        )
        for trial in self._view:
            study.add_trial(trial)
        # Trials not told yet have a number but no result; some pruners go by the number.
        for _ in range(len(self._view), self._place):
            study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
        return study

    @functools.cached_property
    def _trial_id(self) -> int:
        return self._storage.create_new_trial(self._study._study_id)


def pruner_of(study: SampledStudy, epochs: range) -> BasePruner:
    """The study's pruner; `epochs` are those after which a trial may be pruned, without gaps."""
    first, last = epochs[0], epochs[-1]
    match study.pruner:
        case "median":
            return MedianPruner(study.startup_trials, n_warmup_steps=first)
        case "percentile":
            return PercentilePruner(25.0, study.startup_trials, n_warmup_steps=first)
        case "successive_halving":
            return SuccessiveHalvingPruner(min_resource=first, reduction_factor=3)
        case "hyperband":
            return HyperbandPruner(min_resource=first, max_resource=last, reduction_factor=3)
    return NopPruner()
