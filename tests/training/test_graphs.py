"""The traced graphs: shared by trainings, given up without a trace, and exact on every processor."""

import gc
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.params.network import Cell
from pipeline.params.settings import Configuration, Optimizer
from pipeline.training.graphs import optimizer_of, traced_graphs
from pipeline.training.train import train
from tests.helpers.sequences import training_data

pytestmark = pytest.mark.usefixtures("one_thread")
LSTM = Configuration(cell="lstm", units=5, depth=2, dropout=0.2, batch_size=20, epochs=2, learning_rate=0.01)
RECIPE = Configuration(
    cell="gru", units=4, depth=2, bidirectional=True, dropout=0.2, pooling="attention", layer_normalization=True,
    residual=True, optimizer="adamw", weight_decay=0.1, global_clipnorm=0.5, label_smoothing=0.1, ema_momentum=0.9,
    learning_rate_schedule="cosine", epochs=2, shift_pixels=1.0, rotation_degrees=10.0, elastic_pixels=0.5,
)  # fmt: skip
EVERY_KIND = [
    LSTM,
    Configuration(cell="gru", units=4, dropout=0.3, bidirectional=True, optimizer="rmsprop", epochs=2),
    Configuration(cell="elman_output", units=4, depth=2, bidirectional=True, dropout=0.3, epochs=2),
    Configuration(cell="lstm", units=4, recurrent_dropout=0.3, epochs=2),
    Configuration(cell="simple_rnn", units=4, dropout=0.3, unroll=True, epochs=2),
    Configuration(cell="mlp", units=4, depth=2, dropout=0.3, epochs=2),
    Configuration(cell="cnn", units=4, depth=2, dropout=0.3, epochs=2),
    RECIPE,
]


def graphs_in_memory() -> list[Any]:
    from tensorflow.python.framework.func_graph import FuncGraph

    keras.utils.clear_session()  # collects garbage, too
    return [thing for thing in gc.get_objects() if isinstance(thing, FuncGraph)]


@pytest.mark.parametrize("configuration", EVERY_KIND, ids=lambda c: c.cell)
def test_every_kind_of_network_trains_to_the_same_bits_again_and_leaves_nothing_behind(
    configuration: Configuration,
) -> None:
    """Also in graphs that other trainings of the network have used before; given up, these are gone from memory."""
    traced_graphs.cache_clear()
    before = graphs_in_memory()  # TensorFlow keeps those of Keras's own `fit` for good
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
    traced_graphs.cache_clear()
    assert not [graph for graph in graphs_in_memory() if not any(graph is other for other in before)]


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
    configuration = Configuration(cell=cell, units=4, dropout=0.2, optimizer=optimizer, epochs=1)
    operations = operations_of(configuration)
    assert operations & {"MatMul", "_FusedMatMul", "_MklMatMul", "_MklFusedMatMul"}, operations
    assert "LogSoftmax" in operations
    assert not operations & APPROXIMATE


@pytest.mark.parametrize(
    "changes", [{}, {"cell": "simple_rnn"}, {"cell": "lstm", "pooling": "mean_max"}], ids=["gru", "simple_rnn", "lstm"]
)
def test_nor_has_one_with_every_part_of_the_recipe(changes: dict[str, Any]) -> None:
    operations = operations_of(RECIPE.model_copy(update=changes))
    assert "LogSoftmax" in operations
    # Clipping has the reciprocal of one number, the gradient's length. Only those of eight at once are approximated.
    assert operations & APPROXIMATE <= {"Reciprocal"}


APPROXIMATE = {"Rsqrt", "RsqrtGrad", "Reciprocal", "ReciprocalGrad", "Inv", "InvGrad", "Log"}


def operations_of(configuration: Configuration) -> set[str]:
    """Those of a training and its evaluations, after all that TensorFlow has made of the graphs."""
    from tensorflow.python.eager import context

    context.enable_run_metadata()
    try:
        traced_graphs.cache_clear()
        train(configuration, training_data(), seed=0)
        graphs = context.export_run_metadata().partition_graphs
    finally:
        context.disable_run_metadata()
    return {
        node.op
        for graph in graphs
        for nodes in (graph.node, *(function.node_def for function in graph.library.function))
        for node in nodes
    }
