"""A trained Keras model as ONNX: the graph of its NetworkSpec in ONNX's own operators, with the model's weights.

Recurrent layers are ONNX's RNN, LSTM and GRU. They want time steps first: (timesteps, batch, features) from the first
layer to the pooling. Keras's weights are (inputs, blocks · units), ONNX's (directions, blocks · units, inputs), and the
LSTM's gates are in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.analysis.temperature import SMALLEST
from pipeline.errors import PipelineError
from pipeline.params.network import EMBEDDING_WIDTH, Cell, NetworkSpec, convolutions
from pipeline.training.reading import Reading

if TYPE_CHECKING:
    import keras
    import onnx

OPSET, FORMAT = 18, 8  # of ONNX 1.13: runtimes since 2023 read it
INPUT, OUTPUT, TEMPERATURE = "sequence", "probabilities", "temperature"
SMALLEST_DEVIATION = 1e-7  # Keras's layer divides by no less

Weights = dict[str, list[NDArray[np.float32]]]  # of each of Keras's layers, by its name


class _Recurrent(NamedTuple):
    """ONNX's layer of a cell: its operator, Keras's number of each of its blocks, and attributes."""

    operator: str
    blocks: tuple[int, ...]
    attributes: dict[str, int]


_RECURRENT: dict[Cell, _Recurrent] = {
    "simple_rnn": _Recurrent("RNN", (0,), {}),
    "elman_output": _Recurrent("RNN", (0,), {}),
    "lstm": _Recurrent("LSTM", (0, 3, 1, 2), {}),  # ONNX: input, output, forget, candidate; Keras has the output last
    "gru": _Recurrent("GRU", (0, 1, 2), {"linear_before_reset": 1}),  # Keras's `reset_after`
}


class _Graph:
    """Nodes and weights in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, values: Any, name: str = "") -> str:
        from onnx import numpy_helper

        name = name or f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def several(self, operator: str, *inputs: Any, outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node: inputs are names of tensors, or arrays, which become weights."""
        from onnx import helper

        names = [value if isinstance(value, str) else self.weight(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, names, outputs, **attributes))

    def __call__(self, operator: str, *inputs: Any, output: str = "", **attributes: Any) -> str:
        """Add a node with one output, and return that output's name."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.several(operator, *inputs, outputs=[output], **attributes)
        return output


def onnx_graph(model: keras.Model, spec: NetworkSpec, reading: Reading, temperature: float = 1.0) -> onnx.ModelProto:
    """`sequence` (sequences, timesteps, features) float32 → `probabilities` (sequences, classes).

    They are softmax(log p / `temperature`), as `with_temperature` has it. Raises PipelineError for a cell that has no
    operator here.
    """
    from onnx import TensorProto, helper

    weights = {layer.name: layer.get_weights() for layer in model.layers}
    graph = _Graph()
    x, valid = _read(graph, reading, weights)
    _, timesteps, features = model.input_shape
    if spec.cell == "mlp":
        hidden = _dense(graph, spec, x, weights)
    elif spec.cell == "cnn":
        image = timesteps, features if reading.tokens is None else EMBEDDING_WIDTH
        hidden = _convolutional(graph, spec, x, image, weights)
    else:
        hidden = _recurrent(graph, spec, x, valid, weights)
    logits = graph("Gemm", hidden, *weights["classes"])
    logarithms = graph("Max", graph("LogSoftmax", logits, axis=-1), _number(np.log(SMALLEST)))
    graph("Softmax", graph("Div", logarithms, graph.weight(np.float32(temperature), TEMPERATURE)), output=OUTPUT)
    _, classes = model.output_shape
    shapes = (INPUT, ["sequences", timesteps or "timesteps", features]), (OUTPUT, ["sequences", classes])
    inputs, outputs = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes)
    whole = helper.make_graph(graph.nodes, spec.file_name, [inputs], [outputs], graph.weights)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT)


def _axes(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def _number(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


def _read(graph: _Graph, reading: Reading, weights: Weights) -> tuple[str, str | None]:
    """As `pipeline.training.reading.read`; the steps that are some are (batch, timesteps, 1) here."""
    from onnx import TensorProto

    x, valid = INPUT, None
    if reading.unit is not None:
        x = graph("Mul", x, np.array(reading.unit, np.float32))
    if reading.mean is not None:
        x = graph("Sub", x, np.array(reading.mean, np.float32))
        deviation = np.sqrt(np.array(reading.variance, np.float32))
        x = graph("Div", x, np.maximum(deviation, np.float32(SMALLEST_DEVIATION)))
    if reading.padded:
        known = graph("Cast", graph("Not", graph("IsNaN", INPUT)), to=TensorProto.FLOAT)
        valid = graph("Cast", graph("ReduceMax", known, _axes(-1), keepdims=1), to=TensorProto.BOOL)
        x = graph("Where", valid, x, _number(-1.0 if reading.tokens else 0.0))
    if reading.tokens is not None:
        known = graph("And", graph("GreaterOrEqual", x, _number(0)), graph("Less", x, _number(reading.tokens)))
        place = graph("Where", known, graph("Add", x, _number(1)), _number(0))  # 0 is for all others
        numbers = graph("Cast", graph("Squeeze", place, _axes(-1)), to=TensorProto.INT64)
        x = graph("Gather", *weights["embedding"], numbers)
    return x, valid


def _recurrent(graph: _Graph, spec: NetworkSpec, x: str, valid: str | None, weights: Weights) -> str:
    from onnx import TensorProto

    if spec.cell not in _RECURRENT:
        raise PipelineError(
            f"the cell {spec.cell} cannot be exported: pipeline/use/onnx_graph.py knows no operator of ONNX for it"
        )
    x = graph("Transpose", x, perm=[1, 0, 2])  # (timesteps, batch, features)
    lengths = ""
    if valid is not None:
        valid = graph("Transpose", valid, perm=[1, 0, 2])  # (timesteps, batch, 1)
        if (
            spec.bidirectional
        ):  # as in `build`: one direction runs on, and the states of steps that are none don't count
            steps = graph("Cast", valid, to=TensorProto.INT32)
            lengths = graph("ReduceSum", steps, _axes(0, 2), keepdims=0)
    hands_on_states = spec.hands_on_sequences or (valid is not None and not spec.bidirectional)
    for layer in range(1, spec.depth + 1):
        name = f"bidirectional_{layer}" if spec.bidirectional else f"{spec.cell}_{layer}"
        directions = ["forward", "reverse"] if spec.bidirectional else ["forward"]
        each = len(weights[name]) // len(directions)
        every_step = layer < spec.depth or hands_on_states
        states = [
            _one_way(graph, spec, x, lengths, weights[name][each * place : each * (place + 1)], direction, every_step)
            for place, direction in enumerate(directions)
        ]
        inputs, x = x, _merged(graph, spec, states)
        if spec.residual and layer > 1:
            x = graph("Add", inputs, x)
        if spec.layer_normalization:
            scale, shift = weights[f"normalization_{layer}"]
            x = graph("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-3)
    return _pooled(graph, spec, x, valid, weights) if hands_on_states else x


def _one_way(
    graph: _Graph, spec: NetworkSpec, x: str, lengths: str, weights: Sequence[Any], direction: str, every_step: bool
) -> str:
    """One layer in one direction: its states (timesteps, batch, units), or the last one of each sequence alone."""
    kind = _RECURRENT[spec.cell]
    *output, kernel, recurrent_kernel, bias = weights

    def ordered(columns: NDArray[np.float32]) -> NDArray[np.float32]:
        blocks = np.split(columns, len(kind.blocks), axis=-1)
        return np.concatenate([blocks[number] for number in kind.blocks], axis=-1)

    # Keras's GRU alone has a second bias, that of the recurrent product.
    biases = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    states, last = f"states_{len(graph.nodes)}", f"last_{len(graph.nodes)}"
    graph.several(
        kind.operator, x, ordered(kernel).T[None], ordered(recurrent_kernel).T[None], ordered(biases).reshape(1, -1),
        lengths, outputs=[states, ""] if every_step else ["", last],
        hidden_size=spec.units, direction=direction, **kind.attributes,
    )  # fmt: skip
    # ONNX has an axis of directions: second of the states, first of the last one.
    found = graph("Squeeze", states, _axes(1)) if every_step else graph("Squeeze", last, _axes(0))
    if output:  # of `ElmanOutputRNN`
        found = graph("Add", graph("MatMul", found, output[0]), output[1])
    return found


def _merged(graph: _Graph, spec: NetworkSpec, states: Sequence[str]) -> str:
    if len(states) == 1:
        return states[0]
    match spec.merge_mode:
        case "concat":
            return graph("Concat", *states, axis=-1)
        case "mul":
            return graph("Mul", *states)
    total = graph("Add", *states)
    return total if spec.merge_mode == "sum" else graph("Div", total, _number(2))


def _pooled(graph: _Graph, spec: NetworkSpec, states: str, valid: str | None, weights: Weights) -> str:
    """As `pipeline.training.build` does: (timesteps, batch, width) → (batch, width or twice that)."""
    from onnx import TensorProto

    def over_time(operator: str, values: str) -> str:
        return graph(operator, values, _axes(0), keepdims=0)

    def only(values: str) -> str:  # nothing counts less than any value where a step is none
        return values if valid is None else graph("Where", valid, values, _number(-np.inf))

    def mean() -> str:
        if valid is None:
            return over_time("ReduceMean", states)
        counted = graph("Cast", valid, to=TensorProto.FLOAT)
        total = over_time("ReduceSum", graph("Mul", states, counted))
        return graph("Div", total, over_time("ReduceSum", counted))

    def largest() -> str:
        return over_time("ReduceMax", only(states))

    match spec.pooling:
        case "last" if valid is not None:
            steps = graph("Cast", valid, to=TensorProto.INT32)
            all_of_them = graph("ReduceSum", steps, _axes(0), keepdims=1)
            is_last = graph("And", valid, graph("Equal", graph("CumSum", steps, _axes(0)), all_of_them))
            return over_time("ReduceSum", graph("Mul", states, graph("Cast", is_last, to=TensorProto.FLOAT)))
        case "last":
            return graph("Gather", states, np.array(-1, np.int64), axis=0)
        case "mean":
            return mean()
        case "max":
            return largest()
        case "mean_max":
            return graph("Concat", mean(), largest(), axis=-1)
    scores = only(graph("MatMul", states, *weights["attention"]))  # (timesteps, batch, 1)
    return over_time("ReduceSum", graph("Mul", states, graph("Softmax", scores, axis=0)))


def _dense(graph: _Graph, spec: NetworkSpec, x: str, weights: Weights) -> str:
    x = graph("Flatten", x)
    for layer in range(1, spec.depth + 1):
        x = graph("Relu", graph("Gemm", x, *weights[f"dense_{layer}"]))
    return x


def _convolutional(graph: _Graph, spec: NetworkSpec, x: str, image: tuple[int, int], weights: Weights) -> str:
    """ONNX has channels before height and width, Keras has them last, also in what is flattened."""
    x = graph("Unsqueeze", x, _axes(1))  # (batch, channels, timesteps, features)
    for layer, (_, pool) in enumerate(convolutions(spec, *image), start=1):
        kernel, bias = weights[f"convolution_{layer}"]  # (height, width, channels, units)
        x = graph("Relu", graph("Conv", x, kernel.transpose(3, 2, 0, 1), bias))
        if layer < spec.depth:
            x = graph("MaxPool", x, kernel_shape=pool, strides=pool)
    return graph("Flatten", graph("Transpose", x, perm=[0, 2, 3, 1]))
