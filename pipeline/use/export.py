"""The champion for programs without TensorFlow: as ONNX, held to Keras's own answers before anybody gets it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.analysis.evaluation import sha256_of
from pipeline.analysis.prediction_times import distinct_networks, milliseconds, prediction_times
from pipeline.errors import PipelineError
from pipeline.params.network import NetworkSpec, network_name
from pipeline.params.settings import Configuration
from pipeline.training.inputs import reading_of
from pipeline.training.reading import Reading
from pipeline.use.answering import Champion
from pipeline.use.onnx_graph import INPUT, OUTPUT, onnx_graph

if TYPE_CHECKING:
    import keras
    import onnxruntime

LIBRARIES = ("onnx", "onnxruntime")  # the extra `export` of pyproject.toml
TOLERANCE = 1e-4  # of a probability
ROWS = 1000  # of sequences that are answered at once


class Agreement(NamedTuple):
    """How far the exported network's answers are from Keras's, over so many sequences."""

    sequences: int
    largest_difference: float  # of two probabilities
    same_label: int  # of how many sequences the most probable label is the same


class OneSequence(NamedTuple):
    """Median microseconds for one sequence, on one thread."""

    onnx: float
    keras: float


def check_libraries() -> None:
    """Raises PipelineError, which says how to install them, where the libraries of this module are missing."""
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        raise PipelineError(
            f"export needs {' and '.join(missing)}, which the environment lacks: "
            f"`python -m pip install {' '.join(LIBRARIES)}` installs {'them' if len(missing) > 1 else 'it'}"
        )


def reading_in(champion: Champion) -> Reading:
    """How its network reads raw values: the data say it, but for the moments, which the model has learned."""
    layers = {layer.name: layer for layer in champion.model.layers}
    reading = reading_of(champion.summary)
    if "unit" in layers:
        reading = replace(reading, unit=tuple(np.ravel(layers["unit"].scale).tolist()))
    if "standardized" in layers:
        layer = layers["standardized"]
        mean, variance = (tuple(np.ravel(part).tolist()) for part in (layer.mean, layer.variance))
        reading = replace(reading, mean=mean, variance=variance)
    return reading


def about(champion: Champion, input_words: str) -> dict[str, str]:
    """The file's metadata: all that a program needs that has only the file. `input_words` says what the network reads.

    `labels` are in the order of the probabilities, as JSON. Of images, pixels are divided by `divisor`.
    """
    network, summary = champion.choice.choice, champion.summary
    return {
        "network": network_name(network), "labels": json.dumps(summary.labels), "view": network.view,
        "input": input_words, "divisor": "1" if summary.is_own else "255", "model_sha256": sha256_of(champion.file),
    }  # fmt: skip


def onnx_bytes(
    model: keras.Model, spec: NetworkSpec, reading: Reading, about: Mapping[str, str], temperature: float = 1.0
) -> bytes:
    """The content of an .onnx file, which depends on these arguments alone; `about` is its metadata."""
    from onnx import checker, helper

    exported = onnx_graph(model, spec, reading, temperature)
    exported.producer_name = "howbig"
    helper.set_model_props(exported, dict(about))
    checker.check_model(exported, full_check=True)
    content: bytes = exported.SerializeToString(deterministic=True)
    return content


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    """The network in ONNX Runtime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def answers(session: onnxruntime.InferenceSession, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (n, classes) for sequences (n, timesteps, features)."""
    parts = [session.run([OUTPUT], {INPUT: x[start : start + ROWS]})[0] for start in range(0, len(x), ROWS)]
    return np.concatenate(parts)


def agreement(expected: NDArray[np.floating], found: NDArray[np.float32]) -> Agreement:
    """Raises PipelineError where two probabilities differ by more than `TOLERANCE`, or one is no number."""
    difference = float(np.abs(expected - found).max())
    if not difference <= TOLERANCE:
        raise PipelineError(
            f"the exported network answers otherwise than Keras's: a probability differs by {difference:.2g}, more "
            f"than {TOLERANCE:g}, so nothing was written. Report this as a fault of the program"
        )
    return Agreement(len(expected), difference, int(np.sum(expected.argmax(axis=1) == found.argmax(axis=1))))


def one_sequence(
    session: onnxruntime.InferenceSession,
    model: keras.Model,
    trained: Configuration,
    classes: int,
    reading: Reading,
    shape: tuple[int, int],
) -> OneSequence:
    """Both in turn, for a sequence of this `shape`, (timesteps, features): the values cost no time."""
    x = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
    onnx_times = milliseconds(lambda: session.run([OUTPUT], {INPUT: x}))
    [network] = distinct_networks([trained])
    times = prediction_times([network], {network: model}, {network.view: shape}, classes, reading)
    [keras_time] = times.loc[times["batch_size"] == 1, "median_ms"]
    return OneSequence(1000 * float(np.median(onnx_times)), 1000 * float(keras_time))
