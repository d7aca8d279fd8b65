"""What it is worth to answer without a look at the sequence, and whether a network is shown to be worth more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.choice import Choice
from pipeline.analysis.configurations import CONFIDENCE, accuracy_interval, is_configuration
from pipeline.analysis.evaluation import Metrics
from pipeline.data.sequences import SequencesSummary, largest_class
from pipeline.params.settings import METRIC_NAMES, Metric
from pipeline.report.text import interval_of_accuracy, percent
from pipeline.training.inputs import FOLDS
from pipeline.training.metrics import score


@dataclass(frozen=True)
class Baseline:
    """The best answers to these sequences without a look at them, and their `score` by `metric`.

    By most metrics these are always `label`, the largest class. The macro F1 of that is lower than that of a guess.
    """

    label: str
    metric: Metric
    score: float
    sequences: str

    @property
    def name(self) -> str:
        if self.metric == "macro_f1":
            return "guessing each class as often as it occurs"
        return f"always answering '{self.label}'"

    @property
    def worth(self) -> str:
        """`is right for 81.00 % of the test sequences`."""
        if self.metric == "accuracy":
            return f"is right for {percent(self.score)} of the {self.sequences}"
        return f"has a {METRIC_NAMES[self.metric]} of {percent(self.score)} on the {self.sequences}"


@dataclass(frozen=True)
class AgainstBaseline:
    """A network's score by the same metric, with its 95 % interval, over `over`."""

    baseline: Baseline
    score: float
    low: float
    high: float
    over: str

    @property
    def shown(self) -> bool:
        """Whether the network is shown to be better: its whole interval lies above the baseline."""
        return self.low > self.baseline.score

    def doubt(self, network: str) -> str:
        """That the network of this name is not shown to be better, and by which figures."""
        metric = METRIC_NAMES[self.baseline.metric]
        return (
            f"{network} is not shown to be better than {self.baseline.name}, which {self.baseline.worth}. The "
            f"network's {metric} on them is {percent(self.score)} (95 % interval over {self.over}: "
            f"{interval_of_accuracy(self.low, self.high)})."
        )


def on_test_sequences(summary: SequencesSummary, metric: Metric) -> Baseline:
    """What it is worth to answer the test data without a look at them."""
    return _baseline(summary, summary.test.per_class, metric, "test sequences")


def on_held_out_sequences(summary: SequencesSummary, metric: Metric, held_out: str) -> Baseline:
    """The same of the sequences that a study which holds out `held_out` measures on."""
    sequences = "sequences that are held out in turn" if held_out == "fold" else "validation sequences"
    return _baseline(summary, _held_out_per_class(summary, held_out), metric, sequences)


def against_baseline(
    summary: SequencesSummary,
    row: Mapping[str, Any],
    choice: Choice,
    metrics: Metrics | None,
    metric: Metric,
    held_out: str,
    compared: int,
) -> AgainstBaseline:
    """A network of the study that holds out `held_out`, by the metric that networks were chosen by.

    It is the row of `competitors`, one of so many that were `compared`. The champion counts on the test data once it
    is tested (`metrics`), and any other network where it was validated.
    """
    champion = choice.choice
    same = row["study"] == champion.study and is_configuration(pd.DataFrame([row]), champion.model_dump()).all()
    if same and metrics is not None:
        return champion_against_baseline(summary, metrics, metric)
    return validated_against_baseline(summary, row, metric, held_out, compared)


def champion_against_baseline(summary: SequencesSummary, metrics: Metrics, metric: Metric) -> AgainstBaseline:
    """The champion on the test data; `metric` is accuracy, or the one that it was chosen by.

    Of a plain accuracy the more cautious interval counts, see `_more_cautious`.
    """
    baseline = on_test_sequences(summary, metric)
    if metric != "accuracy":
        assert metrics.test_score is not None
        assert metrics.test_score_low is not None
        assert metrics.test_score_high is not None
        over = f"{'seeds and ' * (metrics.seeds > 1)}sequences"
        return AgainstBaseline(baseline, metrics.test_score, metrics.test_score_low, metrics.test_score_high, over)
    of_seeds = (metrics.test_accuracy_low, metrics.test_accuracy_high)
    return _more_cautious(baseline, metrics.test_accuracy, of_seeds, summary.test.samples)


def validated_against_baseline(
    summary: SequencesSummary, row: Mapping[str, Any], metric: Metric, held_out: str, compared: int
) -> AgainstBaseline:
    """A network that was not tested, by its validation accuracy: `row` is one of so many `configurations`.

    The more cautious interval counts, see `_more_cautious`. Where folds are held out, it is over those of as many
    folds as the network has seeds. For another metric than accuracy they are as many as if every class that there is
    had as few as the rarest.
    """
    per_class = [samples for samples in _held_out_per_class(summary, held_out) if samples]
    samples = sum(per_class) if metric == "accuracy" else len(per_class) * min(per_class)
    if held_out == "fold":
        samples = samples * min(row["seeds"], FOLDS) // FOLDS
    value, low, high = (row[f"validation_accuracy{suffix}"] for suffix in ("", "_low", "_high"))
    baseline = on_held_out_sequences(summary, metric, held_out)
    return _more_cautious(baseline, value, (low, high), max(1, samples), compared)


def _more_cautious(
    baseline: Baseline, accuracy: float, of_seeds: tuple[float, float], samples: int, compared: int = 1
) -> AgainstBaseline:
    """An interval over seeds takes the sequences as given. So that with the lower end counts: the interval over seeds,
    or Wilson's over so many sequences. One seed, or seeds that agree, have no interval: theirs is Wilson's.

    That holds for all that were `compared` at once: the luckiest of many that guess is often better than the baseline.
    """
    of_sequences = accuracy_interval([accuracy], samples, 1 - (1 - CONFIDENCE) / compared)
    if pd.isna(of_seeds[0]) or of_sequences[0] <= of_seeds[0]:
        over = f"sequences, for all {compared} networks at once" if compared > 1 else "sequences"
        return AgainstBaseline(baseline, accuracy, *of_sequences, over)
    return AgainstBaseline(baseline, accuracy, *of_seeds, "seeds")


def _held_out_per_class(summary: SequencesSummary, held_out: str) -> tuple[int, ...]:
    """How many sequences of each class are held out, once or in turn: of folds all but the test data."""
    if held_out != "fold":
        return summary.validation.per_class
    return tuple(map(sum, zip(summary.train.per_class, summary.validation.per_class, strict=True)))


def _baseline(summary: SequencesSummary, per_class: tuple[int, ...], metric: Metric, sequences: str) -> Baseline:
    y = np.repeat(np.arange(len(per_class)), per_class)
    largest, _ = largest_class(per_class)
    worth = score(metric, y, np.full_like(y, largest))
    if metric == "macro_f1":  # of a guess, precision and recall of a class are both its share, and so is its F1
        worth = 1 / np.count_nonzero(per_class)
    return Baseline(str(summary.labels[largest]), metric, worth, sequences)
