"""The graph of every network in ONNX Runtime: the same probabilities as Keras's, with weights that hide no mistake."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.analysis.temperature import with_temperature
from pipeline.errors import PipelineError
from pipeline.params.network import Cell, MergeMode, NetworkSpec, Pooling
from pipeline.training.build import build
from pipeline.training.reading import AS_THEY_ARE, Reading
from pipeline.use.export import answers, onnx_bytes, session_of
from pipeline.use.onnx_graph import onnx_graph

pytestmark = pytest.mark.usefixtures("one_thread")
RECURRENT: list[Cell] = ["simple_rnn", "elman_output", "lstm", "gru"]
POOLINGS: list[Pooling] = ["last", "mean", "max", "mean_max", "attention"]
MERGE_MODES: list[MergeMode] = ["concat", "sum", "ave", "mul"]
TIMESTEPS, CLASSES = 5, 3
LENGTHS = (5, 2, 1, 4)
KELVIN = Reading(mean=(290.0, -1.0), variance=(25.0, 0.25))
# Values, and how they are read: as they are, standardized, standardized after they were scaled, of unequal lengths,
# tokens, tokens of unequal lengths.
READINGS: dict[str, Reading] = {
    "pixels": AS_THEY_ARE,
    "kelvin": KELVIN,
    "tiny": Reading(mean=(1.5, 0.5), variance=(1.0, 0.25), unit=(2.0**90, 1.0)),
    "padded": Reading(padded=True, mean=KELVIN.mean, variance=KELVIN.variance),
    "tokens": Reading(tokens=4),
    "padded_tokens": Reading(tokens=4, padded=True),
}


def values(kind: str) -> NDArray[np.float32]:
    """Four sequences that a network reads by `READINGS[kind]`; two of the tokens are unknown ones."""
    draw = np.random.default_rng(1)
    reading = READINGS[kind]
    if reading.tokens is not None:
        x = draw.integers(-1, reading.tokens + 1, (len(LENGTHS), TIMESTEPS, 1)).astype(np.float32)
    else:
        drawn = draw.normal(size=(len(LENGTHS), TIMESTEPS, 2))
        scaled = drawn * np.sqrt(reading.variance or 1.0) + (reading.mean or 0.0)
        x = (scaled / (reading.unit or 1.0)).astype(np.float32)
    for row, length in enumerate(LENGTHS):
        x[row, length if reading.padded else TIMESTEPS :] = np.nan
    return x


def network(spec: NetworkSpec, kind: str) -> keras.Model:
    """All its weights are drawn: biases of zero and scales of one would be the same in any order."""
    features = 1 if READINGS[kind].tokens is not None else 2
    model = build(spec, TIMESTEPS, features, CLASSES, 0, READINGS[kind])
    draw = np.random.default_rng(0)
    for weight in model.trainable_variables:
        # Small ones in the last layer, so that no label is all but certain.
        weight.assign(draw.normal(0.1, 0.3 if "classes" in weight.path else 0.8, weight.shape))
    return model


def exported(model: keras.Model, spec: NetworkSpec, kind: str, x: NDArray[np.float32], **options: Any) -> Any:
    return answers(session_of(onnx_bytes(model, spec, READINGS[kind], {}, **options)), x)


def assert_same_answers(spec: NetworkSpec, kind: str) -> None:
    model, x = network(spec, kind), values(kind)
    expected = np.asarray(model(x, training=False))
    assert np.ptp(expected, axis=0).max() > 1e-3, "answers that are all alike would compare nothing"
    np.testing.assert_allclose(exported(model, spec, kind, x), expected, atol=2e-6)


def recurrent_cases() -> list[tuple[NetworkSpec, str]]:
    """Every cell in one direction and in both, of one and of two layers; everything else takes turns."""
    cases = []
    every = itertools.product([1, 2], [False, True], RECURRENT)
    for place, (depth, bidirectional, cell) in enumerate(every):
        pooling = POOLINGS[place % 5]
        spec = NetworkSpec(
            cell=cell, units=3, depth=depth, bidirectional=bidirectional, pooling=pooling,
            merge_mode=MERGE_MODES[place % 4], layer_normalization=place % 3 == 0,
            residual=place % 2 == 1 and not (bidirectional and pooling == "last"),
        )  # fmt: skip
        cases.append((spec, list(READINGS)[(place + place // 6) % 6]))
    return cases


CASES = [
    *recurrent_cases(),
    *((NetworkSpec(cell="gru", units=3, pooling=pooling), "padded") for pooling in POOLINGS),
    *((NetworkSpec(cell=cell, units=3, bidirectional=True), "padded") for cell in RECURRENT),
    *((NetworkSpec(cell="lstm", units=3, bidirectional=True, merge_mode=mode), "pixels") for mode in MERGE_MODES),
    (NetworkSpec(cell="simple_rnn", units=3, depth=2, residual=True), "padded"),
    *((NetworkSpec(cell="mlp", units=4, depth=depth), kind) for depth in (1, 2) for kind in ("pixels", "padded")),
    *((NetworkSpec(cell="cnn", units=4, depth=depth), kind) for depth in (1, 2) for kind in ("padded", "tokens")),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "kind"), CASES, ids=lambda part: part if isinstance(part, str) else part.file_name)
def test_answers_are_those_of_keras(spec: NetworkSpec, kind: str) -> None:
    assert_same_answers(spec, kind)


@st.composite
def specs(draw: st.DrawFn) -> NetworkSpec:
    cell = draw(st.sampled_from([*RECURRENT, "mlp", "cnn"]))
    size = {"cell": cell, "units": draw(st.integers(1, 4)), "depth": draw(st.integers(1, 3))}
    if cell in ("mlp", "cnn"):
        return NetworkSpec.model_validate(size)
    bidirectional, pooling = draw(st.booleans()), draw(st.sampled_from(POOLINGS))
    residual = draw(st.booleans()) and not (bidirectional and pooling == "last")
    others = {"merge_mode": draw(st.sampled_from(MERGE_MODES)), "layer_normalization": draw(st.booleans())}
    return NetworkSpec.model_validate(
        size | others | {"bidirectional": bidirectional, "pooling": pooling, "residual": residual}
    )


@settings(max_examples=8, deadline=None)
@given(specs(), st.sampled_from(list(READINGS)))
def test_answers_of_any_network_are_those_of_keras(spec: NetworkSpec, kind: str) -> None:
    model, x = network(spec, kind), values(kind)
    np.testing.assert_allclose(exported(model, spec, kind, x), np.asarray(model(x, training=False)), atol=2e-6)


def test_a_recurrent_network_of_unequal_lengths_takes_any_number_of_steps() -> None:
    spec = NetworkSpec(cell="gru", units=3, bidirectional=True, pooling="mean_max")
    model, x = network(spec, "padded"), values("padded")
    longer = np.concatenate([x, np.full_like(x, np.nan)], axis=1)
    np.testing.assert_allclose(exported(model, spec, "padded", longer), exported(model, spec, "padded", x), atol=1e-6)


def test_a_temperature_softens_the_answers() -> None:
    spec = NetworkSpec(cell="gru", units=3)
    model, x = network(spec, "pixels"), values("pixels")
    expected = with_temperature(np.asarray(model(x, training=False)), 2.5)
    np.testing.assert_allclose(exported(model, spec, "pixels", x, temperature=2.5), expected, atol=1e-6)
    model.get_layer("classes").bias.assign([300.0, 0.0, 0.0])  # float32 has no probability as small as the others'
    expected = with_temperature(np.asarray(model(x, training=False)), 20.0)
    assert expected[:, 0].max() < 0.98
    np.testing.assert_allclose(exported(model, spec, "pixels", x, temperature=20.0), expected, atol=1e-6)


def test_a_cell_without_an_operator_is_refused_by_name() -> None:
    spec = NetworkSpec(cell="gru", units=3)
    other = spec.model_copy(update={"cell": "relu_rnn"})
    with pytest.raises(PipelineError, match=r"the cell relu_rnn cannot be exported: .* knows no operator of ONNX"):
        onnx_graph(network(spec, "pixels"), other, AS_THEY_ARE)
