"""Layers of several seeds at once have the states and gradients of Keras's own layers, to the bit."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.params.network import Cell, NetworkSpec
from pipeline.training.build import build
from pipeline.training.layers import LAYERS, Products

pytestmark = pytest.mark.usefixtures("one_thread")
SEEDS, TIMESTEPS, FEATURES = 3, 5, 7


@pytest.mark.parametrize("rows", [128, 41])
@pytest.mark.parametrize("units", [8, 32, 40])
@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
def test_states_and_gradients_are_those_of_keras(cell: Cell, units: int, rows: int) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(units)
    x = tf.constant(rng.normal(size=(SEEDS, rows, TIMESTEPS, FEATURES)), tf.float32)
    d_state = tf.constant(rng.normal(size=(SEEDS, rows, units)), tf.float32)
    layers = [
        build(NetworkSpec(cell=cell, units=units), TIMESTEPS, FEATURES, 4, seed).layers[1] for seed in range(SEEDS)
    ]
    for layer in layers:
        for weight in layer.trainable_variables:  # biases, too
            weight.assign(weight + 0.1 * rng.normal(size=weight.shape).astype(np.float32))

    @tf.function(autograph=False)
    def keras_own(layer: keras.Layer, x: Any, d_state: Any) -> tuple[Any, list[Any]]:
        with tf.GradientTape() as tape:
            state = layer(x)
        return state, tape.gradient(state, layer.trainable_variables, output_gradients=d_state)

    @tf.function(autograph=False)
    def together(x: Any, d_state: Any, weights: list[Any]) -> tuple[Any, tuple[Any, ...]]:
        state, gradient = LAYERS[cell](tf.transpose(x, (2, 0, 1, 3)), weights, Products((rows,)))
        return state, gradient(d_state)

    weights = [tf.stack(of_all) for of_all in zip(*(layer.get_weights() for layer in layers), strict=True)]
    states, gradients = together(x, d_state, weights)
    for seed, layer in enumerate(layers):
        state, own = keras_own(layer, x[seed], d_state[seed])
        assert states[seed].numpy().tobytes() == state.numpy().tobytes()
        assert [len(gradient.shape) for gradient in own] == [2, 2, 2 if cell == "gru" else 1]
        for found, expected in zip(gradients, own, strict=True):
            assert found[seed].numpy().tobytes() == expected.numpy().tobytes()


def test_products_are_those_of_each_seed_whether_large_or_small() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for rows, inner, columns in [(128, 32, 32), (16, 8, 8), (1, 8, 24)]:
        a = tf.constant(rng.normal(size=(4, 3, rows, inner)), tf.float32)
        b = tf.constant(rng.normal(size=(1, 3, inner, columns)), tf.float32)
        found = Products((rows, 1))(a, b)
        expected = [[tf.matmul(a[step, seed], b[0, seed]).numpy() for seed in range(3)] for step in range(4)]
        assert found.numpy().tobytes() == np.array(expected).tobytes()
