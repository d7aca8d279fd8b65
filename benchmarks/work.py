"""The work of all contestants. Each does it on its own, in a fresh process that is timed from start to exit.

A workspace is a folder with a params.yaml and the 5,000 digits that come bundled, so nothing is
downloaded. Each contestant is `python -m benchmarks.contestants NAME STUDY`, started there.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.params.network import Cell

ROOT = Path(__file__).parents[1]
KERAS_CELLS: tuple[Cell, ...] = ("simple_rnn", "lstm", "gru")  # for each of them Keras has a layer
SIZES = ((32, 1), (64, 2), (128, 1), (256, 1))  # units, depth
VALIDATION, EPOCHS = 500, 2  # 1,000 of the 5,000 digits are for tests: 3,500 are left to train on
QUALITY_SEEDS = 5
# Searched for quality. The accuracy of every configuration is known: `python -m benchmarks.quality`.
QUALITY_SPACE: dict[str, Any] = {
    "cell": list(KERAS_CELLS), "units": [16, 32, 64], "learning_rate": [0.0003, 0.001, 0.003, 0.01], "epochs": [6],
}  # fmt: skip
# The capacity study of params.yaml, its budgets unchanged, on fewer images and sizes.
BUDGET_SPACE: dict[str, Any] = {
    "cell": list(KERAS_CELLS), "units": [32, 128], "depth": [1, 2], "batch_size": [64], "learning_rate": [0.003],
    "epochs": [25], "patience": [3],
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """One contestant's run: seconds from start to exit, the same from its first training on, and its accuracies."""

    seconds: float
    seconds_training: float
    accuracies: tuple[float, ...]  # of validation, as fractions, in order of the trials


def params_document() -> dict[str, Any]:
    """The workspace's params.yaml."""
    networks = [{"cell": cell, "units": units, "depth": depth} for cell in KERAS_CELLS for units, depth in SIZES]
    quality = {"sampler": "random", "trials": 200, "pruner": "median", "window": 8, "space": QUALITY_SPACE}
    studies: dict[str, Any] = {
        "throughput": {"sampler": "list", "trials": networks},
        "budget": {"sampler": "grid", "space": BUDGET_SPACE},
        "reference": {"sampler": "grid", "seeds": 3, "seed": 1000, "space": QUALITY_SPACE},
    }
    studies |= {f"quality-{seed}": quality | {"seed": seed} for seed in range(QUALITY_SEEDS)}
    return {
        "data": {"dataset": "mnist5k", "validation": VALIDATION},
        "training": {"batch_size": 128, "epochs": EPOCHS},
        "studies": studies,
        "champion": {"studies": ["throughput"], "seeds": 1},
    }


def make_workspace(folder: Path) -> None:
    """Write params.yaml and the sequences to `folder`."""
    (folder / "params.yaml").write_text(yaml.safe_dump(params_document()), encoding="utf-8")
    for stage in ("download", "prepare"):
        command = [sys.executable, "-m", "pipeline", stage]
        subprocess.run(command, cwd=folder, env=environment(folder), check=True, stdout=subprocess.DEVNULL)


def run_contestant(name: str, study: str, workspace: Path) -> Outcome:
    """Start the contestant and wait for its end; its databases are new, and deleted afterwards."""
    with tempfile.TemporaryDirectory() as home:
        started = time.time()
        report = run_python(["-m", "benchmarks.contestants", name, study], workspace, environment(Path(home)))
        ended = time.time()
    return Outcome(ended - started, ended - report["first_training"], tuple(report["accuracies"]))


def run_python(arguments: list[str], folder: Path, variables: dict[str, str]) -> Any:
    """Run Python in `folder` and return its last line of output, which is JSON; raises RuntimeError if it fails."""
    answer = subprocess.run([sys.executable, *arguments], cwd=folder, env=variables, capture_output=True, text=True)
    if answer.returncode:
        raise RuntimeError(f"python {' '.join(arguments)}:\n{answer.stderr[-3000:]}")
    return json.loads(answer.stdout.splitlines()[-1])


def environment(home: Path) -> dict[str, str]:
    """The environment of every process that is measured: this code, databases in `home`, no chatter."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "PIPELINE_HOME": str(home),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "RAY_USAGE_STATS_ENABLED": "0",
        "DO_NOT_TRACK": "1",
    }
