"""The answer's picture that answers: every network of every study, with its trainings and how to make them again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.analysis.choice import named, over_all_blocks
from pipeline.analysis.configurations import (
    CONFIGURATION,
    complete_trials,
    configurations,
    is_configuration,
    setting_in_words,
)
from pipeline.analysis.prediction_times import with_prediction_times
from pipeline.documents import records
from pipeline.params.document import RACE
from pipeline.params.network import CELLS, NetworkSpec, multiplications
from pipeline.params.settings import METRIC_NAMES
from pipeline.report.answer import PLACED_BY_RACE
from pipeline.report.cost import COSTS
from pipeline.report.drawing import ACCURACY_TICKS
from pipeline.report.results import Results, with_training_times
from pipeline.report.text import NOTHING, in_order, interval_of_accuracy, number, percent, plural, points, text_table
from pipeline.studies.results import StudyResults

# What may lie across, by the column of each cost.
AXES = {column: unit for column, (_, unit) in COSTS.items()} | {"multiplications": "multiplications a sequence"}
SHAPES = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross"}
TRAINED = ["number", "seed", "validation_accuracy", "train_accuracy", "generalization_gap", "best_epoch"]
CURVES = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
MOST_EPOCHS = 20_000  # of all curves together, about half a megabyte
DIGITS = 5  # of the numbers that are drawn
# What the name of a network and its facts tell already.
TOLD = {"cell", "units", "depth", "bidirectional", "merge_mode", "pooling", "layer_normalization", "residual",
        "train_samples"}  # fmt: skip


@dataclass(frozen=True)
class Option:
    """A box to tick: which networks it lets through, and whether it is ticked at first."""

    value: str
    label: str
    ticked: bool


@dataclass(frozen=True)
class Filter:
    """The options for one `field` of the networks."""

    field: str
    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Explore:
    """`axes` maps costs to titles, `filters` are those that let some networks through and others not.

    `caption` is that of the picture, `curves` that of one network's learning curves. `document` is all that the script
    reads, as JSON. Its texts are ready to be shown.
    """

    axes: dict[str, str]
    filters: tuple[Filter, ...]
    caption: str
    curves: str
    document: dict[str, Any]


def explore(results: Results) -> Explore | None:
    """The networks of all studies; None where no study has a complete trial."""
    studies = {name: study for name, study in results.studies.items() if len(complete_trials(study.trials))}
    if not studies:
        return None
    apart = math.ceil(sum(len(study.curves) for study in studies.values()) / MOST_EPOCHS) or 1
    networks = [network for name, study in studies.items() for network in _networks(results, name, study, apart)]
    axes = {name: title for name, title in AXES.items() if any(network[name] for network in networks)}
    return Explore(
        axes=axes,
        filters=_filters(results, networks),
        caption=(
            "Point at a mark for its numbers. Click it, or choose a network from the list, for its learning curves, "
            "its trainings and the commands that make them again. Filled marks compete for the choice"
            f"{'; the ring marks the champion' * (results.recommended is not None)}. "
            f"The dotted line, where it is in sight, is {results.baseline.name}, which {results.baseline.worth}. "
            f"{PLACED_BY_RACE * (RACE in studies)}Bars are 95 % intervals over seeds, cut where the picture ends. "
            "Lines join networks that differ in their number of units alone."
        ),
        curves=(
            "Solid: held-out data, dashed: train, dots: the mean; a pair of lines per seed"
            + (f", drawn at one epoch in {apart}, at the best and at the last" if apart > 1 else "")
            + ". A wide band between them is overfitting."
        ),
        document={
            "metric": METRIC_NAMES[results.metric],
            "baseline": results.baseline.score,
            "axes": axes,
            "ticks": ACCURACY_TICKS,
            "cells": [
                {"name": cell, "title": CELLS[cell].title, "shape": SHAPES[CELLS[cell].marker]}
                for cell in in_order([network["cell"] for network in networks])
            ],
            "networks": networks,
        },
    )


def _networks(results: Results, name: str, study: StudyResults, apart: int) -> list[dict[str, Any]]:
    """The networks of one study, as the script reads them."""
    trials = complete_trials(study.trials)
    table = over_all_blocks(trials) if name == RACE else configurations(trials, study.summary.held_out)
    table = with_prediction_times(with_training_times(table, trials, study.timings), results.prediction_times)
    rows = named(records(table), ["train_samples"])
    lines = table.groupby([column for column in CONFIGURATION if column != "units"], sort=False, dropna=False).ngroup()
    place = trials.groupby(CONFIGURATION, sort=False, dropna=False).ngroup()  # the row of `table`
    trained = _by("place", trials[TRAINED].assign(place=place).merge(study.timings, on="number", how="left"))
    curves = _by("number", study.curves)
    marked = pd.Series(False, index=table.index)
    if (chosen := results.recommended) is not None and chosen.study == name:
        marked = is_configuration(table, chosen.model_dump())
    return [
        _network(results, name, row)
        | {"series": f"{name} {line}", "champion": bool(champion)}
        | _trainings(name, study, trained[position])
        | {"curves": [_curve(curves[each["number"]], each["best_epoch"], apart) for each in trained[position]]}
        for position, (row, line, champion) in enumerate(zip(rows, lines, marked, strict=True))
    ]


def _by(column: str, table: pd.DataFrame) -> dict[Any, list[dict[str, Any]]]:
    """The rows of a table for each value of a column."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in records(table):
        found.setdefault(row[column], []).append(row)
    return found


def _network(results: Results, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What is drawn and told of one network, a row of `configurations` with its costs and its name."""
    held_out, samples = results.studies[name].summary.held_out, row["train_samples"]
    measured = f"{'test' if held_out == 'test' else 'validation'} {METRIC_NAMES[results.metric]}"
    network = NetworkSpec(**{field: row[field] for field in NetworkSpec.model_fields})
    shape, data = results.summary.shape_in(row["view"]), results.summary
    costs = {axis: row[axis] for axis in COSTS}
    costs["multiplications"] = multiplications(network, *shape, data.classes, data.tokens)
    where = f"study {name}, {samples:,} training samples"
    facts = {
        measured + " over all blocks" * (name == RACE): percent(row["validation_accuracy"]),
        "its 95 % interval, %": interval_of_accuracy(row["validation_accuracy_low"], row["validation_accuracy_high"]),
        "train minus that, points": points(row["generalization_gap"]),
    } | {title: number(costs[axis]) for axis, title in AXES.items()}
    drawn = costs | {
        f"{short}{bound}": row[f"{column}{bound}"]
        for short, column in (("accuracy", "validation_accuracy"), ("gap", "generalization_gap"))
        for bound in ("", "_low", "_high")
    }
    return {
        "name": row["network"],
        "study": name,
        "cell": row["cell"],
        "samples": samples,
        "measured": measured,
        "layers": plural(row["depth"], "layer"),
        "competes": name in results.competitors.trials and samples == results.competitors.train_samples,
        "tip": (
            f"{row['network']}, {where}, {row['parameters']:,} parameters: {measured} "
            f"{percent(row['validation_accuracy'])}, gap {points(row['generalization_gap'])} points, "
            f"{plural(row['seeds'], 'seed')}"
        ),
        "about": f"{where[0].upper()}{where[1:]}; {', '.join(_settings(row))}.",
        "facts": [[label, value] for label, value in facts.items() if value != NOTHING],
    } | {field: _drawn(value) for field, value in drawn.items()}


def _settings(row: Mapping[str, Any]) -> list[str]:
    """How it was trained, but for what is off."""
    texts = {name: setting_in_words(row[name]) for name in CONFIGURATION if name not in TOLD}
    names = {"epochs": "epochs at most"}
    return [
        f"{names.get(name, name.replace('_', ' '))} {text}"
        for name, text in texts.items()
        if text not in ("none", "no", "0")
    ]


def _trainings(name: str, study: StudyResults, trained: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The trainings of one network, and the commands that make them again and show them."""
    measured = "test" if study.summary.held_out == "test" else "validation"
    rows = [{**row, "filter": mlflow_filter(study.summary.fingerprint, row["number"])} for row in trained]
    table = text_table(rows, {
        "number": ("trial", str), "seed": ("seed", str), "validation_accuracy": (f"{measured} accuracy", percent),
        "train_accuracy": ("train accuracy", percent), "generalization_gap": ("gap, points", points),
        "best_epoch": ("best epoch", number), "fit_seconds": ("s to train", number),
        "filter": ("finds its run in MLflow", str),
    })  # fmt: skip
    numbers = [row["number"] for row in trained]
    return {
        "trainings": {"headers": table.headers, "rows": table.rows},
        "commands": [
            f"python -m pipeline verify {name} --trials {','.join(map(str, numbers))}",
            f"python -m pipeline show {name}#{numbers[0]}",
        ],
    }


def mlflow_filter(fingerprint: str, trial: int) -> str:
    """What finds the run of one trial in MLflow, on every machine: a run's id is drawn by chance."""
    return f"tags.fingerprint = '{fingerprint}' and tags.trial = '{trial}'"


def _curve(epochs: Sequence[Mapping[str, Any]], best_epoch: int, apart: int) -> dict[str, list[float | None]]:
    """The rows of curves.csv of one training: every so many epochs, the first, the best and the last."""
    always = {1, best_epoch, epochs[-1]["epoch"]}
    kept = [row for row in epochs if row["epoch"] % apart == 0 or row["epoch"] in always]
    return {name: [_drawn(row[name]) for row in kept] for name in ("epoch", *CURVES)}


def _drawn(value: float) -> float | None:
    """A number as it is drawn: no more digits than can be seen, None where it is not known."""
    return None if pd.isna(value) else float(f"{value:.{DIGITS}g}")


def _filters(results: Results, networks: list[dict[str, Any]]) -> tuple[Filter, ...]:
    """Boxes for study, samples and cell, where there are several; those that the answer compares are ticked."""
    competing = [network for network in networks if network["competes"]] or networks
    studies = {network["study"] for network in competing}
    # Other studies have their own numbers of samples: these are seen as soon as their study is.
    left_out = {network["samples"] for network in networks if network["study"] in studies} - {
        network["samples"] for network in competing
    }
    measured = {
        name: " (measured on the test data)" * (results.studies[name].summary.held_out == "test")
        for name in results.studies
    }
    filters = (
        Filter("study", "Study", tuple(
            Option(name, f"{name}{measured[name]}", name in studies)
            for name in dict.fromkeys(network["study"] for network in networks)
        )),
        Filter("samples", "Training samples", tuple(
            Option(str(samples), f"{samples:,}", samples not in left_out)
            for samples in sorted({network["samples"] for network in networks})
        )),
        Filter("cell", "Cell", tuple(
            Option(cell, CELLS[cell].title, True) for cell in in_order([network["cell"] for network in networks])
        )),
    )  # fmt: skip
    return tuple(each for each in filters if len(each.options) > 1)
