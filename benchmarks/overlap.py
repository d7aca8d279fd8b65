"""How much the trainings of a race's blocks have in common, since they share eight ninths of their images.

    .venv/bin/python -m benchmarks.overlap          # trains what overlap.csv lacks, then prints the figures
    .venv/bin/python -m benchmarks.overlap --show   # only the figures

After b blocks the mean difference of two networks has the variance s² (1/b + r): s² is the variance between blocks, r
is what b blocks have in common. Nadeau and Bengio (2003) take r = 1/9 for ten folds, a rule of thumb. Here it is
measured. The images that are not test images are cut into `SUBSETS` parts that share none. On each part the networks
are compared over its ten folds as in a race. So there are `SUBSETS` means that are independent of each other, and their
variance, divided by the mean variance between folds, is 1/10 + r. Needs the sequences of `dvc repro prepare`.
"""

import argparse
import csv
import sys
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.results import FOLDER
from pipeline.params.settings import Configuration
from pipeline.paths import SEQUENCES
from pipeline.training.inputs import FOLDS, TrainingData, fold_limits, load_data
from pipeline.training.process import configure_tensorflow

TABLE = FOLDER / "overlap.csv"
SUBSETS = 30
RECIPE = {
    "pooling": "mean_max", "optimizer": "adamw", "learning_rate": 0.01, "learning_rate_schedule": "cosine",
    "warmup_epochs": 1, "global_clipnorm": 1.0, "batch_size": 32, "epochs": 10,
}  # fmt: skip
NETWORKS = {
    "GRU 1×16": {"cell": "gru", "units": 16},
    "GRU 1×48": {"cell": "gru", "units": 48},
    "LSTM 1×32": {"cell": "lstm", "units": 32},
}
RESAMPLES = 4000

console = Console(highlight=False)


def measure() -> None:
    """Train every network on every fold of every subset that overlap.csv lacks; a line of it for each fold."""
    configure_tensorflow("avx2")
    from pipeline.training.train import train

    done = set() if not TABLE.exists() else set(map(tuple, pd.read_csv(TABLE)[["subset", "fold"]].to_numpy().tolist()))
    everything = load_data(SEQUENCES, "nothing")
    size = len(everything.y) // SUBSETS
    with TABLE.open("a", newline="") as file:
        writer = csv.writer(file)
        if not done:
            writer.writerow(["subset", "fold", *NETWORKS])
        for subset in range(SUBSETS):
            x, y = (values[subset * size : (subset + 1) * size] for values in (everything.x, everything.y))
            for fold in range(FOLDS):
                if (subset, fold) in done:
                    continue
                start, stop = fold_limits(size, fold)
                rest = np.r_[:start, stop:size]
                data = TrainingData(x[rest], y[rest], everything.classes, x[start:stop], y[start:stop])
                accuracies = []
                for network in NETWORKS.values():
                    configuration = Configuration.model_validate(network | RECIPE)
                    _, result = train(configuration, data, seed=subset * FOLDS + fold)
                    accuracies.append(result.best.validation_accuracy)
                writer.writerow([subset, fold, *(f"{accuracy:.4f}" for accuracy in accuracies)])
                file.flush()


def variance_ratio(differences: NDArray[np.float64]) -> float:
    """The variance of the subsets' means, divided by the mean variance between folds; of all pairs together.

    `differences`: (pairs, subsets, folds).
    """
    of_means = differences.mean(axis=2).var(axis=1, ddof=1).sum()
    between_folds = differences.var(axis=2, ddof=1).mean(axis=1).sum()
    return float(of_means / between_folds)


def common_share(differences: NDArray[np.float64]) -> tuple[float, float]:
    """r, and the bound below which it lies with 95 % confidence: bootstrap over subsets."""
    folds = differences.shape[2]
    rng = np.random.default_rng(0)
    subsets = differences.shape[1]
    drawn = [
        variance_ratio(differences[:, rng.integers(0, subsets, subsets)]) * subsets / (subsets - 1)
        for _ in range(RESAMPLES)
    ]
    return variance_ratio(differences) - 1 / folds, float(np.quantile(drawn, 0.95)) - 1 / folds


def show() -> None:
    """The figures of overlap.csv."""
    table = pd.read_csv(TABLE).set_index(["subset", "fold"]).sort_index()
    whole = table.groupby("subset").filter(lambda rows: len(rows) == FOLDS)
    values = whole.to_numpy(float).reshape(-1, FOLDS, len(NETWORKS))  # (subsets, folds, networks)
    names = list(whole.columns)
    console.print(f"{len(values)} subsets; mean accuracies: " + ", ".join(
        f"{name} {accuracy:.2%}" for name, accuracy in zip(names, values.mean(axis=(0, 1)), strict=True)
    ))  # fmt: skip
    pairs = list(combinations(range(len(names)), 2))
    differences = np.array([values[:, :, first] - values[:, :, second] for first, second in pairs])
    for pair, difference in zip(pairs, differences, strict=True):
        _print(" − ".join(names[place] for place in pair), difference[None])
    _print("all pairs", differences)
    _print("the networks themselves", np.moveaxis(values, 2, 0))


def _print(name: str, differences: NDArray[np.float64]) -> None:
    share, bound = common_share(differences)
    between = float(np.sqrt(differences.var(axis=2, ddof=1).mean()))
    console.print(f"{name}: r = {share:.3f}, below {bound:.3f}; {100 * between:.2f} points between folds")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="train nothing")
    if not parser.parse_args().show:
        measure()
    sys.exit(show())
