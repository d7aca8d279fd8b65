"""Trainings on all but the test data, with their models: the champion is trained again this way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from pipeline.data.sequences import SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.settings import Configuration, Instructions
from pipeline.training.cluster import Cluster
from pipeline.training.identity import training_key
from pipeline.training.inputs import HeldOut
from pipeline.training.journal import Journal
from pipeline.training.task import Event, Finished, TrainingTask, tell_progress
from pipeline.training.trials import Observer, Trial, TrialRecord


class Refits:
    """Like every training these are kept in the journal the moment they end: no interruption loses one.

    The trials with the numbers `validated` do not learn from the validation data: these are there to measure them.
    """

    def __init__(
        self,
        summary: SequencesSummary,
        sequences: Path,
        journal: Journal,
        instructions: Instructions,
        validated: Collection[int] = (),
    ) -> None:
        self._summary = summary
        self._validated = validated
        self._instructions: Instructions = instructions
        self._sequences = sequences.resolve()
        self._journal = journal

    def train(
        self, trials: Sequence[Trial], start_cluster: Callable[[], Cluster], observer: Observer
    ) -> list[TrialRecord]:
        """Train those that are not kept yet, on a cluster that is only started if there are any.

        Returns a record for each trial, in order. Raises PipelineError if a training fails.
        """
        by_number = {trial.number: trial for trial in trials}
        kept = {trial.number: self._is_kept(trial) for trial in trials}
        for trial in trials:
            if kept[trial.number]:
                observer.trial_finished(self._record(trial, reused=True))

        def on_news(event: Event) -> None:
            trial = by_number[event.key]
            if not isinstance(event, Finished):
                tell_progress(observer, trial, event)
                return
            if event.result is None:
                raise PipelineError(f"the training of {trial.title} failed: {event.error}")
            self._journal.put(self._key(trial), event.result, event.model)
            observer.trial_finished(self._record(trial, reused=False))

        if not all(kept.values()):
            tasks = {trial.number: self._task(trial) for trial in trials if not kept[trial.number]}
            with start_cluster() as cluster:
                cluster.run(tasks, on_news)
        return [self._record(trial, reused=kept[trial.number]) for trial in trials]

    def model(self, trial: Trial) -> bytes:
        """The .keras file of a trial that `train` has trained."""
        file = self._journal.model(self._key(trial))
        assert file is not None
        return file

    def record(self, name: str, trials: Sequence[Trial]) -> None:
        """Have git carry these trainings, and their models, as `name`."""
        self._journal.record(name, [self._key(trial) for trial in trials])

    def _held_out(self, trial: Trial) -> HeldOut:
        return "validation" if trial.number in self._validated else "nothing"

    def _samples(self, trial: Trial) -> int:
        train, validation = self._summary.train.samples, self._summary.validation.samples
        return train if trial.number in self._validated else train + validation

    def _is_kept(self, trial: Trial) -> bool:
        key = self._key(trial)
        return self._journal.get(key) is not None and self._journal.model(key) is not None

    def _record(self, trial: Trial, *, reused: bool) -> TrialRecord:
        result = self._journal.get(self._key(trial))
        view = trial.configuration.view or self._summary.view
        return TrialRecord(trial, "COMPLETE", self._samples(trial), view, result, reused=reused)

    def _configuration(self, trial: Trial) -> Configuration:
        """As it is trained: the view that the data have is not asked for."""
        has_it = trial.configuration.view == self._summary.view
        return trial.configuration.model_copy(update={"view": None}) if has_it else trial.configuration

    def _key(self, trial: Trial) -> str:
        return training_key(
            self._configuration(trial),
            trial.seed,
            train_samples=self._samples(trial),
            held_out=self._held_out(trial),
            data_sha256=self._summary.learning_sha256,
            instructions=self._instructions,
        )

    def _task(self, trial: Trial) -> TrainingTask:
        held_out = self._held_out(trial)
        return TrainingTask(
            self._configuration(trial), trial.seed, self._sequences, held_out, self._instructions, wants_model=True
        )
