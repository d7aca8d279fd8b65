"""The definition of a study: its trials, the cost of each, and the fingerprint that tells it from every other."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.data.sequences import SequencesSummary, SplitName
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.settings import Configuration
from pipeline.params.studies import GridStudy, ListStudy, SampledStudy, Space
from pipeline.studies.estimate import REFERENCE_RATE, study_seconds, training_seconds, typical_configurations
from pipeline.studies.proposals import configure, constants, fixed_trials
from pipeline.training.identity import stable_hash, training_key, training_versions
from pipeline.training.machine import sgemm_rate
from pipeline.training.task import ShouldPrune, TrainingTask
from pipeline.training.trials import State, TrainingResult, Trial, TrialRecord

SECONDS_TO_MEASURE = 0.2  # how fast this core is


class StudyDefinition:
    """Study `name` of params.yaml over the sequences that `summary` describes. Nothing here trains or proposes.

    Raises PipelineError where the study asks for a view that these sequences cannot give.
    """

    def __init__(self, name: str, params: Params, summary: SequencesSummary) -> None:
        self.name = name
        self.study = params.study(name)
        self.defaults = params.training
        self.summary = summary
        #: The trials of a list or grid; none where a sampler proposes them.
        self.fixed_trials = [] if isinstance(self.study, SampledStudy) else self._distinct_trials(self.study)
        self.total = self.study.trials if isinstance(self.study, SampledStudy) else len(self.fixed_trials)
        self.data_sha256 = [summary.split(split).sha256 for split in self._splits()]
        self.fingerprint = self._fingerprint()
        self.optuna_study = f"{name}-{self.fingerprint}"
        self._check_views()

    @property
    def available_samples(self) -> int:
        """How many samples there are to train on."""
        splits: list[SplitName] = ["train", "validation"] if self.study.held_out == "test" else ["train"]
        return sum(self.summary.split(split).samples for split in splits)

    @property
    def most_samples_asked(self) -> int:
        """The largest number of training samples that params.yaml asks for in this study."""
        if isinstance(self.study, ListStudy):
            asked: Iterable[int | None] = (entry.train_samples for entry in self.study.trials)
        else:
            asked = self.study.space.train_samples
        return max([self.defaults.train_samples or 0, *(samples or 0 for samples in asked)])

    @property
    def longest_training(self) -> int:
        """The most epochs that a trial may train, of a study whose trials are proposed."""
        epochs = self.study.space.epochs if isinstance(self.study, SampledStudy) else ()
        return max(epochs or (self.defaults.epochs,))

    def proposed_trial(self, number: int, fields: Mapping[str, Any]) -> Trial:
        """The trial that a sampler has proposed: `fields` are those of a configuration that are not the default's."""
        return Trial(number, self._capped(configure(dict(fields), self.defaults)), self.study.seed)

    def recorded_trial(self, row: Mapping[str, Any]) -> Trial:
        """The trial that a row of trials.csv is about."""
        number: int = row["number"]
        if not isinstance(self.study, SampledStudy):
            return self.fixed_trials[number]
        fixed = constants(self.study.space)
        proposed = {name for name in Space.model_fields if getattr(self.study.space, name)} - fixed.keys()
        return self.proposed_trial(number, fixed | {name: row[name] for name in proposed})

    def train_samples(self, trial: Trial) -> int:
        """How many samples the trial asks for, all there are where it does not say."""
        return trial.configuration.train_samples or self.available_samples

    def view(self, trial: Trial) -> str:
        """The view of the data that the trial sees."""
        return trial.configuration.view or self.summary.view

    def key(self, trial: Trial) -> str:
        """The name under which the trial's training is kept."""
        may_be_pruned = isinstance(self.study, SampledStudy) and self.study.pruner is not None
        return training_key(
            trial.configuration,
            trial.seed,
            train_samples=self.train_samples(trial),
            held_out=self.study.held_out,
            data_sha256=self.data_sha256,
            pruned_in={"study": self.fingerprint, "number": trial.number} if may_be_pruned else None,
        )

    def task(self, trial: Trial, sequences: Path, should_prune: ShouldPrune | None = None) -> TrainingTask:
        """The task by which a worker trains the trial; `sequences` is the folder of the data."""
        return TrainingTask(trial.configuration, trial.seed, sequences.resolve(), self.study.held_out, should_prune)

    def record(
        self, trial: Trial, result: TrainingResult | None, *, error: str | None = None, reused: bool = False
    ) -> TrialRecord:
        """How the trial ended: without a `result` it failed, for the reason `error`."""
        state: State = "FAIL" if result is None else "PRUNED" if result.pruned else "COMPLETE"
        samples, view = self.train_samples(trial), self.view(trial)
        return TrialRecord(trial, state, samples, view, result, error=error, reused=reused)

    def repetition(self, row: Mapping[str, Any], epochs: int, sequences: Path) -> TrainingTask:
        """The task that trains one row of trials.csv again, for as many epochs as it was trained."""
        stop = functools.partial(_long_enough, epochs) if row["state"] == "PRUNED" else None
        return self.task(self.recorded_trial(row), sequences, stop)

    def cost(self, trial: Trial, rate: float = REFERENCE_RATE) -> float:
        """Seconds that the trial's training takes on a core that multiplies matrices at `rate` operations a second.

        Without a rate it is the same everywhere, to order and to weigh trials by.
        """
        samples = min(self.train_samples(trial), self.available_samples)
        held_out = self.summary.split(self.study.held_out).samples
        evaluated = held_out + min(samples, held_out)
        return training_seconds(trial.configuration, samples, evaluated, *self.summary.sizes, rate)

    def expected_seconds(self, workers: int, finished: Sequence[Trial] = ()) -> float:
        """How long the study takes on `workers` cores like this one, but for the trials that are `finished`."""
        done = {trial.number for trial in finished}
        trials = [trial for trial in self.fixed_trials if trial.number not in done]
        if isinstance(self.study, SampledStudy):
            typical = typical_configurations(self.study, self.defaults, self.summary.sizes)
            trials = [Trial(0, configuration, 0) for configuration in typical]
        left = self.total - len(done)
        if left <= 0:
            return 0.0
        rate = sgemm_rate(SECONDS_TO_MEASURE)
        mean_cost = sum(self.cost(trial, rate) for trial in trials) / len(trials)
        return study_seconds(mean_cost, left, workers)

    def _splits(self) -> list[SplitName]:
        return ["train", "validation", "test"] if self.study.held_out == "test" else ["train", "validation"]

    def _fingerprint(self) -> str:
        # More trials extend the same study; the window means something only where a sampler learns from results.
        excluded = {"trials"} if isinstance(self.study, SampledStudy) else {"window"}
        document = {
            "data": self.data_sha256,
            "study": self.study.model_dump(mode="json", exclude=excluded),
            "training": self.defaults.model_dump(mode="json"),
            "versions": training_versions("optuna"),
        }
        return stable_hash(document)[:12]

    def _capped(self, configuration: Configuration) -> Configuration:
        """The same, trained on all samples where it asks for more: settings made for MNIST then also run on less."""
        if (configuration.train_samples or 0) < self.available_samples:
            return configuration
        return configuration.model_copy(update={"train_samples": None})

    def _distinct_trials(self, study: ListStudy | GridStudy) -> list[Trial]:
        runs = [(self._capped(trial.configuration), trial.seed) for trial in fixed_trials(study, self.defaults)]
        return [Trial(number, *run) for number, run in enumerate(dict.fromkeys(runs))]

    def _check_views(self) -> None:
        views = (
            [trial.configuration.view for trial in self.fixed_trials]
            if isinstance(self.study, ListStudy)
            else self.study.space.view
        )
        prepared = self.summary.view
        other = next((view for view in views if view not in (None, prepared)), None)
        if other is not None and prepared != "rows":
            raise PipelineError(
                f"studies.{self.name}: view {other} is made from rows, but data.view is {prepared}: set it to rows "
                "(params.yaml)"
            )


def _long_enough(epochs: int, accuracies: Sequence[float]) -> bool:
    return len(accuracies) >= epochs
