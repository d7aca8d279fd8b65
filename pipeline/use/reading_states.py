"""A network while it reads: what its layers hand on after each step, and what it would say if the rest were blank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Direction:
    """One direction of one recurrent layer; layers count from 1. `backward` reads the last step first."""

    layer: int
    backward: bool
    units: int


class ReadingModel:
    """A saved model that also tells the states of its recurrent layers, in the order of `directions`."""

    def __init__(self, model: keras.Model) -> None:
        import keras

        directions, states = [], []
        kinds = keras.layers.RNN | keras.layers.Bidirectional
        for number, layer in enumerate((each for each in model.layers if isinstance(each, kinds)), start=1):
            both = isinstance(layer, keras.layers.Bidirectional)
            one_ways = [layer.forward_layer, layer.backward_layer] if both else [layer]
            directions += [Direction(number, each.go_backwards, each.units) for each in one_ways]
            if layer.return_sequences and (not both or layer.merge_mode == "concat"):
                states += keras.ops.split(layer.output, len(one_ways), axis=-1)
            else:  # a twin of each with the same weights, that gives all of its states
                states += [_all_states(each, layer.input) for each in one_ways]
        self.directions = tuple(directions)
        self._model = keras.Model(model.inputs, [model.output, states])

    def read(self, x: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Of sequences (n, timesteps, features), the probabilities (n, classes), and for each direction the states
        (n, timesteps, units).

        The state at step t is what the layer hands on at t: a backward one has then read the steps from the last to t.
        """
        answers, states = self._model.predict_on_batch(x)  # `predict` takes much longer to begin
        return np.asarray(answers), [np.asarray(each) for each in states]


def _all_states(layer: Any, inputs: Any) -> Any:
    """All states of a layer that reads in one direction, in the order of the steps."""
    import keras

    twin = type(layer).from_config(layer.get_config() | {"return_sequences": True, "name": f"{layer.name}_states"})
    states = twin(inputs)
    twin.set_weights(layer.get_weights())
    return keras.ops.flip(states, axis=1) if layer.go_backwards else states  # which gives the last step's first


def so_far(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture (timesteps, features) as it comes in: (timesteps, timesteps, features), the t-th with all steps after
    t blank, the last one whole."""
    return x * np.tri(len(x), dtype=np.float32)[:, :, np.newaxis]


def decided_at(answers: NDArray[Any]) -> int:
    """The first step, from 1, from which on the most probable class of `answers` (timesteps, classes) is the last
    one's."""
    said = answers.argmax(axis=1)
    others = np.flatnonzero(said != said[-1])
    return int(others[-1]) + 2 if len(others) else 1


def alike_together(states: NDArray[np.float32]) -> NDArray[np.intp]:
    """An order of the units of `states` (n, timesteps, units) in which those that act alike are neighbours.

    By the angle of each unit in the plane of the two principal components, as in a correlation's ordered display
    (Friendly, The American Statistician 56 (2002), 316–324).
    """
    units = states.shape[-1]
    if units < 3:
        return np.arange(units)
    deviations = states.reshape(-1, units) - states.mean(axis=(0, 1))
    deviations /= np.maximum(deviations.std(axis=0), 1e-6)
    _, vectors = np.linalg.eigh(deviations.T @ deviations)
    return np.argsort(np.arctan2(vectors[:, -2], vectors[:, -1]))
