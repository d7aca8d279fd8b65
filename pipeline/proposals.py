"""Which configurations a study tries: fixed lists and grids, and the search spaces of samplers."""

import itertools
from collections.abc import Sequence
from typing import Any

from pipeline.network import multiplications
from pipeline.params import Configuration, GridStudy, ListStudy, Space, TrainingSettings
from pipeline.trials import Trial


def fixed_trials(study: ListStudy | GridStudy, defaults: TrainingSettings) -> list[Trial]:
    """Every configuration of a list or grid with every seed, numbered in the order of the results."""
    if isinstance(study, ListStudy):
        entries = [entry.model_dump(exclude_unset=True, exclude={"seeds"}) for entry in study.trials]
        seeds = [entry.seeds or study.seeds for entry in study.trials]
    else:
        axes = {name: values for name in type(study.space).model_fields if (values := getattr(study.space, name))}
        entries = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
        seeds = [study.seeds] * len(entries)
    runs = [
        (entry, study.seed + offset) for entry, count in zip(entries, seeds, strict=True) for offset in range(count)
    ]
    return [Trial(number, configure(entry, defaults), seed) for number, (entry, seed) in enumerate(runs)]


def configure(fields: dict[str, Any], defaults: TrainingSettings) -> Configuration:
    """A configuration from what a study says, and `training` of params.yaml for all that it does not say."""
    return Configuration(**(defaults.model_dump() | fields))


def constants(space: Space) -> dict[str, Any]:
    """The axes of a search space that have one value only."""
    axes = {name: getattr(space, name) for name in Space.model_fields}
    return {name: axis[0] for name, axis in axes.items() if isinstance(axis, tuple) and len(axis) == 1}


def estimated_cost(configuration: Configuration, samples: int, timesteps: int, features: int, classes: int) -> float:
    """Multiplications of a whole training, up to a factor common to all of a study: for an order, not a forecast."""
    return float(multiplications(configuration.network, timesteps, features, classes)) * samples * configuration.epochs


def varying_fields(configurations: Sequence[Configuration]) -> dict[str, list[Any]]:
    """The values of cell, of units, and of every other field that takes more than one, in order of appearance."""
    values = {
        name: list(dict.fromkeys(getattr(configuration, name) for configuration in configurations))
        for name in Configuration.model_fields
    }
    return {name: found for name, found in values.items() if len(found) > 1 or name in ("cell", "units")}
