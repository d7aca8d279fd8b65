"""train() is a pure function, does what Keras's own fit does, and measures what it says."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.params.settings import Configuration, Optimizer
from pipeline.training.build import build
from pipeline.training.graphs import EVALUATION_BATCH_SIZE, optimizer_of, traced_graphs
from pipeline.training.identity import derived_seed
from pipeline.training.inputs import TrainingData
from pipeline.training.train import TrainingFailed, _sha256, train
from pipeline.training.trials import EpochMetrics
from tests.helpers.sequences import CLASSES, FEATURES, TIMESTEPS, training_data

CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = CPU_INFO.read_text(encoding="utf-8") if CPU_INFO.exists() else ""

pytestmark = pytest.mark.usefixtures("one_thread")
LSTM = Configuration(cell="lstm", units=5, depth=2, dropout=0.2, batch_size=20, epochs=2, learning_rate=0.01)


def test_the_same_arguments_give_the_same_weights_whatever_global_generators_do() -> None:
    import tensorflow as tf

    def poison(_: EpochMetrics) -> bool:
        random.seed(12)
        np.random.seed(34)
        tf.random.set_seed(56)
        return False

    model, first = train(LSTM, training_data(), seed=3)
    random.random()
    traced_graphs.cache_clear()  # the graphs are made again, with the generators where they are now
    _, again = train(LSTM, training_data(), seed=3, on_epoch=poison)
    _, other = train(LSTM, training_data(), seed=4)
    assert first.weights_sha256 == again.weights_sha256 == _sha256(model.get_weights())
    assert first.epochs == again.epochs
    assert other.weights_sha256 != first.weights_sha256


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_is_bit_for_bit_that_of_keras_fit(optimizer: Optimizer) -> None:
    configuration = Configuration(cell="gru", units=4, dropout=0.3, batch_size=20, epochs=2, optimizer=optimizer)
    data = training_data()
    _, result = train(configuration, data, seed=5)

    ours = build(configuration.network, TIMESTEPS, FEATURES, CLASSES, seed=5)
    model = keras.models.clone_model(ours)  # of Keras's own layers
    model.set_weights(ours.get_weights())
    optimizer = optimizer_of(configuration.optimizer, configuration.effective_learning_rate)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    for metrics in result.epochs:
        order = np.random.default_rng(derived_seed(5, "shuffle", metrics.epoch)).permutation(len(data.x))
        history = model.fit(data.x[order], data.y[order], batch_size=20, shuffle=False, verbose=0).history
        assert metrics.during_fit_loss == pytest.approx(history["loss"][0], rel=1e-5)
        assert metrics.during_fit_accuracy == pytest.approx(history["accuracy"][0], rel=1e-6)
        # In the same batches: Keras draws dropout masks in evaluation too, unused, so batches move the sequence on.
        train_loss, train_accuracy = model.evaluate(data.x[:60], data.y[:60], EVALUATION_BATCH_SIZE, verbose=0)
        assert metrics.train_loss == pytest.approx(train_loss, rel=1e-5)
        assert metrics.train_accuracy == pytest.approx(train_accuracy, rel=1e-6)
        validation_loss, _ = model.evaluate(data.held_out_x, data.held_out_y, EVALUATION_BATCH_SIZE, verbose=0)
        assert metrics.validation_loss == pytest.approx(validation_loss, rel=1e-5)
    assert result.weights_sha256 == _sha256(model.get_weights())


@pytest.mark.skipif("avx512f" not in CPU_FLAGS, reason="without AVX-512 other kernels multiply, with other last bits")
@pytest.mark.parametrize(
    ("network", "digest"),
    [
        ({"cell": "simple_rnn", "units": 128, "optimizer": "sgd"}, "35a07e4aa73518e8"),
        ({"cell": "lstm", "units": 64, "depth": 2, "optimizer": "adam"}, "906dd727a2447b07"),
        ({"cell": "gru", "units": 50, "bidirectional": True, "optimizer": "rmsprop"}, "ab9137d20ed93684"),
    ],
    ids=lambda value: value["cell"] if isinstance(value, dict) else "",
)
def test_trainings_have_these_bits_wherever_there_is_avx512(network: dict[str, Any], digest: str) -> None:
    _, result = train(Configuration(**network, epochs=2, batch_size=64), training_data(train=300), seed=0)
    assert result.weights_sha256[:16] == digest


def test_early_stopping_keeps_the_weights_of_the_lowest_validation_loss() -> None:
    configuration = Configuration(cell="simple_rnn", units=12, epochs=40, patience=2, learning_rate=0.03, batch_size=16)
    data = training_data(train=48)
    model, result = train(configuration, data, seed=0)
    losses = [metrics.validation_loss or 0.0 for metrics in result.epochs]
    assert len(losses) < 40, "this overfits within 40 epochs"
    assert result.best_epoch == 1 + int(np.argmin(losses)) == len(losses) - 2
    assert result.best.validation_accuracy is not None
    assert result.generalization_gap == result.best.train_accuracy - result.best.validation_accuracy
    probabilities = model(data.held_out_x).numpy()
    loss = -np.log(probabilities[np.arange(60), data.held_out_y]).mean()
    assert loss == pytest.approx(result.best.validation_loss, rel=1e-5)


def test_without_patience_or_held_out_data_the_last_epoch_counts() -> None:
    _, result = train(replace_patience(LSTM, None), training_data(), seed=0)
    assert (result.best_epoch, len(result.epochs)) == (2, 2)
    _, refit = train(replace_patience(LSTM, 1), replace(training_data(), held_out_x=None, held_out_y=None), seed=0)
    assert (refit.best_epoch, len(refit.epochs)) == (2, 2)
    assert refit.generalization_gap is None
    assert {metrics.validation_loss for metrics in refit.epochs} == {None}


def test_train_samples_takes_the_first_rows() -> None:
    data = training_data()
    fewer = TrainingData(data.x[:30], data.y[:30], CLASSES, data.held_out_x, data.held_out_y)
    _, subset = train(LSTM.model_copy(update={"train_samples": 30}), data, seed=0)
    _, whole = train(LSTM, fewer, seed=0)
    assert subset.weights_sha256 == whole.weights_sha256


def test_a_training_stops_where_it_is_told_to() -> None:
    _, result = train(LSTM, training_data(), seed=0, on_epoch=lambda metrics: metrics.epoch == 1)
    assert (result.pruned, len(result.epochs)) == (True, 1)


def test_a_loss_that_is_no_number_is_a_failure_with_its_epoch() -> None:
    data = training_data()
    data.x[7] = np.inf
    with pytest.raises(TrainingFailed, match="not a finite number after epoch 1"):
        train(LSTM, data, seed=0)


def test_summary_and_diagram_are_those_of_the_network() -> None:
    _, result = train(LSTM, training_data(), seed=0)
    assert "lstm_2" in result.model_summary
    assert "(None, 3)" in result.model_summary
    assert result.model_dot.startswith("digraph")
    assert "(None, 6, 5)" in result.model_dot
    assert result.parameters == 4 * 5 * (4 + 5 + 1) + 4 * 5 * (5 + 5 + 1) + 6 * 3


def replace_patience(configuration: Configuration, patience: int | None) -> Configuration:
    return configuration.model_copy(update={"patience": patience})
