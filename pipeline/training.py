"""Training of one network: a pure function of configuration, data and seed, run in a worker process."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network import build, derived_seed
from pipeline.trials import EpochMetrics, TrainingResult

if TYPE_CHECKING:
    import keras

    from pipeline.network import NetworkSpec
    from pipeline.params import Configuration, Optimizer

# Part of every study's fingerprint: raise it whenever the same configuration, data and seed may train differently.
SEMANTICS_VERSION = 2

EVALUATION_BATCH_SIZE = 1000
# How many networks' graphs a process keeps: of small ones they are a quarter of its memory.
KEPT_GRAPHS = 16


class TrainingFailed(Exception):
    """A training that cannot go on, for example because its loss is no longer a number."""


@dataclass(frozen=True)
class TrainingData:
    """Sequences to learn from and, unless None, sequences held out to measure on.

    `x`: float32 (n, timesteps, features); `y`: int64 (n,), classes 0 … classes - 1. Every prefix of the training
    rows is balanced by class, so the first n rows are a balanced subset and subsets are nested.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: int
    held_out_x: NDArray[np.float32] | None = None
    held_out_y: NDArray[np.int64] | None = None


# Called after every epoch; returns True to stop the training there (it counts as pruned).
OnEpoch = Callable[[EpochMetrics], bool]


@contextlib.contextmanager
def tensorflow_silenced() -> Iterator[None]:
    """For the import of TensorFlow: unless the user asks for its log, it leaves the terminal to the progress bar.

    It logs every training's graph, which its own variable stops, and while it is loaded half a dozen lines about the
    processor, which nothing stops: they come from C++ before that variable is read. Hence the file descriptor.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" in sys.modules or level != "3":
        yield
        return
    stderr = os.dup(2)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def configure_tensorflow() -> None:
    """One thread and deterministic kernels, before TensorFlow's first operation in this process.

    One thread a process and a process a core is both reproducible and, on small networks, the fastest.
    """
    with tensorflow_silenced():
        import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    # It would make a product with `rsqrt` of the division by a root in RMSprop. Processors have an instruction for that
    # which is not exact, and AMD's and Intel's give other bits; roots and quotients are exact in TensorFlow's wheels,
    # and so the same on both.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


def train(
    configuration: Configuration, data: TrainingData, seed: int, on_epoch: OnEpoch | None = None
) -> tuple[keras.Model, TrainingResult]:
    """Train one network; the model returned has the weights of the best epoch.

    With `patience` set, the best epoch is the one with the lowest held-out loss, and training stops when that
    has not improved for `patience` epochs. Without it, or with nothing held out, every epoch is trained and
    the last one counts. The same arguments give the same weights to the last bit, whatever else the process did
    before, on processors of one architecture and with the same vector instructions (README.md: how that is known).

    Raises TrainingFailed when the loss is no longer a number.
    """
    import keras
    import tensorflow as tf

    x, y = data.x[: configuration.train_samples], data.y[: configuration.train_samples]
    samples = len(x)
    # As many training samples as are held out: the two accuracies then have the same standard error.
    measured = samples if data.held_out_x is None else min(samples, len(data.held_out_x))

    sizes = x.shape[1], x.shape[2], data.classes
    traced = _traced(configuration.network, configuration.optimizer, configuration.batch_size, *sizes)
    model = build(configuration.network, *sizes, seed)
    traced.start_from(model, configuration.effective_learning_rate)

    x, y = _tensors(x, y)
    measured_x, measured_y = x[:measured], y[:measured]
    held_out = None
    if data.held_out_x is not None and data.held_out_y is not None:
        held_out = _tensors(data.held_out_x, data.held_out_y)

    epochs: list[EpochMetrics] = []
    best_epoch, best_loss, best_weights = 0, math.inf, traced.model.get_weights()
    fit_seconds, predict_seconds, predicted, pruned = 0.0, 0.0, 0, False
    for epoch in range(1, configuration.epochs + 1):
        order = tf.constant(np.random.default_rng(derived_seed(seed, "shuffle", epoch)).permutation(samples))
        started = time.perf_counter()
        during_fit_loss, during_fit_accuracy = _figures(traced.train_epoch(x, y, order))
        fit_seconds += time.perf_counter() - started

        train_loss, train_accuracy = _figures(traced.evaluate(measured_x, measured_y))
        validation_loss = validation_accuracy = None
        if held_out is not None:
            started = time.perf_counter()
            validation_loss, validation_accuracy = _figures(traced.evaluate(*held_out))
            predict_seconds, predicted = time.perf_counter() - started, len(held_out[0])
        metrics = EpochMetrics(
            epoch,
            train_loss,
            train_accuracy,
            validation_loss,
            validation_accuracy,
            during_fit_loss,
            during_fit_accuracy,
        )
        if not math.isfinite(metrics.during_fit_loss + train_loss + (validation_loss or 0.0)):
            raise TrainingFailed(f"the loss is not a finite number after epoch {epoch}: lower the learning rate")
        epochs.append(metrics)

        if configuration.patience is None or validation_loss is None or validation_loss < best_loss:
            best_epoch, best_loss, best_weights = epoch, validation_loss or 0.0, traced.model.get_weights()
        if on_epoch is not None and on_epoch(metrics):
            pruned = True
            break
        if configuration.patience is not None and epoch - best_epoch >= configuration.patience:
            break

    model.set_weights(best_weights)
    return model, TrainingResult(
        parameters=model.count_params(),
        epochs=tuple(epochs),
        best_epoch=best_epoch,
        pruned=pruned,
        weights_sha256=_sha256(best_weights),
        fit_seconds=fit_seconds,
        predict_microseconds_per_sequence=1e6 * predict_seconds / predicted if predicted else math.nan,
        model_summary=_summary(model),
        model_dot=keras.utils.model_to_dot(model, show_shapes=True).to_string(),
    )


def _optimizer(name: Optimizer, learning_rate: float) -> keras.optimizers.Optimizer:
    import keras

    classes = {"sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}
    return classes[name](learning_rate=learning_rate)


class _Traced(NamedTuple):
    """Two graphs over the variables of `model` and `optimizer`: a whole epoch of training in a given order, and a
    whole evaluation. Both return loss and accuracy as float64 means over the samples."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    optimizer_state: list[NDArray[Any]]  # before the first step
    train_epoch: Callable[[Any, Any, Any], tuple[Any, Any]]
    evaluate: Callable[[Any, Any], tuple[Any, Any]]

    def start_from(self, model: keras.Model, learning_rate: float) -> None:
        """Begin a training with the state of a new model, which is its weights and the seeds of its dropouts."""
        values = [variable.value for variable in model.variables] + self.optimizer_state
        for variable, value in zip(self.model.variables + self.optimizer.variables, values, strict=True):
            variable.assign(value)
        self.optimizer.learning_rate = learning_rate


@functools.lru_cache(maxsize=KEPT_GRAPHS)
def _traced(
    network: NetworkSpec, optimizer_name: Optimizer, batch_size: int, timesteps: int, features: int, classes: int
) -> _Traced:
    """The graphs of a network, which take longer to make than an epoch of a small one: once for all its trainings.

    `Model.fit` does the same work, but goes through Python and tf.data at every step: with 28 time steps and 32 units
    that is two thirds of its time.
    """
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    model = build(network, timesteps, features, classes, seed=0)
    optimizer = _optimizer(optimizer_name, learning_rate=0.0)
    optimizer.build(model.trainable_variables)

    def mean_over(
        samples: tf.Tensor, batch_size: int, batch_losses: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean loss and accuracy; `batch_losses` gives the labels, probabilities and losses of the batch that begins at
        a position. A loop of TensorFlow's: one in Python would have to be translated first, a third of a second."""

        def add(start: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            y, probabilities, losses = batch_losses(start)
            right = tf.argmax(probabilities, axis=1) == y
            loss += tf.reduce_sum(tf.cast(losses, tf.float64))
            return start + batch_size, loss, correct + tf.reduce_sum(tf.cast(right, tf.float64))

        zero = tf.constant(0.0, tf.float64)
        _, loss, correct = tf.while_loop(lambda start, *_: start < samples, add, (tf.constant(0), zero, zero))
        return loss / tf.cast(samples, tf.float64), correct / tf.cast(samples, tf.float64)

    @tf.function(autograph=False)
    def train_epoch(x: tf.Tensor, y: tf.Tensor, order: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def step(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            batch = order[start : start + batch_size]  # the last one may be shorter
            batch_x, batch_y = tf.gather(x, batch), tf.gather(y, batch)
            with tf.GradientTape() as tape:
                probabilities = model(batch_x, training=True)
                losses = keras.losses.sparse_categorical_crossentropy(batch_y, probabilities)
                mean_loss = tf.reduce_mean(losses)
            gradients = tape.gradient(mean_loss, model.trainable_variables)
            # What `optimizer.apply` does with one replica, whose sum over replicas TensorFlow keeps for good, and with
            # it the whole graph.
            for gradient, variable in zip(gradients, model.trainable_variables, strict=True):
                optimizer.update_step(gradient, variable, optimizer.learning_rate)
            optimizer.iterations.assign_add(1)
            return batch_y, probabilities, losses

        return mean_over(tf.size(order), batch_size, step)

    @tf.function(autograph=False)
    def evaluate(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def step(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            batch_x, batch_y = x[start : start + EVALUATION_BATCH_SIZE], y[start : start + EVALUATION_BATCH_SIZE]
            probabilities = model(batch_x, training=False)
            return batch_y, probabilities, keras.losses.sparse_categorical_crossentropy(batch_y, probabilities)

        return mean_over(tf.size(y), EVALUATION_BATCH_SIZE, step)

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int64)]
    return _Traced(
        model,
        optimizer,
        [variable.numpy() for variable in optimizer.variables],
        train_epoch.get_concrete_function(*signature, tf.TensorSpec((None,), tf.int64)),
        evaluate.get_concrete_function(*signature),
    )


def _tensors(x: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[Any, Any]:
    import tensorflow as tf

    return tf.constant(x), tf.constant(y)


def _figures(tensors: tuple[Any, Any]) -> tuple[float, float]:
    return float(tensors[0]), float(tensors[1])


def _sha256(weights: list[NDArray[np.float32]]) -> str:
    digest = hashlib.sha256()
    for array in weights:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()


def _summary(model: keras.Model) -> str:
    lines: list[str] = []
    model.summary(line_length=80, print_fn=lines.append)
    return "\n".join(lines) + "\n"
