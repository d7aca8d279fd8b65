"""Several seeds of one configuration, trained as one computation: each comes out as it does alone, to the bit.

A small network's step is mostly the start of its operations. Here one operation serves all seeds: weights have a
leading axis of seeds, and a batch is gathered for all of them at once.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sequences import SequencesSummary
from pipeline.params.settings import Configuration, Metric
from pipeline.training.build import build
from pipeline.training.graphs import EVALUATION_BATCH_SIZE, StepSettings, optimizer_of
from pipeline.training.inputs import HeldOut, TrainingData, fold_limits
from pipeline.training.layers import LAYERS, PACKET, Products
from pipeline.training.metrics import score
from pipeline.training.reading import AS_THEY_ARE
from pipeline.training.train import Course, TrainingFailed, learning_rates, shuffled
from pipeline.training.trials import EpochMetrics, TrainingResult

if TYPE_CHECKING:
    import keras

MOST_SEEDS = 4
MOST_UNITS = 16  # with more, products of matrices are most of a step, and little is gained (benchmarks/README.md)
MOST_TIMESTEPS = 64  # they are written out: a graph of more takes long to make
FEWEST_STEPS = 1000  # fewer are over almost as soon as the larger graph is made
MOST_BYTES = 1 << 27  # of sequences; one training on all of MNIST has 188 MB

KEPT_GRAPHS = 4  # seeds of one network mostly come one after the other

# What a configuration must have for its layers and its step to be those below.
PLAIN: dict[str, Any] = {
    "depth": 1, "bidirectional": False, "pooling": "last", "dropout": 0.0, "recurrent_dropout": 0.0, "unroll": False,
    "layer_normalization": False, "label_smoothing": 0.0, "ema_momentum": None, "shift_pixels": 0.0,
    "rotation_degrees": 0.0, "elastic_pixels": 0.0,
}  # fmt: skip


def seeds_at_once(configuration: Configuration, held_out: HeldOut, summary: SequencesSummary) -> int:
    """How many seeds of a configuration train together on these sequences; 1 if it trains alone."""
    sizes = _sizes(configuration, held_out, summary)
    timesteps, features = summary.shape_in(configuration.view)
    steps = configuration.epochs * math.ceil(sizes[0] / configuration.batch_size)
    if (
        configuration.cell not in LAYERS
        or steps < FEWEST_STEPS
        or configuration.units > MOST_UNITS
        or any(getattr(configuration, name) != value for name, value in PLAIN.items())
        or summary.is_own  # their values are read in ways that differ from seed to seed
        or timesteps > MOST_TIMESTEPS
        or not _whole_packets(configuration, *sizes)
    ):
        return 1
    if held_out != "fold":  # the same data for all
        return MOST_SEEDS
    return max(1, min(MOST_SEEDS, MOST_BYTES // (4 * sum(sizes) * timesteps * features)))


def _sizes(configuration: Configuration, held_out: HeldOut, summary: SequencesSummary) -> tuple[int, int]:
    """How many samples there are to train on and held out."""
    train, validation = summary.train.samples, summary.validation.samples
    match held_out:
        case "validation":
            there, out = train, validation
        case "fold":
            start, stop = fold_limits(train + validation, 0)
            there, out = train + validation - (stop - start), stop - start
        case "test":
            there, out = train + validation, summary.test.samples
        case "nothing":
            there, out = train + validation, 0
    return min(there, configuration.train_samples or there), out


def _whole_packets(configuration: Configuration, samples: int, held_out: int) -> bool:
    """Whether no number is left over in any batch's states, whose last bits would then depend on its place."""
    rows = math.gcd(samples, min(configuration.batch_size, samples), held_out)
    return configuration.units * rows % PACKET == 0


OnEpoch = Callable[[int, EpochMetrics], None]  # given the place of the seed


def train_seeds(
    configuration: Configuration,
    data: Sequence[TrainingData],
    seeds: Sequence[int],
    on_epoch: OnEpoch | None = None,
    metric: Metric = "accuracy",
) -> list[tuple[keras.Model, TrainingResult] | TrainingFailed]:
    """Train a configuration from each of these seeds, on the data of each; see `train`, which gives the same results.

    The data have equally many samples, and more than one seed of them may train together (`seeds_at_once`). All go on
    until the last one is over; what a seed does after its own end counts for nothing. `fit_seconds` of each are those
    of its epochs, divided by the number of seeds.
    """
    import tensorflow as tf

    places = range(len(seeds))
    samples, held_out = len(data[0].rows(configuration.train_samples)[0]), _held_out(data[0])
    assert _whole_packets(configuration, samples, held_out)
    measured = min(samples, held_out or samples)

    different = data[:1] if all(one is data[0] for one in data) else data
    train_x, train_y = _side_by_side([one.rows(configuration.train_samples) for one in different])
    held_out_x, held_out_y = _side_by_side([_held_out_rows(one) for one in different])
    own = (np.arange(len(seeds)) if len(different) > 1 else np.zeros(len(seeds), np.int64))[:, None]
    to_measure, to_hold_out = own * samples + np.arange(measured), own * held_out + np.arange(held_out)

    sizes = data[0].x.shape[1], data[0].x.shape[2], data[0].classes
    models = [build(configuration.network, *sizes, seed, AS_THEY_ARE) for seed in seeds]
    evaluated = tuple(rows for size in (measured, held_out) if size for rows in _rows(size, EVALUATION_BATCH_SIZE))
    training = _rows(samples, configuration.batch_size)
    traced = _traced(StepSettings.of(configuration), len(seeds), training, evaluated, *sizes)
    traced.start_from(models)
    rates = learning_rates(configuration, samples)

    def measure(place: int, x: Any, y: Any, order: NDArray[np.int64]) -> tuple[float, float, NDArray[np.int64]]:
        """Of one seed the loss, the metric, and which of its samples are wrong."""
        own_order = tf.constant(order[place : place + 1])
        loss, accuracy, predicted = (t.numpy()[0] for t in traced.evaluate(x, y, own_order, tf.constant(place)))
        labels = y.numpy()[order[place]]
        worth = float(accuracy) if metric == "accuracy" else score(metric, labels, predicted)
        return float(loss), worth, np.flatnonzero(predicted != labels)

    courses = [Course(configuration, metric) for _ in seeds]
    failures: dict[int, TrainingFailed] = {}
    fit_seconds, predict_seconds = [0.0] * len(seeds), [math.nan] * len(seeds)
    for epoch in range(1, configuration.epochs + 1):
        going_on = [place for place in places if place not in failures and not courses[place].over]
        if not going_on:
            break
        order = np.stack([shuffled(seed, epoch, samples) for seed in seeds]) + own * samples
        started = time.perf_counter()
        fit = [tensor.numpy() for tensor in traced.train_epoch(train_x, train_y, tf.constant(order), rates[epoch - 1])]
        seconds = (time.perf_counter() - started) / len(going_on)

        weights = [variable.numpy() for variable in traced.weights]
        for place in going_on:
            train_loss, train_accuracy, _ = measure(place, train_x, train_y, to_measure)
            validation_loss = validation_accuracy = None
            wrong = np.empty(0, np.int64)
            if held_out:
                started = time.perf_counter()
                validation_loss, validation_accuracy, wrong = measure(place, held_out_x, held_out_y, to_hold_out)
                predict_seconds[place] = time.perf_counter() - started
            metrics = EpochMetrics(
                epoch,
                train_loss,
                train_accuracy,
                validation_loss,
                validation_accuracy,
                float(fit[0][place]),
                float(fit[1][place]),
            )
            fit_seconds[place] += seconds
            try:
                courses[place].add(metrics, [weight[place] for weight in weights], wrong)
            except TrainingFailed as failure:
                failures[place] = failure
                continue
            if on_epoch is not None:
                on_epoch(place, metrics)

    def outcome(place: int) -> tuple[keras.Model, TrainingResult] | TrainingFailed:
        if place in failures:
            return failures[place]
        microseconds = 1e6 * predict_seconds[place] / held_out if held_out else math.nan
        return models[place], courses[place].result(models[place], fit_seconds[place], microseconds, pruned=False)

    return [outcome(place) for place in places]


def _held_out(data: TrainingData) -> int:
    return 0 if data.held_out_y is None else len(data.held_out_y)


def _held_out_rows(data: TrainingData) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if data.held_out_x is None or data.held_out_y is None:
        return data.x[:0], data.y[:0]
    return data.held_out_x, data.held_out_y


def _side_by_side(parts: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]]) -> tuple[Any, Any]:
    """As tensors (timesteps, samples, features) and (samples,), one part after the other."""
    import tensorflow as tf

    x = np.concatenate([x.transpose(1, 0, 2) for x, _ in parts], axis=1)
    return tf.constant(x), tf.constant(np.concatenate([y for _, y in parts]))


def _rows(samples: int, batch_size: int) -> tuple[int, ...]:
    """The sizes of the batches, each once."""
    return tuple({min(batch_size, samples), samples % batch_size or min(batch_size, samples)})


class _Traced(NamedTuple):
    """The graphs of a whole epoch of training and of a whole evaluation, as `graphs.Traced`, with the seeds first.

    Both take the sequences (timesteps, samples, features), the classes, and for each seed the order of its samples. An
    evaluation is of one seed, whose place it takes: a thousand sequences are work enough for an operation, and those of
    all seeds would not fit into a processor's caches."""

    weights: list[Any]  # each (k, …)
    optimizer: keras.optimizers.Optimizer
    optimizer_state: list[NDArray[Any]]  # before the first step
    train_epoch: Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]]
    evaluate: Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]]

    def start_from(self, models: Sequence[keras.Model]) -> None:
        """Begin a training with the weights of new models, one for each seed."""
        stacked = [np.stack(of_all) for of_all in zip(*(model.get_weights() for model in models), strict=True)]
        variables = [*self.weights, *self.optimizer.variables]
        for variable, value in zip(variables, stacked + self.optimizer_state, strict=True):
            variable.assign(value)


@functools.lru_cache(maxsize=KEPT_GRAPHS)
def _traced(
    settings: StepSettings,
    seeds: int,
    rows: tuple[int, ...],
    evaluated_rows: tuple[int, ...],
    timesteps: int,
    features: int,
    classes: int,
) -> _Traced:
    """The graphs for so many seeds, in batches of these `rows`."""
    import keras
    import tensorflow as tf

    model = build(settings.network, timesteps, features, classes, 0, AS_THEY_ARE)
    weights = [keras.Variable(np.stack([weight] * seeds)) for weight in model.get_weights()]
    optimizer = optimizer_of(settings.optimizer, learning_rate=0.0)
    optimizer.build(weights)
    layer, batch_size = LAYERS[settings.network.cell], settings.batch_size

    def head(state: Any, kernel: Any, bias: Any, y: Any) -> tuple[Any, Any]:
        """Of one seed the classes predicted and the losses, by the operations of its own model."""
        logits = tf.nn.bias_add(tf.matmul(state, kernel), bias)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        return tf.argmax(tf.nn.softmax(logits), axis=1), losses

    def clipped(gradients: list[Any]) -> list[Any]:
        """As in `graphs`, seed by seed."""
        if settings.global_clipnorm is None:
            return gradients
        of_seeds = []
        for own in zip(*map(tf.unstack, gradients), strict=True):
            norm = tf.sqrt(sum(tf.reduce_sum(tf.square(gradient)) for gradient in own))
            scale = settings.global_clipnorm * tf.minimum(1 / norm, 1 / settings.global_clipnorm)
            of_seeds.append([gradient * scale for gradient in own])
        return [tf.stack(of_all) for of_all in zip(*of_seeds, strict=True)]

    def over_batches(order: Any, size: int, batch: Callable[[Any], tuple[Any, list[tuple[Any, Any]]]]) -> Any:
        """Mean losses, accuracies (k,) and the classes predicted (k, samples); `batch` gives the classes of the batch
        that begins at a position, and for each seed what `head` returns."""
        samples, count = tf.shape(order)[1], order.shape[0]

        def add(start: Any, loss: Any, correct: Any, answers: Any) -> tuple[Any, Any, Any, Any]:
            y, outcomes = batch(start)
            predicted = [classes for classes, _ in outcomes]
            loss += tf.stack([tf.reduce_sum(tf.cast(losses, tf.float64)) for _, losses in outcomes])
            right = [tf.cast(classes == own, tf.float64) for classes, own in zip(predicted, tf.unstack(y), strict=True)]
            correct += tf.stack([tf.reduce_sum(own) for own in right])
            return start + size, loss, correct, answers.write(start // size, tf.stack(predicted, axis=1))

        answers = tf.TensorArray(tf.int64, (samples + size - 1) // size, infer_shape=False, element_shape=(None, count))
        start = tf.constant(0), *[tf.zeros(count, tf.float64)] * 2, answers
        _, loss, correct, answers = tf.while_loop(lambda start, *_: start < samples, add, start)
        every = tf.cast(samples, tf.float64)
        return loss / every, correct / every, tf.transpose(answers.concat())

    sequences = tf.TensorSpec((timesteps, None, features), tf.float32), tf.TensorSpec((None,), tf.int64)

    def orders(count: int) -> Any:
        return tf.TensorSpec((count, None), tf.int64)

    def forward(x: Any, batch: Any, values: list[Any], rows: tuple[int, ...]) -> tuple[list[Any], Any, list[Any]]:
        state, gradient = layer(tf.gather(x, batch, axis=1), values[:3], Products(rows))
        return tf.unstack(state, num=batch.shape[0]), gradient, [tf.unstack(value) for value in values[3:]]

    @tf.function(autograph=False, input_signature=[*sequences, orders(seeds), tf.TensorSpec((None,), tf.float32)])
    def train_epoch(x: Any, y: Any, order: Any, rates: Any) -> Any:
        def step(start: Any) -> tuple[Any, list[tuple[Any, Any]]]:
            batch = order[:, start : start + batch_size]
            batch_y = tf.gather(y, batch)
            values = [variable.value.read_value() for variable in weights]
            states, gradient, of_head = forward(x, batch, values, rows)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([states, of_head])
                outcomes = [head(*own) for own in zip(states, *of_head, tf.unstack(batch_y), strict=True)]
                mean_losses = [tf.reduce_mean(losses) for _, losses in outcomes]
            d_states, d_head = tape.gradient(mean_losses, [states, of_head])
            gradients = [*gradient(tf.stack(d_states)), *map(tf.stack, d_head)]
            rate = rates[start // batch_size]
            for own, weight in zip(clipped(gradients), weights, strict=True):
                if settings.weight_decay:
                    weight.assign(weight - weight * settings.weight_decay * rate)
                optimizer.update_step(own, weight, rate)
            optimizer.iterations.assign_add(1)
            return batch_y, outcomes

        return over_batches(order, batch_size, step)

    @tf.function(autograph=False, input_signature=[*sequences, orders(1), tf.TensorSpec((), tf.int32)])
    def evaluate(x: Any, y: Any, order: Any, place: Any) -> Any:
        values = [tf.gather(variable.value, place[None]) for variable in weights]

        def step(start: Any) -> tuple[Any, list[tuple[Any, Any]]]:
            batch = order[:, start : start + EVALUATION_BATCH_SIZE]
            batch_y = tf.gather(y, batch)
            states, _, of_head = forward(x, batch, values, evaluated_rows)
            return batch_y, [head(*own) for own in zip(states, *of_head, tf.unstack(batch_y), strict=True)]

        return over_batches(order, EVALUATION_BATCH_SIZE, step)

    return _Traced(
        weights,
        optimizer,
        [variable.numpy() for variable in optimizer.variables],
        train_epoch.get_concrete_function(),
        evaluate.get_concrete_function(),
    )
