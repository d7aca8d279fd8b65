"""What an exported network takes beside Keras's: the size of its file, and the time of one answer.

    .venv/bin/python -m benchmarks.exporting   # writes exporting.csv

Networks of three sizes with random weights, which cost no size and no time. Both answer in turn in one process, on one
thread. Of several turns the one with the smallest median counts: other work on the machine only slows them.
"""

import pandas as pd

from benchmarks.limits import CLASSES, FEATURES, TIMESTEPS
from benchmarks.results import FOLDER
from pipeline.params.network import network_name, parameter_count
from pipeline.params.settings import Configuration
from pipeline.training.build import build
from pipeline.training.machine import processor
from pipeline.training.model_file import model_bytes
from pipeline.training.process import configure_tensorflow
from pipeline.training.reading import AS_THEY_ARE
from pipeline.use.export import one_sequence, onnx_bytes, session_of

TABLE = FOLDER / "exporting.csv"
# The champion, and a smaller and a larger network of the committed studies.
NETWORKS = [
    Configuration(cell="gru", units=12, depth=2, pooling="mean_max"),
    Configuration(cell="gru", units=47, depth=2, bidirectional=True, pooling="mean_max"),
    Configuration(cell="gru", units=128, depth=2, bidirectional=True, pooling="mean_max"),
]
TURNS = 5


def measure() -> pd.DataFrame:
    """One row a network."""
    configure_tensorflow("avx2")
    shape, rows = (TIMESTEPS, FEATURES), []
    for network in NETWORKS:
        model = build(network.network, *shape, CLASSES, seed=0)
        content = onnx_bytes(model, network.network, AS_THEY_ARE, {})
        session = session_of(content)
        turns = [one_sequence(session, model, network, CLASSES, AS_THEY_ARE, shape) for _ in range(TURNS)]
        rows.append(
            {"network": network_name(network.network)}
            | {"parameters": parameter_count(network.network, *shape, CLASSES)}
            | {"onnx_bytes": len(content), "keras_bytes": len(model_bytes(model))}
            | {"onnx_microseconds": min(turn.onnx for turn in turns)}
            | {"keras_microseconds": min(turn.keras for turn in turns)}
        )
    return pd.DataFrame(rows).round(0).astype({"onnx_microseconds": int, "keras_microseconds": int})


def main() -> None:
    measured = measure().assign(processor=processor())
    measured.to_csv(TABLE, index=False)
    print(measured.to_string(index=False))


if __name__ == "__main__":
    main()
