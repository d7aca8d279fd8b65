"""Where a study's time went before, what was done about it, and what each step gained.

    .venv/bin/python -m benchmarks.gains

The twelve networks of the throughput study are trained again and again, each time with one change more, from Keras's
`fit` as one would write it to a worker a core as the project does it. Every run is a process of its own; its time runs
from the first training on.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.contestants import configurations, fit
from benchmarks.work import EPOCHS, environment, make_workspace, run_contestant, run_python
from pipeline import paths
from pipeline.training.forkserver import KEEP_FREED_MEMORY
from pipeline.training.inputs import load_data
from pipeline.training.process import configure_tensorflow
from pipeline.training.train import train

STUDY = "throughput"
ROUNDS = 3


def keras_fit() -> None:
    import keras

    for configuration in configurations(STUDY):
        keras.utils.clear_session()
        fit(configuration)


def keras_fit_one_thread() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras_fit()


def two_graphs() -> None:
    configure_tensorflow()
    data = load_data(paths.SEQUENCES.resolve(), "validation")
    for configuration in configurations(STUDY):
        train(configuration, data, seed=0)


STEPS: list[tuple[str, Callable[[], None], dict[str, str]]] = [
    ("Keras's `fit`, TensorFlow's default threads", keras_fit, {}),
    ("… with one thread", keras_fit_one_thread, {}),
    ("… an epoch and an evaluation as one graph each; deterministic kernels", two_graphs, {}),
    ("… freed memory kept for the next step", two_graphs, KEEP_FREED_MEMORY),
]
LAST_STEP = "… a worker a core, longest first, and a record of everything in Optuna and MLflow"


def one_round(workspace: Path) -> list[float]:
    """Seconds of each step, and of the whole project."""
    seconds: list[float] = []
    for number, (_, _, variables) in enumerate(STEPS):
        with tempfile.TemporaryDirectory() as home:
            command = ["-m", "benchmarks.gains", "--one", str(number)]
            seconds.append(run_python(command, workspace, environment(Path(home)) | variables))
    return [*seconds, run_contestant("engine", STUDY, workspace).seconds_training]


def main() -> None:
    if "--one" in sys.argv:
        import keras  # noqa: F401 - its import is no part of the first training

        started = time.perf_counter()
        STEPS[int(sys.argv[-1])][1]()
        print(json.dumps(time.perf_counter() - started))
        return
    with tempfile.TemporaryDirectory() as name:
        make_workspace(Path(name))
        rounds = [one_round(Path(name)) for _ in range(ROUNDS)]
    table = Table(f"twelve networks, {EPOCHS} epochs of 3,500 images", "seconds", "gain")
    titles = [title for title, _, _ in STEPS] + [LAST_STEP]
    previous = None
    for title, *seconds in zip(titles, *rounds, strict=True):
        middle = sorted(seconds)[len(seconds) // 2]
        gain = f"{previous / middle:.2f} ×" if previous else ""
        table.add_row(title, f"{middle:.1f} ({min(seconds):.1f} … {max(seconds):.1f})", gain)
        previous = middle
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
