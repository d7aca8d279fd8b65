"""Elman's layer with an output of its own, against Figure 1.5.2."""

from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.params.network import NetworkSpec
from pipeline.training.build import build
from pipeline.training.elman import ElmanOutputRNN

pytestmark = pytest.mark.usefixtures("one_thread")


def test_elman_output_computes_figure_1_5_2_at_every_step_and_at_the_last() -> None:
    """Two layers: the upper one reads o_t of every step, the softmax the o_t of the last."""
    model = build(NetworkSpec(cell="elman_output", units=6, depth=2), timesteps=5, features=3, classes=4, seed=1)
    rng = np.random.default_rng(2)
    weights = [rng.normal(0, 0.5, w.shape).astype(np.float32) for w in model.get_weights()]  # biases too
    model.set_weights(weights)
    x = rng.normal(size=(8, 5, 3)).astype(np.float32)
    outputs = x
    for v, c, u, w, b in (weights[:5], weights[5:10]):
        h, steps = np.zeros((8, 6), np.float32), []
        for t in range(5):
            h = np.tanh(b + h @ w + outputs[:, t] @ u)
            steps.append(h @ v + c)
        outputs = np.stack(steps, axis=1)
    scores = np.exp(outputs[:, -1] @ weights[10] + weights[11])
    np.testing.assert_allclose(model.predict(x, verbose=0), scores / scores.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_elman_output_is_saved_and_loaded(tmp_path: Path, bidirectional: bool) -> None:
    spec = NetworkSpec(cell="elman_output", units=4, depth=2, bidirectional=bidirectional, dropout=0.3)
    model = build(spec, 5, 3, 2, seed=0)
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(8, 5, 3)).astype(np.float32)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    layer = ElmanOutputRNN(4, output_initializer=keras.initializers.Constant(0.5))
    assert isinstance(ElmanOutputRNN.from_config(layer.get_config()).output_initializer, keras.initializers.Constant)
