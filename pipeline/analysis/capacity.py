"""The returns and the costs of more capacity: returns, overfitting, Pareto front and equal budgets.

Pure functions on pandas frames. Accuracies and gaps are fractions, losses are in nats. Intervals over seeds are those
of `configurations.interval_over_seeds`, for which `held_out` is what the study holds out.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from pipeline.analysis.comparisons import accuracy_by_seed
from pipeline.analysis.configurations import (
    CONFIDENCE,
    CONFIGURATION,
    ROUNDING,
    all_complete_trials,
    complete_trials,
    configurations,
    interval_over_seeds,
    standard_error,
    without_plain_settings,
)

MOST_SEEDS = 1000  # of a number of seeds that anybody would train

SETTINGS = [name for name in CONFIGURATION if name != "units"]  # the same for a network and a wider one

RETURN_COLUMNS = [
    *SETTINGS, "units", "next_units", "parameters", "next_parameters", "seeds", "difference", "difference_sd",
    "difference_low", "difference_high", "points_per_doubling", "points_per_doubling_low", "points_per_doubling_high",
]  # fmt: skip

SATURATION_COLUMNS = [
    *SETTINGS, "verdict", "parameters", "units", "from_units", "to_units", "seeds", "difference", "difference_low",
    "difference_high", "seeds_to_level_off", "seeds_to_rise",
]  # fmt: skip

OVERFITTING_COLUMNS = [*CONFIGURATION, "parameters", "seeds", "onset_epoch", "onset_share", "overfit_at_end"]

GAP_COLUMNS = [
    *CONFIGURATION, "parameters", "seeds", "generalization_gap", "generalization_gap_low", "generalization_gap_high",
]  # fmt: skip


BUDGET_COLUMNS = ["budget", "trials", "pruned", *CONFIGURATION, "parameters", "validation_accuracy"]


def pareto_front(table: pd.DataFrame, cost: str, value: str = "validation_accuracy") -> pd.Series:
    """Which rows no other row beats: boolean (rows), with the index of `table`.

    A row is beaten by one with at most its `cost` and at least its `value`, one of the two strictly better. Rows
    alike in both stand or fall together. Rows without cost or value are not on the front.
    """
    known = table.dropna(subset=[cost, value])
    best = known.groupby(cost)[value].max()  # from the lowest cost to the highest
    front = best[~(best <= best.cummax().shift())]
    return (table[value] == table[cost].map(front)).rename(None)


def equal_budget(
    table: pd.DataFrame, cost: str, budgets: Sequence[float] | None = None, value: str = "validation_accuracy"
) -> pd.DataFrame:
    """The best configuration of each cell that costs at most each budget, for example at equal parameters.

    `table` has a row per configuration: the columns of `CONFIGURATION`, `cost` (above 0) and `value`. `budgets`,
    in the unit of `cost`, are by default the powers of two from the first that buys something of every cell to
    the first that buys everything. Columns: budget, those of `CONFIGURATION`, `cost`, `value`; a row per budget
    and cell, none where the budget buys nothing of the cell. Ties go to the cheaper. Configurations trained on
    different numbers of samples compete: select one number first where the data are to be equal, too. The best of
    many owes some of its lead to the luck of its seeds.
    """
    known = table[table[cost] > 0].dropna(subset=[value])
    if budgets is None:
        budgets = _doubling_budgets(known, cost)
    offers = known.merge(pd.DataFrame({"budget": list(budgets)}, dtype=float), how="cross")
    offers = offers[offers[cost] <= offers["budget"]].sort_values(
        ["budget", "cell", value, cost], ascending=[True, True, False, True], kind="stable"
    )
    best = offers.drop_duplicates(["budget", "cell"])
    return best[["budget", *CONFIGURATION, cost, value]].reset_index(drop=True)


def _doubling_budgets(table: pd.DataFrame, cost: str) -> list[float]:
    if table.empty:
        return []
    least, most = table.groupby("cell")[cost].min().max(), table[cost].max()
    return [2.0**power for power in range(int(np.ceil(np.log2(least))), int(np.ceil(np.log2(most))) + 1)]


def returns_of_growth(trials: pd.DataFrame, held_out: str) -> pd.DataFrame:
    """The return of more units, as a difference of validation accuracy and per doubling of parameters.

    For every set of settings (all of `CONFIGURATION` but the units) a row for each size and each larger one, the
    smallest first, which are compared seed by seed. Columns `RETURN_COLUMNS`: `difference` is a fraction, with its
    deviation over the seeds that both have and its 95 % interval over them; `points_per_doubling` is the same in
    percentage points, divided by the number of times that the parameters double.

    With one seed there is no interval, and none where all seeds differ by the same. With two, half of it is 9.0
    standard deviations of the paired differences, with three 2.5, with five 1.2; of folds 9.9, 2.9 and 1.5.
    """
    table, accuracies = accuracy_by_seed(trials)
    ordered = table.sort_values(["train_samples", "cell", "depth", "parameters"], kind="stable")
    rows = [
        _return(table, accuracies, small, large, held_out)
        for _, group in ordered.groupby(SETTINGS, sort=False, dropna=False)
        for small, large in combinations(group.index, 2)
    ]
    return pd.DataFrame(rows, columns=RETURN_COLUMNS)


def _return(table: pd.DataFrame, accuracies: pd.DataFrame, small: int, large: int, held_out: str) -> dict[str, Any]:
    before, after = table.loc[small], table.loc[large]
    differences = (accuracies[large] - accuracies[small]).dropna()
    differ = differences.max() - differences.min() >= ROUNDING
    low, high = interval_over_seeds(differences, held_out) if differ else (np.nan, np.nan)
    points = 100 / np.log2(after["parameters"] / before["parameters"])
    return {name: before[name] for name in [*SETTINGS, "units", "parameters"]} | {
        "next_units": after["units"],
        "next_parameters": after["parameters"],
        "seeds": len(differences),
        "difference": differences.mean(),
        "difference_sd": differences.std(ddof=1),
        "difference_low": low,
        "difference_high": high,
        "points_per_doubling": points * differences.mean(),
        "points_per_doubling_low": points * low,
        "points_per_doubling_high": points * high,
    }


def marginal_return(returns: pd.DataFrame) -> pd.DataFrame:
    """The rows of `returns_of_growth` that are a single step up, from one size to the next."""
    return returns.drop_duplicates([*SETTINGS, "units"], ignore_index=True)


def saturation_capacity(returns: pd.DataFrame, tolerance: float, held_out: str) -> pd.DataFrame:
    """Where growing is shown to stop paying: a return of at most `tolerance`, a fraction, counts as none.

    `returns` comes from `returns_of_growth`, with the same `held_out`. A row per set of settings with two sizes or
    more, columns `SATURATION_COLUMNS`. `verdict`, the first that applies:

    - "falls" from `parameters` and `units` to the largest size: the interval of that growth lies below minus the
      tolerance, also where it is one of 1 - 0.05 / k for the k smaller sizes (Bonferroni). Of several such sizes it is
      the smallest over which no larger one may bring more than the tolerance, else the most accurate.
    - "rises, then falls": the same, and the interval of the growth from the smallest size to that one lies above zero.
    - "levels off" from `parameters` and `units` on, up to the largest size: the smallest size over which no larger one
      may bring more, as the whole interval of each lies at or below the tolerance.
    - "still rising": the interval of the growth at the end lies above zero, none of the sizes in between may be better
      than the largest by more than the tolerance, and no smaller one is (by its interval, without Bonferroni).
    - "not known": all else. An interval that holds zero is no sign that there is no return.

    The size where it levels off must have at most half the parameters of the largest, if any has: on a fine grid a
    single step brings little, however steep the rise. The growth at the end begins with the largest of these, and leads
    to the largest size: on a coarse grid it is the last step.

    The other columns are of one growth, from `from_units` to `to_units`, which decides: where it levels off or falls,
    all of it from there to the largest size; where it is still rising, that at the end. Where it is not known, the one
    from the same size that may bring the most, but where that brings more than nothing, the growth to the largest that
    may lose the most. `seeds_to_level_off` and `seeds_to_rise` say for "not known" about how many seeds in all would
    show it to bring at most the tolerance, or more than nothing, if its mean and its spread stayed as they are; missing
    where no number would, and where the spread is not known.

    In at most 5 % of studies each, the size is named too small, a rise is called a fall, and a fall at the end by the
    tolerance or more is called a rise (simulations are in tests/analysis/test_capacity.py).
    """
    rows = [
        dict(zip(SETTINGS, key, strict=True)) | _saturation(growths, tolerance, held_out)
        for key, growths in returns.groupby(SETTINGS, sort=False, dropna=False)
    ]
    counts = ("parameters", "units", "from_units", "to_units", "seeds", "seeds_to_level_off", "seeds_to_rise")
    return pd.DataFrame(rows, columns=SATURATION_COLUMNS).astype(dict.fromkeys(counts, "Int64"))


def _saturation(growths: pd.DataFrame, tolerance: float, held_out: str) -> dict[str, Any]:
    by_size = [over_it for _, over_it in growths.groupby("parameters")]
    half = growths["next_parameters"].max() / 2
    enough = [over_it for over_it in by_size if over_it["parameters"].iloc[0] <= half] or by_size[:1]
    to_largest = pd.DataFrame([over_it.iloc[-1] for over_it in by_size])
    if len(fallen := to_largest[_falls(to_largest, tolerance, held_out)]):
        return _fall(growths, fallen, tolerance)
    for over_it in enough:
        if _none_pays(over_it, tolerance):
            return {"verdict": "levels off"} | _from(over_it.iloc[-1])
    end = enough[-1]
    lost = to_largest["difference_high"] < -tolerance
    may_lose = ~(to_largest["difference_low"] >= -tolerance)  # also where the interval is not known
    between = to_largest["parameters"] > end["parameters"].iloc[0]
    if end["difference_low"].iloc[-1] > 0 and not (lost | (between & may_lose)).any():
        return {"verdict": "still rising"} | _told(end.iloc[-1])
    decides = end.iloc[int(np.argmax(end["difference_high"].to_numpy()))]  # one not known first: it may be any
    if decides["difference_low"] > 0:
        doubted = to_largest[lost | between | (to_largest.index == end.index[-1])]
        decides = doubted.iloc[int(np.argmin(doubted["difference_low"].to_numpy()))]
    mean, deviation = decides["difference"], decides["difference_sd"]
    return {
        "verdict": "not known",
        "seeds_to_level_off": seeds_to_show(tolerance - mean, deviation, held_out),
        "seeds_to_rise": seeds_to_show(mean, deviation, held_out),
    } | _told(decides)


def _falls(to_largest: pd.DataFrame, tolerance: float, held_out: str) -> pd.Series:
    """Over which sizes the largest is shown to lose more than the tolerance, as booleans (sizes,)."""
    seeds = to_largest["seeds"].where(to_largest["difference_high"].notna()).astype(float)
    shared = (1 - CONFIDENCE) / len(to_largest)
    reach = stats.t.isf(shared / 2, seeds - 1) * standard_error(1.0, seeds, held_out) * to_largest["difference_sd"]
    return to_largest["difference"] + reach < -tolerance


def _fall(growths: pd.DataFrame, fallen: pd.DataFrame, tolerance: float) -> dict[str, Any]:
    """What is said of sizes over which the largest is shown to lose: `fallen` are the growths from them to it."""
    best = [_none_pays(growths[growths["parameters"] == size], tolerance) for size in fallen["parameters"]]
    first = fallen[best].iloc[0] if any(best) else fallen.iloc[int(np.argmin(fallen["difference"].to_numpy()))]
    smallest = growths["parameters"].min()
    rise = growths[(growths["parameters"] == smallest) & (growths["next_parameters"] == first["parameters"])]
    verdict = "rises, then falls" if (rise["difference_low"] > 0).any() else "falls"
    return {"verdict": verdict} | _from(first)


def _none_pays(over_it: pd.DataFrame, tolerance: float) -> bool:
    """Whether none of these growths may bring more than the tolerance."""
    return bool((over_it["difference_high"] <= tolerance).all())


def _from(growth: pd.Series) -> dict[str, Any]:
    """What is said of a size from which growth does not pay, by the growth from it to the largest."""
    return {"parameters": growth["parameters"], "units": growth["units"]} | _told(growth)


def _told(growth: pd.Series) -> dict[str, Any]:
    names = ["seeds", "difference", "difference_low", "difference_high"]
    return {"from_units": growth["units"], "to_units": growth["next_units"]} | {name: growth[name] for name in names}


def seeds_to_show(distance: float, deviation: float, held_out: str) -> int | None:
    """How many seeds make half of a 95 % interval (`interval_over_seeds`) no wider than `distance`.

    `deviation` is that of the seeds, in the same unit. None where the distance is not above 0, where the deviation is
    not known, and where it would take more than `MOST_SEEDS`. Of folds, half an interval is always wider than 0.65
    deviations.
    """
    if not (distance > 0 and deviation > 0):
        return None
    seeds = np.arange(2, MOST_SEEDS + 1)
    half = stats.t.isf((1 - CONFIDENCE) / 2, seeds - 1) * standard_error(deviation, seeds, held_out)
    enough = np.flatnonzero(half <= distance)
    return int(seeds[enough[0]]) if len(enough) else None


def onset_of_overfitting(curves: pd.DataFrame, later_epochs: int = 3) -> int | None:
    """The epoch after which one trial overfits: of the lowest validation loss, if the train loss falls on from there.

    That is: at least `later_epochs` later epochs have a higher validation loss and a lower train loss than that
    epoch. None where it is not seen, which may be only because training ended too early: a training that stops
    `patience` epochs after its lowest validation loss shows no more than that many. `curves` are the trial's rows of
    curves.csv; epochs without a loss are passed over, and of equal losses the first counts.

    The lowest validation loss as the turning point, and the loss above it as the measure of overfitting: Prechelt,
    Early Stopping – But When?, Neural Networks: Tricks of the Trade, LNCS 1524 (1998), 55–69.
    """
    measured = curves.dropna(subset=["train_loss", "validation_loss"]).sort_values("epoch", ignore_index=True)
    if measured.empty:
        return None
    lowest = int(measured["validation_loss"].argmin())
    best, after = measured.iloc[lowest], measured.iloc[lowest + 1 :]
    overfit = (after["validation_loss"] > best["validation_loss"]) & (after["train_loss"] < best["train_loss"])
    return int(best["epoch"]) if overfit.sum() >= later_epochs else None


def overfitting_table(trials: pd.DataFrame, curves: pd.DataFrame, later_epochs: int = 3) -> pd.DataFrame:
    """When each configuration begins to overfit, and how far it goes: one study's trials.csv and curves.csv.

    Columns `OVERFITTING_COLUMNS`, a row per configuration of the complete trials that have curves: `seeds`;
    `onset_epoch`, the mean of `onset_of_overfitting` over the seeds in which it is seen (NaN where in none);
    `onset_share` of the seeds in which it is; `overfit_at_end`, the validation loss of the last epoch minus the
    lowest, in nats, the mean over all seeds.
    """
    losses = curves.dropna(subset=["validation_loss"]).sort_values("epoch").groupby("number")["validation_loss"]
    onsets = {number: onset_of_overfitting(rows, later_epochs) for number, rows in curves.groupby("number")}
    complete = complete_trials(trials)
    measured = complete.assign(
        onset_epoch=complete["number"].map(onsets).astype(float),
        overfit_at_end=complete["number"].map(losses.last() - losses.min()),
    ).dropna(subset=["overfit_at_end"])
    rows = [
        dict(zip(CONFIGURATION, key, strict=True))
        | {
            "parameters": group["parameters"].iloc[0],
            "seeds": len(group),
            "onset_epoch": group["onset_epoch"].mean(),
            "onset_share": group["onset_epoch"].notna().mean(),
            "overfit_at_end": group["overfit_at_end"].mean(),
        }
        for key, group in measured.groupby(CONFIGURATION, sort=False, dropna=False)
    ]
    return pd.DataFrame(rows, columns=OVERFITTING_COLUMNS)


def gap_against_samples(trials: pd.DataFrame, held_out: str) -> pd.DataFrame:
    """How the generalization gap closes with more training data, ready to be drawn as lines.

    A row per configuration, without those that were trained on one number of samples only: columns `GAP_COLUMNS`,
    the gap's mean over the seeds and its 95 % interval, sorted by cell, units and depth, then by train_samples.
    """
    complete = complete_trials(trials).dropna(subset=["generalization_gap"])
    rows = []
    for key, group in complete.groupby(CONFIGURATION, sort=False, dropna=False):
        low, high = interval_over_seeds(group["generalization_gap"], held_out)
        gap = {"generalization_gap": group["generalization_gap"].mean(), "generalization_gap_low": low}
        size = {"parameters": group["parameters"].iloc[0], "seeds": len(group)}
        rows.append(dict(zip(CONFIGURATION, key, strict=True)) | size | gap | {"generalization_gap_high": high})
    table = pd.DataFrame(rows, columns=GAP_COLUMNS)
    line = [name for name in CONFIGURATION if name != "train_samples"]
    table = table[table.duplicated(line, keep=False)]
    return table.sort_values(["cell", "units", "depth", *line[3:], "train_samples"], kind="stable", ignore_index=True)


def budgets_table(trials: pd.DataFrame, budgets: Sequence[int], place_of: Callable[[int], int]) -> pd.DataFrame:
    """The most accurate network that a study by budgets has found for each: a row per budget, `BUDGET_COLUMNS`.

    `trials` is its trials.csv, `place_of` says for which of the budgets a trial counts, by its number; `trials` and
    `pruned` are counts. A budget within which no trial is complete has no row. One training each: the best of many is
    partly lucky.
    """
    turn = trials["number"].map(place_of)
    complete = all_complete_trials(trials)
    rows = []
    for place, budget in enumerate(budgets):
        offered = complete[(turn[complete.index] == place) & (complete["parameters"] <= budget)]
        if offered.empty:
            continue
        best = offered.iloc[int(offered["validation_accuracy"].argmax())]
        counts = {"budget": budget, "trials": int((turn == place).sum())}
        pruned = int((trials["state"][turn == place] == "PRUNED").sum())
        rows.append(counts | {"pruned": pruned} | {name: best[name] for name in BUDGET_COLUMNS[3:]})
    return pd.DataFrame(rows, columns=BUDGET_COLUMNS)


def capacity_table(trials: pd.DataFrame, held_out: str) -> pd.DataFrame:
    """The capacity study per configuration, smallest network of each cell first: the content of capacity.csv.

    Columns: those of `CONFIGURATION` (patience only where the trials differ in it), parameters, seeds, then mean, sd,
    low and high of validation accuracy and generalization gap, and the mean train accuracy (see `configurations`).
    """
    spread = ["", "_sd", "_low", "_high"]
    columns = [
        *CONFIGURATION, "parameters", "seeds", *(f"validation_accuracy{suffix}" for suffix in spread),
        "train_accuracy", *(f"generalization_gap{suffix}" for suffix in spread),
    ]  # fmt: skip
    table = without_plain_settings(configurations(trials, held_out)[columns])
    return table.sort_values(["train_samples", "cell", "parameters"], kind="stable", ignore_index=True)
