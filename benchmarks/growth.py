"""How time and memory grow with a study's settings, and the constants of the cost estimate.

    .venv/bin/python -m benchmarks.growth         # growth.svg, growth.csv and the exponents
    .venv/bin/python -m benchmarks.growth --fit   # constants for CELLS (pipeline/params/network.py) and START_SECONDS

Everything is measured in processor time of a process with one TensorFlow thread. That is the wall time of a worker on
a core of its own, and other processes disturb it less.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from dask.system import CPU_COUNT
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

from benchmarks.limits import CLASSES, FEATURES, TIMESTEPS, random_data
from benchmarks.results import FOLDER
from benchmarks.work import KERAS_CELLS, ROOT, environment, run_python
from pipeline.params.network import CELLS, CellCost, Sizes
from pipeline.params.settings import Configuration
from pipeline.studies.estimate import step_work
from pipeline.training.forkserver import KEEP_FREED_MEMORY
from pipeline.training.inputs import TrainingData
from pipeline.training.machine import sgemm_rate
from pipeline.training.process import configure_tensorflow
from pipeline.training.train import train
from pipeline.training.trials import EpochMetrics

TABLE, PICTURE = FOLDER / "growth.csv", FOLDER / "growth.svg"
STEPS, EPOCHS = 6, 3  # of a training whose steps are measured; the first epoch warms up
BASE: dict[str, Any] = {"units": 64, "depth": 1, "timesteps": 28, "samples": 3000}
AXES: dict[str, list[int]] = {
    "units": [32, 64, 128, 256, 512],
    "depth": [1, 2, 3, 4],
    "timesteps": [28, 98, 196, 392, 784],
    "samples": [3000, 12000, 48000],
}
TRIALS = [50, 200, 800]
# For the constants: each part of a step has to be measured where it is the largest.
FITTED = [
    {"units": units, "depth": depth, "batch_size": batch_size}
    for units, depth, batch_size in (
        (8, 1, 64), (32, 1, 64), (32, 2, 64), (64, 1, 128), (128, 1, 64), (128, 2, 128), (256, 1, 128), (512, 1, 128)
    )
]  # fmt: skip
FITTED_REFERENCES = {
    "mlp": [{"units": units, "depth": depth} for units, depth in ((64, 2), (128, 2), (256, 1), (256, 2), (512, 2))],
    "cnn": [{"units": units, "depth": depth} for units, depth in ((16, 3), (32, 2), (32, 3), (64, 2), (64, 3))],
}


def measure(cell: str, timesteps: int, samples: int, **network: Any) -> dict[str, float]:
    """One training in this process, which must be new: processor seconds of an epoch and of the start
    before the first one, and the most MiB of the training, in addition to TensorFlow's own."""
    configure_tensorflow("avx2")
    import keras  # noqa: F401 - the memory and the time of the import are TensorFlow's own

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    configuration = Configuration.model_validate({"cell": cell, "batch_size": 128} | network)
    epoch, start = processor_seconds(configuration, random_data(samples, timesteps, max(1, 784 // timesteps)))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": epoch, "start_seconds": start, "mebibytes": memory / 1024}


def measure_steps(cell: str) -> list[dict[str, Any]]:
    """For each of the `FITTED` trainings the parts of a step, its seconds, and those of the training's start."""
    configure_tensorflow("avx2")
    rows = []
    for tried in FITTED_REFERENCES.get(cell, FITTED):
        configuration = Configuration.model_validate({"cell": cell, "batch_size": 128} | tried)
        epoch, start = processor_seconds(configuration, random_data(STEPS * configuration.batch_size))
        work = step_work(configuration.network, configuration.batch_size, Sizes(TIMESTEPS, FEATURES, CLASSES))
        rows.append({"work": work, "seconds": epoch / STEPS, "start_seconds": start})
    return rows


def processor_seconds(configuration: Configuration, data: TrainingData) -> tuple[float, float]:
    """Of one epoch, and of the start: all before the end of the first epoch, less one epoch."""
    moments = [time.process_time()]

    def on_epoch(metrics: EpochMetrics) -> bool:
        moments.append(time.process_time())
        return False

    train(configuration.model_copy(update={"epochs": EPOCHS, "patience": None}), data, seed=0, on_epoch=on_epoch)
    epoch = (moments[-1] - moments[1]) / (EPOCHS - 1)
    return epoch, moments[1] - moments[0] - epoch


def in_fresh_process(function: str, **arguments: Any) -> Any:
    """The result of `function` of this module in a new process, its memory set up like a worker's."""
    variables = environment(ROOT) | KEEP_FREED_MEMORY
    return run_python(["-m", "benchmarks.growth", "--one", function, json.dumps(arguments)], ROOT, variables)


def on_every_core(function: str, **arguments: Any) -> list[Any]:
    """The same on all cores at once, as a study's workers are: they share caches and memory."""
    with ThreadPoolExecutor(CPU_COUNT) as threads:
        return list(threads.map(lambda _: in_fresh_process(function, **arguments), range(CPU_COUNT)))


def study_of_trials(trials: int) -> dict[str, float]:
    """A study that trains nothing, its seconds and its driver's memory: see `benchmarks.window`."""
    from benchmarks.window import bookkeeping_milliseconds

    _, milliseconds = bookkeeping_milliseconds(trials, "tpe", "SQLite")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": milliseconds * trials / 1000, "mebibytes": memory / 1024}


def power_law(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Exponent and constant of y = constant · x ** exponent, by least squares of the logarithms."""
    exponent, logarithm = np.polyfit(np.log(x), np.log(y), 1)
    return float(exponent), float(np.exp(logarithm))


def fitted(work: Sequence[tuple[float, float, float]], seconds: Sequence[float], rate: float) -> CellCost:
    """The constants that describe the seconds of a step best in proportion, none of them below zero."""
    rows = np.array(work) / np.array(seconds)[:, None]
    scale = rows.max(axis=0, initial=1e-30)
    (step, unit, operation), _ = nnls(rows / scale, np.ones(len(rows)))
    step, unit, operation = np.array([step, unit, operation]) / scale
    return CellCost(step, unit, 1 / (operation * rate) if operation else np.inf)


def measure_growth() -> pd.DataFrame:
    """One row a measurement: axis, value, cell, seconds and mebibytes."""
    rows: list[dict[str, Any]] = []
    for axis, values in AXES.items():
        for cell in KERAS_CELLS:
            for value in values:
                found = in_fresh_process("measure", cell=cell, **(BASE | {axis: value}))
                rows.append({"axis": axis, "value": value, "cell": cell} | found)
    for trials in TRIALS:
        rows.append({"axis": "trials", "value": trials, "cell": "bookkeeping"})
        rows[-1] |= in_fresh_process("study_of_trials", trials=trials)
    return pd.DataFrame(rows)[["axis", "value", "cell", "seconds", "mebibytes"]].round(4)


def exponents(measured: pd.DataFrame) -> pd.DataFrame:
    """Of each axis and cell: the exponent and the constant of seconds, and the exponent of mebibytes."""
    rows = []
    for (axis, cell), group in measured.groupby(["axis", "cell"], sort=False):
        exponent, constant = power_law(group["value"].tolist(), group["seconds"].tolist())
        memory, _ = power_law(group["value"].tolist(), group["mebibytes"].clip(lower=1).tolist())
        rows.append((axis, cell, exponent, constant, memory))
    return pd.DataFrame(rows, columns=["axis", "cell", "exponent", "constant", "memory_exponent"])


def picture(measured: pd.DataFrame) -> None:
    """Seconds and mebibytes against each axis, all logarithmic; equal slopes are equal exponents."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator, StrMethodFormatter

    axes_names = list(dict.fromkeys(measured["axis"]))
    figure = Figure(figsize=(3 * len(axes_names), 5.5), layout="constrained")
    panels = figure.subplots(2, len(axes_names), sharex="col", sharey="row", squeeze=False)
    for column, axis in enumerate(axes_names):
        for cell, group in measured[measured["axis"] == axis].groupby("cell", sort=False):
            for row, name in enumerate(("seconds", "mebibytes")):
                panels[row, column].loglog(group["value"], group[name], marker="o", markersize=4, label=cell)
        values = sorted(set(measured.loc[measured["axis"] == axis, "value"]))
        panels[1, column].xaxis.set_major_locator(FixedLocator(values))
        panels[1, column].xaxis.set_minor_locator(NullLocator())
        panels[1, column].xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        panels[1, column].set_xlabel(axis)
        for panel in panels[:, column]:
            panel.grid(alpha=0.3)
            panel.spines[["top", "right"]].set_visible(False)
        panels[0, column].legend(frameon=False, loc="upper left", fontsize=8)
    for row, title in enumerate(("seconds", "MiB")):
        panels[row, 0].set_ylabel(title)
        panels[row, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panels[row, 0].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panels[row, 0].yaxis.set_minor_formatter(NullFormatter())
    with matplotlib.rc_context({"svg.hashsalt": "benchmarks"}):
        figure.savefig(PICTURE, metadata={"Date": None})


def fit(console: Console) -> None:
    """Print the constants as measured now, and the relative error of the estimate for each measurement."""
    rate = sgemm_rate(2.0)
    console.print(f"a core's sgemm_rate: {rate:.3g}")
    starts: list[float] = []
    for cell in CELLS:
        tables = on_every_core("measure_steps", cell=cell)
        work = [row["work"] for row in tables[0]]
        seconds = np.mean([[row["seconds"] for row in rows] for rows in tables], axis=0).tolist()
        starts += [row["start_seconds"] for rows in tables for row in rows]
        cost = fitted(work, seconds, rate)
        estimates = np.array(work) @ [cost.step, cost.unit, 1 / (cost.efficiency * rate)]
        errors = " ".join(f"{error:+.0%}" for error in estimates / seconds - 1)
        console.print(f'"{cell}": CellCost({cost.step:.3g}, {cost.unit:.3g}, {cost.efficiency:.2f}),  # {errors}')
    console.print(f"START_SECONDS = {np.median(starts):.1f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fit", action="store_true", help="print the constants of the cost estimate")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    console = Console()
    if arguments.one:
        function, text = arguments.one
        functions: dict[str, Callable[..., Any]] = {f.__name__: f for f in (measure, measure_steps, study_of_trials)}
        print(json.dumps(functions[function](**json.loads(text))))
        return
    if arguments.fit:
        fit(console)
        return
    measured = measure_growth()
    measured.to_csv(TABLE, index=False)
    picture(measured)
    table = Table("axis", "cell", "constant", "seconds grow as", "memory grows as")
    for row in exponents(measured).to_dict("records"):
        powers = (f"x^{row[name]:.2f}" for name in ("exponent", "memory_exponent"))
        table.add_row(row["axis"], row["cell"], f"{row['constant']:.2g} s", *powers)
    console.print(table)


if __name__ == "__main__":
    main()
