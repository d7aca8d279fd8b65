"""Section "The parts of the recipe": the accuracy that a small network loses without each of them."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.ablation import Part, recipe_parts
from pipeline.documents import records
from pipeline.params.network import CELLS, network_name
from pipeline.report.drawing import points_tick, styled, to_svg
from pipeline.report.palette import INK
from pipeline.report.results import Results
from pipeline.report.text import Table, interval, listed, number, percent, plural, points, text_table
from pipeline.training.inputs import FOLDS

ALL_OF_THEM = "all of these together"
HELPS, HARMS, UNKNOWN = "shown to help", "shown to harm", "not known"
LABEL_WIDTH = 34  # characters of a line beside the figure


@dataclass(frozen=True)
class Ablation:
    """`figures` has the accuracy lost, if any pair of trainings is complete."""

    words: str
    findings: tuple[str, ...]
    figures: dict[str, str]
    table: Table


def ablation(results: Results) -> Ablation | None:
    """What each part contributes; None without a study called ablation that holds out another tenth for each seed."""
    study = results.studies.get("ablation")
    if study is None or study.summary.held_out != "fold":
        return None
    parts = recipe_parts(study.trials)
    if not parts:
        return None
    whole = records(study.trials.head(1))[0]
    names = part_names(parts)
    figures = {}
    if any(part.pairs for part in parts):
        alt = f"Validation accuracy that {network_name(whole)} loses without each part of the recipe, with intervals."
        figures["ablation"] = lost_without(parts, names, whole, alt)
    return Ablation(_words(study.trials, whole), tuple(_findings(parts, names)), figures, _table(parts, names))


class Name(NamedTuple):
    """A part in words: its settings, their values in the whole recipe, and those instead."""

    settings: tuple[str, ...]
    whole: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For example `optimizer adamw and weight decay 0.004 instead of adam and 0`."""
        if not self.whole:
            return listed(self.settings)
        pairs = [f"{setting} {value}" for setting, value in zip(self.settings, self.whole, strict=True)]
        return f"{listed(pairs)} instead of {listed(self.instead)}"


def part_names(parts: Sequence[Part]) -> list[Name]:
    """A name for each part; one that is all others together is called that, without values."""
    return [
        Name((ALL_OF_THEM,)) if _is_all(part, [other for other in parts if other is not part]) else _name(part)
        for part in parts
    ]


def _is_all(part: Part, others: Sequence[Part]) -> bool:
    """Whether it changes exactly what the others change, in the same way."""
    together = {setting for other in others for setting in other.settings.items()}
    return len(others) > 1 and set(part.settings.items()) == together


def _name(part: Part) -> Name:
    settings, values = part.settings, part.settings.items()
    return Name(
        tuple(name.replace("_", " ") for name in settings),
        tuple(_value(name, whole) for name, (whole, _) in values),
        tuple(_value(name, instead) for name, (_, instead) in values),
    )


def _value(name: str, value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, str):
        return value.replace("_", "+" if name == "pooling" else " ")
    return number(value)


def verdict(part: Part) -> str:
    """Whether the part is shown to help or to harm; not known where the interval includes zero or is not known."""
    return HELPS if part.low > 0 else HARMS if part.high < 0 else UNKNOWN


def _words(trials: pd.DataFrame, whole: Mapping[str, Any]) -> str:
    folds = plural((trials["seed"] % FOLDS).nunique(), "fold")
    return (
        f"{network_name(whole)} is trained by the whole recipe, and with other settings in place of a part of it. A "
        f"seed holds out one fold of the training and validation data: {folds} in all. Accuracies are compared seed "
        "by seed, where both trainings are complete. The 95 % intervals are Student's, widened because the trainings "
        "share samples (Nadeau and Bengio, 2003). Each holds by itself with 95 % confidence, not several at once. They "
        "speak of this network, these data and this recipe: a part may bring more or less to another network, or where "
        "other parts are missing."
    )


def _findings(parts: Sequence[Part], names: Sequence[Name]) -> list[str]:
    """A sentence for what is shown to help, one for what is shown to harm, and one for each kind of not knowing."""
    named = list(zip(parts, map(str, names), strict=True))
    helping = [f"{name} ({_range(part.low, part.high)})" for part, name in named if verdict(part) == HELPS]
    harming = [f"{name} ({_range(-part.high, -part.low)})" for part, name in named if verdict(part) == HARMS]
    open_ = [
        f"{name} (between {points(part.low)} and {points(part.high)} points)"
        for part, name in named
        if verdict(part) == UNKNOWN and pd.notna(part.low)
    ]
    single = [name for part, name in named if part.pairs == 1]
    ties = [name for part, name in named if part.pairs > 1 and pd.isna(part.low)]
    missing = [name for part, name in named if not part.pairs]
    return [
        f"{opening}: {'; '.join(found)}."
        for opening, found in (
            ("Shown to help", helping),
            ("Shown to harm", harming),
            ("Not known whether it helps or harms", open_),
            ("Not known, as one pair of trainings does not tell how much pairs differ", single),
            ("Not known, as pairs of trainings that all differ by the same do not tell their spread", ties),
            ("Not known, as no pair of trainings is complete", missing),
        )
        if found
    ]


def _range(low: float, high: float) -> str:
    return f"{interval(low, high)} points"


def _table(parts: Sequence[Part], names: Sequence[Name]) -> Table:
    rows = [
        vars(part)
        | {field: listed(words) for field, words in name._asdict().items()}
        | {"interval": interval(part.low, part.high), "verdict": verdict(part)}
        for part, name in zip(parts, names, strict=True)
    ]
    return text_table(rows, {
        "settings": ("part of the recipe", str), "whole": ("in the recipe", str), "instead": ("instead", str),
        "accuracy": ("validation accuracy without it", percent), "lost": ("lost without it, points", points),
        "interval": ("95 % interval, points", str), "pairs": ("pairs", number), "verdict": ("the part is", str),
    })  # fmt: skip


def lost_without(parts: Sequence[Part], names: Sequence[Name], whole: Mapping[str, Any], alt: str) -> str:
    """The accuracy lost without each part, with its interval, as SVG: a line each, in this order.

    `whole` has the network's columns of trials.csv.
    """
    cell, hover = CELLS[whole["cell"]], dict[str, str]()
    with styled():
        figure = Figure(figsize=(8.4, 1.1 + 0.5 * len(parts)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, (part, name) in enumerate(zip(parts, names, strict=True)):
            if not part.pairs:
                continue
            gid = f"ablation-{place}"
            axes.plot(part.lost, place, cell.marker, color=cell.colour, markersize=7, gid=gid)
            hover[gid] = f"{name}: {points(part.lost)} points lost without it, {plural(part.pairs, 'pair')}"
            if pd.notna(part.low):
                axes.hlines(place, part.low, part.high, color=cell.colour, linewidth=1.4)
                hover[gid] += f", 95 % interval {_range(part.low, part.high)}"
        axes.set_yticks(range(len(parts)), [textwrap.fill(str(name), LABEL_WIDTH) for name in names])
        axes.set_ylim(len(parts) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(points_tick)
        axes.set_xlabel("validation accuracy lost without it, points")
        return to_svg(figure, alt, hover)
