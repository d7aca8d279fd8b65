"""Training of one network: a pure function of configuration, data and seed, run in a worker process."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training.build import build
from pipeline.training.graphs import StepSettings, traced_graphs
from pipeline.training.identity import derived_seed
from pipeline.training.inputs import TrainingData
from pipeline.training.metrics import score
from pipeline.training.reading import standardized
from pipeline.training.trials import EpochMetrics, TrainingResult

if TYPE_CHECKING:
    import keras

    from pipeline.params.settings import Configuration, Metric


class TrainingFailed(Exception):
    """A training that cannot go on, for example because its loss is no longer a number."""


# Called after every epoch; returns True to stop the training there (it counts as pruned).
OnEpoch = Callable[[EpochMetrics], bool]


def train(
    configuration: Configuration,
    data: TrainingData,
    seed: int,
    on_epoch: OnEpoch | None = None,
    metric: Metric = "accuracy",
) -> tuple[keras.Model, TrainingResult]:
    """Train one network; the model returned has the weights of the best epoch.

    Rates, gradients and weights are made as `TrainingSettings` says. With `patience` set, the best epoch is the one
    with the lowest held-out loss, or with the best `metric` if that is not the accuracy, and training stops when that
    has not improved for `patience` epochs. Accuracies after an epoch are the `metric`, that during it is the accuracy.
    Without patience, or with nothing held out, every epoch is trained and the last one counts. The same arguments give
    the same weights to the last bit, no matter how the process was used before (docs/reproducibility.md: on which
    processors).

    Raises TrainingFailed when the loss is no longer a number.
    """
    import tensorflow as tf

    x, y = data.rows(configuration.train_samples)
    samples = len(x)
    # As many training samples as are held out: the two accuracies then have the same standard error.
    measured = samples if data.held_out_x is None else min(samples, len(data.held_out_x))

    # Values are standardized here, once, not at every step: only the model that is returned does that itself.
    reading = data.reading.scaled_by(x) if data.standardize else data.reading
    sizes = x.shape[1], x.shape[2], data.classes
    traced = traced_graphs(StepSettings.of(configuration), *sizes, data.reading)
    model = build(configuration.network, *sizes, seed, reading)
    traced.start_from(model)
    rates = learning_rates(configuration, samples)

    x, y = _tensors(standardized(x, reading), y)
    measured_x, measured_y = x[:measured], y[:measured]
    held_out = None
    if data.held_out_x is not None and data.held_out_y is not None:
        held_out = _tensors(standardized(data.held_out_x, reading), data.held_out_y)

    def measure(x: Any, y: Any) -> tuple[float, float, NDArray[np.int64]]:
        loss, accuracy, answers = (tensor.numpy() for tensor in traced.evaluate(x, y))
        return float(loss), float(accuracy) if metric == "accuracy" else score(metric, y.numpy(), answers), answers

    course = Course(configuration, metric)
    fit_seconds, predict_seconds, measured_last, pruned = 0.0, 0.0, 0, False
    for epoch in range(1, configuration.epochs + 1):
        order = tf.constant(shuffled(seed, epoch, samples))
        draws = tf.constant(derived_seed(seed, "augmentation", epoch))
        started = time.perf_counter()
        during_fit_loss, during_fit_accuracy = _figures(traced.train_epoch(x, y, order, rates[epoch - 1], draws))
        fit_seconds += time.perf_counter() - started

        with traced.averaged():
            weights = traced.model.get_weights()
            train_loss, train_accuracy, _ = measure(measured_x, measured_y)
            validation_loss = validation_accuracy = None
            wrong = np.empty(0, np.int64)
            if held_out is not None:
                started = time.perf_counter()
                validation_loss, validation_accuracy, predicted = measure(*held_out)
                predict_seconds, measured_last = time.perf_counter() - started, len(held_out[0])
                wrong = np.flatnonzero(predicted != held_out[1].numpy())
        metrics = EpochMetrics(
            epoch,
            train_loss,
            train_accuracy,
            validation_loss,
            validation_accuracy,
            during_fit_loss,
            during_fit_accuracy,
        )
        course.add(metrics, weights, wrong)
        if on_epoch is not None and on_epoch(metrics):
            pruned = True
            break
        if course.over:
            break

    microseconds = 1e6 * predict_seconds / measured_last if measured_last else math.nan
    return model, course.result(model, fit_seconds, microseconds, pruned=pruned)


class Course:
    """What a training has come to: its epochs, and the weights of the best one."""

    def __init__(self, configuration: Configuration, metric: Metric) -> None:
        self._configuration, self._metric = configuration, metric
        self._epochs: list[EpochMetrics] = []
        self._best_epoch, self._best_worth = 0, (math.inf, math.inf)
        self._best_weights: list[NDArray[np.float32]] = []
        self._mistakes: tuple[int, ...] = ()

    @property
    def over(self) -> bool:
        """Whether it has all its epochs, or has not improved for as many as its patience allows."""
        trained, patience = len(self._epochs), self._configuration.patience
        return trained == self._configuration.epochs or (
            patience is not None and trained - self._best_epoch >= patience
        )

    def add(self, metrics: EpochMetrics, weights: list[NDArray[np.float32]], mistakes: NDArray[np.int64]) -> None:
        """Note an epoch, the weights after it and the held-out samples that they classify wrongly.

        Raises TrainingFailed when the loss is no longer a number.
        """
        validation_loss = metrics.validation_loss
        if not math.isfinite(metrics.during_fit_loss + metrics.train_loss + (validation_loss or 0.0)):
            raise TrainingFailed(
                f"the loss is not a finite number after epoch {metrics.epoch}: lower the learning rate"
            )
        self._epochs.append(metrics)
        # Of the metric more is better, of the loss less: it decides where accuracy is the metric, and between equals.
        of_metric = 0.0 if self._metric == "accuracy" else -(metrics.validation_accuracy or 0.0)
        worth = (of_metric, validation_loss or 0.0)
        if self._configuration.patience is None or validation_loss is None or worth < self._best_worth:
            self._best_epoch, self._best_worth, self._best_weights = metrics.epoch, worth, weights
            self._mistakes = tuple(mistakes.tolist())

    def result(self, model: keras.Model, fit_seconds: float, microseconds: float, *, pruned: bool) -> TrainingResult:
        """The training's outcome; `model` gets the best weights. A prediction took so many `microseconds`."""
        import keras

        model.set_weights(self._best_weights)
        return TrainingResult(
            parameters=model.count_params(),
            epochs=tuple(self._epochs),
            best_epoch=self._best_epoch,
            pruned=pruned,
            weights_sha256=_sha256(self._best_weights),
            fit_seconds=fit_seconds,
            predict_microseconds_per_sequence=microseconds,
            model_summary=_summary(model),
            mistakes=self._mistakes,
            model_dot=keras.utils.model_to_dot(model, show_shapes=True).to_string(),
        )


def shuffled(seed: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """The order in which an epoch takes the samples."""
    return np.random.default_rng(derived_seed(seed, "shuffle", epoch)).permutation(samples)


def learning_rates(configuration: Configuration, samples: int) -> NDArray[np.float32]:
    """The rate of every step, (epochs, steps in one epoch): constant, or as `keras.optimizers.schedules.CosineDecay`.

    The rate of step s, counted from 0, is s / w of the full one in the w steps of the warm-up, then all of it, or of a
    cosine (1 + cos(π (s - w) / (n - w))) / 2 of it, where n is the number of steps of all epochs.
    """
    rate, steps = configuration.effective_learning_rate, math.ceil(samples / configuration.batch_size)
    total = steps * configuration.epochs
    warmup = min(round(configuration.warmup_epochs * steps), total - 1)
    falls = configuration.learning_rate_schedule == "cosine"

    def share(step: int) -> float:
        if step < warmup:
            return step / warmup
        # Not NumPy's cosine, whose last bits depend on the processor's vector instructions.
        return (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2 if falls else 1.0

    shares = [share(step) for step in range(total)]
    return (rate * np.array(shares)).astype(np.float32).reshape(configuration.epochs, steps)


def _tensors(x: NDArray[np.float32], y: NDArray[np.int64]) -> tuple[Any, Any]:
    import tensorflow as tf

    return tf.constant(x), tf.constant(y)


def _figures(tensors: tuple[Any, Any, Any]) -> tuple[float, float]:
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
