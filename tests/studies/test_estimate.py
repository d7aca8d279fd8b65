"""The estimate before a study: what a training consists of, and what follows from it."""

import pytest

from pipeline.params.network import NetworkSpec, Sizes, parameter_count
from pipeline.params.settings import Configuration, TrainingSettings
from pipeline.params.studies import DepthRange, DropoutRange, IntegerRange, RealRange, SampledStudy, Space
from pipeline.studies.estimate import (
    EPOCHS_PER_PATIENCE,
    REFERENCE_RATE,
    START_SECONDS,
    STUDY_START_SECONDS,
    step_work,
    study_seconds,
    training_seconds,
    typical_configurations,
)

MNIST = Sizes(timesteps=28, features=28, classes=10)


def training(
    configuration: Configuration, samples: int = 6400, evaluated: int = 0, rate: float = REFERENCE_RATE
) -> float:
    """Seconds, without what every training takes to start."""
    return training_seconds(configuration, samples, evaluated, MNIST, rate) - START_SECONDS


def test_work_of_a_step_in_closed_form() -> None:
    rnn = NetworkSpec(cell="simple_rnn", units=256)
    assert step_work(rnn, 50, MNIST) == (28, 28 * 50 * 256, 6 * 50 * (28 * 72_960 + 2_570))
    both_ways = NetworkSpec(cell="gru", units=8, depth=3, bidirectional=True)
    assert step_work(both_ways, 10, MNIST)[:2] == (28 * 3 * 2, 28 * 3 * 2 * 10 * 8)
    mlp = NetworkSpec(cell="mlp", units=256, depth=2)
    assert step_work(mlp, 50, MNIST) == (2, 2 * 50 * 256, 6 * 50 * 269_322)


def test_a_training_is_its_steps_and_a_third_for_what_is_evaluated() -> None:
    lstm = Configuration(cell="lstm", units=64, batch_size=64, epochs=10)
    assert training(lstm, 6400, evaluated=9600) == pytest.approx(1.5 * training(lstm, 6400))
    assert training(lstm, 12800) == pytest.approx(2 * training(lstm, 6400))
    assert training(lstm.model_copy(update={"epochs": 20})) == pytest.approx(2 * training(lstm))


def test_patience_ends_long_trainings_and_no_short_ones() -> None:
    def epochs(asked: int, patience: int | None) -> float:
        one = Configuration(cell="gru", units=8, epochs=1)
        return training(one.model_copy(update={"epochs": asked, "patience": patience})) / training(one)

    assert epochs(100, None) == pytest.approx(100)
    assert epochs(100, 3) == pytest.approx(3 * EPOCHS_PER_PATIENCE)
    assert epochs(10, 3) == pytest.approx(10)


def test_seconds_of_two_networks_are_as_far_apart_as_measured() -> None:
    """On one core, batches of 64: SimpleRNN-8 1.7 ms a step, LSTM-128 with two layers 21.7 ms."""
    small = Configuration(cell="simple_rnn", units=8, batch_size=64)
    large = Configuration(cell="lstm", units=128, depth=2, batch_size=64)
    assert 0.5 < training(large) / training(small) / (21.7 / 1.7) < 2


def test_a_faster_core_saves_time_on_products_alone() -> None:
    """What is left at an endless rate, time steps and what is done number by number, is the same on every core."""

    def seconds(units: int, rate: float) -> float:
        return training(Configuration(cell="lstm", units=units, batch_size=128, epochs=1), rate=rate)

    for units in (8, 256):
        products = [seconds(units, rate) - seconds(units, 1e30) for rate in (100e9, 200e9)]
        assert products[0] == pytest.approx(2 * products[1])
    assert seconds(8, 100e9) / seconds(8, 200e9) < 1.1
    assert seconds(256, 100e9) / seconds(256, 200e9) > 1.5


def test_a_study_is_shared_by_the_workers() -> None:
    assert study_seconds(60, 10, 1) == STUDY_START_SECONDS + 600
    assert study_seconds(60, 10, 2) == STUDY_START_SECONDS + 300 + 15, "half a training on one of two workers"
    assert study_seconds(60, 1, 8) == STUDY_START_SECONDS + 60, "one training is not divided"


def test_typical_configurations_lie_in_the_space_and_are_always_the_same() -> None:
    space = Space(
        cell=("gru", "lstm"), units=IntegerRange(low=16, high=128, log=True), depth=DepthRange(low=1, high=2),
        dropout=DropoutRange(low=0.0, high=0.3), learning_rate=RealRange(low=0.001, high=0.01, log=True), epochs=(6,),
    )  # fmt: skip
    study = SampledStudy(sampler="tpe", trials=3, space=space)
    defaults = TrainingSettings(epochs=20, batch_size=32)
    drawn = typical_configurations(study, defaults, MNIST)
    assert drawn == typical_configurations(study, defaults, MNIST)
    assert {c.cell for c in drawn} == {"gru", "lstm"}
    assert {c.depth for c in drawn} == {1, 2}
    assert {(c.epochs, c.batch_size, c.optimizer) for c in drawn} == {(6, 32, "adam")}
    assert min(c.units for c in drawn) >= 16
    assert max(c.units for c in drawn) <= 128
    below_the_geometric_mean = sum(c.units < 45 for c in drawn) / len(drawn)
    assert 0.4 < below_the_geometric_mean < 0.6
    budgeted = study.model_copy(update={"parameter_budgets": (5_000, 20_000)})
    for place, configuration in enumerate(typical_configurations(budgeted, defaults, MNIST)):
        parameters = parameter_count(configuration.network, 28, 28, 10)
        assert parameters <= (5_000, 20_000)[place % 2] or configuration.units == 16
