"""Changed images: how far, how alike to SciPy's, and the same bits from the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.params.settings import Configuration
from pipeline.training.augmentation import Augmentation, _interpolated, _smoothed, augmented
from pipeline.training.graphs import StepSettings
from pipeline.training.inputs import TrainingData
from pipeline.training.train import train

pytestmark = pytest.mark.usefixtures("one_thread")
STILL = Augmentation(0.0, 0.0, 0.0)


def changed(images: np.ndarray, augmentation: Augmentation, draws: int = 7, batch: int = 0) -> np.ndarray:
    import tensorflow as tf

    return np.asarray(augmented(tf.constant(images), augmentation, tf.constant(draws), tf.constant(batch)))


def squares(count: int = 64) -> np.ndarray:
    """Images of 28 × 28 with a bright square of 8 × 8 in the middle."""
    images = np.zeros((count, 28, 28), np.float32)
    images[:, 10:18, 10:18] = 1.0
    return images


def centres(images: np.ndarray) -> np.ndarray:
    return np.array([ndimage.center_of_mass(image) for image in images])


def test_without_any_change_images_stay_as_they_are() -> None:
    images = np.random.default_rng(0).random((5, 28, 20), np.float32)
    np.testing.assert_allclose(changed(images, STILL), images, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(2, 12), st.integers(2, 12))
def test_a_value_between_pixels_is_scipys(seed: int, height: int, width: int) -> None:
    import tensorflow as tf

    draw = np.random.default_rng(seed)
    images = draw.random((3, height, width), np.float32)
    y, x = draw.uniform(-3, 15, (2, 3, height, width)).astype(np.float32)
    found = np.asarray(_interpolated(tf.constant(images), tf.constant(y), tf.constant(x)))
    for image, rows, columns, ours in zip(images, y, x, found, strict=True):
        bordered = np.pad(image, 2)  # SciPy's own border begins at the last pixel
        np.testing.assert_allclose(ours, ndimage.map_coordinates(bordered, [rows + 2, columns + 2], order=1), atol=1e-5)


def test_shifts_go_as_far_as_asked_and_in_all_directions() -> None:
    moved = centres(changed(squares(200), STILL._replace(shift_pixels=3.0))) - 13.5
    assert float(np.abs(moved).max()) == pytest.approx(3.0, abs=0.1)
    assert float(np.abs(moved.mean(axis=0)).max()) < 0.4
    assert moved.std(axis=0) == pytest.approx([3 / np.sqrt(3)] * 2, rel=0.1)
    assert abs(float(np.mean((moved[:, 0] - moved[:, 0].mean()) * moved[:, 1]))) < 0.6  # of a variance of 3


def test_turns_keep_the_centre_and_go_as_far_as_asked() -> None:
    line = np.zeros((200, 29, 29), np.float32)
    line[:, 14, 4:25] = 1.0
    turned = changed(line, STILL._replace(rotation_degrees=30.0))
    np.testing.assert_allclose(centres(turned), 14.0, atol=0.05)
    bright = [np.argwhere(image > 0.5) for image in turned]
    degrees = np.degrees(np.arctan([np.polyfit(places[:, 1], places[:, 0], 1)[0] for places in bright]))
    assert np.abs(degrees).max() == pytest.approx(30.0, abs=1.5)
    assert degrees.std() == pytest.approx(30 / np.sqrt(3), rel=0.12)


def test_the_elastic_field_is_smooth_and_of_the_size_asked() -> None:
    import tensorflow as tf

    noise = tf.random.stateless_uniform((400, 60, 60), (1, 2), -1.0, 1.0)
    field = np.asarray(_smoothed(noise, 60, 60))[:, 20:40, 20:40]
    assert field.std() == pytest.approx(1.0, abs=0.05)
    neighbours = np.corrcoef(field[:, :-1].ravel(), field[:, 1:].ravel())[0, 1]
    assert neighbours == pytest.approx(np.exp(-1 / (4 * 4.0**2)), abs=0.01)  # of a Gaussian with σ of 4 pixels


def test_every_image_batch_and_epoch_is_changed_in_its_own_way() -> None:
    every = Augmentation(2.0, 10.0, 1.0)
    first = changed(squares(2), every)
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first, changed(squares(2), every, batch=128))
    assert not np.allclose(first, changed(squares(2), every, draws=8))
    np.testing.assert_array_equal(first, changed(squares(2), every))


def test_a_training_on_changed_images_has_the_same_bits_twice_and_others_than_without() -> None:
    draw = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (draw.random((60, 8, 8)) / 4 + np.eye(8)[y * 2][:, None, :]).astype(np.float32)
    data = TrainingData(x, y, 3, held_out_x=x[:30], held_out_y=y[:30])
    plain = Configuration(cell="gru", units=4, epochs=2, batch_size=16)
    bent = plain.model_copy(update={"shift_pixels": 1.0, "rotation_degrees": 10.0, "elastic_pixels": 0.5})
    one, two, without = (train(each, data, seed=3)[1].weights_sha256 for each in (bent, bent, plain))
    assert one == two != without
    assert StepSettings.of(plain).augmentation is None


def test_settings_that_change_nothing_are_in_no_document() -> None:
    plain = Configuration(cell="gru", units=4)
    assert "shift_pixels" not in plain.model_dump()
    assert plain.model_copy(update={"shift_pixels": 2.0}).model_dump()["shift_pixels"] == 2.0
