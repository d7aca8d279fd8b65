"""What each part of a recipe contributes: the whole recipe, paired with the same recipe without the part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.analysis.comparisons import accuracy_by_seed
from pipeline.analysis.configurations import CONFIGURATION, is_configuration, overlapping_interval, with_plain_settings
from pipeline.documents import records


@dataclass(frozen=True)
class Part:
    """The settings by which a configuration differs from the whole recipe, and the accuracy that is lost by that.

    `settings`: name → value in the whole recipe and value instead, None where there is none. `accuracy`: the mean
    validation accuracy without the part. `pairs`: the seeds that both have completed. `lost`: the mean over these of
    the whole recipe's accuracy minus the one without the part; `low` and `high` are its 95 % interval. All are
    fractions, NaN where they are not known.
    """

    settings: dict[str, tuple[Any, Any]]
    accuracy: float
    pairs: int
    lost: float
    low: float
    high: float


def recipe_parts(trials: pd.DataFrame) -> list[Part]:
    """What every other configuration of `trials` loses to the first, the whole recipe, in order of appearance.

    `trials` is the trials.csv of a study that holds out another tenth for each seed.
    """
    if trials.empty:
        return []
    table, accuracies = accuracy_by_seed(trials)
    # Those that have failed with every seed are in `trials` alone.
    whole, *others = (
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in records(with_plain_settings(trials).drop_duplicates(CONFIGURATION)[CONFIGURATION])
    )

    def of(configuration: dict[str, Any]) -> pd.Series:
        return accuracies.loc[:, is_configuration(table, configuration)].mean(axis=1)  # of one column, or of none: NaN

    parts = []
    for other in others:
        differences = (of(whole) - of(other)).dropna()
        settings = {name: (whole[name], other[name]) for name in CONFIGURATION if whole[name] != other[name]}
        low, high = overlapping_interval(differences)
        parts.append(Part(settings, of(other).mean(), len(differences), differences.mean(), low, high))
    return parts
