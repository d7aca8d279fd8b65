"""Finished trainings on disk, so that none is lost to a crash and none is done twice.

A training is a pure function, so its result can be kept under a hash of its arguments (`identity.training_key`). There
are two places. The journal is this machine's memory: a file for each training, written the moment it ends. A study that
was stopped finds its finished trainings there, including results that came too early to be told to Optuna. The record
is in git: a file for each study, written when it ends. A fresh clone finds the trainings of the project's own studies
there. Deleting either costs time, never a result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import Any

from pipeline.errors import PipelineError
from pipeline.paths import atomic_write
from pipeline.training.trials import EpochMetrics, TrainingResult


class Journal:
    """`folder` has `KEY.json` for each finished training, and `KEY.keras` where its model was wanted.

    `record` has `NAME.jsonl.gz` with a line for each training of a study, and models likewise.
    """

    def __init__(self, folder: Path, record: Path) -> None:
        self._folder = folder
        self._record = record

    def get(self, key: str) -> TrainingResult | None:
        """The result kept under `key`; None where there is none, or one that this version cannot read."""
        if key in self._recorded:
            return self._recorded[key]
        try:
            return _result(json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    @property
    def is_empty(self) -> bool:
        """Whether no training is kept at all."""
        return not self._recorded and next(self._folder.glob("*.json"), None) is None

    def model(self, key: str) -> bytes | None:
        """The .keras file kept under `key`; None where there is none."""
        files = (folder / f"{key}.keras" for folder in (self._record, self._folder))  # as for the result
        return next((file.read_bytes() for file in files if file.exists()), None)

    def put(self, key: str, result: TrainingResult, model: bytes | None = None) -> None:
        """Keep a result, and first its model: where the result is, the model is there as well."""
        if model is not None:
            with atomic_write(self._folder / f"{key}.keras", "wb") as file:
                file.write(model)
        with atomic_write(self._folder / f"{key}.json") as file:
            json.dump(dataclasses.asdict(result), file)

    def record(self, name: str, keys: Iterable[str]) -> None:
        """Write the record of `name`: the trainings kept under `keys`, and no others.

        The same trainings give the same bytes. Models go along. Trainings of an earlier record that are not among them
        go back to the journal, so that none is lost.
        """
        path = self._record / f"{name}.jsonl.gz"
        before = _read_record(path)
        kept = {key: result for key in sorted(set(keys)) if (result := self.get(key)) is not None}
        for key in before.keys() - kept.keys():
            self.put(key, before[key], self.model(key))
            (self._record / f"{key}.keras").unlink(missing_ok=True)
        for key in kept:
            if (model := self.model(key)) is not None and not (self._record / f"{key}.keras").exists():
                with atomic_write(self._record / f"{key}.keras", "wb") as file:
                    file.write(model)
        lines = (json.dumps({"key": key} | dataclasses.asdict(result)) for key, result in kept.items())
        text = "".join(f"{line}\n" for line in lines).encode()
        if path.exists() and gzip.decompress(path.read_bytes()) == text:
            return  # another version of zlib would write the same in other bytes
        with atomic_write(path, "wb") as file:
            file.write(gzip.compress(text, mtime=0))
        vars(self).pop("_recorded", None)

    @functools.cached_property
    def _recorded(self) -> dict[str, TrainingResult]:
        files = sorted(self._record.glob("*.jsonl.gz"))
        return {key: result for file in files for key, result in _read_record(file).items()}


def _read_record(path: Path) -> dict[str, TrainingResult]:
    """The trainings in one file of the record, by key; none where there is no file."""
    if not path.exists():
        return {}
    try:
        documents = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise PipelineError(
            f"{path} is damaged ({error}): `git checkout HEAD -- {quote(str(path))}` restores it if git has it; after "
            f"`rm {quote(str(path))}` its trainings are done again"
        ) from error
    found: dict[str, TrainingResult] = {}
    for document in documents:
        with contextlib.suppress(KeyError, TypeError):  # written by a version with other fields
            key = document.pop("key")
            found[key] = _result(document)
    return found


def _result(document: dict[str, Any]) -> TrainingResult:
    epochs = tuple(EpochMetrics(**metrics) for metrics in document.pop("epochs"))
    mistakes = tuple(document.pop("mistakes"))
    return TrainingResult(epochs=epochs, mistakes=mistakes, **document)
