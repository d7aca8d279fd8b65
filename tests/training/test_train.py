"""train() is a pure function, does what Keras's own fit does, and measures what it says."""

import random
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.params.settings import Configuration
from pipeline.training.build import build
from pipeline.training.graphs import EVALUATION_BATCH_SIZE, traced_graphs
from pipeline.training.identity import as_trained, derived_seed
from pipeline.training.inputs import TrainingData
from pipeline.training.train import TrainingFailed, _sha256, learning_rates, train
from pipeline.training.trials import EpochMetrics
from tests.helpers.sequences import CLASSES, FEATURES, TIMESTEPS, training_data

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE: dict[str, Any] = {
    "cell": "gru", "units": 40, "depth": 2, "bidirectional": True, "pooling": "attention", "residual": True,
    "layer_normalization": True, "dropout": 0.1, "optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.02,
    "learning_rate_schedule": "cosine", "warmup_epochs": 0.5, "global_clipnorm": 0.5, "label_smoothing": 0.1,
    "ema_momentum": 0.9, "epochs": 3,
}  # fmt: skip
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


# Pairs of ways to ask for a training: the first ones are the same, the last ones are not, but alike.
PLAIN: dict[str, Any] = {"cell": "simple_rnn", "units": 3, "batch_size": 32, "epochs": 3}
SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"learning_rate": 0.001}),
    ({"weight_decay": 0.1}, {"weight_decay": 0.1, "optimizer": "adamw"}),
    ({}, {"view": "rows"}),
    ({}, {"merge_mode": "mul"}),
    ({}, {"residual": True}),
    ({"batch_size": 96}, {"batch_size": 200}),
    ({"train_samples": 40, "batch_size": 40}, {"train_samples": 40, "batch_size": 96}),
    ({"patience": 2}, {"patience": 70}),
    ({"epochs": 1}, {"epochs": 1, "patience": 1}),
]
OTHERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"learning_rate": 0.0011}),
    ({}, {"optimizer": "adamw", "weight_decay": 0.1}),
    ({"bidirectional": True}, {"bidirectional": True, "merge_mode": "mul"}),
    ({"depth": 2}, {"depth": 2, "residual": True}),
    ({"batch_size": 96}, {"batch_size": 95}),
    ({"learning_rate": 1.0, "patience": 1}, {"learning_rate": 1.0}),
]


@pytest.mark.parametrize(("one", "other"), [*SAME, *OTHERS])
def test_two_trainings_have_one_form_if_they_come_out_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    data = training_data()
    asked = [Configuration(**PLAIN | changes) for changes in (one, other)]
    results = [train(configuration, data, seed=3)[1] for configuration in asked]
    forms = {as_trained(configuration, "rows", 96) for configuration in asked}
    assert len({(result.weights_sha256, result.best_epoch, result.epochs) for result in results}) == len(forms)
    assert len(forms) == (1 if (one, other) in SAME else 2)


SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd"},
    "adam": {"optimizer": "adam"},
    "cosine": {"learning_rate_schedule": "cosine", "learning_rate": 0.01},
    "cosine with warm-up": {"learning_rate_schedule": "cosine", "warmup_epochs": 1.4, "learning_rate": 0.01},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.3, "learning_rate": 0.01},
    "SGD with weight decay": {"optimizer": "sgd", "weight_decay": 0.3},
    "clipping": {"optimizer": "sgd", "global_clipnorm": 0.1},
    "label smoothing": {"label_smoothing": 0.2},
}  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_training_is_bit_for_bit_that_of_keras_fit(settings: dict[str, Any]) -> None:
    configuration = Configuration(cell="gru", units=4, dropout=0.3, batch_size=20, epochs=2, **settings)
    data = training_data()
    trained, result = train(configuration, data, seed=5)

    ours = build(configuration.network, TIMESTEPS, FEATURES, CLASSES, seed=5)
    model = keras.models.clone_model(ours)  # of Keras's own layers
    model.set_weights(ours.get_weights())
    model.compile(keras_optimizer(configuration), loss=keras_loss(configuration), metrics=["accuracy"])
    for metrics in result.epochs:
        order = np.random.default_rng(derived_seed(5, "shuffle", metrics.epoch)).permutation(len(data.x))
        history = model.fit(data.x[order], ONE_HOT[data.y[order]], batch_size=20, shuffle=False, verbose=0).history
        assert metrics.during_fit_loss == pytest.approx(history["loss"][0], rel=1e-5)
        assert metrics.during_fit_accuracy == pytest.approx(history["accuracy"][0], rel=1e-6)
        assert (metrics.train_loss, metrics.train_accuracy) == measured(model, data.x[:60], data.y[:60])
        assert data.held_out_x is not None
        assert data.held_out_y is not None
        assert (metrics.validation_loss, metrics.validation_accuracy) == measured(
            model, data.held_out_x, data.held_out_y
        )
    if configuration.learning_rate_schedule == "constant":
        assert result.weights_sha256 == _sha256(model.get_weights())
    for own, theirs in zip(trained.get_weights(), model.get_weights(), strict=True):
        assert own == pytest.approx(theirs, abs=1e-6)  # Keras computes a cosine's rates in float32


def test_averages_of_weights_are_those_of_keras() -> None:
    settings = {"ema_momentum": 0.9, "learning_rate": 0.01, "batch_size": 20, "epochs": 2}
    configuration = Configuration(cell="gru", units=4, **settings)  # type: ignore[arg-type]
    data = training_data(train=100)
    trained, result = train(configuration, data, seed=5)

    ours = build(configuration.network, TIMESTEPS, FEATURES, CLASSES, seed=5)
    model = keras.models.clone_model(ours)
    model.set_weights(ours.get_weights())
    model.compile(keras_optimizer(configuration), loss=keras_loss(configuration))
    order = np.concatenate([
        np.random.default_rng(derived_seed(5, "shuffle", epoch)).permutation(100) for epoch in (1, 2)
    ])  # fmt: skip
    # As one epoch: at the end of `fit`, and not before, Keras puts the averages in the place of the weights.
    model.fit(data.x[order], ONE_HOT[data.y[order]], batch_size=20, shuffle=False, verbose=0)
    assert result.weights_sha256 == _sha256(model.get_weights())
    assert result.best.validation_accuracy == np.mean(
        trained(data.held_out_x).numpy().argmax(axis=1) == data.held_out_y
    )
    _, again = train(configuration, data, seed=5)  # by the same graphs, whose averages are those of the last training
    assert (again.weights_sha256, again.epochs) == (result.weights_sha256, result.epochs)


@settings(max_examples=30, deadline=None)
@given(
    rate=st.sampled_from([1e-4, 0.003, 0.5]),
    epochs=st.integers(1, 6),
    samples=st.integers(1, 200),
    batch_size=st.sampled_from([16, 32, 1000]),
    warmup_epochs=st.one_of(st.just(0.0), st.floats(0, 7)),
)
def test_cosine_rates_are_those_of_keras(
    rate: float, epochs: int, samples: int, batch_size: int, warmup_epochs: float
) -> None:
    configuration = Configuration(
        cell="gru", units=4, learning_rate=rate, epochs=epochs, batch_size=batch_size, warmup_epochs=warmup_epochs,
        learning_rate_schedule="cosine",
    )  # fmt: skip
    rates = learning_rates(configuration, samples)
    steps = -(-samples // batch_size)
    assert (rates.shape, rates.dtype) == ((epochs, steps), np.float32)
    warmup = min(round(warmup_epochs * steps), epochs * steps - 1)  # at least one step has the whole rate
    start = {"initial_learning_rate": 0.0, "warmup_target": rate} if warmup else {"initial_learning_rate": rate}
    decay = epochs * steps - warmup
    schedule = keras.optimizers.schedules.CosineDecay(decay_steps=decay, warmup_steps=warmup, **start)
    theirs = [float(schedule(step)) for step in range(epochs * steps)]
    np.testing.assert_allclose(rates.ravel(), theirs, atol=1e-6 * rate)
    assert rates.ravel()[warmup] == np.float32(rate) == rates.max()
    assert (np.diff(rates.ravel()[: warmup + 1]) > 0).all()
    assert (np.diff(rates.ravel()[warmup:]) < 0).all()


def test_rates_of_worked_examples() -> None:
    """250 samples in batches of 100 are 3 steps an epoch."""
    plain = Configuration(cell="gru", units=4, optimizer="sgd", epochs=2, batch_size=100)
    assert learning_rates(plain, 250).tolist() == [[np.float32(0.01)] * 3] * 2
    warm = plain.model_copy(update={"warmup_epochs": 1.0, "learning_rate": 0.3})
    assert learning_rates(warm, 250) == pytest.approx(np.array([[0, 0.1, 0.2], [0.3, 0.3, 0.3]]))
    falling = plain.model_copy(update={"learning_rate_schedule": "cosine", "learning_rate": 1.0, "epochs": 1})
    assert learning_rates(falling, 250) == pytest.approx(np.array([[1.0, 0.75, 0.25]]))
    both = falling.model_copy(update={"warmup_epochs": 1.0, "epochs": 2})
    assert learning_rates(both, 250) == pytest.approx(np.array([[0, 1 / 3, 2 / 3], [1.0, 0.75, 0.25]]))


ONE_HOT = np.eye(CLASSES, dtype=np.float32)


def keras_optimizer(configuration: Configuration) -> keras.optimizers.Optimizer:
    """Keras's own, for training data of 5 batches."""
    classes = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}
    rate, steps = configuration.effective_learning_rate, 5
    if configuration.learning_rate_schedule == "cosine":
        warmup = round(configuration.warmup_epochs * steps)
        warm = {"initial_learning_rate": 0.0, "warmup_target": rate, "warmup_steps": warmup}
        left = steps * configuration.epochs - warmup
        rate = keras.optimizers.schedules.CosineDecay(**({"initial_learning_rate": rate} | (warm if warmup else {})),
                                                      decay_steps=left)  # fmt: skip
    ema = configuration.ema_momentum
    return classes[configuration.optimizer](
        rate, weight_decay=configuration.weight_decay or None, global_clipnorm=configuration.global_clipnorm,
        use_ema=ema is not None, ema_momentum=ema or 0.5,
    )  # fmt: skip


def keras_loss(configuration: Configuration) -> keras.losses.Loss:
    return keras.losses.CategoricalCrossentropy(label_smoothing=configuration.label_smoothing)


def measured(model: keras.Model, x: NDArray[Any], y: NDArray[Any]) -> tuple[Any, Any]:
    """Mean cross-entropy and accuracy. In the same batches as ours: Keras draws dropout masks in evaluation too,
    unused, so batches move the sequence on."""
    probabilities = model.predict(x, EVALUATION_BATCH_SIZE, verbose=0)
    loss = keras.losses.sparse_categorical_crossentropy(y, probabilities).numpy().mean()
    return pytest.approx(loss, rel=1e-5), pytest.approx(np.mean(probabilities.argmax(axis=1) == y), rel=1e-6)


@pytest.mark.parametrize(
    ("network", "digest"),
    [
        ({"cell": "simple_rnn", "units": 128, "optimizer": "sgd"}, "3adb748fc0728d2a"),
        ({"cell": "lstm", "units": 64, "depth": 2, "optimizer": "adam"}, "96ba3dfe9ed40aaf"),
        ({"cell": "gru", "units": 50, "bidirectional": True, "optimizer": "rmsprop"}, "ae21b25986e71f23"),
        (RECIPE, "7c9fe270a4b24686"),
    ],
    ids=["simple_rnn", "lstm", "gru", "recipe"],
)
def test_trainings_have_these_bits(network: dict[str, Any], digest: str) -> None:
    settings = {"epochs": 2, "batch_size": 64} | network
    _, result = train(Configuration(**settings), training_data(train=300), seed=0)
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
