"""Every network that was measured on the test data, compared with the champion on the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from pipeline.analysis.comparisons import SIGNIFICANCE, holm, mcnemar
from pipeline.analysis.configurations import CONFIDENCE, accuracy_interval
from pipeline.params.network import NetworkSpec, network_name
from pipeline.params.settings import Configuration

SETTINGS = ("optimizer", "learning_rate", "epochs")

TEST_COLUMNS = [
    "role", "network", *NetworkSpec.model_fields, *SETTINGS, "parameters", "seeds", "test_accuracy",
    "test_accuracy_sd", "test_accuracy_low", "test_accuracy_high", "only_this_right", "only_champion_right",
    "difference", "difference_low", "difference_high", "p_value", "p_adjusted", "verdict",
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
    """The content of test.csv: the champion's row, then the others', the most accurate first; columns `TEST_COLUMNS`.

    `test_accuracy` is the mean over seeds, with deviation and interval as in metrics.json (`accuracy_interval`). The
    other figures speak of the two models of the first seeds: on how many samples only one of them is right, the
    difference of their accuracies (this one minus the champion's) with its 95 % interval over samples
    (`difference_interval`), McNemar's exact p-value and the same adjusted by Holm's method over all rows. `verdict`, of
    this network: "better", "worse" or "no difference shown"; the last does not say that there is none.
    """
    rows = [_row(champion, champion) | {"verdict": "the champion"}, *(_row(other, champion) for other in others)]
    table = pd.DataFrame(rows, columns=TEST_COLUMNS)
    compared = table.index[1:]
    table.loc[compared, "p_adjusted"] = holm(table.loc[compared, "p_value"])
    shown = table.loc[compared, "p_adjusted"] <= SIGNIFICANCE
    better = table.loc[compared, "difference"] > 0
    table.loc[compared, "verdict"] = np.select([shown & better, shown], ["better", "worse"], "no difference shown")
    ordered = table.loc[compared].sort_values(["test_accuracy", "parameters"], ascending=[False, True], kind="stable")
    return pd.concat([table.head(1), ordered], ignore_index=True)


def _row(tested: Tested, champion: Tested) -> dict[str, object]:
    configuration, accuracies = tested.configuration, tested.right.mean(axis=1)
    samples = tested.right.shape[1]
    low, high = accuracy_interval(accuracies.tolist(), samples)
    row: dict[str, object] = configuration.model_dump(include={*NetworkSpec.model_fields, *SETTINGS}) | {
        "role": tested.role,
        "network": network_name(configuration),
        "learning_rate": configuration.effective_learning_rate,
        "parameters": tested.parameters,
        "seeds": len(accuracies),
        "test_accuracy": accuracies.mean(),
        "test_accuracy_sd": accuracies.std(ddof=1) if len(accuracies) > 1 else np.nan,
        "test_accuracy_low": low,
        "test_accuracy_high": high,
    }
    if tested is champion:
        return row
    only_this, only_champion, p_value = mcnemar(tested.right[0], champion.right[0])
    low, high = difference_interval(only_this, only_champion, samples)
    return row | {
        "only_this_right": only_this,
        "only_champion_right": only_champion,
        "difference": (only_this - only_champion) / samples,
        "difference_low": low,
        "difference_high": high,
        "p_value": p_value,
    }


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
