"""What an exported network takes beside Keras's: the size of its file, and the time of one answer.

    .venv/bin/python -m benchmarks.exporting   # writes exporting.csv

Networks of three sizes with random weights, which cost no size and no time. Both answer in one process, on one thread.
The fastest of many calls counts: other work on the machine only slows them.
"""

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.limits import CLASSES, FEATURES, TIMESTEPS
from benchmarks.results import FOLDER
from pipeline.analysis.prediction_times import milliseconds
from pipeline.params.network import network_name, parameter_count
from pipeline.params.settings import Configuration
from pipeline.training.build import build
from pipeline.training.machine import processor
from pipeline.training.model_file import model_bytes
from pipeline.training.process import configure_tensorflow
from pipeline.training.reading import AS_THEY_ARE
from pipeline.use.export import answers, onnx_bytes, session_of

TABLE = FOLDER / "exporting.csv"
# The champion, and a smaller and a larger network of the committed studies.
NETWORKS = [
    Configuration(cell="gru", units=12, depth=2, pooling="mean_max"),
    Configuration(cell="gru", units=47, depth=2, bidirectional=True, pooling="mean_max"),
    Configuration(cell="gru", units=128, depth=2, bidirectional=True, pooling="mean_max"),
]
CALLS = 1000


def fastest(model: Any, content: bytes) -> dict[str, float]:
    """Microseconds for one sequence, by ONNX Runtime and by Keras's graph."""
    import tensorflow as tf

    x = np.random.default_rng(0).random((1, TIMESTEPS, FEATURES), dtype=np.float32)
    session, constant = session_of(content), tf.constant(x)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(constant)
    calls = {"onnx": lambda: answers(session, x), "keras": lambda: graph(constant).numpy()}
    return {f"{name}_microseconds": 1000 * min(milliseconds(call, CALLS)) for name, call in calls.items()}


def measure() -> pd.DataFrame:
    """One row a network."""
    configure_tensorflow("avx2")
    shape, rows = (TIMESTEPS, FEATURES), []
    for network in NETWORKS:
        model = build(network.network, *shape, CLASSES, seed=0)
        content = onnx_bytes(model, network.network, AS_THEY_ARE, {})
        rows.append(
            {"network": network_name(network.network)}
            | {"parameters": parameter_count(network.network, *shape, CLASSES)}
            | {"onnx_bytes": len(content), "keras_bytes": len(model_bytes(model))}
            | fastest(model, content)
        )
    return pd.DataFrame(rows).round(0).astype({"onnx_microseconds": int, "keras_microseconds": int})


def main() -> None:
    measured = measure().assign(processor=processor())
    measured.to_csv(TABLE, index=False)
    print(measured.to_string(index=False))


if __name__ == "__main__":
    main()
