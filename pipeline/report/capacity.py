"""Section "The effect of capacity": more units, layers and samples, and where overfitting begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.analysis.capacity import (
    gap_against_samples,
    marginal_return,
    overfitting_table,
    returns_of_growth,
    saturation_capacity,
)
from pipeline.analysis.choice import distinct_names, named
from pipeline.analysis.comparisons import accuracy_by_seed
from pipeline.analysis.configurations import ROUNDING, is_configuration
from pipeline.documents import records
from pipeline.params.network import CELLS
from pipeline.params.studies import RaceStudy
from pipeline.report import capacity_figures
from pipeline.report.race import possible
from pipeline.report.results import Results
from pipeline.report.scaling import titles
from pipeline.report.text import (
    Table,
    interval,
    interval_of_accuracy,
    listed,
    number,
    percent,
    plural,
    points,
    text_table,
    tolerance_words,
)
from pipeline.training.inputs import FOLDS

RACE_TOLERANCE: float = RaceStudy.model_fields["tolerance"].default


@dataclass(frozen=True)
class Capacity:
    """`growth`, `saturation` and `brief`, their sum, are of the networks trained on the most samples; `figures` lack
    the one of the gap against samples where every network was trained on one number of them; `intervals` says what
    they are."""

    brief: str
    findings: tuple[str, ...]
    figures: dict[str, str]
    table: Table
    tolerance: str
    intervals: str
    growth: tuple[str, ...]
    saturation: Table
    on_fewer_samples: Table
    returns: Table
    onset: tuple[str, ...]
    overfitting: Table


def capacity(results: Results) -> Capacity | None:
    """What more units, layers and samples do; None without a study called capacity."""
    table = results.capacity_table
    if table.empty:
        return None
    study = results.studies["capacity"]
    tolerance = RACE_TOLERANCE if results.race is None else results.race.tolerance
    held_out = study.summary.held_out
    returns = returns_of_growth(study.trials, held_out)
    saturation = within_reach(saturation_capacity(returns, tolerance, held_out), study.trials, "from_units", "to_units")
    on_most = saturation["train_samples"] == table["train_samples"].max()
    overfitting = overfitting_table(study.trials, study.curves)
    alt = "Accuracy and gap by units and layers, a map for each cell."
    figures = {"capacity_maps": capacity_figures.capacity_maps(table, alt)}
    if len(gaps := gap_against_samples(study.trials, held_out)):
        alt = "Generalization gap against the number of training samples, a panel for each cell."
        figures["gap_against_samples"] = capacity_figures.gap_against_samples(gaps, alt)
    return Capacity(
        brief=_brief(saturation[on_most]),
        findings=tuple(_findings(table)),
        figures=figures,
        table=_table(table),
        tolerance=tolerance_words(tolerance),
        intervals=_intervals(held_out),
        growth=tuple(growth_findings(saturation[on_most], tolerance, held_out)),
        saturation=_saturation(saturation[on_most]),
        on_fewer_samples=_saturation(saturation[~on_most]),
        returns=_returns(within_reach(marginal_return(returns), study.trials, "units", "next_units")),
        onset=tuple(onset_findings(overfitting)),
        overfitting=_overfitting(overfitting),
    )


def within_reach(growths: pd.DataFrame, trials: pd.DataFrame, smaller: str, larger: str) -> pd.DataFrame:
    """`growths` with bounds that are cut where no accuracy reaches: a network at 88 % has 12 points to gain.

    `smaller` and `larger` name the columns with the units of the two networks that each row compares.
    """
    table, accuracies = accuracy_by_seed(trials)
    bounds = []
    for row in records(growths):
        before, after = (
            table.index[is_configuration(table, row | {"units": row[units]})][0] for units in (smaller, larger)
        )
        start = accuracies[[before, after]].dropna()[before].mean()
        bounds.append(possible(1 - start, row["difference_low"], row["difference_high"]))
    names = ["difference_low", "difference_high"]
    return growths.assign(**dict(zip(names, zip(*bounds, strict=True), strict=True))) if bounds else growths


def _intervals(held_out: str) -> str:
    if held_out != "fold":
        return "Intervals are Student's, over seeds."
    return (
        "Intervals are Student's, over seeds that each hold out another part of the sequences. They are widened "
        "because the trainings share sequences (Nadeau and Bengio, 2003)."
    )


def _findings(table: pd.DataFrame) -> list[str]:
    """A sentence on growth for each cell, on the fewest and the most samples."""
    sentences = []
    table = table[table["train_samples"].isin([table["train_samples"].min(), table["train_samples"].max()])]
    for _, group in table.groupby(["train_samples", "cell"], sort=False):
        if len(group) < 2:
            continue
        rows = named(records(group))
        small, large = (extreme(rows, key=lambda row: row["parameters"]) for extreme in (min, max))
        best = max(rows, key=lambda row: row["validation_accuracy"])
        highest = percent(best["validation_accuracy"])
        equal = sum(best["validation_accuracy"] - row["validation_accuracy"] < ROUNDING for row in rows)
        sentences.append(
            f"{CELLS[best['cell']].title} on {best['train_samples']:,} samples: from {small['parameters']:,} to "
            f"{large['parameters']:,} parameters validation accuracy goes from "
            f"{percent(small['validation_accuracy'])} to {percent(large['validation_accuracy'])} and the "
            f"generalization gap from {points(small['generalization_gap'])} to "
            f"{points(large['generalization_gap'])} points; "
            + (
                f"{best['network']} is the most accurate with {highest}."
                if equal == 1
                else f"{equal} of {len(rows)} networks have the highest, {highest}."
            )
        )
    return sentences


def onset_findings(table: pd.DataFrame) -> list[str]:
    """How overfitting moves with training samples and with capacity, from `overfitting_table`."""
    return [
        sentence
        for column, place in (("train_samples", "on {:,} samples"), ("units", "with {:,} units"))
        if (sentence := _onset(table, column, place))
    ]


def _onset(table: pd.DataFrame, column: str, place: str) -> str | None:
    if table[column].nunique() < 2:
        return None
    parts = []
    for value, group in table.groupby(column):
        trainings, seen = group["seeds"].sum(), (group["seeds"] * group["onset_share"]).sum()
        rise = (group["seeds"] * group["overfit_at_end"]).sum() / trainings
        onset = (group["seeds"] * group["onset_share"] * group["onset_epoch"]).sum() / seen if seen else None
        parts.append(
            f"{place.format(value)} in {seen:.0f} of {trainings} trainings"
            + ("" if onset is None else f", from epoch {number(round(onset, 1))} on average")
            + f", the loss {number(rise)} nats above its lowest at the end"
        )
    return f"Overfitting is seen {'; '.join(parts)}."


def _table(table: pd.DataFrame) -> Table:
    spread = {
        "validation_accuracy": ("accuracy_interval", interval_of_accuracy),
        "generalization_gap": ("gap_interval", interval),
    }
    rows = [
        row
        | {name: bounds(row[f"{measure}_low"], row[f"{measure}_high"]) for measure, (name, bounds) in spread.items()}
        for row in named(records(table), ["train_samples"])
    ]
    return text_table(rows, {
        "network": ("network", str), "train_samples": ("samples", number), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "validation_accuracy": ("validation accuracy", percent),
        "accuracy_interval": ("95 % interval, %", str), "train_accuracy": ("train accuracy", percent),
        "generalization_gap": ("gap, points", points), "gap_interval": ("95 % interval, points", str),
    })  # fmt: skip


def growth_findings(table: pd.DataFrame, tolerance: float, held_out: str) -> list[str]:
    """Whether more units are shown to pay, to pay no longer, or neither: a sentence for each row of
    `saturation_capacity`."""
    rows = records(table)
    return [_growth(name, row, tolerance, held_out) for name, row in zip(titles(rows), rows, strict=True)]


def _growth(name: str, row: Mapping[str, Any], tolerance: float, held_out: str) -> str:
    words = tolerance_words(tolerance)
    seeds = plural(row["seeds"], "seed")
    growth = f"from {row['from_units']:,} to {row['to_units']:,} units"
    bounds = f"95 % interval {interval(row['difference_low'], row['difference_high'])} points, {seeds}"
    if pd.notna(row["units"]):
        first = f"{plural(row['units'], 'unit')} ({row['parameters']:,} parameters)"
        largest = f"{row['to_units']:,} units, the largest with complete trainings"
        if row["verdict"] == "levels off":
            return (
                f"{name}: levels off from {first} on, up to {largest}. No larger network among these is likely to "
                f"bring more than {words}. The largest brings {points(row['difference'])} points ({bounds})."
            )
        begin = f"falls from {first}" if row["verdict"] == "falls" else f"rises to {first} and falls from there"
        lost = f"95 % interval {interval(-row['difference_high'], -row['difference_low'])} points, {seeds}"
        return f"{name}: {begin} to {largest}. The largest loses {points(-row['difference'])} points ({lost})."
    if row["verdict"] == "still rising":
        return f"{name}: still rising. Growing {growth} brings {points(row['difference'])} points ({bounds})."
    if pd.isna(row["difference_high"]):
        return (
            f"{name}: not known. Growth {growth} has {seeds} to compare, which is too few to tell how seeds vary."
            if row["seeds"] < 2
            else f"{name}: not known. Growing {growth}, all {seeds} differ by the same, which says nothing of how "
            "seeds vary."
        )
    if row["difference_high"] <= tolerance:
        return (
            f"{name}: not known. Growing {growth} brings {points(row['difference'])} points ({bounds}). That it loses "
            f"more than {words} is not shown."
        )
    mean = row["difference"]
    level = (
        f"no number of seeds would show that it brings at most {words}, since the mean is {points(mean)} points"
        if mean >= tolerance
        else f"{_enough(row['seeds_to_level_off'], held_out)} show that it brings at most {words}"
    )
    rise = f", and {_enough(row['seeds_to_rise'], held_out)} show that it brings more than nothing" if mean > 0 else ""
    return (
        f"{name}: not known. Growing {growth} may bring up to {points(row['difference_high'])} points ({bounds}). "
        f"If mean and spread stay as they are, {level}{rise}."
    )


def _enough(seeds: int, held_out: str) -> str:
    """That so many seeds would do, or none where it is missing: there are only `FOLDS` different folds."""
    if held_out == "fold" and (pd.isna(seeds) or seeds > FOLDS):
        return f"not even {FOLDS} seeds, one for each part of the sequences, would"
    return "no number of seeds would" if pd.isna(seeds) else f"about {plural(seeds, 'seed')} would"


def _returns(returns: pd.DataFrame) -> Table:
    rows = named(records(returns), ["train_samples"])
    larger = distinct_names([row | {"units": row["next_units"]} for row in rows], ["train_samples"])
    rows = [
        row | {"next": name, "interval": interval(row["difference_low"], row["difference_high"])}
        for row, name in zip(rows, larger, strict=True)
    ]
    return text_table(rows, {
        "network": ("from", str), "next": ("to", str), "train_samples": ("samples", number),
        "parameters": ("parameters", number), "next_parameters": ("parameters after", number),
        "seeds": ("seeds", number), "difference": ("gain, points", points), "interval": ("95 % interval", str),
        "points_per_doubling": ("points per doubling", number),
    })  # fmt: skip


def _saturation(table: pd.DataFrame) -> Table:
    rows = records(table)
    shown = [
        row
        | {"name": name, "verdict": _verdict(row)}
        | {"growth": f"{row['from_units']:,} to {row['to_units']:,} units"}
        | {"interval": interval(row["difference_low"], row["difference_high"])}
        for name, row in zip(titles(rows), rows, strict=True)
    ]
    return text_table(shown, {
        "name": ("networks", str), "train_samples": ("samples", number),
        "verdict": ("more units", str), "growth": ("the growth that decides", str), "seeds": ("seeds", number),
        "difference": ("it brings, points", points), "interval": ("95 % interval, points", str),
    })  # fmt: skip


def _brief(table: pd.DataFrame) -> str:
    """Where more capacity stops paying, in a line, for rows of `saturation_capacity` on one number of samples."""
    if table.empty:
        return "Where more capacity stops paying is not known: the study capacity has only one size of each network."
    rows = records(table)
    verdicts: dict[str, list[str]] = {}
    for name, row in zip(titles(rows), rows, strict=True):
        verdicts.setdefault(_verdict(row), []).append(name)
    told = "; ".join(f"{listed(names)}: {verdict}" for verdict, names in verdicts.items())
    return f"Where does more capacity stop paying, on {rows[0]['train_samples']:,} samples? {told}."


def _verdict(row: Mapping[str, Any]) -> str:
    """Whether growth stops paying, for a row of `saturation_capacity`."""
    if pd.isna(row["units"]):
        return str(row["verdict"])
    first = f"{row['parameters']:,} parameters ({plural(row['units'], 'unit')})"
    wordings = {
        "levels off": f"levels off from {first} on",
        "falls": f"falls from {first} on",
        "rises, then falls": f"rises to {first}, then falls",
    }
    return wordings[row["verdict"]]


def _overfitting(table: pd.DataFrame) -> Table:
    return text_table(named(records(table), ["train_samples"]), {
        "network": ("network", str), "train_samples": ("samples", number), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "onset_epoch": ("onset, epoch", number),
        "onset_share": ("seen in, of the seeds", percent), "overfit_at_end": ("loss risen since, nats", number),
    })  # fmt: skip
