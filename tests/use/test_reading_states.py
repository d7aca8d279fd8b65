"""A network while it reads: its states are Keras's own, and its mind is made up where it is."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.params.network import NetworkSpec
from pipeline.training.build import build
from pipeline.use.reading_states import Direction, ReadingModel, alike_together, decided_at, so_far

X = np.random.default_rng(0).random((5, 6, 4), dtype=np.float32)

pytestmark = pytest.mark.usefixtures("one_thread")


def built(**settings: Any) -> keras.Model:
    return build(NetworkSpec(**settings), timesteps=6, features=4, classes=3, seed=1)


def output_of(model: keras.Model, layer: str) -> np.ndarray:
    return np.asarray(keras.Model(model.inputs, model.get_layer(layer).output)(X))


@pytest.mark.parametrize("cell", ["lstm", "elman_output"])
def test_states_are_what_the_layers_hand_on(cell: str) -> None:
    model = built(cell=cell, units=3, depth=2)
    reading = ReadingModel(model)
    answers, (first, second) = reading.read(X)
    np.testing.assert_allclose(answers, model(X), atol=1e-6)
    assert reading.directions == (Direction(1, False, 3), Direction(2, False, 3))
    np.testing.assert_allclose(first, output_of(model, f"{cell}_1"), atol=1e-6)
    assert second.shape == (5, 6, 3)
    np.testing.assert_allclose(second[:, -1], output_of(model, f"{cell}_2"), atol=1e-6)  # which gives the last alone


@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
def test_both_directions_are_in_the_order_of_the_steps(merge_mode: str) -> None:
    model = built(cell="gru", units=3, depth=2, bidirectional=True, merge_mode=merge_mode)
    reading = ReadingModel(model)
    _, (forward, backward, last_forward, last_backward) = reading.read(X)
    assert [part.backward for part in reading.directions] == [False, True, False, True]

    def merged(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return one + other if merge_mode == "sum" else np.concatenate([one, other], axis=-1)

    np.testing.assert_allclose(merged(forward, backward), output_of(model, "bidirectional_1"), atol=1e-6)
    # The backward direction of the last layer ends at the first step.
    ends = merged(last_forward[:, -1], last_backward[:, 0])
    np.testing.assert_allclose(ends, output_of(model, "bidirectional_2"), atol=1e-6)


def test_a_saved_model_has_the_same_states(tmp_path: Any) -> None:
    model = built(cell="gru", units=3, bidirectional=True, pooling="mean_max", layer_normalization=True)
    model.save(tmp_path / "model.keras")
    saved = ReadingModel(keras.saving.load_model(tmp_path / "model.keras", compile=False))
    expected = output_of(model, "bidirectional_1")
    np.testing.assert_allclose(np.concatenate(saved.read(X)[1], axis=-1), expected, atol=1e-6)


@pytest.mark.parametrize("cell", ["mlp", "cnn"])
def test_a_network_without_a_state_has_none(cell: str) -> None:
    reading = ReadingModel(built(cell=cell, units=3))
    assert reading.directions == ()
    assert reading.read(X)[1] == []


def test_a_picture_comes_in_step_by_step() -> None:
    pictures = so_far(np.array([[1, 2], [3, 4], [5, 6]], np.float32))
    assert pictures.dtype == np.float32
    assert pictures.tolist() == [
        [[1, 2], [0, 0], [0, 0]],
        [[1, 2], [3, 4], [0, 0]],
        [[1, 2], [3, 4], [5, 6]],
    ]


def test_the_last_answer_of_a_network_is_that_to_the_whole_picture() -> None:
    model = built(cell="gru", units=3, bidirectional=True)
    np.testing.assert_allclose(model(so_far(X[0]))[-1], model(X[:1])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("said", "step"),
    [([7, 7, 7], 1), ([1, 1, 7], 3), ([7, 1, 7, 7], 3), ([1, 7, 7, 7], 2), ([7], 1)],
)
def test_a_mind_is_made_up_where_the_answer_changes_for_the_last_time(said: list[int], step: int) -> None:
    assert decided_at(np.eye(10, dtype=np.float32)[said]) == step


def test_units_that_act_alike_are_neighbours() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 20, 6, 1))
    states = np.concatenate([one, other, 2 * one, 3 * other, one + 1, -one], axis=-1).astype(np.float32)
    order = alike_together(states).tolist()
    assert sorted(order) == [0, 1, 2, 3, 4, 5]
    places = sorted(order.index(unit) for unit in (0, 2, 4))
    around = [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5]]  # an angle has no end
    assert places in around
    assert alike_together(states[:, :, :2]).tolist() == [0, 1]
