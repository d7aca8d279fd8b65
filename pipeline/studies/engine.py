"""The study engine: Optuna proposes and prunes, workers train, and the order of it all is fixed."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.params.settings import Configuration
from pipeline.params.studies import RaceStudy, SampledStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.proposals import constants, varying_fields
from pipeline.studies.pruning import as_pruned
from pipeline.studies.race_results import race_standing
from pipeline.studies.sampling import Sampling, sampling_of
from pipeline.studies.storage import StudyStorage
from pipeline.studies.window import sliding_window
from pipeline.training.cluster import Cluster
from pipeline.training.journal import Journal
from pipeline.training.task import Finished, tell_progress
from pipeline.training.trials import Observer, TrainingResult, Trial, TrialRecord


def run_study(
    definition: StudyDefinition,
    sequences: Path,
    cluster: Cluster,
    optuna_storage: str | BaseStorage,
    journal: Journal,
    observers: Sequence[Observer] = (),
    shown_at: Mapping[str, str] = MappingProxyType({}),
) -> list[TrialRecord]:
    """Run or continue a study; returns a record for every trial, in order of number.

    `shown_at` says, to those who look at it in Optuna, where else they find it.

    Every run plays the same sequence from trial 0. It does nothing again that an earlier run has finished: results come
    from the journal, failures from the Optuna storage. So a study that was stopped anywhere goes through exactly the
    states of one that never was.
    """
    attributes = {"study": definition.name, "data": definition.summary.title, **shown_at}
    storage = StudyStorage(optuna_storage, definition.optuna_study, definition.objective, attributes)
    kinds: dict[type, type[_FixedEngine]] = {SampledStudy: _SampledEngine, RaceStudy: _RaceEngine}
    kind = kinds.get(type(definition.study), _FixedEngine)
    return kind(definition, sequences, cluster, storage, journal, observers).run()


class _FixedEngine:
    """The four moves of the sliding window, for a list or grid: its trials are known, and the longest run first."""

    def __init__(
        self,
        definition: StudyDefinition,
        sequences: Path,
        cluster: Cluster,
        storage: StudyStorage,
        journal: Journal,
        observers: Sequence[Observer],
    ) -> None:
        self.records: list[TrialRecord] = []  # of the trials told, in order of number
        self._definition = definition
        self._sequences = sequences
        self._cluster = cluster
        self._storage = storage
        self._journal = journal
        self._observers = observers
        self._open: dict[int, Trial] = {}  # asked, not told
        self._early: dict[int, TrialRecord] = {}  # finished, not told
        self._twins: dict[int, list[Trial]] = {}  # of a trial that is training: others that wait for its result

    @property
    def window(self) -> int:
        return self._definition.total

    def run(self) -> list[TrialRecord]:
        self._run(self._definition.total, self.window)
        return self.records

    def _run(self, total: int, window: int) -> None:
        """Run the next `total` trials."""
        sliding_window(total, window, self.ask, self.start, self.wait, self.tell, first=len(self.records))

    def ask(self, number: int) -> Trial:
        trial, proposal = self._propose(number)
        self._storage.ask(number, proposal)
        self._open[number] = trial
        return trial

    def start(self, number: int, trial: Trial) -> None:
        if (error := self._storage.error(number)) is not None:
            self._early[number] = self._definition.record(trial, None, error=error)
        elif (result := self._finished_before(trial)) is not None:
            self._early[number] = self._definition.record(trial, result, reused=True)
        else:
            self._submit(trial)

    def wait(self, number: int) -> TrialRecord:
        self._cluster.start_waiting()  # between two results that were held back: telling each takes a while
        while number not in self._early:
            event = self._cluster.next_event()
            trial = self._open[event.key]
            if isinstance(event, Finished):
                if event.result is not None:
                    self._journal.put(self._definition.key(trial, event.result.stopped_after), event.result)
                for same in (trial, *self._twins.pop(event.key, [])):
                    reused = same is not trial
                    self._early[same.number] = self._definition.record(
                        same, event.result, error=event.error, reused=reused
                    )
            else:
                for observer in self._observers:
                    tell_progress(observer, trial, event)
        return self._early.pop(number)

    def tell(self, number: int, trial: Trial, record: TrialRecord) -> None:
        kept: dict[str, str] = {}
        for observer in self._observers:
            kept |= observer.trial_finished(record) or {}
        self._storage.tell(record, kept)
        self.records.append(record)
        del self._open[number]

    def _propose(self, number: int) -> tuple[Trial, FrozenTrial]:
        return self._enqueue(self._definition.fixed_trials[number])

    def _choices(self) -> tuple[Sequence[Configuration], Sequence[int]]:
        """All configurations and seeds of the study."""
        trials = self._definition.fixed_trials
        return [trial.configuration for trial in trials], list(dict.fromkeys(trial.seed for trial in trials))

    @functools.cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        configurations, seeds = self._choices()
        choices: dict[str, Sequence[Any]] = varying_fields(configurations) | {"seed": seeds}
        return {name: CategoricalDistribution(values) for name, values in choices.items()}

    def _enqueue(self, trial: Trial) -> tuple[Trial, FrozenTrial]:
        """A trial as a choice among all configurations and seeds."""
        fields = {name: getattr(trial.configuration, name) for name in self._distributions if name != "seed"}
        params = fields | {"seed": trial.seed}
        return trial, create_trial(state=TrialState.RUNNING, params=params, distributions=self._distributions)

    def _finished_before(self, trial: Trial) -> TrainingResult | None:
        return self._journal.get(self._definition.key(trial))

    def _submit(self, trial: Trial) -> None:
        # The longest first, so that no long one is left at the end.
        task = self._definition.task(trial, self._sequences)
        self._cluster.submit(trial.number, task, priority=-self._definition.cost(trial))


class _RaceEngine(_FixedEngine):
    """The same moves block by block; only who is still in the race takes part in the next one."""

    def run(self) -> list[TrialRecord]:
        rules = self._rules
        entrants = self._definition.entrants
        accuracies = np.empty((0, len(entrants)))
        for block in range(rules.max_blocks):
            state = race_standing(self._definition, accuracies)
            if state.ended[0]:
                break
            running = np.flatnonzero(state.running[0])
            first = len(self.records)
            self._block = {
                first + place: Trial(first + place, entrants[entrant], rules.seed + block)
                for place, entrant in enumerate(running)
            }
            self._run(len(running), window=len(running))
            measured = np.full((1, len(entrants)), np.nan)
            measured[0, running] = [_accuracy(record) for record in self.records[first:]]
            accuracies = np.concatenate([accuracies, measured])
        return self.records

    @property
    def _rules(self) -> RaceStudy:
        assert isinstance(self._definition.study, RaceStudy)
        return self._definition.study

    def _propose(self, number: int) -> tuple[Trial, FrozenTrial]:
        return self._enqueue(self._block[number])

    def _choices(self) -> tuple[Sequence[Configuration], Sequence[int]]:
        return self._definition.entrants, [self._rules.seed + block for block in range(self._rules.max_blocks)]


def _accuracy(record: TrialRecord) -> float:
    """NaN for a trial that failed."""
    if record.result is None or record.result.best.validation_accuracy is None:
        return float("nan")
    return record.result.best.validation_accuracy


class _SampledEngine(_FixedEngine):
    """The same moves where a sampler proposes each trial from the results told before it."""

    def __init__(self, definition: StudyDefinition, *rest: Any) -> None:
        super().__init__(definition, *rest)
        assert isinstance(definition.study, SampledStudy)
        self._study = definition.study
        self._sampling: Sampling = sampling_of(self._study, definition.pruning_epochs, definition.summary.sizes)
        self._complete: dict[tuple[Configuration, int], TrainingResult] = {}  # told, by what was trained

    @property
    def window(self) -> int:
        return self._study.window

    def tell(self, number: int, trial: Trial, record: TrialRecord) -> None:
        super().tell(number, trial, record)
        self._sampling.tell(record)
        if record.state == "COMPLETE" and record.result is not None:
            self._complete.setdefault(_training(trial), record.result)

    def _propose(self, number: int) -> tuple[Trial, FrozenTrial]:
        proposal = self._sampling.ask(number)
        fields = constants(self._study.space) | proposal.params
        fields.pop("parameter_budget", None)  # has decided the units
        return self._definition.proposed_trial(number, fields), proposal

    def _finished_before(self, trial: Trial) -> TrainingResult | None:
        if (result := self._complete.get(_training(trial))) is not None:
            return result  # the sampler repeats itself: trained to its end once is enough
        kept = [result for key in self._definition.possible_keys(trial) if (result := self._journal.get(key))]
        return as_pruned(kept, self._sampling.should_prune(trial.number))

    def _submit(self, trial: Trial) -> None:
        if self._study.pruner is None:  # which may stop one of two that are the same, and not the other
            training = (other for other in self._open.values() if other.number < trial.number)
            twins = (one for one in training if one.number not in self._early and _training(one) == _training(trial))
            if (twin := next(twins, None)) is not None:
                self._twins.setdefault(twin.number, []).append(trial)
                return
        task = self._definition.task(trial, self._sequences, self._sampling.should_prune(trial.number))
        self._cluster.submit(trial.number, task, priority=trial.number)


def _training(trial: Trial) -> tuple[Configuration, int]:
    """The same for two trials only if one result does for both."""
    return trial.configuration, trial.seed
