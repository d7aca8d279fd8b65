"""Recurrent layers of several seeds at once, their gradients written out: each seed has the bits of Keras's own layer.

All that works number by number is done for all seeds in one operation; there are a tenth as many as in Keras's loop.
Sums go in the order of Keras's gradients: over the sequences of a batch by the same operation, over the time steps one
after the other from the last one on. Time steps are written out, there is no loop.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.params.network import Cell

# Of the gradient for the last state: those for kernel, recurrent kernel and bias.
Gradient = Callable[[Any], tuple[Any, Any, Any]]
# TensorFlow's kernels work on so many numbers at a time, and on those that are left one by one, with other last bits.
PACKET = 8


class Products(NamedTuple):
    """Products of matrices, (…, k, ·, ·) for k seeds, in batches of `rows` sequences."""

    rows: tuple[int, ...]

    def __call__(self, a: Any, b: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
        """In one operation where that gives the bits of one for each; TensorFlow has another kernel for small ones.

        With time steps, (timesteps, k, ·, ·), those of `b` may be one for all.
        """
        import tensorflow as tf

        transposed = transpose_a, transpose_b
        shapes = [tuple(tuple(rows if n is None else n for n in m.shape[-2:]) for m in (a, b)) for rows in self.rows]
        if all(_is_exact(*shape, *transposed) for shape in shapes):
            return tf.matmul(a, b, *transposed)
        if len(a.shape) == 4:
            steps = a.shape[0] if b.shape[0] == 1 else 1
            return tf.stack([self(*pair, transpose_a=transpose_a, transpose_b=transpose_b)
                             for pair in zip(tf.unstack(a), tf.unstack(b) * steps, strict=True)])  # fmt: skip
        return tf.stack([tf.matmul(*pair, *transposed) for pair in zip(tf.unstack(a), tf.unstack(b), strict=True)])


@functools.cache
def _is_exact(a: tuple[int, int], b: tuple[int, int], transpose_a: bool, transpose_b: bool) -> bool:
    """Whether two products of matrices of these shapes in one operation have the bits of each alone: tried out."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    with tf.init_scope(), tf.device("CPU"):
        one, other = (tf.constant(rng.normal(size=(2, *shape)), tf.float32) for shape in (a, b))
        both = tf.matmul(one, other, transpose_a, transpose_b)
        each = [tf.matmul(one[i], other[i], transpose_a, transpose_b) for i in range(2)]
        return both.numpy().tobytes() == b"".join(product.numpy().tobytes() for product in each)


def simple_rnn(x: Any, weights: Sequence[Any], product: Products) -> tuple[Any, Gradient]:
    """h_t = tanh(x_t K + b + h_{t-1} R).

    Here and in the other layers, for k seeds: `x` (timesteps, k, batch, features); `weights` are kernel, recurrent
    kernel and bias, each with a leading axis of seeds. Returns the last state (k, batch, units).
    """
    import tensorflow as tf

    kernel, recurrent, bias = weights
    inputs = tf.unstack(product(x, kernel[None]) + bias[:, None])
    states = [tf.zeros_like(inputs[0])]
    for from_input in inputs:
        states.append(tf.tanh(from_input + product(states[-1], recurrent)))

    def gradient(d_state: Any) -> tuple[Any, Any, Any]:
        backwards = []
        for step in reversed(range(len(inputs))):
            backwards.append(tf.raw_ops.TanhGrad(y=states[step + 1], dy=d_state))
            if step:
                d_state = product(backwards[-1], recurrent, transpose_b=True)
        d_sums = tf.stack(backwards[::-1])
        return (*_of_kernels(x, states, d_sums, d_sums, product), _in_turn(_bias_sums(d_sums)))

    return states[-1], gradient


def lstm(x: Any, weights: Sequence[Any], product: Products) -> tuple[Any, Gradient]:
    """Keras's LSTM: gates i, f, o and the candidate g, c_t = f c_{t-1} + i g, h_t = o tanh(c_t); see `simple_rnn`."""
    import tensorflow as tf

    kernel, recurrent, bias = weights
    inputs = tf.unstack(product(x, kernel[None]))
    nothing = tf.zeros_like(inputs[0][..., : recurrent.shape[1]])
    states, carries, saved = [nothing], [nothing], []
    for from_input in inputs:
        sums = tf.split(from_input + product(states[-1], recurrent) + bias[:, None], 4, axis=-1)
        i, f, g, o = tf.sigmoid(sums[0]), tf.sigmoid(sums[1]), tf.tanh(sums[2]), tf.sigmoid(sums[3])
        carries.append(f * carries[-1] + i * g)
        shown = tf.tanh(carries[-1])
        states.append(o * shown)
        saved.append((i, f, g, o, shown))

    def gradient(d_state: Any) -> tuple[Any, Any, Any]:
        sigmoid_gradient, tanh_gradient = tf.raw_ops.SigmoidGrad, tf.raw_ops.TanhGrad
        backwards, d_carry = [], None
        for step in reversed(range(len(inputs))):
            i, f, g, o, shown = saved[step]
            from_state = tanh_gradient(y=shown, dy=d_state * o)
            d_carry = from_state if d_carry is None else d_carry + from_state
            gates = [
                sigmoid_gradient(y=i, dy=d_carry * g),
                sigmoid_gradient(y=f, dy=d_carry * carries[step]),
                tanh_gradient(y=g, dy=d_carry * i),
                sigmoid_gradient(y=o, dy=d_state * shown),
            ]
            backwards.append(tf.concat(gates, axis=-1))
            if step:
                d_state, d_carry = product(backwards[-1], recurrent, transpose_b=True), d_carry * f
        d_sums = tf.stack(backwards[::-1])
        return (*_of_kernels(x, states, d_sums, d_sums, product), _in_turn(_bias_sums(d_sums)))

    return states[-1], gradient


def gru(x: Any, weights: Sequence[Any], product: Products) -> tuple[Any, Gradient]:
    """Keras's GRU with `reset_after`: gates z and r, h_t = z h_{t-1} + (1 - z) tanh(x_t K + b + r (h_{t-1} R + c)); see
    `simple_rnn`."""
    import tensorflow as tf

    kernel, recurrent, bias = weights
    units = recurrent.shape[1]
    parts = [2 * units, units]  # both gates, and the candidate
    gates_in, candidates_in = map(tf.unstack, tf.split(product(x, kernel[None]) + bias[:, 0, None], parts, axis=-1))
    states, saved = [tf.zeros_like(candidates_in[0])], []
    for gate_in, candidate_in in zip(gates_in, candidates_in, strict=True):
        gate, from_state = tf.split(product(states[-1], recurrent) + bias[:, 1, None], parts, axis=-1)
        update, reset = tf.split(tf.sigmoid(gate_in + gate), 2, axis=-1)
        candidate, rest = tf.tanh(candidate_in + reset * from_state), 1 - update
        states.append(update * states[-1] + rest * candidate)
        saved.append((update, reset, from_state, candidate, rest))

    def gradient(d_state: Any) -> tuple[Any, Any, Any]:
        backwards, backwards_states = [], []
        for step in reversed(range(len(gates_in))):
            update, reset, from_state, candidate, rest = saved[step]
            d_candidate = tf.raw_ops.TanhGrad(y=candidate, dy=d_state * rest)
            d_update = tf.raw_ops.SigmoidGrad(y=update, dy=d_state * states[step] - d_state * candidate)
            d_reset = tf.raw_ops.SigmoidGrad(y=reset, dy=d_candidate * from_state)
            backwards.append(tf.concat([d_update, d_reset, d_candidate], axis=-1))
            backwards_states.append(tf.concat([d_update, d_reset, d_candidate * reset], axis=-1))
            if step:
                d_state = d_state * update + product(backwards_states[-1], recurrent, transpose_b=True)
        d_inputs, d_states = tf.stack(backwards[::-1]), tf.stack(backwards_states[::-1])
        biases = tf.stack([_in_turn(_bias_sums(d_inputs)), _in_turn(_sums(d_states))], axis=1)
        return (*_of_kernels(x, states, d_inputs, d_states, product), biases)

    return states[-1], gradient


LAYERS: dict[Cell, Callable[[Any, Sequence[Any], Products], tuple[Any, Gradient]]] = {
    "simple_rnn": simple_rnn,
    "lstm": lstm,
    "gru": gru,
}


def _of_kernels(x: Any, states: Sequence[Any], d_inputs: Any, d_states: Any, product: Products) -> tuple[Any, Any]:
    """The gradients for the kernel and for the recurrent kernel, from those for their products."""
    import tensorflow as tf

    before = tf.stack(states[:-1])
    return (
        _in_turn(product(x, d_inputs, transpose_a=True)),
        _in_turn(product(before, d_states, transpose_a=True)),
    )


def _in_turn(terms: Any) -> Any:
    """The sum of (timesteps, …) over the steps, from the last one on."""
    import tensorflow as tf

    return functools.reduce(lambda total, term: total + term, tf.unstack(terms)[::-1])


def _bias_sums(d: Any) -> Any:
    """(timesteps, k, batch, width) → (timesteps, k, width), as the gradient of Keras's `add` of a bias."""
    import tensorflow as tf

    return _one_by_one(lambda one: tf.raw_ops.BiasAddGrad(out_backprop=one), d)


def _sums(d: Any) -> Any:
    """The same as the gradient of `+`."""
    import tensorflow as tf

    if d.shape[-1] % PACKET:
        return _one_by_one(lambda one: tf.reduce_sum(one, axis=0), d)
    return tf.reduce_sum(d, axis=2)


def _one_by_one(reduce: Callable[[Any], Any], d: Any) -> Any:
    import tensorflow as tf

    steps, seeds, _, width = d.shape
    each = tf.unstack(tf.reshape(d, (steps * seeds, -1, width)), num=steps * seeds)
    return tf.reshape(tf.stack([reduce(one) for one in each]), (steps, seeds, width))
