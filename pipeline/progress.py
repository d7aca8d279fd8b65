"""The terminal while a study runs: a live picture, or plain lines where there is no terminal."""

import time
from collections.abc import Callable, Sequence
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipeline.training.trials import EpochMetrics, TrainingResult, Trial, TrialRecord


class TrialProgress:
    """Trials done of all, epochs of those running, best so far, time left."""

    def __init__(
        self,
        title: str,
        total: int,
        cost: Callable[[Trial], float],
        known: Sequence[Trial] = (),
        expectation: str = "",
        resumes: bool = True,
    ) -> None:
        """`cost` weighs a trial against the others; `known` are those of the `total` that are known already;
        `expectation` is a word on how long it will take. Without `resumes` finished trainings are not kept."""
        self.finished = 0
        self.total = total
        self._title = title
        self._expectation = f", {expectation}" if expectation else ""
        self._reused: list[TrainingResult] = []
        self._resumes = resumes
        self._best: float | None = None
        self._cost = cost
        self._costs = {trial.number: cost(trial) for trial in known}
        self._proposed = sum(self._costs.values())  # kept, as adding them up takes longer with every trial
        self._settled: dict[int, float] = {}  # of each trial's cost, the part that is done
        self._done = 0.0  # their sum
        self._worked = 0.0  # cost of the work done since the start
        self._started = time.monotonic()
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._overall = self._progress.add_task(title, total=total, note="")
        self._running: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        self._console.print(f"{self._title}: {self.total} trials{self._expectation}")
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()
        if self._reused:
            self._console.print(f"{self._title}: {replayed(self._reused, self.finished)}", soft_wrap=True)
        if self.finished < self.total and exception[0] is not None:  # a race may end early
            rest = "; nothing that finished is lost, and the same command goes on from there" if self._resumes else ""
            self._console.print(
                f"{self._title}: stopped with {self.finished} of {self.total} trials done{rest}", soft_wrap=True
            )

    def trial_started(self, trial: Trial) -> None:
        if trial.number not in self._running:
            self._running[trial.number] = self._progress.add_task(
                f"  {trial.title}", total=trial.configuration.epochs, note=""
            )

    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None:
        accuracy = metrics.train_accuracy if metrics.validation_accuracy is None else metrics.validation_accuracy
        self._progress.update(self._running[trial.number], completed=metrics.epoch, note=f"accuracy {accuracy:.2%}")
        work = self._cost_of(trial) / trial.configuration.epochs
        self._settle(trial, self._settled.get(trial.number, 0.0) + work)
        self._worked += work
        self._show_overall()

    def trial_finished(self, record: TrialRecord) -> None:
        self.finished += 1
        self._settle(record.trial, self._cost_of(record.trial))
        if record.trial.number in self._running:
            self._progress.remove_task(self._running.pop(record.trial.number))
        outcome = self._outcome(record)
        note = self._show_overall()
        if record.reused and record.result is not None:  # all of them are told in one sentence, at the end
            self._reused.append(record.result)
            return
        self._console.print(f"  [{self.finished}/{self.total}] {record.trial.title}: {outcome}  {note}", soft_wrap=True)

    def _cost_of(self, trial: Trial) -> float:
        if trial.number not in self._costs:
            self._costs[trial.number] = self._cost(trial)
            self._proposed += self._costs[trial.number]
        return self._costs[trial.number]

    def _settle(self, trial: Trial, cost: float) -> None:
        self._done += cost - self._settled.get(trial.number, 0.0)
        self._settled[trial.number] = cost

    def _show_overall(self) -> str:
        left = self._time_left()
        note = f"best {self._best:.2%}  {left}" if self._best is not None else left
        self._progress.update(self._overall, completed=self.finished, note=note)
        return note

    def _outcome(self, record: TrialRecord) -> str:
        if record.result is None:
            return f"failed: {record.error}"
        best = record.result.best
        nothing_held_out = best.validation_accuracy is None
        accuracy = best.train_accuracy if best.validation_accuracy is None else best.validation_accuracy
        if record.state == "COMPLETE":
            self._best = max(accuracy, self._best or 0.0)
        pruned = "pruned at" if record.state == "PRUNED" else "best of"
        return f"{'training ' * nothing_held_out}accuracy {accuracy:.2%}, {pruned} {len(record.result.epochs)} epochs"

    def _time_left(self) -> str:
        if not self._worked or self.finished == self.total:
            return ""
        # A trial that is not proposed yet is taken to cost as much as the proposed ones on average.
        everything = self._proposed / len(self._costs) * self.total
        left = max(0.0, everything - self._done)  # sums round: never less than nothing
        seconds = (time.monotonic() - self._started) / self._worked * left
        return f"{about(seconds)} left" if seconds >= 1 else ""


def replayed(results: Sequence[TrainingResult], total: int) -> str:
    """How many of the `total` trainings were not done now, and where and when they were done."""
    processors = ", ".join(sorted({result.processor or "an unknown processor" for result in results}))
    days = sorted({result.trained_at[:10] or "on an unknown day" for result in results})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"{len(results)} of {total} trainings taken from finished ones: trained on {processors}, {when}"


def about(seconds: float) -> str:
    """A duration in words, for example `about 12 min`."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"
