"""Which configurations a study tries: fixed lists and grids, and the search spaces of samplers."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from pipeline.network import REFERENCE_CELLS, multiplications
from pipeline.params import Configuration, GridStudy, ListStudy, Space, TrainingSettings
from pipeline.trials import Trial

# Measured on a core that does 165 GFLOP/s: 1.7 ms for a SimpleRNN-8 over 28 time steps, 2.7 for an LSTM, 3.6 for a GRU.
STEP_OVERHEAD = 15e6


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
    """What a whole training costs, in floating-point operations; only the ratios of two trainings mean something.

    Six operations for each multiplication and sample: two forward, four backward. To these comes what starting the
    many small kernels of a time step takes, as long as `STEP_OVERHEAD` operations.
    """
    recurrences = 0
    if configuration.cell not in REFERENCE_CELLS:
        recurrences = timesteps * configuration.depth * (2 if configuration.bidirectional else 1)
    operations = 6 * configuration.batch_size * multiplications(configuration.network, timesteps, features, classes)
    steps = math.ceil(samples / configuration.batch_size)
    return float(configuration.epochs * steps * (operations + STEP_OVERHEAD * recurrences))


def varying_fields(configurations: Sequence[Configuration]) -> dict[str, list[Any]]:
    """The values of cell, of units, and of every other field that takes more than one, in order of appearance."""
    values = {
        name: list(dict.fromkeys(getattr(configuration, name) for configuration in configurations))
        for name in Configuration.model_fields
    }
    return {name: found for name, found in values.items() if len(found) > 1 or name in ("cell", "units")}
