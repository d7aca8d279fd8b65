"""train() is a pure function, does what Keras's own fit does, and measures what it says."""

import gc
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.params.network import Cell
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


OTHERS = [
    LSTM,
    Configuration(cell="gru", units=4, dropout=0.3, bidirectional=True, optimizer="rmsprop", epochs=2),
    Configuration(cell="elman_output", units=4, depth=2, bidirectional=True, dropout=0.3, epochs=2),
    Configuration(cell="lstm", units=4, recurrent_dropout=0.3, epochs=2),
    Configuration(cell="simple_rnn", units=4, dropout=0.3, unroll=True, epochs=2),
    Configuration(cell="mlp", units=4, depth=2, dropout=0.3, epochs=2),
    Configuration(cell="cnn", units=4, depth=2, dropout=0.3, epochs=2),
]


@pytest.mark.parametrize("configuration", OTHERS, ids=lambda c: c.cell)
def test_every_kind_of_network_trains_to_the_same_bits_again(configuration: Configuration) -> None:
    """Also in graphs that other trainings of the network have used before."""
    traced_graphs.cache_clear()
    _, first = train(configuration, training_data(), seed=3)
    faster = configuration.model_copy(update={"learning_rate": 0.01})
    train(faster, training_data(), seed=4, on_epoch=lambda metrics: True)
    _, again = train(configuration, training_data(), seed=3)
    assert (traced_graphs.cache_info().misses, traced_graphs.cache_info().hits) == (1, 2)
    np.random.seed(1)
    traced_graphs.cache_clear()
    _, anew = train(configuration, training_data(), seed=3)
    assert first.weights_sha256 == again.weights_sha256 == anew.weights_sha256
    assert first.epochs == again.epochs == anew.epochs
    assert first.epochs[0].train_loss != first.epochs[1].train_loss


@pytest.mark.parametrize("configuration", OTHERS, ids=lambda c: c.cell)
def test_of_a_training_whose_graphs_are_given_up_nothing_stays_behind(configuration: Configuration) -> None:
    from tensorflow.python.framework.func_graph import FuncGraph

    train(configuration, training_data(), seed=3)
    traced_graphs.cache_clear()
    keras.utils.clear_session()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, FuncGraph)]


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


def test_a_step_of_rmsprop_is_exact_to_the_bit() -> None:
    """TensorFlow would make it `gradient * rsqrt(velocity)`, by an instruction that is not the same everywhere."""
    import tensorflow as tf

    optimizer = optimizer_of("rmsprop", 0.25)
    gradient, start = np.random.default_rng(0).standard_normal((2, 10_000), np.float32)
    variable = keras.Variable(start)
    optimizer.build([variable])
    tf.function(lambda: optimizer.update_step(tf.constant(gradient), variable, optimizer.learning_rate))()
    velocity = np.float32(0.9) * 0 + np.float32(1 - 0.9) * gradient**2
    expected = start - np.float32(0.25) * gradient / np.sqrt(velocity + np.float32(1e-7))
    np.testing.assert_array_equal(variable.numpy(), expected)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
@pytest.mark.parametrize("cell", ["simple_rnn", "elman_output", "lstm", "gru", "mlp", "cnn"])
def test_no_training_has_an_operation_that_processors_approximate(cell: Cell, optimizer: Optimizer) -> None:
    """In the graphs that are run, after all that TensorFlow has made of them. What a kernel does inside is not seen:
    that of Softmax takes an approximate reciprocal, which is why the loss has to come from the logits."""
    from tensorflow.python.eager import context

    configuration = Configuration(cell=cell, units=4, dropout=0.2, optimizer=optimizer, epochs=1)
    context.enable_run_metadata()
    try:
        traced_graphs.cache_clear()
        train(configuration, training_data(), seed=0)
        graphs = context.export_run_metadata().partition_graphs
    finally:
        context.disable_run_metadata()
    operations = {
        node.op
        for graph in graphs
        for nodes in (graph.node, *(function.node_def for function in graph.library.function))
        for node in nodes
    }
    assert operations & {"MatMul", "_FusedMatMul", "_MklMatMul", "_MklFusedMatMul"}, operations
    assert "LogSoftmax" in operations
    assert not operations & {"Rsqrt", "RsqrtGrad", "Reciprocal", "ReciprocalGrad", "Inv", "InvGrad", "Log"}


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
