"""The study engine: Optuna proposes and prunes, workers train, and the order of it all is fixed."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.cluster import Cluster, EpochFinished, Finished, Started, TrainingTask
from pipeline.cost import REFERENCE_RATE, training_seconds
from pipeline.environment import environment, training_versions
from pipeline.errors import PipelineError
from pipeline.journal import Journal, stable_hash
from pipeline.params import Configuration, GridStudy, ListStudy, Params, SampledStudy
from pipeline.proposals import configure, constants, fixed_trials, varying_fields
from pipeline.sampling import finished_twin, sampling_of
from pipeline.storage import StudyStorage
from pipeline.trials import EpochMetrics, TrainingResult, Trial, TrialRecord, trial_row
from pipeline.window import sliding_window


class Observer(Protocol):
    """Is told what happens: progress on the screen, runs in MLflow. Finished trials come in order of number.

    For a finished trial it may return what the Optuna storage is to keep with it.
    """

    def trial_started(self, trial: Trial) -> None: ...
    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None: ...
    def trial_finished(self, record: TrialRecord) -> Mapping[str, str] | None: ...


class StudyRun:
    """One study over one set of sequences: its identity and its run.

    `summary` is data/sequences/summary.json: sizes, and the hashes of the data.
    """

    def __init__(self, name: str, params: Params, summary: dict[str, Any], sequences: Path) -> None:
        self.name = name
        self.study = params.study(name)
        self._defaults = params.training
        self._summary = summary
        self._sequences = sequences.resolve()
        #: The trials of a list or grid; none where a sampler proposes them.
        self.fixed_trials = [] if isinstance(self.study, SampledStudy) else self._distinct_trials(self.study)
        self.total = self.study.trials if isinstance(self.study, SampledStudy) else len(self.fixed_trials)
        self.data_sha256 = [summary[split]["sha256"] for split in self._splits()]
        self.fingerprint = self._fingerprint()
        self.optuna_study = f"{name}-{self.fingerprint}"
        self._check_views()

    def run(
        self, cluster: Cluster, optuna_storage: str | BaseStorage, journal: Journal, observers: Sequence[Observer]
    ) -> list[TrialRecord]:
        """Run or continue the study; returns a record for every trial, in order of number.

        Every run plays the same sequence from trial 0. What an earlier run has left is taken instead of done
        again: results from the journal, failures from the Optuna storage. So a study that was stopped
        anywhere goes through exactly the states of one that never was.
        """
        storage = StudyStorage(optuna_storage, self.optuna_study)
        sampling = None
        if isinstance(self.study, SampledStudy):
            sampling = sampling_of(self.study, self._longest_training(), self.sizes)
        finished: dict[int, TrialRecord] = {}
        records: list[TrialRecord] = []
        open_trials: dict[int, Trial] = {}

        def ask(number: int) -> Trial:
            if sampling is None or not isinstance(self.study, SampledStudy):
                trial = self.fixed_trials[number]
                proposal = self._as_frozen(trial)
            else:
                proposal = sampling.ask(number)
                fields = constants(self.study.space) | proposal.params
                fields.pop("parameter_budget", None)  # has decided the units
                configuration = configure(fields, self._defaults)
                trial = Trial(number, self._capped(configuration), self.study.seed)
            storage.ask(number, proposal)
            open_trials[number] = trial
            return trial

        def start(number: int, trial: Trial) -> None:
            error = storage.error(number)
            if error is not None:
                finished[number] = self._failure(trial, error)
                return
            twin = finished_twin(trial, records, sampling.should_prune(number)) if sampling else None
            result = twin.result if twin else journal.get(self._journal_key(trial))
            if result is not None:
                finished[number] = self._record(trial, result, worker="", reused=True)
                return
            task = TrainingTask(
                trial.configuration,
                trial.seed,
                self._sequences,
                self.study.held_out,
                sampling.should_prune(number) if sampling else None,
            )
            # Sampled trials in order; of a list or grid the longest first, so that no long one is left at the end.
            cluster.submit(number, task, priority=number if sampling else -self.cost(trial))

        def wait(number: int) -> TrialRecord:
            while number not in finished:
                match cluster.next_event():
                    case Started(key):
                        for observer in observers:
                            observer.trial_started(open_trials[key])
                    case EpochFinished(key, metrics):
                        for observer in observers:
                            observer.epoch_finished(open_trials[key], metrics)
                    case Finished(key, result, error, worker):
                        trial = open_trials[key]
                        if result is None:
                            finished[key] = self._failure(trial, error, worker)
                        else:
                            journal.put(self._journal_key(trial), result)
                            finished[key] = self._record(trial, result, worker, reused=False)
            return finished.pop(number)

        def tell(number: int, trial: Trial, record: TrialRecord) -> None:
            kept: dict[str, str] = {}
            for observer in observers:
                kept |= observer.trial_finished(record) or {}
            storage.tell(record, kept)
            if sampling is not None:
                sampling.tell(record)
            records.append(record)
            del open_trials[number]

        window = self.study.window if sampling else self.total
        sliding_window(self.total, window, ask, start, wait, tell)
        return records

    def cost(self, trial: Trial, rate: float = REFERENCE_RATE) -> float:
        """Seconds that the trial's training takes on a core that multiplies matrices at `rate` operations a second.

        Without a rate it is the same everywhere, to order and to weigh trials by.
        """
        samples = min(self._samples(trial), self.available_samples)
        held_out = self._summary[self.study.held_out]["samples"]
        return training_seconds(trial.configuration, samples, held_out + min(samples, held_out), *self.sizes, rate)

    def repetition(self, row: Mapping[str, Any], epochs: int) -> TrainingTask:
        """The task that trains one row of trials.csv again, for as many epochs as it was trained."""
        if isinstance(self.study, SampledStudy):
            fields = {name: row[name] for name in Configuration.model_fields if name in row}
            trial = Trial(row["number"], configure(fields, self._defaults), row["seed"])
        else:
            trial = self.fixed_trials[row["number"]]
        stop = functools.partial(_long_enough, epochs) if row["state"] == "PRUNED" else None
        return TrainingTask(trial.configuration, trial.seed, self._sequences, self.study.held_out, stop)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Time steps, features and classes."""
        return self._summary["timesteps"], self._summary["features"], self._summary["classes"]

    def _splits(self) -> list[str]:
        return ["train", "validation"] + (["test"] if self.study.held_out == "test" else [])

    def _fingerprint(self) -> str:
        # More trials extend the same study; the window means something only where a sampler learns from results.
        excluded = {"trials"} if isinstance(self.study, SampledStudy) else {"window"}
        document = {
            "data": self.data_sha256,
            "study": self.study.model_dump(mode="json", exclude=excluded),
            "training": self._defaults.model_dump(mode="json"),
            "versions": training_versions("optuna"),
        }
        return stable_hash(document)[:12]

    def _journal_key(self, trial: Trial) -> str:
        document = {
            "configuration": trial.configuration.model_dump(mode="json"),
            "learning_rate": trial.configuration.effective_learning_rate,
            "seed": trial.seed,
            "train_samples": self._samples(trial),
            "held_out": self.study.held_out,
            "data": self.data_sha256,
            "versions": training_versions(),
        }
        if isinstance(self.study, SampledStudy) and self.study.pruner is not None:
            # What a pruner may cut short depends on the trials before it as well.
            document |= {"study": self.fingerprint, "number": trial.number}
        return stable_hash(document)

    @property
    def available_samples(self) -> int:
        """How many samples there are to train on."""
        splits = ["train", "validation"] if self.study.held_out == "test" else ["train"]
        return sum(self._summary[split]["samples"] for split in splits)

    @property
    def most_samples_asked(self) -> int:
        """The largest number of training samples that params.yaml asks for in this study."""
        if isinstance(self.study, ListStudy):
            asked: Iterable[int | None] = (entry.train_samples for entry in self.study.trials)
        else:
            asked = self.study.space.train_samples
        return max([self._defaults.train_samples or 0, *(samples or 0 for samples in asked)])

    def _samples(self, trial: Trial) -> int:
        return trial.configuration.train_samples or self.available_samples

    def _view(self, trial: Trial) -> str:
        return trial.configuration.view or self._summary["view"]

    def _capped(self, configuration: Configuration) -> Configuration:
        """The same, trained on all samples where it asks for more than there are: what fits MNIST then runs on less."""
        if (configuration.train_samples or 0) < self.available_samples:
            return configuration
        return configuration.model_copy(update={"train_samples": None})

    def _distinct_trials(self, study: ListStudy | GridStudy) -> list[Trial]:
        runs = [(self._capped(trial.configuration), trial.seed) for trial in fixed_trials(study, self._defaults)]
        return [Trial(number, *run) for number, run in enumerate(dict.fromkeys(runs))]

    def _check_views(self) -> None:
        views = (
            self.study.space.view
            if isinstance(self.study, SampledStudy | GridStudy)
            else [trial.configuration.view for trial in self.fixed_trials]
        )
        prepared = self._summary["view"]
        other = next((view for view in views if view not in (None, prepared)), None)
        if other is not None and prepared != "rows":
            raise PipelineError(
                f"studies.{self.name}: view {other} is made from rows, but data.view is {prepared}: set it to rows "
                "(params.yaml)"
            )

    def _longest_training(self) -> int:
        epochs = self.study.space.epochs if isinstance(self.study, SampledStudy) else ()
        return max(epochs or (self._defaults.epochs,))

    def _record(self, trial: Trial, result: TrainingResult, worker: str, reused: bool) -> TrialRecord:
        state: Literal["PRUNED", "COMPLETE"] = "PRUNED" if result.pruned else "COMPLETE"
        return TrialRecord(trial, state, self._samples(trial), self._view(trial), result, worker=worker, reused=reused)

    def _failure(self, trial: Trial, error: str | None, worker: str = "") -> TrialRecord:
        return TrialRecord(trial, "FAIL", self._samples(trial), self._view(trial), error=error, worker=worker)

    def _as_frozen(self, trial: Trial) -> FrozenTrial:
        varying = varying_fields([trial.configuration for trial in self.fixed_trials])
        params = {name: getattr(trial.configuration, name) for name in varying} | {"seed": trial.seed}
        seeds = list(dict.fromkeys(trial.seed for trial in self.fixed_trials))
        distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values) for name, values in (varying | {"seed": seeds}).items()
        }
        return create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)


def _long_enough(epochs: int, accuracies: Sequence[float]) -> bool:
    return len(accuracies) >= epochs


def best_document(run: StudyRun, records: Sequence[TrialRecord]) -> dict[str, Any]:
    """The content of best.json: how many trials ended how, and the row of the one with the best held-out accuracy."""
    complete = [trial_row(record) for record in records if record.state == "COMPLETE"]
    return {
        "study": run.name,
        "optuna_study": run.optuna_study,
        "fingerprint": run.fingerprint,
        "held_out": run.study.held_out,
        "environment": environment(),
        "states": dict(sorted(Counter(record.state for record in records).items())),
        "best": max(complete, key=lambda row: row["validation_accuracy"], default=None),
    }
