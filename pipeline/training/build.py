"""Keras models from a NetworkSpec, every random draw with a seed of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.params.network import NetworkSpec, convolutions
from pipeline.training.identity import derived_seed
from pipeline.training.reading import AS_THEY_ARE, Reading, largest_state, last_state, mean_state, read

if TYPE_CHECKING:
    import keras


def build(
    spec: NetworkSpec, timesteps: int, features: int, classes: int, seed: int, reading: Reading = AS_THEY_ARE
) -> keras.Model:
    """Build the Keras model: (batch, timesteps, features) float32 → (batch, classes) probabilities.

    A recurrent one takes sequences of any length where `reading` says that they are padded.

    Every initializer and every dropout gets a seed of its own. Keras would otherwise take them from
    Python's global `random`, which other threads of the process draw from as well.
    """
    import keras

    def glorot(*purpose: str | int) -> keras.Initializer:
        return keras.initializers.GlorotUniform(derived_seed(seed, *purpose))

    hidden = {"mlp": _dense_layers, "cnn": _convolutional_layers}.get(spec.cell, _recurrent_layers)
    any_length = reading.padded and hidden is _recurrent_layers
    inputs = keras.Input((None if any_length else timesteps, features), name="sequence")
    x, valid = read(inputs, reading, seed)
    outputs = keras.layers.Dense(
        classes, activation="softmax", kernel_initializer=glorot("dense", "kernel"), name="classes"
    )(hidden(spec, x, valid, seed, glorot))
    return keras.Model(inputs, outputs, name=spec.cell)


def orthogonal(shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """The weights of `keras.initializers.Orthogonal(seed=seed)`, but with last bits that no cache decides.

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


def _recurrent_layers(spec: NetworkSpec, x: Any, valid: Any, seed: int, glorot: Glorot) -> Any:
    """Where some steps are none (`valid`), one direction runs on and the state after the last one is taken: the same
    bits as with Keras's mask, which takes up to 1.8 times as long. Both directions need that mask."""
    import keras

    from pipeline.training.elman import ElmanOutputRNN

    layer_class = {
        "simple_rnn": keras.layers.SimpleRNN,
        "elman_output": ElmanOutputRNN,
        "lstm": keras.layers.LSTM,
        "gru": keras.layers.GRU,
    }[spec.cell]

    hands_on_states = spec.hands_on_sequences or (valid is not None and not spec.bidirectional)
    mask = valid if spec.bidirectional else None

    def seed_for(layer: int, direction: str, purpose: str) -> int:
        return derived_seed(seed, "layer", layer, direction, purpose)

    def recurrent(layer: int, direction: str) -> keras.Layer:
        output = {"output_initializer": glorot("layer", layer, direction, "output_kernel")}
        return layer_class(
            spec.units,
            dropout=spec.dropout,
            recurrent_dropout=spec.recurrent_dropout,
            unroll=spec.unroll,
            return_sequences=layer < spec.depth or hands_on_states,  # or the last state alone
            go_backwards=direction == "backward",
            kernel_initializer=glorot("layer", layer, direction, "kernel"),
            # Only for a saved model's configuration: `orthogonal` of the same seed replaces the values.
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
        inputs, x = (
            x,
            whole(x, mask=mask),
        )  # (batch, timesteps, units, or twice as many if concatenated), or without timesteps
        if spec.residual and layer > 1:
            x = keras.layers.Add(name=f"residual_{layer}")([inputs, x])
        if spec.layer_normalization:
            normalization = keras.layers.LayerNormalization(name=f"normalization_{layer}")
            _divide_by_root(normalization)
            x = normalization(x)
        for direction, one_way in directions.items():
            kernel = one_way.cell.recurrent_kernel
            kernel.assign(orthogonal(kernel.shape, seed_for(layer, direction, "recurrent_kernel")))
    return _pooled(spec, x, valid, glorot) if hands_on_states else x


def _pooled(spec: NetworkSpec, states: Any, valid: Any, glorot: Glorot) -> Any:
    """What the softmax sees of the last layer's states: (batch, timesteps, width) → (batch, width or twice that)."""
    import keras

    layers, ops = keras.layers, keras.ops

    def mean() -> Any:
        return layers.GlobalAveragePooling1D(name="mean")(states) if valid is None else mean_state(states, valid)

    def largest() -> Any:
        return layers.GlobalMaxPooling1D(name="max")(states) if valid is None else largest_state(states, valid)

    match spec.pooling:
        case "last" if valid is not None:
            return last_state(states, valid)
        case "last":
            return layers.Flatten(name="last_state")(layers.Cropping1D((states.shape[1] - 1, 0), name="last")(states))
        case "mean":
            return mean()
        case "max":
            return largest()
        case "mean_max":
            return layers.Concatenate(name="mean_max")([mean(), largest()])
    query = layers.Dense(1, use_bias=False, kernel_initializer=glorot("attention"), name="attention")
    scores = query(states)  # (batch, timesteps, 1)
    if valid is not None:
        scores = ops.where(ops.expand_dims(valid, -1), scores, -float("inf"))
    # A softmax in its parts: TensorFlow's own takes a reciprocal that processors approximate, each in its own way.
    shares = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))
    return ops.sum(states * (shares / ops.sum(shares, axis=1, keepdims=True)), axis=1)


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


def _divide_by_root(layer: keras.layers.LayerNormalization) -> None:
    """Have a layer normalize by a root and a quotient, which are the same on every processor.

    Keras multiplies by TensorFlow's `rsqrt`, for which processors have an approximation, each another one. The class
    stays Keras's, so that a saved model needs no code of ours.
    """
    import keras

    ops = keras.ops

    def call(inputs: Any) -> Any:
        rest = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(rest), axis=-1, keepdims=True)
        return rest / ops.sqrt(variance + layer.epsilon) * layer.gamma + layer.beta

    layer.call = call


def _dense_layers(spec: NetworkSpec, x: Any, valid: Any, seed: int, glorot: Glorot) -> Any:
    import keras

    x = keras.layers.Flatten(name="flatten")(x)  # (batch, timesteps · features)
    for layer in range(1, spec.depth + 1):
        kernel = glorot("layer", layer, "kernel")
        x = keras.layers.Dense(spec.units, activation="relu", kernel_initializer=kernel, name=f"dense_{layer}")(x)
        x = _dropout(spec, derived_seed(seed, "layer", layer, "dropout"), f"dropout_{layer}")(x)  # (batch, units)
    return x


def _convolutional_layers(spec: NetworkSpec, x: Any, valid: Any, seed: int, glorot: Glorot) -> Any:
    import keras

    _, timesteps, features = x.shape
    x = keras.layers.Reshape((timesteps, features, 1), name="image")(x)
    for layer, (kernel, pool) in enumerate(convolutions(spec, timesteps, features), start=1):
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
