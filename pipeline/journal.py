"""Finished trainings on disk, so that none is lost to a crash and none is done twice.

A training is a pure function, so its result can be kept under a hash of its arguments. A study that was
stopped finds here what had finished, including results that came too early to be told to Optuna. Deleting
the folder costs time, never a result.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from pipeline.paths import atomic_write
from pipeline.trials import EpochMetrics, TrainingResult


class Journal:
    """A folder with one JSON file per finished training."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> TrainingResult | None:
        """The result kept under `key`; None where there is none, or one that this version cannot read."""
        try:
            document = json.loads(self._path(key).read_text(encoding="utf-8"))
            epochs = tuple(EpochMetrics(**metrics) for metrics in document.pop("epochs"))
            return TrainingResult(epochs=epochs, **document)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, result: TrainingResult) -> None:
        with atomic_write(self._path(key)) as file:
            json.dump(dataclasses.asdict(result), file)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def stable_hash(document: Any) -> str:
    """sha256 of a JSON-ready document, the same in every process and on every machine."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
