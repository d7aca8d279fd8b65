"""Which configurations the search for quality is to find: those within 0.1 points of the best.

    .venv/bin/python -m benchmarks.quality   # trains all 36 of them three times and writes quality.csv

A contestant has found such a configuration when it has trained it to its end. Quality is thus a property of the
configuration, the mean over seeds that no contestant uses, and not of a lucky training.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.results import FOLDER
from benchmarks.work import make_workspace, run_contestant

TABLE = FOLDER / "quality.csv"
AXES = ["cell", "units", "learning_rate"]
TOLERANCE = 0.001


def read_best() -> list[tuple[Any, ...]]:
    """Cell, units and learning rate of each configuration that counts as found."""
    table = pd.read_csv(TABLE)
    best = table[table.validation_accuracy >= table.validation_accuracy.max() - TOLERANCE - 1e-9]
    return [tuple(row) for row in best[AXES].itertuples(index=False, name=None)]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_workspace(folder)
        run_contestant("engine", "reference", folder)
        trials = pd.read_csv(folder / "data" / "studies" / "reference" / "trials.csv")
    means = trials.groupby(AXES, sort=False).validation_accuracy.mean().round(5)
    means.reset_index().to_csv(TABLE, index=False)
    print(json.dumps(read_best()))


if __name__ == "__main__":
    main()
