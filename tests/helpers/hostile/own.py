"""Somebody's own sequences: read, split, written and standardized."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.hostile.arrays import npz_file
from tests.helpers.hostile.series import ts_file
from tests.helpers.hostile.tables import csv_file, parquet_file
from tests.helpers.trying import Case


def npz(folder: Path, rng: random.Random) -> Case:
    return _prepared(npz_file(folder / "mine.npz", rng), rng)


def ts(folder: Path, rng: random.Random) -> Case:
    return _prepared(ts_file(folder, rng), rng)


def csv(folder: Path, rng: random.Random) -> Case:
    return _prepared(csv_file(folder / "mine.csv", rng), rng)


def parquet(folder: Path, rng: random.Random) -> Case:
    return _prepared(parquet_file(folder / "mine.parquet", rng), rng)


def _settings(path: Path, rng: random.Random) -> Any:
    from pipeline.params.settings import DataParams, TableColumns

    columns = TableColumns(group="who", split="part") if rng.random() < 0.8 else TableColumns()
    return DataParams(
        dataset=str(path),
        validation=rng.choice((0.1, 0.3, 3, 0.001)),
        missing=rng.choice(("refuse", "forward")),
        max_timesteps=rng.choice((None, None, 1, 3)),
        tokens=rng.random() < 0.1,
        scale=rng.choice(("standard", "none")),
        columns=columns,
    )  # fmt: skip


def _prepared(path: Path, rng: random.Random) -> Case:
    """Read, split, written and standardized, as `prepare` and a training do it."""
    settings = _settings(path, rng)

    def prepare() -> None:
        from pipeline import paths
        from pipeline.commands.prepare import outcome, write_sequences
        from pipeline.data.datasets import own_dataset
        from pipeline.data.own import read_own
        from pipeline.data.sequences import Samples, SequencesSummary
        from pipeline.training.reading import AS_THEY_ARE, standardized

        summary = write_sequences(own_dataset(read_own(path, settings)), settings)
        assert SequencesSummary.read(paths.SEQUENCES_SUMMARY) == summary
        outcome(summary)
        x = Samples.read(paths.TRAIN).x
        scaled = standardized(x, AS_THEY_ARE.scaled_by(x))
        assert (np.isfinite(scaled) == np.isfinite(x)).all()

    return Case(path.suffix, prepare, "data.")
