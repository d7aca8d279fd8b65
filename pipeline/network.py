"""Networks: what one is, how many parameters it has, and how Keras builds it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import keras

Cell = Literal["simple_rnn", "elman_output", "lstm", "gru", "mlp", "cnn"]
MergeMode = Literal["concat", "sum", "ave", "mul"]
Units = Annotated[int, Field(ge=1)]
Depth = Annotated[int, Field(ge=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]

REFERENCE_CELLS = ("mlp", "cnn")  # without a state: what the chapter compares recurrent networks with
KERNEL, POOL = 3, 2  # of the cnn, in both directions


class Frozen(BaseModel):
    """Base of every validated model: immutable, strict about types, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NetworkSpec(Frozen):
    """A classifier of sequences: `depth` layers of `units`, then a dense softmax.

    Recurrent cells (`simple_rnn`, `lstm`, `gru`, and `elman_output`, a SimpleRNN with an output layer of its own):
    the softmax sees the last state. `dropout` is the fraction of each recurrent layer's *inputs* that is dropped in
    training, as in Listing 1.5.1 of *Advanced Deep Learning with Keras*; `recurrent_dropout` is that of the state
    handed on from step to step. `bidirectional` reads both ways and joins the two by `merge_mode`. `unroll` writes
    the loop over time steps out into the graph: the same network, the same weights.

    The chapter's reference networks see the whole sequence at once: `mlp` is `depth` dense layers with ReLU, each
    with `dropout` on its outputs (Listing 1.3.2); `cnn` is `depth` convolutions of 3 × 3 over time and features with
    `units` filters and ReLU, max pooling of 2 × 2 between them, then `dropout` (Listing 1.4.1). Where a sequence is
    shorter than a kernel or a pool, these are as small as the sequence.
    """

    cell: Cell
    units: Units
    depth: Depth = 1
    bidirectional: bool = False
    merge_mode: MergeMode = "concat"
    dropout: Dropout = 0.0
    recurrent_dropout: Dropout = 0.0
    unroll: bool = False

    @property
    def file_name(self) -> str:
        """A name for files, without a suffix: `simple_rnn-1x256`, `bidirectional-gru-2x64`."""
        return f"{'bidirectional-' if self.bidirectional else ''}{self.cell}-{self.depth}x{self.units}"

    @model_validator(mode="after")
    def _only_recurrent_cells_recur(self) -> Self:
        if self.cell in REFERENCE_CELLS and (self.bidirectional or self.recurrent_dropout or self.unroll):
            raise ValueError(f"cell {self.cell} is not recurrent: it has no bidirectional, recurrent_dropout or unroll")
        return self


def layer_sizes(spec: NetworkSpec, timesteps: int, features: int, classes: int) -> list[tuple[int, int]]:
    """For each layer with weights how many there are, and how often a sequence passes through them.

    A layer with u units on f inputs has, for each direction,
    SimpleRNN: u (f + u + 1)     (W, U and b of h_t = tanh(b + W h_{t-1} + U x_t), equation 1.5.1),
    Elman:     u (u + 1) more    (V and c of o_t = V h_t + c, Figure 1.5.2),
    LSTM:    4 u (f + u + 1)     (three gates and the candidate),
    GRU:     3 u (f + u + 2)     (two gates and the candidate, with a second bias: `reset_after`),
    and the same weights serve every time step. A convolution's weights serve every place of its output.
    """
    sizes: list[tuple[int, int]] = []
    if spec.cell == "mlp":
        inputs = timesteps * features
        for _ in range(spec.depth):
            sizes.append((spec.units * (inputs + 1), 1))
            inputs = spec.units
    elif spec.cell == "cnn":
        height, width, channels = timesteps, features, 1
        for kernel, pool in _convolutions(spec, timesteps, features):
            height, width = height - kernel[0] + 1, width - kernel[1] + 1
            sizes.append((spec.units * (kernel[0] * kernel[1] * channels + 1), height * width))
            height, width, channels = height // pool[0], width // pool[1], spec.units
        inputs = height * width * channels
    else:
        blocks, biases = {"lstm": (4, 1), "gru": (3, 2)}.get(spec.cell, (1, 1))
        directions = 2 if spec.bidirectional else 1
        inputs = features
        for layer in range(1, spec.depth + 1):
            sizes.append((directions * blocks * spec.units * (inputs + spec.units + biases), timesteps))
            if spec.cell == "elman_output":
                sizes.append((directions * spec.units * (spec.units + 1), timesteps if layer < spec.depth else 1))
            inputs = (directions if spec.merge_mode == "concat" else 1) * spec.units
    return [*sizes, (classes * (inputs + 1), 1)]


def parameter_count(spec: NetworkSpec, timesteps: int, features: int, classes: int) -> int:
    """Number of trainable parameters in closed form, without building the network; see `layer_sizes`."""
    return sum(parameters for parameters, _ in layer_sizes(spec, timesteps, features, classes))


def multiplications(spec: NetworkSpec, timesteps: int, features: int, classes: int) -> int:
    """Multiply-adds that one sequence costs in one pass forward, biases counted like weights."""
    return sum(parameters * uses for parameters, uses in layer_sizes(spec, timesteps, features, classes))


def _convolutions(spec: NetworkSpec, height: int, width: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Kernel and pool of each convolution; the last one is not pooled."""
    found = []
    for layer in range(1, spec.depth + 1):
        kernel = (min(KERNEL, height), min(KERNEL, width))
        height, width = height - kernel[0] + 1, width - kernel[1] + 1
        pool = (min(POOL, height), min(POOL, width)) if layer < spec.depth else (1, 1)
        height, width = height // pool[0], width // pool[1]
        found.append((kernel, pool))
    return found


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A 31-bit seed for one purpose, from a trial's seed; stable across processes, unlike Python's `hash()`."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def build(spec: NetworkSpec, timesteps: int, features: int, classes: int, seed: int) -> keras.Model:
    """Build the Keras model: (batch, timesteps, features) float32 → (batch, classes) probabilities.

    Every initializer and every dropout gets a seed of its own. Keras would otherwise take them from
    Python's global `random`, which other threads of the process draw from as well.
    """
    import keras

    def glorot(*purpose: str | int) -> keras.Initializer:
        return keras.initializers.GlorotUniform(derived_seed(seed, *purpose))

    hidden = {"mlp": _dense_layers, "cnn": _convolutional_layers}.get(spec.cell, _recurrent_layers)
    inputs = keras.Input((timesteps, features), name="sequence")
    outputs = keras.layers.Dense(
        classes, activation="softmax", kernel_initializer=glorot("dense", "kernel"), name="classes"
    )(hidden(spec, inputs, seed, glorot))
    return keras.Model(inputs, outputs, name=spec.cell)


def orthogonal(shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """What `keras.initializers.Orthogonal(seed=seed)` draws, but with last bits that no cache decides.

    Keras takes Q of the QR factorization of a normal matrix, with the diagonal of R positive; TensorFlow sums it up in
    pieces that fit into the first cache of the processor: from 48 units on, one of 32 KiB gave other last bits than one
    of 48. That Q is unique, so the method of Gram and Schmidt gives it as well: in float64, by elementwise operations
    and sums along rows, whose order NumPy fixes. The order of other sums (`@`, `np.linalg`) depends on the processor.
    """
    import keras

    rows, columns = shape
    drawn = keras.random.normal((max(shape), min(shape)), seed=seed)
    vectors = np.ascontiguousarray(keras.ops.convert_to_numpy(drawn).T, np.float64)  # (min, max)
    for place, vector in enumerate(vectors):
        vector /= np.sqrt(np.sum(vector * vector))
        rest = vectors[place + 1 :]
        rest -= np.sum(rest * vector, axis=1, keepdims=True) * vector
    return (vectors if rows < columns else vectors.T).astype(np.float32)


Glorot = Callable[..., Any]


def _recurrent_layers(spec: NetworkSpec, x: Any, seed: int, glorot: Glorot) -> Any:
    import keras

    from pipeline.elman import ElmanOutputRNN

    layer_class = {
        "simple_rnn": keras.layers.SimpleRNN,
        "elman_output": ElmanOutputRNN,
        "lstm": keras.layers.LSTM,
        "gru": keras.layers.GRU,
    }[spec.cell]

    def seed_for(layer: int, direction: str, purpose: str) -> int:
        return derived_seed(seed, "layer", layer, direction, purpose)

    def recurrent(layer: int, direction: str) -> keras.Layer:
        output = {"output_initializer": glorot("layer", layer, direction, "output_kernel")}
        return layer_class(
            spec.units,
            dropout=spec.dropout,
            recurrent_dropout=spec.recurrent_dropout,
            unroll=spec.unroll,
            return_sequences=layer < spec.depth,  # all states for the next layer, the last one for Dense
            go_backwards=direction == "backward",
            kernel_initializer=glorot("layer", layer, direction, "kernel"),
            # Only for a saved model to say: what it draws is replaced by `orthogonal` of the same seed.
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed_for(layer, direction, "recurrent_kernel")),
            seed=seed_for(layer, direction, "dropout"),
            name=f"{spec.cell}_{layer}" if direction == "forward" else f"{spec.cell}_{layer}_backward",
            **(output if spec.cell == "elman_output" else {}),
        )

    for layer in range(1, spec.depth + 1):
        if spec.bidirectional:
            # Bidirectional clones one layer for both directions, seeds included, unless it is given two.
            both = keras.layers.Bidirectional(
                recurrent(layer, "forward"),
                backward_layer=recurrent(layer, "backward"),
                merge_mode=spec.merge_mode,
                name=f"bidirectional_{layer}",
            )
            # Even so it makes the forward layer anew, from a configuration that in SimpleRNN lacks the dropout's seed.
            both.forward_layer.cell.seed_generator = keras.random.SeedGenerator(seed_for(layer, "forward", "dropout"))
            whole, directions = both, {"forward": both.forward_layer, "backward": both.backward_layer}
        else:
            whole = recurrent(layer, "forward")
            directions = {"forward": whole}
        for one_way in directions.values():
            _split_gates(one_way)
        x = whole(x)  # (batch, timesteps, units, or twice as many if concatenated), the last layer without timesteps
        for direction, one_way in directions.items():
            kernel = one_way.cell.recurrent_kernel
            kernel.assign(orthogonal(kernel.shape, seed_for(layer, direction, "recurrent_kernel")))
    return x


def _split_gates(layer: keras.Layer) -> None:
    """Have a GRU layer take its gates apart by `split`: the same bits as Keras's own step, in nine tenths of the time.

    Keras slices the recurrent product into its three gates. The gradient of each slice is a tensor of the size of all
    three, of zeros for the most part, and the three are added up; that of `split` puts the three side by side. The
    class stays Keras's, so that a saved model needs no code of ours.
    """
    import keras

    if not isinstance(layer, keras.layers.GRU) or layer.cell.implementation != 2:  # 1: with recurrent dropout
        return
    cell, ops = layer.cell, keras.ops

    def call(inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """As in `keras.layers.GRUCell.call` with `reset_after`: inputs (batch, features), states [(batch, units)]."""
        state = states[0]
        if training and cell.dropout:
            inputs = inputs * cell.get_dropout_mask(inputs)
        input_bias, recurrent_bias = (ops.squeeze(bias, axis=0) for bias in ops.split(cell.bias, 2, axis=0))
        # `ops.add` and `+` as in Keras: their gradients sum up in different orders.
        from_inputs = ops.split(ops.add(ops.matmul(inputs, cell.kernel), input_bias), 3, axis=-1)
        from_state = ops.split(ops.matmul(state, cell.recurrent_kernel) + recurrent_bias, 3, axis=-1)
        update = cell.recurrent_activation(from_inputs[0] + from_state[0])
        reset = cell.recurrent_activation(from_inputs[1] + from_state[1])
        candidate = cell.activation(from_inputs[2] + reset * from_state[2])
        state = update * state + (1 - update) * candidate
        return state, [state]

    cell.call = call


def _dense_layers(spec: NetworkSpec, x: Any, seed: int, glorot: Glorot) -> Any:
    import keras

    x = keras.layers.Flatten(name="flatten")(x)  # (batch, timesteps · features)
    for layer in range(1, spec.depth + 1):
        kernel = glorot("layer", layer, "kernel")
        x = keras.layers.Dense(spec.units, activation="relu", kernel_initializer=kernel, name=f"dense_{layer}")(x)
        x = _dropout(spec, derived_seed(seed, "layer", layer, "dropout"), f"dropout_{layer}")(x)  # (batch, units)
    return x


def _convolutional_layers(spec: NetworkSpec, x: Any, seed: int, glorot: Glorot) -> Any:
    import keras

    _, timesteps, features = x.shape
    x = keras.layers.Reshape((timesteps, features, 1), name="image")(x)
    for layer, (kernel, pool) in enumerate(_convolutions(spec, timesteps, features), start=1):
        x = keras.layers.Conv2D(
            spec.units,
            kernel,
            activation="relu",
            kernel_initializer=glorot("layer", layer, "kernel"),
            name=f"convolution_{layer}",
        )(x)  # (batch, height, width, units)
        if layer < spec.depth:
            x = keras.layers.MaxPooling2D(pool, name=f"pooling_{layer}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return _dropout(spec, derived_seed(seed, "dropout"), "dropout")(x)


def _dropout(spec: NetworkSpec, seed: int, name: str) -> keras.Layer:
    import keras

    return keras.layers.Dropout(spec.dropout, seed=seed, name=name)
