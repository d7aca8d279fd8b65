"""The graphs of a network: one epoch of training, and one evaluation, each traced once for all its trainings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from pipeline.params.network import NetworkSpec
from pipeline.params.settings import Configuration, Optimizer
from pipeline.training.augmentation import Augmentation, augmented
from pipeline.training.build import build
from pipeline.training.reading import AS_THEY_ARE, Reading

if TYPE_CHECKING:
    import keras


EVALUATION_BATCH_SIZE = 1000

# How many networks' graphs a process keeps: of small ones they are a quarter of its memory.
KEPT_GRAPHS = 16


def optimizer_of(name: Optimizer, learning_rate: float) -> keras.optimizers.Optimizer:
    import keras

    classes = {
        "sgd": keras.optimizers.SGD,
        "rmsprop": keras.optimizers.RMSprop,
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
    }
    return classes[name](learning_rate=learning_rate)


class StepSettings(NamedTuple):
    """All of a configuration that a training step's graph depends on."""

    network: NetworkSpec
    optimizer: Optimizer
    batch_size: int
    weight_decay: float
    global_clipnorm: float | None
    label_smoothing: float
    ema_momentum: float | None
    augmentation: Augmentation | None

    @classmethod
    def of(cls, configuration: Configuration) -> StepSettings:
        plain = {name: getattr(configuration, name) for name in cls._fields if name != "augmentation"}
        return cls(**plain, augmentation=Augmentation.of(configuration))


class Traced(NamedTuple):
    """Two graphs over the variables of `model` and `optimizer`: a whole epoch of training in a given order at given
    learning rates, with a seed for what changes images, and a whole evaluation. Both return loss and accuracy as
    float64 means over the samples, and for each sample whether it was right, in the order in which they passed."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    optimizer_state: list[NDArray[Any]]  # before the first step
    averages: list[Any]  # of the weights over the steps, where they are wanted
    train_epoch: Callable[[Any, Any, Any, Any, Any], tuple[Any, Any, Any]]
    evaluate: Callable[[Any, Any], tuple[Any, Any, Any]]

    def start_from(self, model: keras.Model) -> None:
        """Begin a training with the state of a new model, which is its weights and the seeds of its dropouts."""
        values = [variable.value for variable in model.variables] + self.optimizer_state
        for variable, value in zip(self.model.variables + self.optimizer.variables, values, strict=True):
            variable.assign(value)
        for average, variable in zip(self.averages, self.model.trainable_variables, strict=False):
            average.assign(variable.value)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with the averages as its weights, where there are any."""
        variables = self.model.trainable_variables if self.averages else []
        weights = [variable.numpy() for variable in variables]
        for variable, average in zip(variables, self.averages, strict=True):
            variable.assign(average)
        yield
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)


@functools.lru_cache(maxsize=KEPT_GRAPHS)
def traced_graphs(
    settings: StepSettings, timesteps: int, features: int, classes: int, reading: Reading = AS_THEY_ARE
) -> Traced:
    """The graphs of a network, which take longer to make than an epoch of a small one: once for all its trainings.

    `Model.fit` does the same work, but goes through Python and tf.data at every step: with 28 time steps and 32 units
    that is two thirds of its time.
    """
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    model = build(settings.network, timesteps, features, classes, 0, reading)
    weights = model.trainable_variables
    optimizer = optimizer_of(settings.optimizer, learning_rate=0.0)
    optimizer.build(weights)
    averages = [] if settings.ema_momentum is None else [tf.Variable(weight.value) for weight in weights]

    def losses_of(y: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        if settings.label_smoothing == 0:
            return keras.losses.sparse_categorical_crossentropy(y, probabilities)
        targets = tf.one_hot(y, classes)
        return keras.losses.categorical_crossentropy(targets, probabilities, label_smoothing=settings.label_smoothing)

    def update(gradients: list[tf.Tensor], rate: tf.Tensor) -> None:
        """As `optimizer.apply` with one replica, but without its sum over replicas: TensorFlow would keep that for
        good, and with it the whole graph."""
        if settings.global_clipnorm is not None:
            norm = tf.sqrt(sum(tf.reduce_sum(tf.square(gradient)) for gradient in gradients))
            scale = settings.global_clipnorm * tf.minimum(1 / norm, 1 / settings.global_clipnorm)
            gradients = [gradient * scale for gradient in gradients]
        for gradient, weight in zip(gradients, weights, strict=True):
            if settings.weight_decay:
                weight.assign(weight - weight * settings.weight_decay * rate)
            optimizer.update_step(gradient, weight, rate)
        if settings.ema_momentum is not None:
            momentum = settings.ema_momentum * tf.cast(optimizer.iterations.value != 0, tf.float32)
            for average, weight in zip(averages, weights, strict=True):
                average.assign(momentum * average + (1 - momentum) * weight.value)
        optimizer.iterations.assign_add(1)

    def over_batches(
        samples: tf.Tensor, batch_size: int, batch_losses: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Mean loss, accuracy, and the classes predicted; `batch_losses` gives the labels, probabilities and losses of
        the batch that begins at a position. A loop of TensorFlow's: one in Python would have to be translated first, a
        third of a second."""

        def add(
            start: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor, answers: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
            y, probabilities, losses = batch_losses(start)
            predicted = tf.argmax(probabilities, axis=1)
            loss += tf.reduce_sum(tf.cast(losses, tf.float64))
            correct += tf.reduce_sum(tf.cast(predicted == y, tf.float64))
            return start + batch_size, loss, correct, answers.write(start // batch_size, predicted)

        answers = tf.TensorArray(
            tf.int64, (samples + batch_size - 1) // batch_size, infer_shape=False, element_shape=(None,)
        )
        nothing = tf.constant(0.0, tf.float64)
        start = tf.constant(0), nothing, nothing, answers
        _, loss, correct, answers = tf.while_loop(lambda start, *_: start < samples, add, start)
        every = tf.cast(samples, tf.float64)
        return loss / every, correct / every, answers.concat()

    @tf.function(autograph=False)
    def train_epoch(
        x: tf.Tensor, y: tf.Tensor, order: tf.Tensor, rates: tf.Tensor, draws: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        def step(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            batch = order[start : start + settings.batch_size]  # the last one may be shorter
            batch_x, batch_y = tf.gather(x, batch), tf.gather(y, batch)
            if settings.augmentation is not None:
                batch_x = augmented(batch_x, settings.augmentation, draws, start)
            with tf.GradientTape() as tape:
                probabilities = model(batch_x, training=True)
                losses = losses_of(batch_y, probabilities)
                mean_loss = tf.reduce_mean(losses)
            update(tape.gradient(mean_loss, weights), rates[start // settings.batch_size])
            return batch_y, probabilities, losses

        return over_batches(tf.size(order), settings.batch_size, step)

    @tf.function(autograph=False)
    def evaluate(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        def step(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            batch_x, batch_y = x[start : start + EVALUATION_BATCH_SIZE], y[start : start + EVALUATION_BATCH_SIZE]
            probabilities = model(batch_x, training=False)
            return batch_y, probabilities, keras.losses.sparse_categorical_crossentropy(batch_y, probabilities)

        return over_batches(tf.size(y), EVALUATION_BATCH_SIZE, step)

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int64)]
    return Traced(
        model,
        optimizer,
        [variable.numpy() for variable in optimizer.variables],
        averages,
        train_epoch.get_concrete_function(
            *signature,
            tf.TensorSpec((None,), tf.int64),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((), tf.int32),
        ),
        evaluate.get_concrete_function(*signature),
    )
