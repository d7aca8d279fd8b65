"""The duration of a training, known in advance: from the network's size and the speed of this processor."""

import itertools
import math
import random
from typing import Any

from pipeline.params.network import CELLS, NetworkSpec, Sizes, multiplications
from pipeline.params.settings import Configuration, TrainingSettings
from pipeline.params.studies import IntegerRange, RealRange, SampledStudy, Space
from pipeline.studies.proposals import configure, units_within

REFERENCE_RATE = 150e9  # operations a second, between the two: trainings are ordered by their duration at this rate

START_SECONDS = 0.9  # of one training: to build the network and trace its graphs

STUDY_START_SECONDS = 4.0  # until the first training: MLflow, TensorFlow and the workers

# How long a training that may stop early lasts. With a patience of 3 those of the capacity study ran from 7 to 25
# epochs, the larger the fewer; weighted by the cost of an epoch, 15.7 on average.
EPOCHS_PER_PATIENCE = 5


def training_seconds(configuration: Configuration, samples: int, evaluated: int, sizes: Sizes, rate: float) -> float:
    """How long one training takes on a core that multiplies matrices at `rate` operations a second, see `sgemm_rate`.

    Assumes all epochs, or fewer if early stopping is likely.

    Every epoch trains on `samples` and then passes `evaluated` sequences forward, which is a third of the work.
    """
    epochs = configuration.epochs
    if configuration.patience is not None:
        epochs = min(epochs, EPOCHS_PER_PATIENCE * configuration.patience)
    work = step_work(configuration.network, configuration.batch_size, sizes)
    cost = CELLS[configuration.cell].cost
    constants = cost.step, cost.unit, 1 / (cost.efficiency * rate)
    seconds = sum(amount * constant for amount, constant in zip(work, constants, strict=True))
    steps = math.ceil(samples / configuration.batch_size) + evaluated / configuration.batch_size / 3
    return START_SECONDS + epochs * steps * seconds


def step_work(network: NetworkSpec, batch_size: int, sizes: Sizes) -> tuple[float, float, float]:
    """The parts of one step of training on a batch: time steps, states of sequences in them, and operations.

    Six operations for each multiplication and sequence: two forward, four backward. The reference networks have no
    time steps: their layers count.
    """
    recurrent = CELLS[network.cell].recurrent
    layers = network.depth * (2 if network.bidirectional else 1) * (sizes.timesteps if recurrent else 1)
    operations = 6 * batch_size * multiplications(network, *sizes)
    return layers, layers * batch_size * network.units, operations


def study_seconds(mean_training_seconds: float, trainings: int, workers: int) -> float:
    """How long a study takes whose trainings are shared by the workers.

    At its end all workers but one have nothing left to do, on average for half a training.
    """
    busy = min(workers, trainings)
    return STUDY_START_SECONDS + mean_training_seconds * (trainings + (busy - 1) / 2) / busy


def typical_configurations(
    study: SampledStudy, defaults: TrainingSettings, sizes: Sizes, count: int = 200
) -> list[Configuration]:
    """Configurations drawn evenly from a search space, as a sampler proposes before it has learned; always the same."""
    rng = random.Random(0)
    axes = {name: axis for name in Space.model_fields if (axis := getattr(study.space, name))}
    drawn = [{name: _draw(axis, rng) for name, axis in axes.items()} for _ in range(count)]
    if study.parameter_budgets and isinstance(study.space.units, IntegerRange):
        for fields, budget in zip(drawn, itertools.cycle(study.parameter_budgets), strict=False):
            fields["units"] = units_within(fields, study.space.units, budget, sizes)
    return [configure(fields, defaults) for fields in drawn]


def _draw(axis: Any, rng: random.Random) -> Any:
    if not isinstance(axis, IntegerRange | RealRange):
        return rng.choice(axis)
    if axis.log:
        value = math.exp(rng.uniform(math.log(axis.low), math.log(axis.high)))
    else:
        value = rng.uniform(axis.low, axis.high)
    return min(round(value), axis.high) if isinstance(axis, IntegerRange) else min(value, axis.high)
