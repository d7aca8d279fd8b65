"""Saved models measured on sequences they may not have seen. Keras is imported inside the functions that use it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.choice import Candidate
from pipeline.analysis.configurations import accuracy_interval
from pipeline.documents import Document
from pipeline.errors import PipelineError
from pipeline.params.network import Cell
from pipeline.training.model_file import load_model

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 1000
EPSILON = 1e-7  # Keras's: the smallest probability whose logarithm is taken


def load_models(folder: Path) -> dict[int, keras.Model]:
    """The models saved as `seed-N.keras` in `folder`, by seed in ascending order; PipelineError if there is none."""
    models = _models(folder, "seed")
    if not models:
        raise PipelineError(f"{folder} has no seed-*.keras: run `python -m pipeline champion` first")
    return models


def load_best_models(folder: Path) -> dict[int, keras.Model]:
    """The models saved as `best-N.keras`, of the most accurate network; none where that is the champion itself."""
    return _models(folder, "best")


def _models(folder: Path, name: str) -> dict[int, keras.Model]:
    files = {int(path.stem.removeprefix(f"{name}-")): path for path in folder.glob(f"{name}-*.keras")}
    return {seed: load_model(files[seed]) for seed in sorted(files)}


def predict(model: keras.Model, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Class probabilities (n, classes) float32 of the sequences `x` (n, timesteps, features)."""
    return np.asarray(model.predict(x, batch_size=BATCH_SIZE, verbose=0), dtype=np.float32)


def accuracy(probabilities: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Fraction of rows whose most probable class is `y` (n,)."""
    return float(np.mean(probabilities.argmax(axis=1) == y))


def cross_entropy(probabilities: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Mean negative log-probability of the true classes `y` (n,), in nats; probabilities clipped as Keras does."""
    true = probabilities[np.arange(len(y)), y].astype(np.float64)
    return float(-np.log(np.clip(true, EPSILON, 1 - EPSILON)).mean())


def predictions_table(probabilities: NDArray[np.float32], y: NDArray[np.int64]) -> pd.DataFrame:
    """One row per sequence: index, actual, predicted, probability (of the predicted class, to 6 digits)."""
    return pd.DataFrame(
        {
            "index": np.arange(len(y)),
            "actual": y,
            "predicted": probabilities.argmax(axis=1),
            "probability": probabilities.max(axis=1).astype(np.float64).round(6),
        }
    )


class Metrics(Document):
    """metrics.json: the champion's figures on the test data, means over its seeds.

    Accuracies are fractions, the loss is in nats, the gap is train minus test accuracy. `test_accuracy_sd` is None for
    one seed; for the interval see `accuracy_interval`.
    """

    dataset: str
    cell: Cell
    units: int
    depth: int
    bidirectional: bool
    parameters: int
    seeds: int
    test_accuracy: float
    test_accuracy_sd: float | None
    test_accuracy_low: float
    test_accuracy_high: float
    test_loss: float
    generalization_gap: float


def champion_metrics(
    choice: Candidate,
    dataset: str,
    test: Mapping[int, NDArray[np.float32]],
    test_y: NDArray[np.int64],
    train: Mapping[int, NDArray[np.float32]],
    train_y: NDArray[np.int64],
) -> Metrics:
    """The champion's metrics; `test` and `train` hold each seed's probabilities (n, classes) on the test data and on
    training data."""
    accuracies = [accuracy(probabilities, test_y) for probabilities in test.values()]
    train_accuracy = np.mean([accuracy(probabilities, train_y) for probabilities in train.values()])
    low, high = accuracy_interval(accuracies, len(test_y))
    return Metrics(
        dataset=dataset,
        cell=choice.cell,
        units=choice.units,
        depth=choice.depth,
        bidirectional=choice.bidirectional,
        parameters=choice.parameters,
        seeds=len(accuracies),
        test_accuracy=float(np.mean(accuracies)),
        test_accuracy_sd=float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
        test_accuracy_low=low,
        test_accuracy_high=high,
        test_loss=float(np.mean([cross_entropy(probabilities, test_y) for probabilities in test.values()])),
        generalization_gap=float(train_accuracy - np.mean(accuracies)),
    )
