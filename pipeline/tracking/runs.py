"""The content of an MLflow run: parameters and metrics as plain dictionaries, artifacts as files."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.training.diagram import diagram_png
from pipeline.training.trials import EpochMetrics, TrainingResult, Trial

CURVES = "curves/"  # how metrics begin that have a value for each epoch


def trial_parameters(trial: Trial, prepared_view: str) -> dict[str, str]:
    """The trial's settings, but for `train_samples`, which is known once it was trained.

    `prepared_view` is the view of data/sequences, which it sees unless it asks for another.
    """
    configuration = trial.configuration
    as_used = {
        "learning_rate": configuration.effective_learning_rate,
        "view": configuration.view or prepared_view,
        "seed": trial.seed,
    }
    return flattened(configuration.model_dump(exclude={"train_samples"}) | as_used)


def flattened(document: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """A nested document as MLflow parameters: `space.units.low`; lists as JSON, None as in YAML."""
    flat: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            flat[prefix + name] = json.dumps(value)
        else:
            flat[prefix + name] = "null" if value is None else str(value)
    return flat


def epoch_figures(metrics: EpochMetrics) -> dict[str, float]:
    """One epoch's metrics by name, without those that were not measured."""
    gap = None if metrics.validation_accuracy is None else metrics.train_accuracy - metrics.validation_accuracy
    names = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    figures = {name: getattr(metrics, name) for name in (*names, "during_fit_loss", "during_fit_accuracy")}
    return numbers(figures | {"generalization_gap": gap})


def curves(metrics: EpochMetrics) -> dict[str, float]:
    """The same under the names of curves in MLflow, whose page has metrics with a prefix first, and others last."""
    return {f"{CURVES}{name}": value for name, value in epoch_figures(metrics).items()}


def final_figures(result: TrainingResult) -> dict[str, float]:
    """A finished training's metrics by name; `best_…` are those of the best epoch, as in trials.csv."""
    best = {f"best_{name}": value for name, value in epoch_figures(result.best).items()}
    names = ("parameters", "best_epoch", "fit_seconds", "predict_microseconds_per_sequence")
    return numbers({name: getattr(result, name) for name in names}) | best


def save_artifacts(folder: Path, result: TrainingResult) -> None:
    """Write model_summary.txt and model.png. The learning curves MLflow draws itself, from the metrics."""
    (folder / "model_summary.txt").write_text(result.model_summary, encoding="utf-8")
    (folder / "model.png").write_bytes(diagram_png(result.model_dot))


def numbers(document: dict[str, Any], leave_out: Iterable[str] = ()) -> dict[str, float]:
    """The finite numbers in a document: MLflow would draw anything else as a gap or not at all."""
    return {
        name: float(value)
        for name, value in document.items()
        if name not in leave_out
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    }
