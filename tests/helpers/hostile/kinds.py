"""Hostile inputs of every kind that the pipeline reads: each made from a sound one by a seeded generator."""

import random
from collections.abc import Callable
from pathlib import Path

from tests.helpers.command_lines import command_line
from tests.helpers.hostile.champion import keras, predict
from tests.helpers.hostile.images import digits, idx, manifest
from tests.helpers.hostile.own import csv, npz, parquet, ts
from tests.helpers.hostile.texts import params
from tests.helpers.trying import Case

KINDS: dict[str, Callable[[Path, random.Random], Case]] = {
    "params": params, "npz": npz, "ts": ts, "csv": csv, "parquet": parquet, "idx": idx, "manifest": manifest,
    "digits": digits, "predict": predict, "keras": keras, "command_line": command_line,
}  # fmt: skip
