"""Recurrent networks: what one is, how many parameters it has, and how Keras builds it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import keras

Cell = Literal["simple_rnn", "lstm", "gru"]
Units = Annotated[int, Field(ge=1)]
Depth = Annotated[int, Field(ge=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


class Frozen(BaseModel):
    """Base of every validated model: immutable, strict about types, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NetworkSpec(Frozen):
    """A recurrent classifier: `depth` recurrent layers of `units`, then a dense softmax on the last state.

    `dropout` is the fraction of each recurrent layer's *inputs* that is dropped in training, as in
    Listing 1.5.1 of *Advanced Deep Learning with Keras*.
    """

    cell: Cell
    units: Units
    depth: Depth = 1
    bidirectional: bool = False
    dropout: Dropout = 0.0


def parameter_count(spec: NetworkSpec, features: int, classes: int) -> int:
    """Number of trainable parameters in closed form, without building the network.

    A layer with u units on f inputs has, for each direction,
    SimpleRNN: u (f + u + 1)     (W, U and b of h_t = tanh(b + W h_{t-1} + U x_t), equation 1.5.1),
    LSTM:    4 u (f + u + 1)     (three gates and the candidate),
    GRU:     3 u (f + u + 2)     (two gates and the candidate, with a second bias: `reset_after`).
    """
    blocks, biases = {"simple_rnn": (1, 1), "lstm": (4, 1), "gru": (3, 2)}[spec.cell]
    directions = 2 if spec.bidirectional else 1
    state = directions * spec.units
    total, inputs = 0, features
    for _ in range(spec.depth):
        total += directions * blocks * spec.units * (inputs + spec.units + biases)
        inputs = state
    return total + (state + 1) * classes


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

    layer_class = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[spec.cell]

    def seed_for(layer: int, direction: str, purpose: str) -> int:
        return derived_seed(seed, "layer", layer, direction, purpose)

    def recurrent(layer: int, direction: str) -> keras.Layer:
        return layer_class(
            spec.units,
            dropout=spec.dropout,
            return_sequences=layer < spec.depth,  # all states for the next layer, the last one for Dense
            go_backwards=direction == "backward",
            kernel_initializer=keras.initializers.GlorotUniform(seed_for(layer, direction, "kernel")),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed_for(layer, direction, "recurrent_kernel")),
            seed=seed_for(layer, direction, "dropout"),
            name=f"{spec.cell}_{layer}" if direction == "forward" else f"{spec.cell}_{layer}_backward",
        )

    inputs = keras.Input((timesteps, features), name="sequence")
    x = inputs  # (batch, timesteps, features)
    for layer in range(1, spec.depth + 1):
        if spec.bidirectional:
            # Bidirectional clones one layer for both directions, seeds included, unless it is given two.
            both = keras.layers.Bidirectional(
                recurrent(layer, "forward"),
                backward_layer=recurrent(layer, "backward"),
                name=f"bidirectional_{layer}",
            )
            # Even so it makes the forward layer anew, from a configuration that in SimpleRNN lacks the dropout's seed.
            both.forward_layer.cell.seed_generator = keras.random.SeedGenerator(seed_for(layer, "forward", "dropout"))
            x = both(x)  # (batch, timesteps, 2 units), the last layer (batch, 2 units)
        else:
            x = recurrent(layer, "forward")(x)  # (batch, timesteps, units), the last layer (batch, units)
    outputs = keras.layers.Dense(
        classes,
        activation="softmax",
        kernel_initializer=keras.initializers.GlorotUniform(derived_seed(seed, "dense", "kernel")),
        name="classes",
    )(x)
    return keras.Model(inputs, outputs, name=spec.cell)
