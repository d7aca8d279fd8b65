"""Optuna's samplers and pruners, each decision a function of the results told before it and of nothing else."""

import functools
import warnings
from collections.abc import Sequence
from typing import Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.trial import FrozenTrial, TrialState

from pipeline.network import derived_seed
from pipeline.params import IntegerRange, RealRange, SampledStudy, Space
from pipeline.proposals import constants, units_within
from pipeline.storage import STATES, store_result
from pipeline.trials import Trial, TrialRecord

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

PRUNER_WARMUP_EPOCHS = 1
# These judge a trial by what they noted about the ones before.
PRUNERS_WITH_NOTES = ("successive_halving", "hyperband")
# Hyperband spreads trials over its brackets by the study's name: here it is always this one.
MEMORY_STUDY = "study"


class Sampling(Protocol):
    """Proposes a study's trials and says when to prune them. A resumed study asks and tells everything again."""

    def ask(self, number: int) -> FrozenTrial:
        """Propose the parameters of trial `number`; numbers come in order."""

    def should_prune(self, number: int) -> "FrozenPruner | None":
        """What a worker calls after each epoch of trial `number`; it knows the trials told by then and no others."""

    def tell(self, record: TrialRecord) -> None:
        """Record how a trial ended."""


def sampling_of(study: SampledStudy, epochs: int, sizes: tuple[int, int, int]) -> Sampling:
    """`epochs` is the longest that a trial may train; `sizes` are timesteps, features and classes."""
    axes = distributions(study.space)
    if study.parameter_budgets is None:
        return PlainSampling(study, epochs, axes)
    return BudgetedSampling(study, epochs, axes, sizes)


class PlainSampling:
    """A sampler and a pruner over an in-memory study, which depends on the results told and on nothing else.

    `axes` are what the sampler proposes. As a resumed study asks and tells everything again, whatever a sampler keeps
    in the study (CMA-ES its state, TPE its open trials) is there again as well. The trials may be some of a study's
    only: in memory they are numbered anew, by their `place`.
    """

    def __init__(self, study: SampledStudy, epochs: int, axes: dict[str, BaseDistribution]) -> None:
        self._study = study
        self._epochs = epochs
        self._axes = axes
        self._storage = optuna.storages.InMemoryStorage()
        self._memory = optuna.create_study(
            storage=self._storage,
            study_name=MEMORY_STUDY,
            direction="maximize",
            pruner=_pruner(study, epochs),
        )
        self._places: dict[int, int] = {}  # open trial → its place
        self._views: dict[int, tuple[FrozenTrial, ...]] = {}  # open trial → the trials told when it was asked

    def ask(self, number: int) -> FrozenTrial:
        self._views[number] = tuple(self._memory.get_trials(deepcopy=False, states=tuple(STATES.values())))
        # A new sampler for each trial: its random state then cannot depend on what happened before a crash.
        self._memory.sampler = _sampler(self._study, number)
        self._places[number] = self._memory.ask(self._axes).number
        return self._memory.get_trials(deepcopy=False)[self._places[number]]

    def should_prune(self, number: int) -> "FrozenPruner | None":
        if self._study.pruner is None:
            return None
        return FrozenPruner(self._study, self._epochs, self._views[number], self._places[number])

    def tell(self, record: TrialRecord) -> None:
        """Record how a trial ended, with what the pruner noted about it (the rungs of successive halving)."""
        number = record.trial.number
        place, view = self._places.pop(number), self._views.pop(number)
        trial_id = self._memory.get_trials(deepcopy=False)[place]._trial_id
        if self._study.pruner in PRUNERS_WITH_NOTES and record.result is not None:
            pruner = FrozenPruner(self._study, self._epochs, view, place)
            pruner([metrics.validation_accuracy or 0.0 for metrics in record.result.epochs])
            for key, value in pruner.notes().items():
                self._storage.set_trial_system_attr(trial_id, key, value)
        store_result(self._storage, trial_id, record)


class BudgetedSampling:
    """Trials that take turns at budgets of parameters: for each a sampler and a pruner that know its trials alone.

    What is proposed is everything but the units; of these a network gets as many as its budget allows. The number of
    parameters is known before a training, so one objective, the accuracy, is enough to find the best of every size.
    """

    def __init__(
        self, study: SampledStudy, epochs: int, axes: dict[str, BaseDistribution], sizes: tuple[int, int, int]
    ) -> None:
        assert study.parameter_budgets is not None
        assert isinstance(study.space.units, IntegerRange)
        self._units, self._budgets, self._sizes = study.space.units, study.parameter_budgets, sizes
        self._constants = constants(study.space)
        self._distributions = {
            "units": IntDistribution(self._units.low, self._units.high, log=self._units.log),
            "parameter_budget": CategoricalDistribution(self._budgets),
        }
        proposed = {name: axis for name, axis in axes.items() if name != "units"}
        self._parts = [PlainSampling(study, epochs, proposed) for _ in self._budgets]

    def _part(self, number: int) -> PlainSampling:
        return self._parts[number % len(self._parts)]

    def ask(self, number: int) -> FrozenTrial:
        proposal = self._part(number).ask(number)
        budget = self._budgets[number % len(self._budgets)]
        units = units_within(self._constants | proposal.params, self._units, budget, self._sizes)
        return optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=proposal.params | {"units": units, "parameter_budget": budget},
            distributions=proposal.distributions | self._distributions,
        )

    def should_prune(self, number: int) -> "FrozenPruner | None":
        return self._part(number).should_prune(number)

    def tell(self, record: TrialRecord) -> None:
        self._part(record.trial.number).tell(record)


def finished_twin(
    trial: Trial, records: Sequence[TrialRecord], should_prune: "FrozenPruner | None"
) -> TrialRecord | None:
    """A told trial of the same configuration and seed whose result will do: it was trained to its end, or pruned after
    the very epoch after which `should_prune` would prune this one."""
    twins: dict[int, TrialRecord] = {}  # by their epochs
    curve: list[float] = []  # the longest twin's; the others' are its beginnings
    for record in records:
        same = (record.trial.configuration, record.trial.seed) == (trial.configuration, trial.seed)
        if same and record.state == "COMPLETE":
            return record
        if same and record.result is not None:
            accuracies = [metrics.validation_accuracy or 0.0 for metrics in record.result.epochs]
            twins[len(accuracies)] = record
            curve = max(curve, accuracies, key=len)
    if should_prune is None:
        return None
    pruned_after = next((epoch for epoch in range(1, len(curve) + 1) if should_prune(curve[:epoch])), 0)
    return twins.get(pruned_after)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the axes that have more than one value."""
    found: dict[str, BaseDistribution] = {}
    for name in Space.model_fields:
        axis = getattr(space, name)
        if isinstance(axis, IntegerRange):
            found[name] = IntDistribution(axis.low, axis.high, log=axis.log)
        elif isinstance(axis, RealRange):
            found[name] = FloatDistribution(axis.low, axis.high, log=axis.log)
        elif len(axis) > 1:
            found[name] = CategoricalDistribution(axis)
    return found


class FrozenPruner:
    """Optuna's own pruner on a frozen view: the trials told when the one at `place` was asked, and its own curve.

    Made in the driver, sent to a worker, and called there after each epoch.
    """

    def __init__(self, settings: SampledStudy, epochs: int, view: tuple[FrozenTrial, ...], place: int) -> None:
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
        """What the pruner wrote down about the trial, for its decisions on later ones."""
        return self._storage.get_trial(self._trial_id).system_attrs

    @functools.cached_property
    def _pruner(self) -> BasePruner:
        return _pruner(self._settings, self._epochs)

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


def _pruner(study: SampledStudy, epochs: int) -> BasePruner:
    match study.pruner:
        case "median":
            return MedianPruner(study.startup_trials, PRUNER_WARMUP_EPOCHS)
        case "percentile":
            return PercentilePruner(25.0, study.startup_trials, PRUNER_WARMUP_EPOCHS)
        case "successive_halving":
            return SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
        case "hyperband":
            return HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)
    return NopPruner()


def _sampler(study: SampledStudy, number: int) -> optuna.samplers.BaseSampler:
    seed = derived_seed(study.seed, "sampler", number)
    match study.sampler:
        case "random":
            return optuna.samplers.RandomSampler(seed)
        case "cmaes":
            return optuna.samplers.CmaEsSampler(
                n_startup_trials=study.startup_trials, seed=seed, warn_independent_sampling=False
            )
    # constant_liar: open trials count as poor ones, so that neighbours in the window do not propose the same.
    return optuna.samplers.TPESampler(
        n_startup_trials=study.startup_trials, seed=seed, multivariate=True, constant_liar=True
    )
