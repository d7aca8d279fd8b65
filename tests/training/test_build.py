"""The Keras model of a NetworkSpec: its parameters, equation 1.5.1, and where every random number comes from."""

import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.params.network import Cell, MergeMode, NetworkSpec, Pooling, parameter_count
from pipeline.training.build import build, orthogonal
from pipeline.training.identity import derived_seed
from pipeline.training.reading import Reading

pytestmark = pytest.mark.usefixtures("one_thread")
RECURRENT: list[Cell] = ["simple_rnn", "elman_output", "lstm", "gru"]
POOLINGS: list[Pooling] = ["last", "mean", "max", "mean_max", "attention"]
MERGE_MODES: list[MergeMode] = ["concat", "sum", "ave", "mul"]
SPECS = [
    *(
        NetworkSpec(cell=cell, units=5, depth=depth, bidirectional=bidirectional)
        for cell, depth, bidirectional in itertools.product(RECURRENT, [1, 2, 3], [False, True])
    ),
    *(NetworkSpec(cell="gru", units=5, depth=2, bidirectional=True, merge_mode=mode) for mode in MERGE_MODES),
    *(NetworkSpec(cell="mlp", units=5, depth=depth, dropout=0.5) for depth in (1, 2, 3)),
    *(NetworkSpec(cell="cnn", units=5, depth=depth, dropout=0.5) for depth in (1, 2, 3)),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize(("timesteps", "features"), [(9, 3), (2, 1), (12, 20)])
def test_parameter_count_is_that_of_keras(spec: NetworkSpec, timesteps: int, features: int) -> None:
    model = build(spec, timesteps, features, classes=7, seed=0)
    assert model.count_params() == parameter_count(spec, timesteps, features, classes=7)
    assert model.output_shape == (None, 7)


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize(("timesteps", "tokens", "padded"), [(9, 50, True), (2, 1, False)])
def test_parameter_count_of_tokens_is_that_of_keras(
    spec: NetworkSpec, timesteps: int, tokens: int, padded: bool
) -> None:
    model = build(spec, timesteps, 1, classes=7, seed=0, reading=Reading(padded=padded, tokens=tokens))
    assert model.count_params() == parameter_count(spec, timesteps, 1, 7, tokens)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_parameter_count_is_that_of_keras_with_every_option(depth: int) -> None:
    """All options that are allowed together. The cells take turns: what an option costs does not depend on them."""
    options = itertools.product(POOLINGS, [False, True], [False, True], [False, True])
    for place, (pooling, residual, layer_normalization, bidirectional) in enumerate(options):
        if residual and bidirectional and pooling == "last":
            continue  # refused
        spec = NetworkSpec(
            cell=RECURRENT[(place + place // 4 + depth) % 4], units=2, depth=depth, pooling=pooling, residual=residual,
            layer_normalization=layer_normalization, bidirectional=bidirectional,
        )  # fmt: skip
        model = build(spec, 3, 1, 2, seed=0)
        assert model.count_params() == parameter_count(spec, 3, 1, 2), spec
        assert model.output_shape == (None, 2)


def layer_by_layer(spec: NetworkSpec, model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Probabilities by Keras's recurrent layers with the model's weights; all that follows them in NumPy."""
    for layer in range(1, spec.depth + 1):
        name = f"bidirectional_{layer}" if spec.bidirectional else f"{spec.cell}_{layer}"
        recurrent = model.get_layer(name)
        config = recurrent.get_config()
        for part in (
            (config["layer"]["config"], config["backward_layer"]["config"]) if spec.bidirectional else (config,)
        ):
            part["return_sequences"] = True
        whole = type(recurrent).from_config(config)
        whole.build(x.shape)
        whole.set_weights(recurrent.get_weights())
        inputs, x = x, whole(x).numpy()
        if spec.residual and layer > 1:
            x = inputs + x
        if spec.layer_normalization:
            scale, offset = model.get_layer(f"normalization_{layer}").get_weights()
            centred = x - x.mean(axis=-1, keepdims=True)
            x = scale * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-3) + offset
    seen = {"last": x[:, -1], "mean": x.mean(axis=1), "max": x.max(axis=1)}
    seen["mean_max"] = np.concatenate([seen["mean"], seen["max"]], axis=1)
    if spec.pooling == "attention":
        (query,) = model.get_layer("attention").get_weights()  # (units, 1)
        shares = np.exp(x @ query)
        seen["attention"] = (x * shares / shares.sum(axis=1, keepdims=True)).sum(axis=1)
    kernel, bias = model.get_layer("classes").get_weights()
    scores = np.exp(seen[spec.pooling] @ kernel + bias)
    found: np.ndarray = scores / scores.sum(axis=1, keepdims=True)
    return found


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("options", [(False, False), (True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_residual_normalization_and_pooling_are_those_of_numpy(
    pooling: Pooling, options: tuple[bool, bool], bidirectional: bool
) -> None:
    residual, layer_normalization = options
    if pooling == "last" and bidirectional:
        return  # the last states of the two directions belong to different time steps
    spec = NetworkSpec(
        cell="gru", units=4, depth=3, pooling=pooling, residual=residual, layer_normalization=layer_normalization,
        bidirectional=bidirectional,
    )  # fmt: skip
    model = build(spec, 5, 3, 4, seed=1)
    rng = np.random.default_rng(2)  # Keras starts with ones and zeros, which would hide a lost scale or offset
    model.set_weights([weight + rng.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    x = rng.normal(size=(8, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(model(x), layer_by_layer(spec, model, x), atol=1e-5)


@pytest.mark.parametrize("cell", RECURRENT)
def test_the_last_of_all_states_is_the_state_that_a_layer_ends_with(cell: Cell) -> None:
    """A residual layer hands on all of its states; without an input to add its last one is the ordinary one."""
    plain, cropped = (
        build(NetworkSpec(cell=cell, units=4, depth=2, residual=residual), 5, 3, 4, seed=1)
        for residual in (False, True)
    )
    x = np.random.default_rng(3).normal(size=(8, 5, 3)).astype(np.float32)
    first = keras.Model(plain.inputs, plain.get_layer(f"{cell}_1").output)(x).numpy()
    second = keras.Model(plain.inputs, plain.get_layer(f"{cell}_2").output)(x).numpy()
    seen = keras.Model(cropped.inputs, cropped.get_layer("last_state").output)(x).numpy()
    np.testing.assert_allclose(seen, first[:, -1] + second, atol=1e-6)


@pytest.mark.parametrize("scores", [0.0, 500.0])
def test_attention_weighs_states_by_a_softmax_that_does_not_overflow(scores: float) -> None:
    model = build(NetworkSpec(cell="lstm", units=4, pooling="attention"), 5, 3, 4, seed=1)
    attention = model.get_layer("attention")
    attention.set_weights([np.full((4, 1), scores, np.float32)])
    x = np.random.default_rng(3).normal(size=(8, 5, 3)).astype(np.float32)
    states = keras.Model(model.inputs, attention.input)(x).numpy()
    logits = scores * states.sum(axis=2)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = (states * (shares / shares.sum(axis=1, keepdims=True))[..., None]).sum(axis=1)
    if scores == 0:
        np.testing.assert_allclose(expected, states.mean(axis=1), atol=1e-6)
    seen = keras.Model(model.inputs, model.get_layer("classes").input)(x).numpy()
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_simple_rnn_computes_equation_1_5_1() -> None:
    model = build(NetworkSpec(cell="simple_rnn", units=6), timesteps=5, features=3, classes=4, seed=1)
    u, w, b, dense_kernel, dense_bias = model.get_weights()
    b = np.linspace(-0.5, 0.5, 6, dtype=np.float32)  # Keras starts with zeros, which would hide a lost bias
    model.set_weights([u, w, b, dense_kernel, dense_bias])
    x = np.random.default_rng(2).normal(size=(8, 5, 3)).astype(np.float32)
    h = np.zeros((8, 6), np.float32)
    for t in range(5):
        h = np.tanh(b + h @ w + x[:, t] @ u)
    scores = np.exp(h @ dense_kernel + dense_bias)
    expected = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("cell", RECURRENT)
def test_unrolled_and_looped_networks_are_the_same_network(cell: Cell) -> None:
    """The illusion of many cells: one cell's weights serve all time steps, drawn out or not."""
    looped, unrolled = (
        build(NetworkSpec(cell=cell, units=6, depth=2, unroll=unroll), 5, 3, 4, seed=1) for unroll in (False, True)
    )
    assert [w.shape for w in looped.weights] == [w.shape for w in unrolled.weights], "no weights of a step's own"
    x = np.random.default_rng(3).normal(size=(8, 5, 3)).astype(np.float32)
    gradients = []
    for model in (looped, unrolled):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(np.arange(8) % 4, model(x)))
        gradients.append(tape.gradient(loss, model.trainable_variables))
    np.testing.assert_allclose(looped(x), unrolled(x), atol=1e-5)
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        assert np.abs(one).max() > 1e-5, "a gradient of zero would prove nothing"


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("units", [3, 32])
def test_a_gru_has_the_bits_of_keras(units: int, bidirectional: bool) -> None:
    """Of outputs and of gradients, though its gates are taken apart in another way."""
    spec = NetworkSpec(cell="gru", units=units, depth=2, bidirectional=bidirectional, dropout=0.3)
    ours = build(spec, 9, 3, 4, seed=1)
    plain = keras.models.clone_model(ours)
    plain.set_weights(ours.get_weights())
    x = np.random.default_rng(3).normal(size=(16, 9, 3)).astype(np.float32)
    found = []
    for model in (ours, plain):
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(np.arange(16) % 4, outputs))
        found.append([outputs, *tape.gradient(loss, model.trainable_variables)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.abs(one).max() > 0


@pytest.mark.parametrize("merge_mode", MERGE_MODES)
def test_merge_mode_joins_the_two_directions(merge_mode: MergeMode) -> None:
    spec = NetworkSpec(cell="gru", units=4, bidirectional=True, merge_mode=merge_mode)
    model = build(spec, 5, 3, 2, seed=0)
    x = np.random.default_rng(0).normal(size=(8, 5, 3)).astype(np.float32)
    both = model.get_layer("bidirectional_1")
    forward, backward = both.forward_layer(x).numpy(), both.backward_layer(x).numpy()
    join: dict[str, Callable[..., Any]] = {
        "concat": lambda a, b: np.concatenate([a, b], axis=1),
        "sum": np.add,
        "mul": np.multiply,
        "ave": lambda a, b: (a + b) / 2,
    }
    np.testing.assert_allclose(both(x), join[merge_mode](forward, backward), atol=1e-6)


@pytest.mark.parametrize("cell", RECURRENT)
def test_no_two_kernels_start_alike(cell: Cell) -> None:
    """Bidirectional clones a layer with the seeds in it: both directions would be the same network."""
    spec = NetworkSpec(cell=cell, units=4, depth=2, bidirectional=True)
    kernels = [w for w in build(spec, 3, 8, 2, seed=0).get_weights() if w.ndim == 2 and w.any()]  # no biases
    for one, other in itertools.combinations(kernels, 2):
        assert one.shape != other.shape or not np.allclose(one, other)


RANDOM = [
    *(
        NetworkSpec(cell=cell, units=4, depth=2, bidirectional=bidirectional, dropout=0.5)
        for cell, bidirectional in itertools.product(RECURRENT, [False, True])
    ),
    *(
        NetworkSpec(cell=cell, units=4, depth=2, bidirectional=bidirectional, recurrent_dropout=0.5)
        for cell, bidirectional in itertools.product(RECURRENT, [False, True])
    ),
    NetworkSpec(cell="mlp", units=16, depth=2, dropout=0.5),
    NetworkSpec(cell="cnn", units=16, depth=2, dropout=0.5),
]


@pytest.mark.parametrize("spec", RANDOM, ids=str)
def test_the_same_seed_gives_the_same_weights_and_dropout_and_another_seed_others(spec: NetworkSpec) -> None:
    x = np.random.default_rng(0).normal(size=(8, 3, 2)).astype(np.float32)
    first, again, other = (build(spec, 3, 2, 2, seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), again.get_weights(), strict=True))
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    for _ in range(2):  # masks go on from step to step
        assert np.array_equal(first(x, training=True), again(x, training=True))
    assert not np.array_equal(first(x, training=True), first(x, training=True))


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (64, 64), (50, 200), (120, 30)])
def test_orthogonal_is_what_keras_draws_apart_from_the_last_bits(shape: tuple[int, int]) -> None:
    kernel = orthogonal(shape, seed=7)
    assert (kernel.shape, kernel.dtype) == (shape, np.float32)
    np.testing.assert_allclose(kernel, keras.initializers.Orthogonal(seed=7)(shape), atol=1e-5)
    product = kernel @ kernel.T if shape[0] <= shape[1] else kernel.T @ kernel
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-6)


def test_orthogonal_has_these_bits_whatever_the_cache() -> None:
    """Keras's have others with 32 KiB of first cache than with 48, for both of these shapes."""
    digests = [hashlib.sha256(orthogonal(shape, seed=0).tobytes()).hexdigest() for shape in ((128, 128), (64, 256))]
    assert digests == [
        "e01eab9a5f9f7129a2176238d9e1e6c89eb6c5b0fab1be4c211a9912dd76f395",
        "caad0e79db89c36171a87daff7610cac69864bed5f8950afd10c76752ac9e067",
    ]


@pytest.mark.parametrize("cell", RECURRENT)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_recurrent_kernel_starts_orthogonal(cell: Cell, bidirectional: bool) -> None:
    spec = NetworkSpec(cell=cell, units=6, depth=2, bidirectional=bidirectional)
    kernels = [w for w in build(spec, 7, 5, 4, seed=3).weights if w.path.endswith("/recurrent_kernel")]
    assert len(kernels) == (4 if bidirectional else 2)
    ways = ["forward", "backward"] if bidirectional else ["forward"]
    for kernel, (layer, way) in zip(kernels, itertools.product([1, 2], ways), strict=True):
        seed = derived_seed(3, "layer", layer, way, "recurrent_kernel")
        np.testing.assert_array_equal(kernel, orthogonal(kernel.shape, seed))
