"""Small sequences that a small network can learn: noise with a class-dependent slope."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.sequences import Samples, SequencesSummary, stratified_order, summary_of
from pipeline.params.document import Params, validate_params
from pipeline.paths import SEQUENCES_SUMMARY
from pipeline.training.inputs import TrainingData

TIMESTEPS, FEATURES, CLASSES = 6, 4, 3


def samples(count: int, seed: int) -> Samples:
    """`count` sequences, float32 (count, 6, 4), of three classes in a class-proportional order."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    slope = (y[:, None, None] - 1) * np.linspace(0, 1, TIMESTEPS)[None, :, None]
    x = (slope + rng.normal(0, 0.7, (count, TIMESTEPS, FEATURES))).astype(np.float32)
    order = stratified_order(y, rng)
    return Samples(x[order], y[order].astype(np.int64))


def training_data(train: int = 96, held_out: int = 60) -> TrainingData:
    one, other = samples(train, 1), samples(held_out, 2)
    return TrainingData(one.x, one.y, CLASSES, other.x, other.y)


def write_sequences(
    folder: Path, train: int = 96, validation: int = 60, test: int = 30, made: Callable[[int, int], Samples] = samples
) -> SequencesSummary:
    """Write the three splits and summary.json as the prepare stage does; returns the summary.

    `made` makes so many sequences of the three classes with a seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    splits: dict[str, Any] = {}
    for seed, (split, count) in enumerate({"train": train, "validation": validation, "test": test}.items()):
        part = made(count, seed)
        np.savez(folder / f"{split}.npz", x=part.x, y=part.y)
        splits[split] = summary_of(part, CLASSES)
    summary = SequencesSummary(
        dataset="slopes", view="rows", seed=0, classes=CLASSES, labels=(0, 1, 2), timesteps=TIMESTEPS,
        features=FEATURES, **splits,
    )  # fmt: skip
    summary.write(folder / SEQUENCES_SUMMARY.name)
    return summary


def _competing(studies: dict[str, Any]) -> list[str]:
    """A race decides alone, and others only where they hold out the same as the first of them."""
    if "race" in studies:
        return ["race"]
    held_out = {
        name: study.get("held_out", "validation")
        for name, study in studies.items()
        if study.get("held_out") != "test" and "view" not in _axes(study)
    }
    return [name for name, value in held_out.items() if value == next(iter(held_out.values()))]


def _axes(study: dict[str, Any]) -> dict[str, Any]:
    axes: dict[str, Any] = study.get("space", {})
    return axes


def params_with(studies: dict[str, Any], workers: int = 2, scheduler: str | None = None) -> Params:
    """A params.yaml around `studies`, its defaults small."""
    return validate_params(
        {
            "data": {"dataset": "slopes", "validation": 60},
            "training": {"batch_size": 32, "epochs": 3, "optimizer": "adam", "learning_rate": 0.01},
            "studies": {name: study for name, study in studies.items() if name != "race"},
            **({"race": studies["race"]} if "race" in studies else {}),
            "champion": {"studies": _competing(studies), "seeds": 1, "metric": "accuracy"},
            "execution": {"workers": workers, "scheduler": scheduler},
        },
        "example",
    )
