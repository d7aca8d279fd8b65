"""Several seeds that train together come out as each does alone, to the bit."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.data.sequences import SequencesSummary, SplitSummary
from pipeline.params.network import Cell
from pipeline.params.settings import Configuration, Metric
from pipeline.training.inputs import HeldOut, TrainingData
from pipeline.training.seeds import MOST_BYTES, _traced, seeds_at_once, train_seeds
from pipeline.training.train import TrainingFailed, _sha256, train
from pipeline.training.trials import EpochMetrics, TrainingResult
from tests.helpers.sequences import training_data

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE: dict[str, Any] = {
    "optimizer": "adamw", "weight_decay": 0.02, "learning_rate_schedule": "cosine", "warmup_epochs": 1.0,
    "global_clipnorm": 0.5,
}  # fmt: skip
# The last batch has 16 sequences of 96, or 1 of 97.
CASES: list[tuple[int, int, dict[str, Any]]] = [
    (4, 96, {"cell": "simple_rnn", "units": 8}),
    (4, 97, {"cell": "lstm", "units": 16}),
    (2, 97, {"cell": "gru", "units": 8}),
    (3, 96, {"cell": "gru", "units": 2, "optimizer": "rmsprop"}),
    (3, 96, {"cell": "lstm", "units": 4, "optimizer": "sgd", "learning_rate": 0.1}),
    (2, 97, {"cell": "simple_rnn", "units": 32, **RECIPE}),
    (3, 96, {"cell": "gru", "units": 32, **RECIPE, "batch_size": 96}),
    (5, 96, {"cell": "lstm", "units": 8, "train_samples": 48, "batch_size": 200}),
]


def timeless(result: TrainingResult) -> TrainingResult:
    """Without what depends on the machine, or on the memory addresses of layers."""
    return replace(result, fit_seconds=0.0, predict_microseconds_per_sequence=0.0, model_dot="")


def assert_as_alone(
    configuration: Configuration, data: list[TrainingData], seeds: list[int], metric: Metric = "accuracy"
) -> list[TrainingResult]:
    """Also every epoch's news; returns the results alone."""
    told: list[list[EpochMetrics]] = [[] for _ in seeds]
    outcomes = train_seeds(configuration, data, seeds, lambda place, metrics: told[place].append(metrics), metric)
    results = []
    for place, outcome in enumerate(outcomes):
        assert not isinstance(outcome, TrainingFailed)
        model, together = outcome
        _, alone = train(configuration, data[place], seeds[place], metric=metric)
        assert timeless(together) == timeless(alone)
        assert tuple(told[place]) == alone.epochs
        assert _sha256(model.get_weights()) == alone.weights_sha256
        results.append(alone)
    assert len({result.weights_sha256 for result in results}) == len(seeds)
    return results


@pytest.mark.parametrize(("count", "samples", "changes"), CASES)
def test_each_seed_comes_out_as_alone(count: int, samples: int, changes: dict[str, Any]) -> None:
    configuration = Configuration(**{"batch_size": 20, "epochs": 3, "learning_rate": 0.01} | changes)
    held_out = 60 if samples % 2 == 0 else 61
    assert_as_alone(configuration, [training_data(samples, held_out)] * count, [7, 1, 4, 0, 3][:count])


def test_each_seed_may_have_other_data_and_another_end() -> None:
    """One whose patience has run out has the result of its own last epoch, while the others go on."""
    configuration = Configuration(
        cell="gru", units=8, batch_size=32, epochs=12, learning_rate=0.1, patience=1, train_samples=64
    )
    data = [replace(training_data(), first=first) for first in (0, 32, 64)]
    for metric in ("accuracy", "macro_f1"):
        results = assert_as_alone(configuration, data, [0, 1, 2], metric)
        assert len({len(result.epochs) for result in results}) > 1


def test_with_nothing_held_out_and_in_graphs_that_were_used_before() -> None:
    data = replace(training_data(), held_out_x=None, held_out_y=None)
    configuration = Configuration(cell="simple_rnn", units=8, batch_size=32, epochs=2)
    _traced.cache_clear()
    first = assert_as_alone(configuration, [data] * 2, [0, 1])
    assert first[0].best.validation_loss is None
    assert_as_alone(configuration.model_copy(update={"learning_rate": 0.02}), [data] * 2, [2, 3])
    assert (_traced.cache_info().misses, _traced.cache_info().hits) == (1, 1)


def test_one_that_fails_leaves_the_others_alone() -> None:
    good = training_data()
    bad = replace(good, x=good.x * float("inf"))
    configuration = Configuration(cell="lstm", units=8, batch_size=32, epochs=2)
    failed, outcome = train_seeds(configuration, [bad, good], [0, 1])
    assert str(failed) == "the loss is not a finite number after epoch 1: lower the learning rate"
    assert not isinstance(outcome, TrainingFailed)
    assert timeless(outcome[1]) == timeless(train(configuration, good, 1)[1])


def images(train: int, validation: int, **changes: Any) -> SequencesSummary:
    split = SplitSummary(samples=train, per_class=(train,), sha256="")
    return SequencesSummary(
        dataset="images", view="rows", seed=0, classes=10, labels=tuple(range(10)), timesteps=28, features=28,
        train=split, validation=split.model_copy(update={"samples": validation}),
        test=split.model_copy(update={"samples": 1000}), **changes,
    )  # fmt: skip


SMALL = Configuration(cell="gru", units=16, epochs=50)
MNIST = images(54_000, 6_000)


@pytest.mark.parametrize(
    ("changes", "held_out", "summary", "expected"),
    [
        ({}, "validation", MNIST, 4),
        ({}, "fold", MNIST, 1),  # too many bytes
        ({"train_samples": 10_000}, "fold", MNIST, 2),
        ({"train_samples": 10_000}, "validation", MNIST, 4),
        ({"train_samples": 20_000}, "test", MNIST, 4),
        ({"train_samples": 20_000}, "nothing", MNIST, 4),
        ({"train_samples": 3_000, "epochs": 100}, "fold", MNIST, 4),
        ({"train_samples": 10_000, "view": "columns"}, "fold", MNIST, 2),
        ({"train_samples": 10_000, "view": "pixels"}, "fold", MNIST, 1),
        ({"train_samples": 10_000, "units": 4}, "fold", MNIST, 2),
        ({"train_samples": 10_001, "units": 4}, "fold", MNIST, 1),
        ({"train_samples": 10_001}, "fold", MNIST, 2),
        ({"train_samples": 10_000, "units": 17}, "fold", MNIST, 1),
        ({"train_samples": 10_000, "units": 12}, "fold", MNIST, 2),
        ({"train_samples": 10_000, "epochs": 12}, "fold", MNIST, 1),  # 948 steps
        ({"train_samples": 10_000, "cell": "mlp"}, "fold", MNIST, 1),
        ({"train_samples": 10_000, "depth": 2}, "fold", MNIST, 1),
        ({"train_samples": 10_000, "bidirectional": True}, "fold", MNIST, 1),
        ({"train_samples": 10_000, "dropout": 0.1}, "fold", MNIST, 1),
        ({"train_samples": 10_000, "pooling": "mean"}, "fold", MNIST, 1),
        ({"train_samples": 10_000, "ema_momentum": 0.9}, "fold", MNIST, 1),
        ({"train_samples": 10_000}, "fold", images(54_000, 6_000, padded=False), 1),
    ],
)
def test_only_what_is_exact_and_pays_trains_together(
    changes: dict[str, Any], held_out: HeldOut, summary: SequencesSummary, expected: int
) -> None:
    assert seeds_at_once(SMALL.model_copy(update=changes), held_out, summary) == expected


def test_together_they_hold_no_more_than_all_bytes() -> None:
    of_each = (10_000 + 6_000) * 28 * 28 * 4
    assert 2 * of_each <= MOST_BYTES < 3 * of_each


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
def test_the_seconds_of_each_are_its_share(cell: Cell) -> None:
    configuration = Configuration(cell=cell, units=8, batch_size=32, epochs=2)
    outcomes = train_seeds(configuration, [training_data()] * 2, [0, 1])
    seconds = [outcome[1].fit_seconds for outcome in outcomes if not isinstance(outcome, TrainingFailed)]
    assert seconds[0] == seconds[1] > 0
