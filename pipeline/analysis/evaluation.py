"""Saved models measured on sequences they may not have seen. Keras is imported inside the functions that use it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy import stats

from pipeline import paths
from pipeline.analysis.choice import Finalist
from pipeline.analysis.configurations import CONFIDENCE, ROUNDING, accuracy_interval
from pipeline.analysis.temperature import with_temperature
from pipeline.documents import Document
from pipeline.errors import PipelineError
from pipeline.params.network import Cell
from pipeline.params.settings import Metric
from pipeline.training.identity import stable_hash
from pipeline.training.metrics import score
from pipeline.training.model_file import load_model

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 1000
EPSILON = 1e-7  # Keras's: the smallest probability whose logarithm is taken
DRAWS = 1000  # of the bootstrap

_OtherMetric = Field(exclude_if=lambda value: value is None)  # not in the file where networks are chosen by accuracy


def load_models(folder: Path) -> dict[int, keras.Model]:
    """The models saved as `seed-N.keras` in `folder`, by seed in ascending order; PipelineError if there is none."""
    champion_file(folder)
    return {seed: load_model(path) for seed, path in _files(folder, "seed").items()}


def load_best_models(folder: Path) -> dict[int, keras.Model]:
    """The models saved as `best-N.keras`, of the most accurate network; none where that is the champion itself."""
    return {seed: load_model(path) for seed, path in _files(folder, "best").items()}


def champion_file(folder: Path) -> Path:
    """The model of the champion, for everybody who uses it: that of the first seed, which no test data have chosen.

    The models of other seeds say how much the seed matters. Raises PipelineError where there is none.
    """
    file = folder / "seed-0.keras"
    if not file.exists():
        raise PipelineError(f"{folder} has no {file.name}: `dvc repro champion` makes it")
    return file


def sha256_of(file: Path) -> str:
    """The hash of a model's file, by which its figures and its registered version are found."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _files(folder: Path, name: str) -> dict[int, Path]:
    """The files `NAME-N.keras`, by N in ascending order."""
    files = {int(path.stem.removeprefix(f"{name}-")): path for path in folder.glob(f"{name}-*.keras")}
    return dict(sorted(files.items()))


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


def predictions_table(
    probabilities: NDArray[np.float32], y: NDArray[np.int64], temperature: float = 1.0
) -> pd.DataFrame:
    """One row per sequence: index, actual, predicted, probability (of the predicted class, to 6 digits), calibrated
    (the same with this temperature)."""
    return pd.DataFrame(
        {
            "index": np.arange(len(y)),
            "actual": y,
            "predicted": probabilities.argmax(axis=1),
            "probability": probabilities.max(axis=1).astype(np.float64).round(6),
            "calibrated": with_temperature(probabilities, temperature).max(axis=1).round(6),
        }
    )


class Metrics(Document):
    """metrics.json: the champion's figures on the test data, of networks of its size and of its model.

    Those of the size are means over the seeds. Accuracies are fractions, the loss is in nats, the gap is train minus
    test accuracy. `test_accuracy_sd` is None for one seed; for the interval see `accuracy_interval`. Those of the
    model, one of these networks, begin with `model_`: its seed, the hash of its file, its accuracy and the interval of
    that over samples. Where networks are chosen by another metric than accuracy, that is `metric`, and `test_score` its
    value, with the interval of `score_interval`; else they are None. `tested` is the hash of what was measured, see
    `what_is_tested`.
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
    model_seed: int
    model_sha256: str
    model_test_accuracy: float
    model_test_accuracy_low: float
    model_test_accuracy_high: float
    metric: Annotated[Metric | None, _OtherMetric] = None
    test_score: Annotated[float | None, _OtherMetric] = None
    test_score_low: Annotated[float | None, _OtherMetric] = None
    test_score_high: Annotated[float | None, _OtherMetric] = None
    model_test_score: Annotated[float | None, _OtherMetric] = None
    model_test_score_low: Annotated[float | None, _OtherMetric] = None
    model_test_score_high: Annotated[float | None, _OtherMetric] = None
    tested: str


def tested_model(choice: Finalist, data_sha256: Sequence[str], metric: Metric) -> Metrics | None:
    """What metrics.json says of the model that is there, of this choice by this metric on the data of these hashes.

    None where nothing was tested, or where it was another model, network or metric, or other data.
    """
    path, model = paths.METRICS, paths.CHAMPION / "seed-0.keras"
    if not model.exists() or not path.exists() or b"model_sha256" not in path.read_bytes():  # an earlier version's
        return None
    metrics = Metrics.read(path)
    same = metrics.tested == what_is_tested(choice, data_sha256) and (metrics.metric or "accuracy") == metric
    return metrics if same and metrics.model_sha256 == sha256_of(model) else None


def what_is_tested(choice: Finalist, data_sha256: Sequence[str]) -> str:
    """The hash of the champion as it is trained again, and of the data that it learns from and is tested on."""
    return stable_hash([choice.refit.model_dump(mode="json"), *data_sha256])


def score_interval(metric: Metric, y: NDArray[np.int64], predicted: NDArray[np.int64]) -> tuple[float, float, float]:
    """The mean over seeds of their score by `metric`, and its 95 % interval over seeds and samples, clipped to 0–1.

    `predicted` (seeds, n) are the classes that each seed's model gives to samples of the classes `y` (n,).

    Two variances add up: that of a mean of so many seeds, and that of a mean of so many samples, by a bootstrap with a
    fixed seed that draws samples within each class, the same for all seeds (Davison and Hinkley, Bootstrap Methods and
    their Application, 1997, section 3.2). What differs between seeds on a sample is in both, which is cautious. The
    interval is Student's, with Satterthwaite's degrees of freedom (Biometrics Bulletin 2 (1946), 110–114). A class with
    few samples, all of them right, would seem certain: so before it is drawn from, each class gets one more sample that
    is right and one that is taken for the next class, after Agresti and Caffo (The American Statistician 54 (2000),
    280–288). Of 60 or 80 simulated samples in 2 to 4 classes, with 1 to 5 seeds, it covers the truth 95 to 99 % of the
    time, and 73 to 96 % without these. With one seed the interval is over samples alone.
    """
    scores = [score(metric, y, row) for row in predicted]
    seeds, value = len(scores), float(np.mean(scores))
    there = np.unique(y)
    added = np.tile(np.concatenate([there, np.roll(there, -1)]), (seeds, 1))
    y, predicted = np.concatenate([y, there, there]), np.concatenate([predicted, added], axis=1)
    order = np.argsort(y, kind="stable")
    y, predicted = y[order], predicted[:, order]
    _, first, number = np.unique(y, return_index=True, return_counts=True)
    first, number = np.repeat(first, number), np.repeat(number, number)  # of the class of each sample
    rng = np.random.default_rng(0)
    drawn = (first + rng.integers(0, number) for _ in range(DRAWS))  # one after the other: all take much memory
    over_samples = np.var([np.mean([score(metric, y, row[places]) for row in predicted]) for places in drawn], ddof=1)
    over_seeds = np.var(scores, ddof=1) / seeds if seeds > 1 and np.ptp(scores) >= ROUNDING else 0.0
    variance = over_samples + over_seeds
    freedom = (seeds - 1) * (variance / over_seeds) ** 2 if over_seeds else np.inf
    reach = stats.t.isf((1 - CONFIDENCE) / 2, freedom) * np.sqrt(variance)
    return value, max(0.0, float(value - reach)), min(1.0, float(value + reach))


def champion_metrics(
    choice: Finalist,
    dataset: str,
    data_sha256: Sequence[str],
    test: Mapping[int, NDArray[np.float32]],
    test_y: NDArray[np.int64],
    train: Mapping[int, NDArray[np.float32]],
    train_y: NDArray[np.int64],
    metric: Metric,
    model_sha256: str,
) -> Metrics:
    """The champion's metrics on the data of these hashes; `test` and `train` hold each seed's probabilities
    (n, classes) on the test data and on training data, the first seed's first, and it was chosen by `metric`. The model
    is the first seed's, whose file has `model_sha256`."""
    seed, answers = next(iter(test.items()))
    accuracies = [accuracy(probabilities, test_y) for probabilities in test.values()]
    train_accuracy = np.mean([accuracy(probabilities, train_y) for probabilities in train.values()])
    low, high = accuracy_interval(accuracies, len(test_y))
    model_low, model_high = accuracy_interval(accuracies[:1], len(test_y))
    by_metric: dict[str, Any] = {}
    if metric != "accuracy":
        scores = score_interval(metric, test_y, np.stack([each.argmax(axis=1) for each in test.values()]))
        of_model = score_interval(metric, test_y, answers.argmax(axis=1)[np.newaxis])
        names = ("test_score", "test_score_low", "test_score_high")
        by_metric = {"metric": metric} | dict(zip(names, scores, strict=True))
        by_metric |= {f"model_{name}": value for name, value in zip(names, of_model, strict=True)}
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
        model_seed=seed,
        model_sha256=model_sha256,
        model_test_accuracy=accuracies[0],
        model_test_accuracy_low=model_low,
        model_test_accuracy_high=model_high,
        tested=what_is_tested(choice, data_sha256),
        **by_metric,
    )
