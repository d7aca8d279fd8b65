"""Images that a training sees slightly changed, in every epoch in another way: moved, turned and bent.

All of it is a part of the traced graph. A change is drawn from the training's seed, the epoch and the place of the
batch, so that it depends on nothing else.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pipeline.params.settings import TrainingSettings

SMOOTHNESS_PIXELS = 4.0  # σ of the Gaussian that makes neighbouring pixels bend alike; Simard et al. found 4 best


class Augmentation(NamedTuple):
    """How far an image is changed at most: see `TrainingSettings`."""

    shift_pixels: float
    rotation_degrees: float
    elastic_pixels: float

    @classmethod
    def of(cls, settings: TrainingSettings) -> Augmentation | None:
        """That of a training's settings; None where images stay as they are."""
        found = cls(*(getattr(settings, name) for name in cls._fields))
        return found if any(found) else None


def augmented(images: Any, augmentation: Augmentation, draws: Any, batch: Any) -> Any:
    """`images` (n, height, width) float32, each moved, turned and bent in its own way; outside of an image all is 0.

    `draws` and `batch`, int32 scalars, decide the changes. Each pixel takes the value that the image has, between four
    of its pixels, at another place. That place is turned around the centre by an even draw from ±rotation, moved in
    both directions by one from ±shift, and by the elastic field: an even draw from -1 to 1 for each pixel and
    direction, smoothed by a Gaussian and then multiplied so that its standard deviation, far from the border, is
    `elastic_pixels` (Simard, Steinkraus and Platt, Best Practices for Convolutional Neural Networks, ICDAR 2003,
    section 2).
    """
    import tensorflow as tf

    count, (height, width) = tf.shape(images)[0], images.shape[1:]

    def uniform(purpose: int, shape: Any) -> Any:
        return tf.random.stateless_uniform(shape, tf.stack([draws, batch * 3 + purpose]), -1.0, 1.0)

    shift = augmentation.shift_pixels * uniform(0, (2, count, 1, 1))
    angle = math.radians(augmentation.rotation_degrees) * uniform(1, (count, 1, 1))
    field = _smoothed(uniform(2, (2 * count, height, width)), height, width) * augmentation.elastic_pixels
    field = tf.reshape(field, (2, count, height, width))

    middle = (height - 1) / 2, (width - 1) / 2
    down = tf.reshape(tf.range(height, dtype=tf.float32) - middle[0], (1, height, 1))
    right = tf.reshape(tf.range(width, dtype=tf.float32) - middle[1], (1, 1, width))
    cosine, sine = tf.cos(angle), tf.sin(angle)
    y = cosine * down - sine * right + middle[0] + shift[0] + field[0]
    x = sine * down + cosine * right + middle[1] + shift[1] + field[1]
    return _interpolated(images, y, x)


def _smoothed(noise: Any, height: int, width: int) -> Any:
    """`noise` (n, height, width), smoothed in both directions, with a standard deviation of 1 far from the border."""
    import tensorflow as tf

    rows, columns = tf.constant(_gaussian(height)), tf.constant(_gaussian(width))
    over_columns = tf.reshape(noise, (-1, width)) @ columns
    turned = tf.transpose(tf.reshape(over_columns, (-1, height, width)), (0, 2, 1))
    over_rows = tf.reshape(turned, (-1, height)) @ rows
    return tf.transpose(tf.reshape(over_rows, (-1, width, height)), (0, 2, 1)) * math.sqrt(3.0)  # of ±1 it is 1 / √3


def _gaussian(size: int) -> np.ndarray:
    """A matrix (size, size) that smooths a row of draws and keeps their variance, where no border is near."""
    reach = range(-4 * int(SMOOTHNESS_PIXELS), 4 * int(SMOOTHNESS_PIXELS) + 1)
    weights = {step: math.exp(-((step / SMOOTHNESS_PIXELS) ** 2) / 2) for step in reach}
    length = math.sqrt(sum(weight**2 for weight in weights.values()))
    rows = [[weights.get(there - here, 0.0) / length for there in range(size)] for here in range(size)]
    return np.array(rows, np.float32)


def _interpolated(images: Any, y: Any, x: Any) -> Any:
    """The values of `images` (n, height, width) at the places `y` and `x` of the same shape, in pixels."""
    import tensorflow as tf

    height, width = images.shape[1:]
    count = tf.shape(images)[0]
    # A border of zeros, wide enough for each of the four neighbours of a place just outside.
    bordered = tf.reshape(tf.pad(images, ((0, 0), (1, 1), (1, 1))), (-1,))
    y, x = tf.clip_by_value(y, -1.0, float(height)) + 1.0, tf.clip_by_value(x, -1.0, float(width)) + 1.0
    above = tf.minimum(tf.floor(y), float(height))
    left = tf.minimum(tf.floor(x), float(width))
    first = tf.reshape(tf.range(count) * (height + 2) * (width + 2), (-1, 1, 1))
    corner = first + tf.cast(above, tf.int32) * (width + 2) + tf.cast(left, tf.int32)
    down, right = y - above, x - left
    upper = tf.gather(bordered, corner) * (1 - right) + tf.gather(bordered, corner + 1) * right
    corner += width + 2
    lower = tf.gather(bordered, corner) * (1 - right) + tf.gather(bordered, corner + 1) * right
    return upper * (1 - down) + lower * down
