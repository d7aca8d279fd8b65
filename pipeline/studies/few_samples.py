"""Settings made for many samples, fitted to few: a network learns by steps, and few samples make few in an epoch."""

import math
from typing import TypeVar

from pipeline.params.settings import TrainingSettings

Settings = TypeVar("Settings", bound=TrainingSettings)

LEAST_STEPS = 1500
BATCHES = 16  # at least, in an epoch


def fitted(training: Settings, samples: int) -> Settings:
    """`training` with batches of at most a sixteenth of the `samples`, and at least `LEAST_STEPS` steps on all of them.

    Epochs, patience and warm-up become longer in proportion, so that the rate falls as before. With 67 sequences, an
    epoch of batches of 128 is a single step, and ten of them teach a network nothing.
    """
    batch_size = small_batch(training.batch_size, samples)
    steps = training.epochs * math.ceil(samples / batch_size)
    longer = max(1.0, LEAST_STEPS / steps)
    return training.model_copy(
        update={
            "batch_size": batch_size,
            "epochs": math.ceil(training.epochs * longer),
            "patience": training.patience and math.ceil(training.patience * longer),
            "warmup_epochs": training.warmup_epochs * longer,
        }
    )


def small_batch(batch_size: int, samples: int) -> int:
    """`batch_size`, or a sixteenth of the samples if that is less."""
    return max(1, min(batch_size, samples // BATCHES))
