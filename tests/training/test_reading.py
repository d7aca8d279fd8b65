"""A network reads raw values: standardized, of unequal lengths, or tokens. Padding changes no answer."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.params.network import NetworkSpec
from pipeline.params.settings import Configuration
from pipeline.training.build import build
from pipeline.training.inputs import TrainingData
from pipeline.training.reading import EMBEDDING_WIDTH, Reading, moments, standardized
from pipeline.training.train import train

LENGTHS = (9, 3, 7, 1, 5, 9)
RNG = np.random.default_rng(0)
KELVIN = (RNG.normal(size=(len(LENGTHS), 9, 3)) * (5, 1, 0) + 290).astype(np.float32)  # the last one is constant
for row, length in enumerate(LENGTHS):
    KELVIN[row, length:] = np.nan
READING = Reading(padded=True).scaled_by(KELVIN)


def test_moments_are_of_the_steps_that_are_some() -> None:
    mean, variance = moments(KELVIN)
    steps = np.concatenate([KELVIN[row, :length] for row, length in enumerate(LENGTHS)]).astype(float)
    assert mean == pytest.approx(steps.mean(axis=0))
    assert variance[:2] == pytest.approx(steps.var(axis=0)[:2])
    assert variance[2] == 1, "a constant is left as it is, but for its mean"


def test_values_are_standardized_as_by_keras_own_layer() -> None:
    layer = keras.layers.Normalization(mean=READING.mean, variance=READING.variance)
    assert np.array_equal(np.asarray(layer(KELVIN)), standardized(KELVIN, READING), equal_nan=True)
    assert standardized(KELVIN, Reading(padded=True)) is KELVIN
    layer = keras.layers.Normalization(mean=(1.0,), variance=(1e-12,))  # the smallest plain deviation
    x = np.array([[[1.0]], [[1.0 + 2**-20]]], np.float32)
    assert np.array_equal(np.asarray(layer(x)), standardized(x, Reading(mean=(1.0,), variance=(1e-12,))))


@pytest.mark.parametrize("power", [-120, -25, 62, 118])
def test_tiny_and_huge_values_are_standardized_as_others_are(power: int, tmp_path: Path) -> None:
    """Values of 2e-34 or 1e38: the network sees the same bits, and the saved model has the same answers."""
    x = KELVIN.copy()
    x[:, :, :2] *= np.float32(2.0**power)
    reading = Reading(padded=True).scaled_by(x)
    assert reading.unit is not None
    assert reading.unit[2] == 1, "the other feature is left alone"
    assert np.array_equal(standardized(x, reading), standardized(KELVIN, READING), equal_nan=True)
    spec = NetworkSpec(cell="gru", units=5)
    expected = build(spec, 9, 3, 4, seed=1, reading=READING).predict(KELVIN, verbose=0)
    build(spec, 9, 3, 4, seed=1, reading=reading).save(tmp_path / "model.keras")
    saved = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(saved.predict(x, verbose=0), expected)


def test_what_float32_cannot_tell_from_a_constant_is_one() -> None:
    x = np.array([0.0, 1e-42], np.float32).reshape(1, 2, 1)
    reading = Reading().scaled_by(x)
    assert (reading.variance, reading.unit) == ((1.0,), None)


SPECS: list[dict[str, Any]] = [
    {"cell": "gru"},
    {"cell": "lstm", "depth": 2, "pooling": "mean_max"},
    {"cell": "simple_rnn", "depth": 2, "bidirectional": True},
    {"cell": "gru", "bidirectional": True, "pooling": "attention", "layer_normalization": True},
    {"cell": "lstm", "depth": 2, "residual": True},
    {"cell": "elman_output", "pooling": "max"},
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: "-".join(map(str, spec.values())))
def test_padding_changes_no_answer(spec: dict[str, Any], tmp_path: Path) -> None:
    model = build(NetworkSpec(units=5, **spec), 9, 3, 4, seed=1, reading=READING)
    answers = model.predict(KELVIN, verbose=0)
    for more in (1, 50):
        longer = np.pad(KELVIN, ((0, 0), (0, more), (0, 0)), constant_values=np.nan)
        assert model.predict(longer, verbose=0) == pytest.approx(answers, abs=1e-6)
    alone = [model.predict(KELVIN[row : row + 1, :length], verbose=0)[0] for row, length in enumerate(LENGTHS[:3])]
    assert np.array(alone) == pytest.approx(answers[:3], abs=1e-6)

    equally_long = build(NetworkSpec(units=5, **spec), 9, 3, 4, seed=1)
    assert equally_long.predict(standardized(KELVIN[:1], READING), verbose=0) == pytest.approx(answers[:1], abs=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")  # with Keras's own layer normalization
    assert loaded.predict(KELVIN, verbose=0) == pytest.approx(answers, abs=1e-6)


def test_the_last_state_has_the_bits_of_a_mask() -> None:
    ours = build(NetworkSpec(cell="lstm", units=5), 9, 3, 4, seed=1, reading=Reading(padded=True))
    x = standardized(KELVIN, READING)
    masked = keras.layers.LSTM(5)
    masked.build(x.shape)
    masked.set_weights(ours.get_layer("lstm_1").get_weights())
    state = masked(np.nan_to_num(x), mask=keras.ops.convert_to_tensor(~np.isnan(x[..., 0])))
    assert np.array_equal(ours.get_layer("classes")(state), ours(x))


def test_unknown_tokens_are_one_and_padding_is_none() -> None:
    model = build(NetworkSpec(cell="gru", units=4), 6, 1, 3, seed=1, reading=Reading(padded=True, tokens=7))
    embedding = model.get_layer("embedding")
    assert embedding.get_weights()[0].shape == (8, EMBEDDING_WIDTH)

    def answer(*numbers: float) -> Any:
        return model.predict(np.array(numbers, np.float32).reshape(1, -1, 1), verbose=0)

    assert np.array_equal(answer(3, 99), answer(3, 7)), "neither is known"
    assert np.array_equal(answer(3, -5), answer(3, 7))
    assert not np.array_equal(answer(3, 6), answer(3, 7))
    assert answer(3, np.nan) == pytest.approx(answer(3), abs=1e-7)


@settings(max_examples=5, deadline=None)
@given(st.sampled_from(["float64", "float32", "float16", "int64", "int16", "uint8"]))
def test_a_model_answers_the_same_whatever_the_type(dtype: str) -> None:
    model = build(NetworkSpec(cell="gru", units=4), 6, 2, 3, 1, Reading(mean=(100.0, 3.0), variance=(900.0, 2.0)))
    x = np.random.default_rng(3).integers(0, 200, (5, 6, 2))
    assert np.array_equal(model.predict(x.astype(dtype), verbose=0), model.predict(x.astype(np.float32), verbose=0))


@pytest.mark.parametrize("spec", SPECS[:4], ids=lambda spec: "-".join(map(str, spec.values())))
def test_a_trained_model_takes_raw_values(spec: dict[str, Any]) -> None:
    """What is measured in training, on standardized values, the saved model has on raw ones."""
    rng = np.random.default_rng(1)
    y = np.arange(40) % 2
    x = (rng.normal(size=(40, 6, 2)) + 3 * y[:, None, None] + 290).astype(np.float32)
    x[::3, 4:] = np.nan
    data = TrainingData(x[:30], y[:30], 2, x[30:], y[30:], reading=Reading(padded=True), standardize=True)
    configuration = Configuration(units=4, epochs=4, batch_size=5, learning_rate=0.02, **spec)
    model, result = train(configuration, data, seed=0)
    answers = model.predict(x[30:], verbose=0)
    assert np.mean(answers.argmax(axis=1) == y[30:]) == result.best.validation_accuracy
    assert (result.best.validation_accuracy or 0) >= 0.9
    again, repeated = train(configuration, data, seed=0)
    assert repeated.weights_sha256 == result.weights_sha256
    assert np.array_equal(again.predict(x[30:], verbose=0), answers)


def test_scales_are_those_of_the_rows_that_are_trained_on() -> None:
    """A network that may see ten rows knows the mean of no more."""
    x = np.concatenate([np.zeros((10, 4, 1)), np.full((10, 4, 1), 50.0)]).astype(np.float32)
    data = TrainingData(x, np.arange(20) % 2, 2, standardize=True)
    model, _ = train(Configuration(cell="gru", units=3, epochs=1, train_samples=10), data, seed=0)
    assert np.asarray(model.get_layer("standardized").mean).ravel().tolist() == [0.0]
