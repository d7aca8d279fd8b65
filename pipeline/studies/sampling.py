"""Optuna's samplers and pruners, each decision a function of the results told before it and of nothing else."""

import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from pipeline.params.network import Sizes
from pipeline.params.studies import IntegerRange, RealRange, SampledStudy, Space
from pipeline.studies.proposals import budget_places, constants, enqueued_trials, units_within
from pipeline.studies.pruning import MEMORY_STUDY, PRUNERS_WITH_NOTES, FrozenPruner, pruner_of, without_parameters
from pipeline.studies.storage import store_result
from pipeline.training.identity import derived_seed
from pipeline.training.trials import TrialRecord

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class Sampling(Protocol):
    """Proposes a study's trials and says when to prune them. A resumed study asks and tells everything again."""

    def ask(self, number: int) -> FrozenTrial:
        """Propose the parameters of trial `number`; numbers come in order."""

    def should_prune(self, number: int) -> "FrozenPruner | None":
        """The pruner of trial `number`, called in the worker after each epoch. It knows the trials told by now only."""

    def tell(self, record: TrialRecord) -> None:
        """Record how a trial ended."""


def sampling_of(study: SampledStudy, epochs: range, sizes: Sizes) -> Sampling:
    """A trial may be pruned after each of `epochs`, without gaps."""
    axes = distributions(study.space)
    if study.parameter_budgets is None:
        return EnqueuedSampling(study, epochs, axes)
    return BudgetedSampling(study, epochs, axes, sizes)


class PlainSampling:
    """A sampler and a pruner over an in-memory study, which depends on the results told and on nothing else.

    `axes` are proposed by the sampler. As a resumed study asks and tells everything again, all that a sampler keeps
    in the study (CMA-ES its state, TPE its open trials) is there again as well. The trials may be some of a study's
    only: in memory they are numbered anew, by their `place`.
    """

    def __init__(self, study: SampledStudy, epochs: range, axes: dict[str, BaseDistribution]) -> None:
        self._study = study
        self._epochs = epochs
        self._axes = axes
        self._storage = optuna.storages.InMemoryStorage()
        self._memory = optuna.create_study(
            storage=self._storage,
            study_name=MEMORY_STUDY,
            direction="maximize",
            pruner=pruner_of(study, epochs),
        )
        self._open: dict[int, optuna.Trial] = {}
        self._told: list[FrozenTrial] = []  # what a pruner looks at; views are copied into every task
        self._views: dict[int, tuple[FrozenTrial, ...]] = {}  # open trial → the trials told when it was asked

    def ask(self, number: int, enqueued: Mapping[str, Any] = MappingProxyType({})) -> FrozenTrial:
        """As in `Sampling`; the axes that are `enqueued` are not the sampler's to choose."""
        self._views[number] = tuple(self._told)
        # A new sampler for each trial: its random state then cannot depend on what happened before a crash.
        self._memory.sampler = _sampler(self._study, number)
        if enqueued:
            self._memory.enqueue_trial({name: value for name, value in enqueued.items() if name in self._axes})
        self._open[number] = self._memory.ask(self._axes)
        return self._storage.get_trial(self._open[number]._trial_id)

    def should_prune(self, number: int) -> "FrozenPruner | None":
        if self._study.pruner is None:
            return None
        return FrozenPruner(self._study, self._epochs, self._views[number], self._open[number].number)

    def tell(self, record: TrialRecord) -> None:
        """Record how a trial ended, with the notes of the pruner about it (the rungs of successive halving)."""
        number = record.trial.number
        trial, view = self._open.pop(number), self._views.pop(number)
        if self._study.pruner in PRUNERS_WITH_NOTES and record.result is not None:
            pruner = FrozenPruner(self._study, self._epochs, view, trial.number)
            pruner([metrics.validation_accuracy or 0.0 for metrics in record.result.epochs])
            for key, value in pruner.notes().items():
                self._storage.set_trial_system_attr(trial._trial_id, key, value)
        store_result(self._storage, trial._trial_id, record)
        if self._study.pruner is not None:
            self._told.append(without_parameters(self._storage.get_trial(trial._trial_id)))


class EnqueuedSampling(PlainSampling):
    """The study's enqueued configurations first, then what the sampler proposes."""

    def ask(self, number: int, enqueued: Mapping[str, Any] = MappingProxyType({})) -> FrozenTrial:
        return super().ask(number, enqueued or enqueued_fields(self._study, number))


class BudgetedSampling:
    """Trials that take turns at budgets of parameters: for each a sampler and a pruner that know its trials alone.

    The sampler proposes everything but the units; of these a network gets as many as its budget allows. The number of
    parameters is known before a training, so one objective, the accuracy, is enough to find the best of every size.
    """

    def __init__(
        self,
        study: SampledStudy,
        epochs: range,
        axes: dict[str, BaseDistribution],
        sizes: Sizes,
    ) -> None:
        assert study.parameter_budgets is not None
        assert isinstance(study.space.units, IntegerRange)
        self._study = study
        self._place_of = budget_places(study, sizes)
        self._units, self._budgets, self._sizes = study.space.units, study.parameter_budgets, sizes
        self._constants = constants(study.space)
        self._distributions = {
            "units": IntDistribution(self._units.low, self._units.high, log=self._units.log),
            "parameter_budget": CategoricalDistribution(self._budgets),
        }
        proposed = {name: axis for name, axis in axes.items() if name != "units"}
        self._parts = [PlainSampling(study, epochs, proposed) for _ in self._budgets]

    def _part(self, number: int) -> PlainSampling:
        return self._parts[self._place_of(number)]

    def ask(self, number: int) -> FrozenTrial:
        enqueued = enqueued_fields(self._study, number)
        proposal = self._part(number).ask(number, enqueued)
        budget = self._budgets[self._place_of(number)]
        units = enqueued.get("units") or units_within(
            self._constants | proposal.params, self._units, budget, self._sizes
        )
        return optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=proposal.params | {"units": units, "parameter_budget": budget},
            distributions=proposal.distributions | self._distributions,
        )

    def should_prune(self, number: int) -> "FrozenPruner | None":
        return self._part(number).should_prune(number)

    def tell(self, record: TrialRecord) -> None:
        self._part(record.trial.number).tell(record)


def enqueued_fields(study: SampledStudy, number: int) -> dict[str, Any]:
    """What the study says beforehand about trial `number`; nothing for those that are the sampler's."""
    enqueued = enqueued_trials(study)
    return enqueued[number][0] if number < len(enqueued) else {}


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
