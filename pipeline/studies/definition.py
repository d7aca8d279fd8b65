"""The definition of a study: its trials, the cost of each, and the fingerprint that tells it from every other."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.data.sequences import SequencesSummary, SplitName
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.settings import CHANGES_OF_IMAGES, METRIC_NAMES, Configuration, TrainingSettings
from pipeline.params.studies import GridStudy, ListStudy, RaceStudy, SampledStudy, Space
from pipeline.studies.estimate import REFERENCE_RATE, study_seconds, training_seconds, typical_configurations
from pipeline.studies.few_samples import Settings, fitted, small_batch
from pipeline.studies.proposals import configure, constants, fixed_trials, said
from pipeline.training.identity import as_trained, stable_hash, training_key, training_versions
from pipeline.training.inputs import FOLDS
from pipeline.training.machine import sgemm_rate
from pipeline.training.task import ShouldPrune, TrainingTask
from pipeline.training.trials import State, TrainingResult, Trial, TrialRecord

# How figures are called that are measured on these data; tables say `validation_…` of all of them.
HELD_OUT_NAMES: Mapping[str, str] = {"validation": "validation", "fold": "held-out", "test": "test"}

SECONDS_TO_MEASURE = 0.2  # how fast this core is

# Of the settings in tables: these are there as used, not as asked for, and this one is the same for a whole race.
UNTOLD = ("train_samples", "view", "patience")


class StudyDefinition:
    """Study `name` of params.yaml over the sequences that `summary` describes. Nothing here trains or proposes.

    A race has `entrants`, which come from the results of other studies (`results.study_definition`).

    Raises PipelineError where the study asks for a view, or for folds, that these sequences cannot give.
    """

    def __init__(
        self, name: str, params: Params, summary: SequencesSummary, entrants: Sequence[Configuration] = ()
    ) -> None:
        self.name = name
        self.study = params.study(name)
        self.summary = summary
        #: `training` of params.yaml, and what this study has instead.
        self.shared_defaults = self._fitted(params.training)
        self.defaults = self._fitted(params.training.model_copy(update=said(self.study.training)))
        #: The networks of a race, the smallest first; none in other studies.
        self.entrants = [self._capped(entrant) for entrant in entrants]
        #: The trials of a list or grid; none where they depend on results.
        self.fixed_trials = (
            [] if isinstance(self.study, SampledStudy | RaceStudy) else self._distinct_trials(self.study)
        )
        #: How many trials there are, or may be in a race.
        self.total = self._total()
        self.metric = params.champion.metric
        #: What decides the figures of a training besides its settings.
        self.data_sha256 = [*(summary.split(split).sha256 for split in self._splits()), *summary.read_as]
        if self.metric != "accuracy":
            self.data_sha256.append(f"metric: {self.metric}")
        self.fingerprint = self._fingerprint()
        self.optuna_study = f"{name}-{self.fingerprint}"
        self._check_views()
        self._check_changes_of_images()
        if self.study.held_out == "fold":
            summary.check_folds()

    @property
    def objective(self) -> str:
        """What the value of a trial is, in words: `held-out accuracy`."""
        return f"{HELD_OUT_NAMES[self.study.held_out]} {METRIC_NAMES[self.metric]}"

    @property
    def available_samples(self) -> int:
        """How many samples there are to train on; where folds differ in size, in the fold that leaves the fewest."""
        learning = self.summary.train.samples + self.summary.validation.samples
        fold = learning - self.summary.largest_fold
        return {"validation": self.summary.train.samples, "fold": fold, "test": learning}[self.study.held_out]

    @property
    def held_out_samples(self) -> int:
        """How many samples each training is measured on; where folds differ in size, on average."""
        if self.study.held_out == "fold":
            return (self.summary.train.samples + self.summary.validation.samples) // FOLDS
        return self.summary.split(self.study.held_out).samples

    @property
    def most_samples_asked(self) -> int:
        """The largest number of training samples that params.yaml asks for in this study."""
        asked: Iterable[int | None] = ()
        if isinstance(self.study, ListStudy):
            asked = (entry.train_samples for entry in self.study.trials)
        elif not isinstance(self.study, RaceStudy):
            asked = self.study.space.train_samples
        return max([self.defaults.train_samples or 0, *(samples or 0 for samples in asked)])

    @property
    def pruning_epochs(self) -> range:
        """After which epochs a trial may be pruned, of a study whose trials are proposed.

        Not before its rate has risen: a network is not worse for having learned at a lower rate until then.
        """
        epochs = self.study.space.epochs if isinstance(self.study, SampledStudy) else ()
        longest = max(epochs or (self.defaults.epochs,))
        return range(min(1 + math.ceil(self.defaults.warmup_epochs), longest), longest + 1)

    def proposed_trial(self, number: int, fields: Mapping[str, Any]) -> Trial:
        """The trial that a sampler has proposed: `fields` are those of a configuration that are not the default's."""
        assert isinstance(self.study, SampledStudy)
        configuration = self._capped(configure(dict(fields), self.defaults))
        return Trial(number, self._as_first_said(configuration, self.study.space), self.study.seed)

    def recorded_trial(self, row: Mapping[str, Any]) -> Trial:
        """The trial that a row of trials.csv is about."""
        number: int = row["number"]
        if isinstance(self.study, RaceStudy):
            return Trial(number, self.entrants[self.entrant(row)], row["seed"])
        if not isinstance(self.study, SampledStudy):
            return self.fixed_trials[number]
        fixed = constants(self.study.space)
        proposed = {name for name in Space.model_fields if getattr(self.study.space, name)} - fixed.keys()
        return self.proposed_trial(number, fixed | {name: row[name] for name in proposed})

    def entrant(self, row: Mapping[str, Any]) -> int:
        """Which of a race's networks a row of trials.csv is about."""
        for place, configuration in enumerate(self.entrants):
            as_used = dict(configuration) | {"learning_rate": configuration.effective_learning_rate}
            same = ((row[name], value) for name, value in as_used.items() if name in row and name not in UNTOLD)
            if all(found == value or (pd.isna(found) and value is None) for found, value in same):
                return place
        raise PipelineError(f"trial {row['number']} of {self.name} is of no network in this race")

    def as_trained(self, configuration: Configuration) -> Configuration:
        """The same for all configurations that train alike over these sequences; see `identity.as_trained`."""
        learning = self.summary.train.samples + self.summary.validation.samples
        held_out = {"validation": self.summary.validation.samples, "fold": learning // FOLDS, "test": 0}
        return as_trained(configuration, self.summary.view, learning - held_out[self.study.held_out])

    def train_samples(self, trial: Trial) -> int:
        """How many samples the trial asks for, all there are where it does not say."""
        return trial.configuration.train_samples or self.available_samples

    def view(self, trial: Trial) -> str:
        """The view of the data that the trial sees."""
        return trial.configuration.view or self.summary.view

    def key(self, trial: Trial, stopped_after: int | None = None) -> str:
        """The name under which the trial's training is kept, or what it had come to when a pruner stopped it."""
        return training_key(
            trial.configuration,
            trial.seed,
            train_samples=self.train_samples(trial),
            held_out=self.study.held_out,
            data_sha256=self.data_sha256,
            instructions=self.shared_defaults.instructions,
            stopped_after=stopped_after,
        )

    def recorded_key(self, record: TrialRecord) -> str:
        """The name under which the training of a trial that has ended is kept."""
        return self.key(record.trial, record.result.stopped_after if record.result else None)

    def possible_keys(self, trial: Trial) -> list[str]:
        """The name of the trial's training to its end, and those after each epoch where a pruner may stop it."""
        stops = self.pruning_epochs if isinstance(self.study, SampledStudy) and self.study.pruner else ()
        return [self.key(trial, stopped_after) for stopped_after in (None, *stops)]

    def task(self, trial: Trial, sequences: Path, should_prune: ShouldPrune | None = None) -> TrainingTask:
        """The task by which a worker trains the trial; `sequences` is the folder of the data."""
        return TrainingTask(
            trial.configuration,
            trial.seed,
            sequences.resolve(),
            self.study.held_out,
            self.shared_defaults.instructions,
            should_prune,
            metric=self.metric,
        )

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
        held_out = self.held_out_samples
        evaluated = held_out + min(samples, held_out)
        return training_seconds(trial.configuration, samples, evaluated, self.summary.sizes, rate)

    def expected_seconds(self, workers: int, finished: Sequence[Trial] = ()) -> float:
        """How long the study takes on `workers` cores like this one, but for the trials that are `finished`."""
        done = {trial.number for trial in finished}
        trials = [trial for trial in self.fixed_trials if trial.number not in done]
        if isinstance(self.study, SampledStudy):
            typical = typical_configurations(self.study, self.defaults, self.summary.sizes)
            trials = [Trial(0, configuration, 0) for configuration in typical]
        elif isinstance(self.study, RaceStudy):
            trials = [Trial(0, configuration, 0) for configuration in self.entrants]
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
        document: dict[str, Any] = {
            "data": self.data_sha256,
            "study": self.study.model_dump(mode="json", exclude=excluded | {"training"}),
            "entrants": [entrant.model_dump(mode="json") for entrant in self.entrants],
            "training": self.defaults.model_dump(mode="json"),
            "versions": training_versions("optuna"),
        }
        # Earlier versions' results had trainings that are said twice as two, and trials that differ in patience as one.
        if said_twice := self._said_twice():
            document["said_twice"] = said_twice
        if len({trial.configuration.patience for trial in self.fixed_trials}) > 1:
            document["told_apart_by"] = ["patience"]
        if isinstance(self.study, SampledStudy) and self.study.pruner:
            document["pruned_after"] = self.pruning_epochs[0]
        if overriding := self._overriding():
            document["overriding"] = overriding
        return stable_hash(document)[:12]

    def _overriding(self) -> list[tuple[int, str]]:
        """Where a list's entry says a value that is also that of a setting which nobody names, while this study's
        default is another: the entry and its name. The entry's values alone do not tell that it says it."""
        if not isinstance(self.study, ListStudy):
            return []
        plain = TrainingSettings()
        return [
            (place, name)
            for place, entry in enumerate(self.study.trials)
            for name in sorted(entry.model_fields_set & TrainingSettings.model_fields.keys())
            if getattr(entry, name) == getattr(plain, name) != getattr(self.defaults, name)
        ]

    def _total(self) -> int:
        match self.study:
            case SampledStudy():
                return self.study.trials
            case RaceStudy():
                return len(self.entrants) * self.study.max_blocks
        return len(self.fixed_trials)

    def _fitted(self, training: Settings) -> Settings:
        """The same in all studies of the same data, whatever they hold out: what competes is trained alike."""
        learning = self.summary.train.samples + self.summary.validation.samples
        return fitted(training, learning) if self.summary.is_own else training

    def _capped(self, configuration: Configuration) -> Configuration:
        """The same, trained on all samples where it asks for more, and of one's own few in small batches: settings made
        for MNIST then also run on less."""
        if self.summary.is_own:
            learning = self.summary.train.samples + self.summary.validation.samples
            batch_size = small_batch(configuration.batch_size, learning)
            configuration = configuration.model_copy(update={"batch_size": batch_size})
        if (configuration.train_samples or 0) < self.available_samples:
            return configuration
        return configuration.model_copy(update={"train_samples": None})

    def _distinct_trials(self, study: ListStudy | GridStudy) -> list[Trial]:
        """Each training once, in the words in which the study says it first."""
        said: dict[Configuration, Configuration] = {}
        runs = []
        for trial in fixed_trials(study, self.defaults):
            configuration = self._capped(trial.configuration)
            runs.append((said.setdefault(self.as_trained(configuration), configuration), trial.seed))
        return [Trial(number, *run) for number, run in enumerate(dict.fromkeys(runs))]

    def _said_twice(self) -> int:
        """How many trainings of a list or grid have been said before in other words."""
        if not isinstance(self.study, ListStudy | GridStudy):
            return 0
        trials = fixed_trials(self.study, self.defaults)
        return len({(self._capped(trial.configuration), trial.seed) for trial in trials}) - len(self.fixed_trials)

    def _as_first_said(self, configuration: Configuration, space: Space) -> Configuration:
        """The same training in the words that come first among the lists of the space."""
        form = self.as_trained(configuration)
        for name in Space.model_fields:
            axis = getattr(space, name)
            ways = [configuration.model_copy(update={name: value}) for value in axis] if isinstance(axis, tuple) else []
            configuration = next((way for way in ways if self.as_trained(way) == form), configuration)
        return configuration

    def _check_views(self) -> None:
        if self.summary.is_own and self.study.of_images:
            raise PipelineError(
                f"studies.{self.name}: it asks for views that only images have, and these are sequences: leave the "
                "study out (params.yaml)"
            )
        prepared = self.summary.view
        other = next((view for view in self.study.views if view not in (None, prepared)), None)
        if other is not None and prepared != "rows":
            raise PipelineError(
                f"studies.{self.name}: view {other} is made from rows, but data.view is {prepared}: set it to rows "
                "(params.yaml)"
            )

    def _check_changes_of_images(self) -> None:
        proposed = [(self.defaults, view) for view in self.study.views] if isinstance(self.study, SampledStudy) else []
        known = [trial.configuration for trial in self.fixed_trials] + self.entrants
        for settings, asked in [*proposed, *((each, each.view) for each in known)]:
            view = asked or self.summary.view
            name = next((name for name in CHANGES_OF_IMAGES if getattr(settings, name)), None)
            if name is None or (not self.summary.is_own and view in ("rows", "columns")):
                continue
            have = "sequences" if self.summary.is_own else f"images in the view {view}"
            raise PipelineError(
                f"studies.{self.name}: {name} is for images that are read by rows or columns, and these are {have}: "
                "leave it out (params.yaml)"
            )


def _long_enough(epochs: int, accuracies: Sequence[float]) -> bool:
    return len(accuracies) >= epochs
