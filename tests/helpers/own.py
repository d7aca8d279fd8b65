"""Somebody's own files, small ones, and the settings to read them with."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.own import OwnSequences, read_own
from pipeline.params.settings import DataParams


def settings(dataset: str | Path = "mine.npz", **others: Any) -> DataParams:
    return DataParams(dataset=str(dataset), **{"validation": 0.1, **others})


def read(path: Path, **others: Any) -> OwnSequences:
    """What is read of `path` with these settings."""
    return read_own(path, settings(path, **others))


def write_arrays(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def write_ts(
    path: Path, *lines: str, header: str = "@problemName toy\n@timeStamps false\n@classLabel true a b"
) -> Path:
    path.write_text("\n".join(["#A comment", header, "@data", *lines, ""]), encoding="utf-8")
    return path
