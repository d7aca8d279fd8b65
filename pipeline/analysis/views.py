"""Does it matter how an image is read? Each configuration in each view."""

import pandas as pd

from pipeline.analysis.configurations import (
    CONFIGURATION,
    complete_trials,
    configurations,
    interval_over_seeds,
    told_apart_by,
)
from pipeline.params.network import NetworkSpec

VIEW_COLUMNS = [
    "cell", "units", "depth", "view", "parameters", "train_samples", "epochs", "seeds", "validation_accuracy",
    "validation_accuracy_sd", "difference", "difference_low", "difference_high",
]  # fmt: skip


def views_table(trials: pd.DataFrame, held_out: str) -> pd.DataFrame:
    """Each configuration in each view, compared with the first view at equal budget: the columns `VIEW_COLUMNS`, those
    in which rows differ that are alike in these, and those of a network that is more than plain layers.

    `difference` is the mean difference of validation accuracy to the first view, paired by seed, with its 95 %
    `interval_over_seeds`; NaN for the first view itself, the interval also for a single seed. `held_out` is what the
    study holds out.
    """
    complete = complete_trials(trials)
    if complete.empty:
        return pd.DataFrame(columns=VIEW_COLUMNS)
    budget = [name for name in CONFIGURATION if name != "view"]
    accuracies = complete.groupby([*budget, "seed", "view"], sort=False, dropna=False)["validation_accuracy"]
    wide = accuracies.mean().unstack("view")[list(dict.fromkeys(complete["view"]))]
    rows = []
    for view in wide.columns:
        for key, group in (wide[view] - wide.iloc[:, 0]).dropna().groupby(budget, sort=False, dropna=False):
            difference = dict(zip(budget, key, strict=True)) | {"view": view}
            if view != wide.columns[0]:
                low, high = interval_over_seeds(group, held_out)
                difference |= {"difference": group.mean(), "difference_low": low, "difference_high": high}
            rows.append(difference)
    differences = pd.DataFrame(rows, columns=[*CONFIGURATION, "difference", "difference_low", "difference_high"])
    table = configurations(trials, held_out).merge(differences, on=CONFIGURATION, how="left")
    hidden = told_apart_by(table, [name for name in VIEW_COLUMNS if name in CONFIGURATION])
    plain = {name: field.default for name, field in NetworkSpec.model_fields.items() if not field.is_required()}
    hidden += [name for name, value in plain.items() if (table[name].dropna() != value).any()]
    return table[[*VIEW_COLUMNS, *(name for name in CONFIGURATION if name in hidden and name not in VIEW_COLUMNS)]]
