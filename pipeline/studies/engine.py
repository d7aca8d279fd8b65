"""The study engine: Optuna proposes and prunes, workers train, and the order of it all is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.params.studies import SampledStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.proposals import constants, varying_fields
from pipeline.studies.pruning import finished_twin
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
) -> list[TrialRecord]:
    """Run or continue a study; returns a record for every trial, in order of number.

    Every run plays the same sequence from trial 0. It does nothing again that an earlier run has finished: results come
    from the journal, failures from the Optuna storage. So a study that was stopped anywhere goes through exactly the
    states of one that never was.
    """
    storage = StudyStorage(optuna_storage, definition.optuna_study)
    engine = (_SampledEngine if isinstance(definition.study, SampledStudy) else _FixedEngine)(
        definition, sequences, cluster, storage, journal, observers
    )
    sliding_window(definition.total, engine.window, engine.ask, engine.start, engine.wait, engine.tell)
    return engine.records


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

    @property
    def window(self) -> int:
        return self._definition.total

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
        while number not in self._early:
            event = self._cluster.next_event()
            trial = self._open[event.key]
            if isinstance(event, Finished):
                if event.result is not None:
                    self._journal.put(self._definition.key(trial), event.result)
                self._early[event.key] = self._definition.record(trial, event.result, error=event.error)
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
        trials = self._definition.fixed_trials
        trial = trials[number]
        varying: dict[str, list[Any]] = varying_fields([trial.configuration for trial in trials])
        params = {name: getattr(trial.configuration, name) for name in varying} | {"seed": trial.seed}
        seeds = list(dict.fromkeys(trial.seed for trial in trials))
        distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values) for name, values in (varying | {"seed": seeds}).items()
        }
        return trial, create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)

    def _finished_before(self, trial: Trial) -> TrainingResult | None:
        return self._journal.get(self._definition.key(trial))

    def _submit(self, trial: Trial) -> None:
        # The longest first, so that no long one is left at the end.
        task = self._definition.task(trial, self._sequences)
        self._cluster.submit(trial.number, task, priority=-self._definition.cost(trial))


class _SampledEngine(_FixedEngine):
    """The same moves where a sampler proposes each trial from the results told before it."""

    def __init__(self, definition: StudyDefinition, *rest: Any) -> None:
        super().__init__(definition, *rest)
        assert isinstance(definition.study, SampledStudy)
        self._study = definition.study
        self._sampling: Sampling = sampling_of(self._study, definition.longest_training, definition.summary.sizes)

    @property
    def window(self) -> int:
        return self._study.window

    def tell(self, number: int, trial: Trial, record: TrialRecord) -> None:
        super().tell(number, trial, record)
        self._sampling.tell(record)

    def _propose(self, number: int) -> tuple[Trial, FrozenTrial]:
        proposal = self._sampling.ask(number)
        fields = constants(self._study.space) | proposal.params
        fields.pop("parameter_budget", None)  # has decided the units
        return self._definition.proposed_trial(number, fields), proposal

    def _finished_before(self, trial: Trial) -> TrainingResult | None:
        twin = finished_twin(trial, self.records, self._sampling.should_prune(trial.number))
        return twin.result if twin else super()._finished_before(trial)

    def _submit(self, trial: Trial) -> None:
        task = self._definition.task(trial, self._sequences, self._sampling.should_prune(trial.number))
        self._cluster.submit(trial.number, task, priority=trial.number)
