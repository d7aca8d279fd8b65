"""Which configurations a study tries: fixed lists and grids, and the search spaces of samplers."""

import bisect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.documents import Frozen
from pipeline.params.network import NetworkSpec, Sizes, parameter_count
from pipeline.params.settings import Configuration, TrainingSettings
from pipeline.params.studies import Grid, GridStudy, IntegerRange, ListStudy, SampledStudy, Space
from pipeline.training.trials import Trial


def fixed_trials(study: ListStudy | GridStudy, defaults: TrainingSettings) -> list[Trial]:
    """Every configuration of a list or grid with every seed, numbered in the order of the results."""
    if isinstance(study, ListStudy):
        entries = [{name: value for name, value in said(entry).items() if name != "seeds"} for entry in study.trials]
        seeds = [entry.seeds or study.seeds for entry in study.trials]
    else:
        entries = grid_entries(study.space)
        seeds = [study.seeds] * len(entries)
    runs = [
        (entry, study.seed + offset) for entry, count in zip(entries, seeds, strict=True) for offset in range(count)
    ]
    return [Trial(number, configure(entry, defaults), seed) for number, (entry, seed) in enumerate(runs)]


def said(settings: Frozen) -> dict[str, Any]:
    """The settings that params.yaml names, also by their default value: a dump would leave some of these out."""
    return {name: getattr(settings, name) for name in type(settings).model_fields if name in settings.model_fields_set}


def grid_entries(grid: Grid) -> list[dict[str, Any]]:
    """Every combination of a grid's values, the last axis running fastest."""
    names = [name for name in type(grid).model_fields if name not in ("patience", "view")]
    axes = {name: values for name in (*names, "patience", "view") if (values := getattr(grid, name))}
    rates = axes.pop("learning_rate") if isinstance(grid.learning_rate, dict) else None
    entries = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    return entries if rates is None else [entry | {"learning_rate": rates[entry["cell"]]} for entry in entries]


def configure(fields: dict[str, Any], defaults: TrainingSettings) -> Configuration:
    """A configuration from a study's fields, completed by `training` of params.yaml."""
    settings = {name: getattr(defaults, name) for name in TrainingSettings.model_fields}
    return Configuration(**(settings | fields))


def constants(space: Space) -> dict[str, Any]:
    """The axes of a search space that have one value only."""
    axes = {name: getattr(space, name) for name in Space.model_fields}
    return {name: axis[0] for name, axis in axes.items() if isinstance(axis, tuple) and len(axis) == 1}


def units_within(fields: dict[str, Any], units: IntegerRange, budget: int, sizes: Sizes) -> int:
    """The most units in the range that keep a network within `budget` parameters; the fewest where none do.

    `fields` are those of a configuration, units left out.
    """
    settings = {name: value for name, value in fields.items() if name in NetworkSpec.model_fields}

    def parameters(count: int) -> int:
        return parameter_count(NetworkSpec(**settings | {"units": count}), *sizes)

    fitting = bisect.bisect_right(range(units.low, units.high + 1), budget, key=parameters)
    return units.low + max(0, fitting - 1)


def enqueued_trials(study: SampledStudy) -> list[tuple[dict[str, Any], int | None]]:
    """What the study says beforehand of its first trials, in order: fields, and the place of the budget, if it is set.

    With budgets an entry without units is a trial of every budget.
    """
    places: Sequence[int | None] = range(len(study.parameter_budgets)) if study.parameter_budgets else [None]
    return [
        (fields, place)
        for fields in (entry.model_dump(exclude_unset=True) for entry in study.enqueue)
        for place in ([None] if "units" in fields else places)
    ]


def budget_places(study: SampledStudy, sizes: Sizes) -> Callable[[int], int]:
    """Which of its budgets each trial of a study counts for, as a function from number to place; 0 without budgets.

    An enqueued network counts for the smallest budget that holds it, or the largest; after what is enqueued, trials
    take turns.
    """
    budgets = study.parameter_budgets or (0,)
    rising = sorted(range(len(budgets)), key=lambda place: budgets[place])

    def holding(fields: dict[str, Any]) -> int:
        known = constants(study.space) | fields
        network = NetworkSpec(**{name: known[name] for name in NetworkSpec.model_fields if name in known})
        parameters = parameter_count(network, *sizes)
        return next((place for place in rising if parameters <= budgets[place]), rising[-1])

    enqueued = [
        place if place is not None else holding(fields) if study.parameter_budgets else 0
        for fields, place in enqueued_trials(study)
    ]
    return lambda number: enqueued[number] if number < len(enqueued) else (number - len(enqueued)) % len(budgets)


def varying_fields(configurations: Sequence[Configuration]) -> dict[str, list[Any]]:
    """The values of cell, of units, and of every other field that takes more than one, in order of appearance."""
    values = {
        name: list(dict.fromkeys(getattr(configuration, name) for configuration in configurations))
        for name in Configuration.model_fields
    }
    return {name: found for name, found in values.items() if len(found) > 1 or name in ("cell", "units")}
