"""How near training comes to the processor's limit, and which changes move it.

    .venv/bin/python -m benchmarks.limits            # as many processes as cores, side by side
    .venv/bin/python -m benchmarks.limits --explore  # one core: batch sizes, oneDNN, XLA, bfloat16, …

The limit is the product of two float32 matrices (sgemm) by NumPy's BLAS, measured in the same processes, right before
the trainings that are compared with it. The operations of a training are counted in closed form: for each sample two
for each multiplication forward (`pipeline.params.network.multiplications`), and backward two for the weights' gradient
and two for the inputs', which the images do not need. Activations are not counted, biases like weights.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from typing import Any
from unittest.mock import patch

import numpy as np
from dask.system import CPU_COUNT
from rich.console import Console
from rich.table import Table

from benchmarks.work import KERAS_CELLS, ROOT, environment, run_python
from pipeline.params.network import NetworkSpec, multiplications
from pipeline.params.settings import Configuration
from pipeline.training.forkserver import KEEP_FREED_MEMORY
from pipeline.training.inputs import TrainingData
from pipeline.training.machine import sgemm_rate
from pipeline.training.process import configure_tensorflow
from pipeline.training.train import train
from pipeline.training.trials import EpochMetrics

TIMESTEPS, FEATURES, CLASSES = 28, 28, 10
UNITS, BATCH_SIZE = 256, 128
SAMPLES, EPOCHS, ROUNDS = 2560, 2, 5
SGEMM_SECONDS = 1.0

# Configurations, and the environment of their process; XLA compiles every graph that TensorFlow can hand to it.
XLA = {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"}
TRIED: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("as a study trains", {}, {}),
    ("batches of 32", {"batch_size": 32}, {}),
    ("batches of 512", {"batch_size": 512}, {}),
    ("loop over time written out", {"unroll": True}, {}),
    ("without oneDNN", {}, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    ("freed memory given back", {}, {"MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "131072"}),
    ("XLA", {}, XLA),
    ("bfloat16", {}, {"BENCHMARK_DTYPE": "mixed_bfloat16"}),
]


def training_operations(network: NetworkSpec, samples: int) -> int:
    """Floating-point operations of one epoch over so many samples."""
    of_all, without_images = (multiplications(network, TIMESTEPS, width, CLASSES) for width in (FEATURES, 0))
    return samples * (4 * of_all + 2 * without_images)


def random_data(samples: int, timesteps: int = TIMESTEPS, features: int = FEATURES) -> TrainingData:
    """Noise to train on, as speed does not depend on the images, and one sequence to validate on."""
    rng = np.random.default_rng(0)
    x = rng.random((samples, timesteps, features), dtype=np.float32)
    y = rng.integers(0, CLASSES, samples)
    return TrainingData(x, y, CLASSES, x[:1], y[:1])


def epoch_seconds(
    configuration: Configuration, data: TrainingData, epochs: int, wait: Callable[[], object] = lambda: None
) -> float:
    """Mean of `epochs` epochs, after one that warms up and after `wait`. The evaluations in it see one sequence."""
    moments: list[float] = []

    def on_epoch(metrics: EpochMetrics) -> bool:
        if metrics.epoch == 1:
            wait()
        moments.append(time.perf_counter())
        return False

    longer = configuration.model_copy(update={"epochs": epochs + 1, "patience": None})
    train(longer, data, seed=0, on_epoch=on_epoch)
    return (moments[-1] - moments[0]) / epochs


def _one_core(barrier: Barrier, results: "multiprocessing.Queue[list[dict[str, float]]]") -> None:
    configure_tensorflow("avx2")
    data = random_data(SAMPLES)
    rates = []
    for _ in range(ROUNDS):
        barrier.wait()
        rates.append({"sgemm": sgemm_rate(SGEMM_SECONDS, best=False)})
        for cell in KERAS_CELLS:
            configuration = Configuration(cell=cell, units=UNITS, batch_size=BATCH_SIZE)
            seconds = epoch_seconds(configuration, data, EPOCHS, barrier.wait)
            rates[-1][cell] = training_operations(configuration.network, SAMPLES) / seconds
    results.put(rates)


def shares() -> dict[str, list[float]]:
    """For each cell the share of the sgemm peak in every round; and `sgemm`, operations a second of all cores."""
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(CPU_COUNT), spawn.Queue()
    processes = [spawn.Process(target=_one_core, args=(barrier, results)) for _ in range(CPU_COUNT)]
    with patch.dict(os.environ, KEEP_FREED_MEMORY):  # read when a process starts
        for process in processes:
            process.start()
    by_core = [results.get() for _ in processes]
    for process in processes:
        process.join()
    totals = [{name: sum(core[r][name] for core in by_core) for name in by_core[0][r]} for r in range(ROUNDS)]
    return {"sgemm": [total["sgemm"] for total in totals]} | {
        cell: [total[cell] / total["sgemm"] for total in totals] for cell in KERAS_CELLS
    }


def _tried(changes: dict[str, Any]) -> dict[str, float]:
    """In a process of its own: the share of the peak of each cell, on one core."""
    configure_tensorflow("avx2")
    if dtype := os.environ.get("BENCHMARK_DTYPE"):
        import keras

        keras.config.set_dtype_policy(dtype)
    data = random_data(SAMPLES)
    found: dict[str, float] = {}
    for cell in KERAS_CELLS:
        configuration = Configuration.model_validate({"cell": cell, "units": UNITS, "batch_size": BATCH_SIZE} | changes)
        peak = sgemm_rate(SGEMM_SECONDS, best=False)
        seconds = epoch_seconds(configuration, data, EPOCHS)
        found[cell] = training_operations(configuration.network, SAMPLES) / seconds / peak
    return found


def explore(console: Console) -> None:
    """Print the share of the peak after each change, one change at a time."""
    table = Table("units 256, 28 × 28, one core", *(f"{cell}, % of sgemm" for cell in KERAS_CELLS))
    for title, changes, variables in TRIED:
        try:
            found = run_python(
                ["-m", "benchmarks.limits", "--try", json.dumps(changes)],
                ROOT,
                environment(ROOT) | KEEP_FREED_MEMORY | variables,
            )
        except RuntimeError as error:
            console.print(f"{title} fails: {str(error).splitlines()[-1]}")
            continue
        table.add_row(title, *(f"{100 * found[cell]:.0f}" for cell in KERAS_CELLS))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--explore", action="store_true", help="try changes that may move it")
    parser.add_argument("--try", dest="tried", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    console = Console()
    if arguments.tried:
        print(json.dumps(_tried(json.loads(arguments.tried))))
    elif arguments.explore:
        explore(console)
    else:
        found = shares()
        console.print(f"sgemm: {np.median(found['sgemm']) / 1e9:.0f} GFLOP/s on {CPU_COUNT} cores")
        for cell in KERAS_CELLS:
            console.print(f"{cell}-{UNITS}: " + ", ".join(f"{100 * share:.0f} %" for share in found[cell]))


if __name__ == "__main__":
    main()
