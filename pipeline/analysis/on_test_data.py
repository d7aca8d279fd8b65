"""Every network that was measured on the test data, compared on the same samples with the champion and with the most
accurate network of the race."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pipeline.analysis.comparisons import SIGNIFICANCE, holm, mcnemar
from pipeline.analysis.configurations import CONFIDENCE, accuracy_interval, told_apart_by
from pipeline.params.network import NetworkSpec, network_name
from pipeline.params.settings import Configuration

SETTINGS = ("optimizer", "learning_rate", "epochs")

COMPARISON = [
    "only_this_right", "only_other_right", "difference", "difference_low", "difference_high", "p_value", "p_adjusted",
    "verdict", "model_pairs", "model_pairs_ahead",
]  # fmt: skip
TO_BEST = "_to_best"  # at the end of a column's name: it compares with the most accurate, not with the champion

TEST_COLUMNS = [
    "role", "network", *NetworkSpec.model_fields, *SETTINGS, "parameters", "seeds", "test_accuracy",
    "test_accuracy_sd", "test_accuracy_low", "test_accuracy_high", *COMPARISON,
    *(f"{name}{TO_BEST}" for name in COMPARISON),
]  # fmt: skip


@dataclass(frozen=True)
class Tested:
    """A network on the test data. `right`: bool (seeds, samples), who was right, the seeds in ascending order.

    `role` is "champion", "most accurate" for the leader of a race, or the name of the study that has trained it.
    """

    role: str
    configuration: Configuration
    parameters: int
    right: NDArray[np.bool_]


def networks_of(
    name: str, configurations: Mapping[int, Configuration], trials: pd.DataFrame, mistakes: pd.DataFrame, samples: int
) -> list[Tested]:
    """The networks of a study that is measured on the test data, each with all of its complete trainings.

    `configurations` are those of the trials, by number; `mistakes` is the study's mistakes.csv, with columns number and
    index; `samples` is how many test samples there are.
    """
    found: dict[Configuration, list[int]] = {}
    complete = trials[trials["state"] == "COMPLETE"]
    parameters = dict(zip(complete["number"], complete["parameters"], strict=True))
    for number in complete["number"]:
        found.setdefault(configurations[number], []).append(number)
    right = {number: np.ones(samples, np.bool_) for number in complete["number"]}
    for number, rows in mistakes.groupby("number"):
        if number in right:
            right[number][rows["index"]] = False
    return [
        Tested(name, configuration, int(parameters[numbers[0]]), np.stack([right[number] for number in numbers]))
        for configuration, numbers in found.items()
    ]


def on_test_data(champion: Tested, others: Sequence[Tested]) -> pd.DataFrame:
    """The content of test.csv: the champion's row, then the others', the most accurate first.

    Columns: `TEST_COLUMNS`, and those in which rows differ that are alike in what these say of networks.

    `test_accuracy` is the mean over seeds, with deviation and interval as in metrics.json (`accuracy_interval`). The
    columns `COMPARISON` compare this network with the champion, and those that end in `TO_BEST` with the one whose role
    is "most accurate"; these are empty where the champion is that network itself.

    The two models of the first seeds are compared: on how many samples only one of them is right, the difference of
    their accuracies (this one minus the other) with its 95 % interval over samples (`difference_interval`), McNemar's
    exact p-value and the same adjusted by Holm's method over all comparisons of the table. `verdict`, of this network:
    "better", "worse" or "no difference shown"; the last does not say that there is none. Against the luck of a first
    model, `model_pairs_ahead` tells in how many of the `model_pairs`, each model of this network with each of the other
    one, that of this network is right more often.
    """
    networks = [champion, *others]
    best = next((other for other in others if other.role == "most accurate"), None)
    rows = [_row(one) | _comparison(one, champion, "") | _comparison(one, best, TO_BEST) for one in networks]
    settings = pd.DataFrame([row | _settings(one) for row, one in zip(rows, networks, strict=True)])
    hidden = told_apart_by(settings, ["role", *NetworkSpec.model_fields, *SETTINGS])
    table = pd.DataFrame(rows, columns=TEST_COLUMNS).join(settings[hidden])
    p_values = table[["p_value", f"p_value{TO_BEST}"]].to_numpy(float)  # (networks, 2)
    tests = ~np.isnan(p_values)
    tests[0] = False  # the champion with the most accurate: one test with that network's row
    adjusted = np.full_like(p_values, np.nan)
    adjusted[tests] = holm(p_values[tests])
    adjusted[0, 1] = next((p for one, p in zip(networks, adjusted[:, 0], strict=True) if one is best), np.nan)
    for suffix, p_adjusted in zip(("", TO_BEST), adjusted.T, strict=True):
        compared = ~np.isnan(p_adjusted)
        shown, better = p_adjusted <= SIGNIFICANCE, table[f"difference{suffix}"] > 0
        verdicts = np.select([shown & better, shown], ["better", "worse"], "no difference shown")
        table[f"p_adjusted{suffix}"] = p_adjusted
        table[f"verdict{suffix}"] = np.where(compared, verdicts, "the " + table["role"])
    if best is None:
        table[f"verdict{TO_BEST}"] = np.nan
    ordered = table.iloc[1:].sort_values(["test_accuracy", "parameters"], ascending=[False, True], kind="stable")
    return pd.concat([table.head(1), ordered], ignore_index=True)


def _settings(tested: Tested) -> dict[str, object]:
    return tested.configuration.model_dump() | {"learning_rate": tested.configuration.effective_learning_rate}


def _row(tested: Tested) -> dict[str, object]:
    accuracies = tested.right.mean(axis=1)
    low, high = accuracy_interval(accuracies.tolist(), tested.right.shape[1])
    told = {*NetworkSpec.model_fields, *SETTINGS}
    return {name: value for name, value in _settings(tested).items() if name in told} | {
        "role": tested.role,
        "network": network_name(tested.configuration),
        "parameters": tested.parameters,
        "seeds": len(accuracies),
        "test_accuracy": accuracies.mean(),
        "test_accuracy_sd": accuracies.std(ddof=1) if len(accuracies) > 1 else np.nan,
        "test_accuracy_low": low,
        "test_accuracy_high": high,
    }


def _comparison(this: Tested, other: Tested | None, suffix: str) -> dict[str, object]:
    """The columns `COMPARISON` but for the adjusted p-value and the verdict, which take all rows."""
    if other is None or this is other:
        return {}
    only_this, only_other, p_value = mcnemar(this.right[0], other.right[0])
    samples = this.right.shape[1]
    low, high = difference_interval(only_this, only_other, samples)
    ahead = np.greater.outer(this.right.sum(axis=1), other.right.sum(axis=1))  # (seeds of this, seeds of the other)
    columns = {
        "only_this_right": only_this,
        "only_other_right": only_other,
        "difference": (only_this - only_other) / samples,
        "difference_low": low,
        "difference_high": high,
        "p_value": p_value,
        "model_pairs": ahead.size,
        "model_pairs_ahead": int(ahead.sum()),
    }
    return {f"{name}{suffix}": value for name, value in columns.items()}


def difference_interval(only_first: int, only_second: int, samples: int) -> tuple[float, float]:
    """95 % interval over samples of the difference of two accuracies, of the models that alone have so many right.

    Wald's after half a sample is added to each of the four cells of right and wrong. Wald's own has no width where the
    two models err on the same samples, as if none could ever tell them apart. Agresti and Min, Simple Improved
    Confidence Intervals for Comparing Matched Proportions, Statistics in Medicine 24 (2005), 729–740.
    """
    first, second, total = only_first + 0.5, only_second + 0.5, samples + 2
    difference = (first - second) / total
    reach = stats.norm.isf((1 - CONFIDENCE) / 2) * np.sqrt(((first + second) / total - difference**2) / total)
    return float(difference - reach), float(difference + reach)
