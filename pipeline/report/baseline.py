"""What always answering the largest class is worth, and whether a network is shown to be worth more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.configurations import accuracy_interval
from pipeline.analysis.evaluation import Metrics
from pipeline.data.sequences import SequencesSummary
from pipeline.params.settings import METRIC_NAMES, Metric
from pipeline.report.text import interval, percent
from pipeline.training.metrics import score


@dataclass(frozen=True)
class Baseline:
    """Who always answers `label`, the largest class of these sequences, and its `score` on them by `metric`."""

    label: str
    metric: Metric
    score: float
    sequences: str

    @property
    def name(self) -> str:
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
            f"{interval(self.low, self.high)})."
        )


def on_test_sequences(summary: SequencesSummary, metric: Metric) -> Baseline:
    """The largest class of the test data, always answered."""
    return _baseline(summary, summary.test.per_class, metric, "test sequences")


def champion_against_baseline(summary: SequencesSummary, metrics: Metrics, metric: Metric) -> AgainstBaseline:
    """The champion on the test data; `metric` is accuracy, or the one that it was chosen by.

    An interval over seeds takes the test sequences as given. So of a plain accuracy that with the lower end counts: the
    interval over seeds, or Wilson's over sequences of the mean.
    """
    baseline = on_test_sequences(summary, metric)
    if metric != "accuracy":
        assert metrics.test_score is not None
        assert metrics.test_score_low is not None
        assert metrics.test_score_high is not None
        over = f"{'seeds and ' * (metrics.seeds > 1)}sequences"
        return AgainstBaseline(baseline, metrics.test_score, metrics.test_score_low, metrics.test_score_high, over)
    accuracy = metrics.test_accuracy
    of_seeds = (metrics.test_accuracy_low, metrics.test_accuracy_high, "seeds")
    of_sequences = (*accuracy_interval([accuracy], summary.test.samples), "sequences")
    low, high, over = min(of_sequences, of_seeds, key=lambda bounds: bounds[0])
    return AgainstBaseline(baseline, accuracy, low, high, over)


def validated_against_baseline(
    summary: SequencesSummary, row: Mapping[str, Any], metric: Metric, *, raced: bool
) -> AgainstBaseline:
    """A network that was not tested, by its validation accuracy and its interval: `row` is one of `configurations`.

    Seeds that agree, or a single one, have no interval. Then it is Wilson's, over the validation sequences, for another
    metric over as many as if every class had as few as the rarest.
    """
    per_class, sequences = summary.validation.per_class, "validation sequences"
    samples = sum(per_class) if metric == "accuracy" else max(1, len(per_class) * min(per_class))
    if raced:  # all but the test data are held out in turn
        per_class = tuple(map(sum, zip(per_class, summary.train.per_class, strict=True)))
        sequences = "sequences that are held out in turn"
    value, low, high = (row[f"validation_accuracy{suffix}"] for suffix in ("", "_low", "_high"))
    over = "seeds"
    if pd.isna(low):
        low, high, over = *accuracy_interval([value], samples), "sequences"
    return AgainstBaseline(_baseline(summary, per_class, metric, sequences), value, low, high, over)


def _baseline(summary: SequencesSummary, per_class: tuple[int, ...], metric: Metric, sequences: str) -> Baseline:
    y = np.repeat(np.arange(len(per_class)), per_class)
    largest = int(np.argmax(per_class))
    return Baseline(str(summary.labels[largest]), metric, score(metric, y, np.full_like(y, largest)), sequences)
