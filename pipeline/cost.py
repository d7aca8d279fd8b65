"""What a training costs, before it starts: seconds, from the network's size and the speed of this processor."""

import itertools
import math
import random
import time
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.network import NetworkSpec, multiplications
from pipeline.params import Configuration, IntegerRange, RealRange, SampledStudy, Space, TrainingSettings
from pipeline.proposals import configure, units_within


class CellCost(NamedTuple):
    """What one step of training on a batch takes on a core, apart from each other.

    `step`: seconds to start the kernels of one time step of one layer; `unit`: seconds for each state of each sequence
    in it, for all that is done element by element; `efficiency`: the share of the core's `sgemm_rate` at which
    matrices are multiplied.
    """

    step: float
    unit: float
    efficiency: float


# Means of what `python -m benchmarks.growth --fit` gave, in processor time with all cores at work, on an Intel Xeon
# that multiplies at 202 GFLOP/s a core (2026-11-24) and an AMD EPYC at 106 (2026-11-25). A step took about as long on
# both, GRU's a quarter longer on the EPYC; a unit is the least certain, LSTM's 7.7 and 19 ns; and of its higher peak
# the Xeon reached less, 0.72 of it for LSTM where the EPYC had 0.90.
CELL_COSTS = {
    "simple_rnn": CellCost(63e-6, 2.5e-9, 0.90),
    "elman_output": CellCost(69e-6, 1.6e-9, 0.84),
    "lstm": CellCost(105e-6, 13e-9, 0.81),
    "gru": CellCost(140e-6, 7.0e-9, 0.80),
    "mlp": CellCost(262e-6, 0.0, 0.73),
    "cnn": CellCost(1180e-6, 0.0, 0.60),
}
REFERENCE_RATE = 150e9  # operations a second, between the two: trainings are ordered by what they take at this rate
START_SECONDS = 0.9  # of one training: to build the network and trace its graphs
STUDY_START_SECONDS = 4.0  # until the first training: MLflow, TensorFlow and the workers
# How long a training that may stop early lasts. With a patience of 3 those of the capacity study ran from 7 to 25
# epochs, the larger the fewer; weighted by what an epoch costs, 15.7 on average.
EPOCHS_PER_PATIENCE = 5

SIZE = 512  # of the matrices in `sgemm_rate`; they fit into a core's cache


def training_seconds(
    configuration: Configuration, samples: int, evaluated: int, timesteps: int, features: int, classes: int, rate: float
) -> float:
    """How long one training takes on a core that multiplies matrices at `rate` operations a second, see `sgemm_rate`.

    It has at most its epochs, fewer where patience will end it.

    Every epoch trains on `samples` and then passes `evaluated` sequences forward, which is a third of the work.
    """
    epochs = configuration.epochs
    if configuration.patience is not None:
        epochs = min(epochs, EPOCHS_PER_PATIENCE * configuration.patience)
    work = step_work(configuration.network, configuration.batch_size, timesteps, features, classes)
    cost = CELL_COSTS[configuration.cell]
    constants = cost.step, cost.unit, 1 / (cost.efficiency * rate)
    seconds = sum(amount * constant for amount, constant in zip(work, constants, strict=True))
    steps = math.ceil(samples / configuration.batch_size) + evaluated / configuration.batch_size / 3
    return START_SECONDS + epochs * steps * seconds


def step_work(
    network: NetworkSpec, batch_size: int, timesteps: int, features: int, classes: int
) -> tuple[float, float, float]:
    """What one step of training on a batch consists of: time steps, states of sequences in them, and operations.

    Six operations for each multiplication and sequence: two forward, four backward. The reference networks have no
    time steps: their layers count.
    """
    recurrent = network.cell not in ("mlp", "cnn")
    layers = network.depth * (2 if network.bidirectional else 1) * (timesteps if recurrent else 1)
    operations = 6 * batch_size * multiplications(network, timesteps, features, classes)
    return layers, layers * batch_size * network.units, operations


def study_seconds(mean_training_seconds: float, trainings: int, workers: int) -> float:
    """How long a study takes whose trainings are shared by the workers.

    At its end all workers but one have nothing left to do, on average for half a training.
    """
    busy = min(workers, trainings)
    return STUDY_START_SECONDS + mean_training_seconds * (trainings + (busy - 1) / 2) / busy


def typical_configurations(
    study: SampledStudy, defaults: TrainingSettings, sizes: tuple[int, int, int], count: int = 200
) -> list[Configuration]:
    """Drawn evenly from a search space: what a sampler proposes before it has learned anything; always the same.

    `sizes` are timesteps, features and classes.
    """
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


def sgemm_rate(seconds: float, best: bool = True) -> float:
    """Floating-point operations a second of one core that multiplies float32 matrices, tried for so many seconds.

    The `best` product is what the processor can do, whatever else it has to do meanwhile; else their mean.
    """
    a = np.full((SIZE, SIZE), 0.5, np.float32)
    product = np.empty_like(a)
    durations: list[float] = []
    with threadpool_limits(1):
        np.matmul(a, a, out=product)  # the first one starts threads and touches memory
        ends = time.perf_counter() + seconds
        while not durations or time.perf_counter() < ends:
            started = time.perf_counter()
            np.matmul(a, a, out=product)
            durations.append(time.perf_counter() - started)
    return 2 * SIZE**3 / (min(durations) if best else sum(durations) / len(durations))
