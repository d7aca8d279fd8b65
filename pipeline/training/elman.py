"""The recurrent layer with an output of its own: Elman's network, of which Keras's SimpleRNN is the half."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="pipeline")
class ElmanOutputRNN(keras.layers.SimpleRNN):
    """h_t = tanh(b + W h_{t-1} + U x_t) and o_t = V h_t + c, at every step or at the last one.

    Figure 1.5.2 of *Advanced Deep Learning with Keras*, where the softmax comes after o_t; Keras's SimpleRNN gives
    h_t itself. Input (batch, timesteps, features); output (batch, units), or (batch, timesteps, units) with
    `return_sequences`. V is (units, units), c is (units,).
    """

    def __init__(self, units: int, output_initializer: Any = "glorot_uniform", **options: Any) -> None:
        super().__init__(units, **options)
        self.output_initializer = keras.initializers.get(output_initializer)

    def build(self, sequences_shape: tuple[int | None, ...]) -> None:
        super().build(sequences_shape)
        shape = (self.units, self.units)
        self.output_kernel = self.add_weight(shape=shape, initializer=self.output_initializer, name="output_kernel")
        self.output_bias = self.add_weight(shape=(self.units,), initializer="zeros", name="output_bias")

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        states = super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        return keras.ops.matmul(states, self.output_kernel) + self.output_bias

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "output_initializer": keras.initializers.serialize(self.output_initializer),
        }
