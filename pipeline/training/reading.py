"""What a network does with raw values before its first layer of its own, and with states of steps that are none.

All of it is made of Keras's own layers and operations, so that a saved model reads raw values in any program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.params.network import EMBEDDING_WIDTH
from pipeline.training.identity import derived_seed

# The deviations that Keras's layer divides by as they are. It takes those below 1e-7 for 1e-7, and float32 has no
# variance of those above 1.8e19.
PLAIN_DEVIATIONS = (1e-6, 1e18)


@dataclass(frozen=True)
class Reading:
    """How raw values are read. Of an image's pixels from 0 to 1 nothing has to be done.

    `padded`: sequences may end before the last step; the steps after that are NaN in all features. `mean` and
    `variance`, of each feature: values are standardized by them. Where a feature's deviation is too small or too large
    for that, its values are first multiplied by its `unit`, a power of two, and the moments are of the products.
    `tokens`: the values, in one feature, are whole numbers below this one, each with an embedding of `EMBEDDING_WIDTH`;
    one for all others comes in addition.
    """

    padded: bool = False
    mean: tuple[float, ...] | None = None
    variance: tuple[float, ...] | None = None
    unit: tuple[float, ...] | None = None
    tokens: int | None = None

    def scaled_by(self, x: NDArray[np.float32]) -> Reading:
        """The same with the moments of `x` (n, timesteps, features)."""
        mean, variance = moments(x)
        unit = _units(np.sqrt(variance))
        scaled = tuple((mean * unit).tolist()), tuple((variance * unit**2).tolist())
        return replace(
            self, mean=scaled[0], variance=scaled[1], unit=tuple(unit.tolist()) if (unit != 1).any() else None
        )


AS_THEY_ARE = Reading()


def moments(x: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each feature of `x` (n, timesteps, features) over the steps that are not NaN; the variance
    of a constant is taken to be 1.

    Sums go along the rows, one after the other: their last bits are the same on every processor.
    """
    steps = x.reshape(-1, x.shape[-1]).astype(np.float64)
    steps = steps[~np.isnan(steps[:, 0])]
    mean = steps.sum(axis=0) / len(steps)
    variance = np.square(steps - mean).sum(axis=0) / len(steps)
    smallest = np.maximum(1e-6 * np.abs(mean), np.finfo(np.float32).tiny)  # that float32 can tell from none
    return mean, np.where(np.sqrt(variance) <= smallest, 1.0, variance)


def _units(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """1, or the power of two that brings a deviation near 1 if it is not a plain one. Such products lose no bits."""
    low, high = PLAIN_DEVIATIONS
    exponents = np.clip(-np.frexp(deviations)[1], -126, 126)  # those that float32 has
    return np.where((deviations < low) | (deviations > high), np.ldexp(1.0, exponents), 1.0)


def standardized(x: NDArray[np.float32], reading: Reading) -> NDArray[np.float32]:
    """`x` as the layers of `read` make it, to the bit."""
    if reading.mean is None or reading.variance is None:
        return x
    if reading.unit is not None:
        x = x * np.asarray(reading.unit, np.float32)
    mean, variance = np.asarray([reading.mean, reading.variance], np.float32)
    return np.asarray((x - mean) / np.sqrt(variance), np.float32)


def read(inputs: Any, reading: Reading, seed: int) -> tuple[Any, Any]:
    """What the first layer sees of `inputs` (batch, timesteps, features), and which steps are some: (batch, timesteps)
    bool, or None where all are."""
    import keras

    ops = keras.ops
    x = inputs
    if reading.unit is not None:
        x = keras.layers.Rescaling(list(reading.unit), name="unit")(x)
    if reading.mean is not None:
        x = keras.layers.Normalization(mean=reading.mean, variance=reading.variance, name="standardized")(x)
    valid = None
    if reading.padded:
        valid = ops.logical_not(ops.all(ops.isnan(inputs), axis=-1))
        x = ops.where(ops.expand_dims(valid, -1), x, -1.0 if reading.tokens else 0.0)
    if reading.tokens is not None:
        known = ops.logical_and(ops.greater_equal(x, 0.0), ops.less(x, float(reading.tokens)))
        numbers = ops.cast(ops.where(known, x + 1.0, 0.0), "int32")  # 0 is for all others
        uniform = keras.initializers.RandomUniform(seed=derived_seed(seed, "embedding"))
        embedding = keras.layers.Embedding(reading.tokens + 1, EMBEDDING_WIDTH, uniform, name="embedding")
        x = embedding(ops.squeeze(numbers, axis=-1))
    return x, valid


def last_state(states: Any, valid: Any) -> Any:
    """Of (batch, timesteps, width) the state after the last step that is one."""
    from keras import ops

    steps = ops.cast(valid, "int32")
    so_far = ops.cumsum(steps, axis=1)
    is_last = ops.logical_and(valid, ops.equal(so_far, ops.sum(steps, axis=1, keepdims=True)))
    return ops.sum(states * ops.expand_dims(ops.cast(is_last, states.dtype), -1), axis=1)


def mean_state(states: Any, valid: Any) -> Any:
    """The mean over the steps that are some."""
    from keras import ops

    counted = ops.expand_dims(ops.cast(valid, states.dtype), -1)
    return ops.sum(states * counted, axis=1) / ops.sum(counted, axis=1)


def largest_state(states: Any, valid: Any) -> Any:
    """The largest value of each unit over the steps that are some."""
    from keras import ops

    return ops.max(ops.where(ops.expand_dims(valid, -1), states, -float("inf")), axis=1)
