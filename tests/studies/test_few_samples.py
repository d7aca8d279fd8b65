"""Few samples get small batches and many epochs; many samples change nothing."""

import math

from hypothesis import given
from hypothesis import strategies as st

from pipeline.params.settings import TrainingSettings
from pipeline.studies.few_samples import BATCHES, LEAST_STEPS, fitted


def test_sixty_seven_sequences() -> None:
    training = fitted(TrainingSettings(batch_size=128, epochs=10, patience=3, warmup_epochs=1), 67)
    assert (training.batch_size, training.epochs, training.patience) == (4, 89, 27)  # 17 steps an epoch
    assert training.warmup_epochs * 17 == 1500 / 10


def test_nothing_changes_where_there_are_steps_enough() -> None:
    training = TrainingSettings(batch_size=128, epochs=10, patience=3, warmup_epochs=1)
    assert fitted(training, 54_000) == training


@given(st.integers(2, 10**6), st.integers(1, 512), st.integers(1, 50), st.none() | st.integers(1, 20))
def test_there_are_steps_enough(samples: int, batch_size: int, epochs: int, patience: int | None) -> None:
    training = fitted(TrainingSettings(batch_size=batch_size, epochs=epochs, patience=patience), samples)
    steps = math.ceil(samples / training.batch_size)
    assert training.epochs * steps >= LEAST_STEPS
    assert training.batch_size <= batch_size
    assert training.epochs >= epochs
    assert (training.patience is None) == (patience is None)
    if training.batch_size > 1:
        assert training.batch_size * BATCHES <= samples
