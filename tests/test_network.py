"""NetworkSpec, its closed-form parameter count, and the Keras model against equation 1.5.1."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.network import Cell, NetworkSpec, build, derived_seed, parameter_count

CELLS: list[Cell] = ["simple_rnn", "lstm", "gru"]


@pytest.mark.parametrize(
    ("cell", "units", "expected"),
    [("simple_rnn", 256, 72_960 + 2_570), ("simple_rnn", 512, 282_122), ("lstm", 256, 294_410)],
)
def test_parameter_count_is_that_of_the_book(cell: Cell, units: int, expected: int) -> None:
    assert parameter_count(NetworkSpec(cell=cell, units=units), features=28, classes=10) == expected


@pytest.mark.parametrize(("cell", "depth", "bidirectional"), list(itertools.product(CELLS, [1, 2, 3], [False, True])))
def test_parameter_count_is_that_of_keras(cell: Cell, depth: int, bidirectional: bool) -> None:
    spec = NetworkSpec(cell=cell, units=5, depth=depth, bidirectional=bidirectional)
    model = build(spec, timesteps=4, features=3, classes=7, seed=0)
    assert model.count_params() == parameter_count(spec, features=3, classes=7)
    assert model.output_shape == (None, 7)


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


@pytest.mark.parametrize("cell", CELLS)
def test_no_two_kernels_start_alike(cell: Cell) -> None:
    """Bidirectional clones a layer with the seeds in it: both directions would be the same network."""
    spec = NetworkSpec(cell=cell, units=4, depth=2, bidirectional=True)
    kernels = [w for w in build(spec, 3, 8, 2, seed=0).get_weights() if w.ndim == 2 and w.any()]  # no biases
    for one, other in itertools.combinations(kernels, 2):
        assert one.shape != other.shape or not np.allclose(one, other)


@pytest.mark.parametrize(("cell", "bidirectional"), list(itertools.product(CELLS, [False, True])))
def test_the_same_seed_gives_the_same_weights_and_dropout_and_another_seed_others(
    cell: Cell, bidirectional: bool
) -> None:
    spec = NetworkSpec(cell=cell, units=4, depth=2, bidirectional=bidirectional, dropout=0.5)
    x = np.random.default_rng(0).normal(size=(8, 3, 2)).astype(np.float32)
    first, again, other = (build(spec, 3, 2, 2, seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), again.get_weights(), strict=True))
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    for _ in range(2):  # masks go on from step to step
        assert np.array_equal(first(x, training=True), again(x, training=True))
    assert not np.array_equal(first(x, training=True), first(x, training=True))


def test_derived_seeds_are_stable_and_differ_by_purpose() -> None:
    assert derived_seed(0, "shuffle", 1) == 222_360_903
    assert len({derived_seed(seed, name, k) for seed in range(5) for name in "ab" for k in range(20)}) == 200


@pytest.mark.parametrize("wrong", [{"units": 0}, {"units": -3}, {"depth": 0}, {"dropout": 1.0}, {"cell": "lstmm"}])
def test_what_is_no_network_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NetworkSpec.model_validate({"cell": "lstm", "units": 4} | wrong)
