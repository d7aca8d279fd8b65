"""Keras's other backends: how long a step of training takes with each, by Keras's own `fit`, on one core.

    .venv/bin/python -m benchmarks.backends

JAX and PyTorch are no part of this project: they are installed into a temporary folder (6 GB) that goes away again.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.limits import BATCH_SIZE, UNITS, random_data, training_operations
from benchmarks.work import CELLS, ROOT, environment, run_python
from pipeline.params.network import NetworkSpec
from pipeline.training.machine import sgemm_rate

BACKENDS = ("tensorflow", "jax", "torch")
PACKAGES = ("jax", "torch")
STEPS, EPOCHS, UNITS_TRIED = 10, 4, (64, UNITS)


def milliseconds_a_step() -> dict[str, float]:
    """In a process of its own, whose backend is chosen: by cell and units; and `sgemm`, operations a second."""
    os.sched_setaffinity(0, {0})
    sys.path.append(os.environ["BACKEND_PACKAGES"])  # last: what this environment has comes first
    import keras

    if keras.config.backend() == "torch":
        importlib.import_module("torch").set_num_threads(1)
    data = random_data(STEPS * BATCH_SIZE)
    found = {"sgemm": sgemm_rate(1.0, best=False)}
    layers = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    for cell in CELLS:
        for units in UNITS_TRIED:
            network = [keras.Input((28, 28)), layers[cell](units), keras.layers.Dense(10, activation="softmax")]
            model = keras.Sequential(network)
            model.compile("adam", loss="sparse_categorical_crossentropy")
            seconds = []
            for _ in range(EPOCHS):
                started = time.perf_counter()
                model.fit(data.x, data.y, batch_size=BATCH_SIZE, verbose=0)
                seconds.append(time.perf_counter() - started)
            found[f"{cell}-{units}"] = 1000 * float(np.median(seconds[1:])) / STEPS  # the first one compiles
    return found


def main() -> None:
    if "--one" in sys.argv:
        print(json.dumps(milliseconds_a_step()))
        return
    console = Console(width=110)
    networks = [f"{cell}-{units}" for cell in CELLS for units in UNITS_TRIED]
    table = Table("ms a step (share of sgemm)", *networks)
    with tempfile.TemporaryDirectory() as folder:
        console.print(f"installing {', '.join(PACKAGES)} into {folder}")
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", folder, *PACKAGES]
        subprocess.run(install, check=True)
        for backend in BACKENDS:
            variables = environment(Path(folder)) | {"KERAS_BACKEND": backend, "BACKEND_PACKAGES": folder}
            found = run_python(["-m", "benchmarks.backends", "--one"], ROOT, variables)
            cells = []
            for name in networks:
                cell, units = name.rsplit("-", 1)
                network = NetworkSpec.model_validate({"cell": cell, "units": int(units)})
                rate = training_operations(network, BATCH_SIZE) / (found[name] / 1000)
                cells.append(f"{found[name]:.1f} ({rate / found['sgemm']:.0%})")
            table.add_row(backend, *cells)
    console.print(table)


if __name__ == "__main__":
    main()
