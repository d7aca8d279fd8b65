"""How long networks take to answer: one thread, warm, one sequence at a time and many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.params.network import NetworkSpec
from pipeline.params.settings import Configuration, View
from pipeline.training.build import build
from pipeline.training.machine import sgemm_rate
from pipeline.training.reading import Reading

if TYPE_CHECKING:
    import keras

NETWORK = [
    *(name for name in NetworkSpec.model_fields if name not in ("dropout", "recurrent_dropout")),
    "view",
]  # these decide the time of an answer
BATCH_SIZES = (1, 128)
CALLS, WARM_UP = 50, 5
SECONDS_OF_SGEMM = 0.05
COLUMNS = [*NETWORK, "model", "batch_size", "calls", "median_ms", "lower_quartile_ms", "upper_quartile_ms",
           "sgemm_gflops"]  # fmt: skip


def distinct_networks(configurations: Iterable[Configuration]) -> list[Configuration]:
    """The networks among configurations, each once, in order: dropout and training settings cost no time to predict."""
    networks = [Configuration(**{name: getattr(row, name) for name in NETWORK}) for row in configurations]
    return list(dict.fromkeys(networks))


def prediction_times(
    networks: Iterable[Configuration],
    saved: Mapping[Configuration, keras.Model],
    shapes: Mapping[View | None, tuple[int, int]],
    classes: int,
    reading: Reading,
) -> pd.DataFrame:
    """Milliseconds a call, a row per network and batch size: the columns `COLUMNS`.

    Median and quartiles over `CALLS` calls. Models in `saved` are measured themselves (`model` is "saved"), of the
    others one is built with random weights ("untrained"): the values of the weights cost no time. `shapes` are
    (timesteps, features) of each view that a network has. With each row goes the machine's rate in multiplying float32
    matrices on one thread, just then: it makes the times of two machines comparable, and betrays a machine that was
    busy with something else.
    """
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(0)
    rows = []
    for network in networks:
        keras.utils.clear_session()
        shape = shapes[network.view]
        model = saved.get(network) or build(network.network, *shape, classes, 0, reading)
        answer = _compiled(model)
        gflops = sgemm_rate(SECONDS_OF_SGEMM, best=False) / 1e9
        for size in BATCH_SIZES:
            batch = tf.constant(rng.random((size, *shape), dtype=np.float32))
            times = milliseconds(partial(answer, batch))
            lower, median, upper = np.quantile(times, [0.25, 0.5, 0.75])
            rows.append(
                {name: getattr(network, name) for name in NETWORK}
                | {"model": "saved" if network in saved else "untrained", "batch_size": size, "calls": len(times)}
                | {"median_ms": median, "lower_quartile_ms": lower, "upper_quartile_ms": upper}
                | {"sgemm_gflops": gflops}
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _compiled(model: keras.Model) -> Callable[[Any], np.ndarray]:
    """(n, timesteps, features) → probabilities (n, classes), through one graph without Keras's loop over batches."""
    import tensorflow as tf

    graph = tf.function(lambda x: model(x, training=False))
    answer = graph.get_concrete_function(tf.TensorSpec((None, *model.input_shape[1:]), tf.float32))
    return lambda x: answer(x).numpy()


def milliseconds(call: Callable[[], object], calls: int = CALLS) -> list[float]:
    """The milliseconds of each of so many calls, after some that are not counted."""
    for _ in range(WARM_UP):
        call()
    times = []
    for _ in range(calls):
        started = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - started) / 1e6)
    return times


def with_prediction_times(table: pd.DataFrame, times: pd.DataFrame | None) -> pd.DataFrame:
    """`table` of configurations with the median milliseconds of their networks, a column per batch size.

    Columns `predict_ms` for one sequence at a time and `predict_batch_ms` for a whole batch of 128; NaN for networks
    that have not been measured, or where `times` is None.
    """
    names = dict(zip(BATCH_SIZES, ("predict_ms", "predict_batch_ms"), strict=True))
    if times is None:
        return table.assign(**dict.fromkeys(names.values(), np.nan))
    wide = (
        times.pivot_table("median_ms", NETWORK, "batch_size").reindex(columns=list(BATCH_SIZES)).rename(columns=names)
    )
    return table.merge(wide.reset_index(), on=NETWORK, how="left")
