"""A digit found in a picture, and made as MNIST's makers made theirs. Pure: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

DIGIT_DATASETS = ("mnist", "mnist5k")  # whose images are made as here
SIDE, BOX = 28, 20  # pixels: of MNIST's images, and of the square into which each digit is scaled
MIDDLE = 14.5  # pixels from the border to the centre of mass, as MNIST's images have it: in the middle of pixel 14
LONGEST = 800  # pixels: a larger picture is made smaller before anything is looked for
COARSE, COARSEST = 160, 40  # pixels: at these sizes the light on the paper is estimated, and the noise of it
STROKE = 0.4  # of the shorter side: what is wider than this is no stroke, but a shadow
LEAST_CONTRAST = 0.1  # between ink and paper, of the paper's brightness
LEAST_SEPARATION = 4.0  # the same, in standard deviations within ink and paper: noise alone has 2.7
SPECK = 0.02  # of the ink of the largest piece: a smaller one is dirt
GAP = 0.2  # of the digit's longer side: pieces that are closer belong together, as the bar of a 5
AS_LARGE = 0.5  # of the digit's height: a piece of its own that is taller may be another digit
EIGHT = np.ones((3, 3), bool)  # neighbours: those at the corners, too


class NothingDrawn(Exception):
    """There is no digit in a picture; its message says what there is, as the end of a sentence."""


@dataclass(frozen=True)
class Digit:
    """What the network sees of a picture, and where that was.

    `pixels` uint8 (28, 28): bright on black, the strokes in the middle. `box`: top, left, bottom, right in pixels of
    the picture. `others`: how many more pieces are as tall as a digit, so that it may not be one digit.
    """

    pixels: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    others: int


def digit_of(grey: NDArray[np.uint8]) -> Digit:
    """The digit in a picture (height, width) of any size, dark on light or light on dark.

    As LeCun, Bottou, Bengio and Haffner had it done (Gradient-based learning applied to document recognition, 1998,
    section III.A): cut out, scaled with its proportions kept into 20×20 pixels, whose values become grey by that, and
    laid into 28×28 with the centre of its mass in the middle. Raises NothingDrawn.
    """
    if min(grey.shape) < 1:
        raise NothingDrawn("it has no pixels")
    small = _at_most(grey, LONGEST)
    ink = _ink(small)
    strokes, others = _digit_in(ndimage.binary_propagation(ink > 0.5, EIGHT, ink > 0.3))  # with their pale parts
    ink = np.where(ndimage.binary_dilation(strokes, EIGHT, iterations=2), ink, 0)  # with their soft edges
    rows, columns = (np.flatnonzero((ink > 0.25).any(axis=axis)) for axis in (1, 0))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    tall, wide = (before / now for before, now in zip(grey.shape, small.shape, strict=True))
    box = (round(top * tall), round(left * wide), round(bottom * tall), round(right * wide))
    return Digit(_centred(_scaled(ink[top:bottom, left:right])), box, others)


def _at_most(grey: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """The picture made smaller, each new pixel the mean of its place, where a side is longer."""
    height, width = grey.shape
    if max(height, width) <= longest:
        return grey
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))


def _ink(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much of each pixel (height, width) is ink, from 0 to 1, whatever the light; raises NothingDrawn."""
    paper = grey if _dark_on_light(grey) else 255 - grey
    smooth = ndimage.gaussian_filter(paper.astype(np.float32), max(grey.shape) / 400)
    contrast = np.clip(1 - (smooth + 1) / (_light(paper) + 1), 0, 1)
    threshold = _otsu(contrast)
    dark = contrast > threshold
    if dark.all() or not dark.any():
        raise NothingDrawn("it is of one colour")
    on, off = contrast[dark], contrast[~dark]
    between, within = on.mean() - off.mean(), np.sqrt((on.var() * on.size + off.var() * off.size) / contrast.size)
    if between < LEAST_CONTRAST or between < LEAST_SEPARATION * within:
        raise NothingDrawn("nothing in it stands out from the ground")
    full = np.percentile(on, 75)  # of strokes, their edges left aside
    low = max(2 * threshold - full, threshold / 2)  # the threshold is where half of the pixel is ink
    return np.clip((contrast - low) / (full - low), 0, 1)


def _dark_on_light(grey: NDArray[np.uint8]) -> bool:
    """By the border, which is ground; where shadows make that doubtful, by the rarer side, which is ink."""
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]]).astype(np.float32)
    light = float((border > _otsu(grey / np.float32(255)) * 255).mean())
    if not 0.25 < light < 0.75:
        return light > 0.5
    deviation = grey - ndimage.gaussian_filter(grey.astype(np.float32), max(grey.shape) / 8)
    return float((deviation**3).mean()) < 0


def _light(paper: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The paper's brightness without the dark strokes on it (height, width): a closing, which keeps shadows."""
    coarse = _at_most(paper, COARSE)
    coarse = ndimage.median_filter(coarse, 3) if min(coarse.shape) > BOX * 4 else coarse
    window = max(3, round(STROKE * min(coarse.shape)) | 1)
    beyond = np.pad(coarse.astype(np.float32), window, "reflect", reflect_type="odd")  # light goes on as it falls off
    closed = ndimage.grey_closing(beyond, (window, window))[window:-window, window:-window]
    share = Image.fromarray(coarse / np.maximum(closed, 1)).reduce(max(1, max(coarse.shape) // COARSEST))
    noise = ndimage.percentile_filter(share, 75, round(STROKE * min(share.size)) | 1)  # makes a closing too bright
    height, width = paper.shape
    large = [Image.fromarray(each).resize((width, height), Image.Resampling.BILINEAR) for each in (closed, noise)]
    light, darker = map(np.asarray, large)
    return np.clip(light, 0, 255) * darker


def _otsu(values: NDArray[np.floating]) -> float:
    """The threshold that parts values from 0 to 1 best into two (Otsu, IEEE Transactions on Systems, Man, and
    Cybernetics 9 (1979), 62–66)."""
    counts, edges = np.histogram(values, 256, (0, 1))
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = counts.cumsum(), counts[::-1].cumsum()[::-1]
    mean_below = (counts * centres).cumsum() / np.maximum(below, 1)
    mean_above = (counts * centres)[::-1].cumsum()[::-1] / np.maximum(above, 1)
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    best = np.flatnonzero(between == between.max())  # a plateau, where there is nothing between the two
    return float(edges[1 + round(float(best.mean()))])


def _digit_in(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """The strokes that are the digit, and how many pieces beside it are as tall; raises NothingDrawn.

    It is the largest piece, and pieces near it; but for two as tall side by side, which are two digits. What touches
    the border is the edge of the paper or a shadow, where there is anything else.
    """
    labels, count = ndimage.label(mask, EIGHT)
    if not count:
        raise NothingDrawn("nothing in it stands out from the ground")
    boxes = ndimage.find_objects(labels)
    area = np.bincount(labels.ravel())[1:]
    edge = np.array([_touches(box, mask.shape) for box in boxes])
    inner = np.where(edge, 0, area)
    largest = int(inner.argmax() if inner.max() >= area.max() / 10 else area.argmax())
    pieces = [i for i in np.flatnonzero(area >= SPECK * area[largest]) if not edge[i] or edge[largest]]
    digit, waiting, others = {largest}, set(map(int, pieces)) - {largest}, 0
    reach = GAP * max(_sides(boxes[largest]))
    near = waiting
    while near:
        far = ndimage.distance_transform_edt(~np.isin(labels, [i + 1 for i in digit]))
        near = {
            i for i in waiting
            if ndimage.minimum(far, labels, i + 1) <= reach and not _beside(boxes[largest], boxes[i])
        }  # fmt: skip
        digit, waiting = digit | near, waiting - near
    others = sum(_sides(boxes[i])[0] >= AS_LARGE * _sides(boxes[largest])[0] for i in waiting)
    return np.isin(labels, [i + 1 for i in digit]), others


def _sides(box: tuple[slice, slice]) -> tuple[int, int]:
    rows, columns = box
    return rows.stop - rows.start, columns.stop - columns.start


def _touches(box: tuple[slice, slice], shape: tuple[int, ...]) -> bool:
    """Whether a piece reaches the border."""
    return any(part.start == 0 or part.stop == side for part, side in zip(box, shape, strict=True))


def _beside(digit: tuple[slice, slice], piece: tuple[slice, slice]) -> bool:
    """Whether two pieces are both tall and stand next to each other, as two digits do."""
    (height, width), (other_height, other_width) = _sides(digit), _sides(piece)
    common = min(digit[1].stop, piece[1].stop) - max(digit[1].start, piece[1].start)
    return other_height >= AS_LARGE * height and common < 0.2 * min(width, other_width)


def _scaled(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """The strokes in a box whose longer side is 20 pixels."""
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    return np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC))


def _centred(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The strokes on black (28, 28), the centre of their mass in the middle, to a pixel."""
    ink = np.clip(ink / max(float(ink.max()), 1e-6), 0, 1)
    masses = ink.sum(axis=1), ink.sum(axis=0)
    centre = [float((mass * (np.arange(len(mass)) + 0.5)).sum() / mass.sum()) for mass in masses]
    top, left = (
        int(np.clip(round(MIDDLE - middle), 0, SIDE - side)) for middle, side in zip(centre, ink.shape, strict=True)
    )
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[top : top + ink.shape[0], left : left + ink.shape[1]] = np.rint(ink * 255)
    return pixels
