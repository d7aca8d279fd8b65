"""Pictures of digits that nobody took: printed, drawn by a seeded hand or enlarged, and degraded as photographs are."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.Image import Resampling
from scipy import ndimage
from scipy.interpolate import CubicSpline

Coverage = NDArray[np.float32]  # (height, width) of a picture, how much of each pixel is ink, from 0 to 1
Point = tuple[float, float]

FONTS = (  # of matplotlib's wheel
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Bold",
    "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmr10", "cmss10", "cmtt10", "cmti10",
)  # fmt: skip
# The ways to write each digit: runs of the pen through points (x, y), the digit 1 high; two points are a straight line,
# more a curve, and runs that share a point hang together.
WAYS: dict[int, list[list[list[Point]]]] = {
    0: [[[(0.35, 0.02), (0.1, 0.25), (0.03, 0.55), (0.18, 0.92), (0.4, 0.97), (0.6, 0.7), (0.63, 0.4), (0.5, 0.1),
          (0.33, 0.02)]]],
    1: [[[(0.3, 0), (0.3, 1)]],
        [[(0.12, 0.22), (0.36, 0)], [(0.36, 0), (0.36, 1)]],
        [[(0.12, 0.22), (0.36, 0)], [(0.36, 0), (0.36, 1)], [(0.1, 1), (0.6, 1)]]],
    2: [[[(0.05, 0.25), (0.15, 0.06), (0.38, 0), (0.58, 0.15), (0.55, 0.4), (0.3, 0.7), (0.03, 0.97)],
         [(0.03, 0.97), (0.65, 0.95)]],
        [[(0.05, 0.2), (0.35, 0), (0.55, 0.25), (0.3, 0.75), (0.08, 0.98), (0.02, 0.85), (0.2, 0.82), (0.45, 0.95),
          (0.68, 0.93)]]],
    3: [[[(0.08, 0.12), (0.3, 0), (0.55, 0.12), (0.5, 0.38), (0.28, 0.47)],
         [(0.28, 0.47), (0.58, 0.58), (0.6, 0.82), (0.3, 1), (0.03, 0.88)]],
        [[(0.08, 0.03), (0.6, 0.03)], [(0.6, 0.03), (0.3, 0.4)],
         [(0.3, 0.4), (0.58, 0.52), (0.6, 0.82), (0.28, 1), (0.03, 0.9)]]],
    4: [[[(0.45, 0), (0.02, 0.65)], [(0.02, 0.65), (0.68, 0.65)], [(0.45, 0), (0.45, 1)]],
        [[(0.12, 0), (0.05, 0.5)], [(0.05, 0.5), (0.65, 0.48)], [(0.55, 0.02), (0.5, 1)]]],
    5: [[[(0.58, 0.02), (0.15, 0.03)], [(0.15, 0.03), (0.1, 0.42)],
         [(0.1, 0.42), (0.4, 0.38), (0.62, 0.62), (0.5, 0.93), (0.2, 1), (0.03, 0.9)]],
        [[(0.24, 0), (0.64, -0.04)], [(0.13, 0.1), (0.1, 0.42)],  # the bar is set apart
         [(0.1, 0.42), (0.4, 0.38), (0.62, 0.62), (0.5, 0.93), (0.2, 1), (0.03, 0.9)]]],
    6: [[[(0.5, 0.02), (0.2, 0.3), (0.05, 0.65), (0.15, 0.95), (0.42, 0.98), (0.58, 0.75), (0.4, 0.55), (0.1, 0.68)]]],
    7: [[[(0.03, 0.05), (0.62, 0.03)], [(0.62, 0.03), (0.25, 1)]],
        [[(0.03, 0.05), (0.62, 0.03)], [(0.62, 0.03), (0.4, 0.5), (0.32, 1)]],
        [[(0.03, 0.05), (0.62, 0.03)], [(0.62, 0.03), (0.25, 1)], [(0.18, 0.5), (0.62, 0.47)]]],
    8: [[[(0.55, 0.15), (0.3, 0), (0.1, 0.2), (0.3, 0.46), (0.58, 0.75), (0.35, 1), (0.07, 0.8), (0.3, 0.5),
          (0.53, 0.25), (0.55, 0.15)]]],
    9: [[[(0.57, 0.12), (0.3, 0), (0.07, 0.22), (0.25, 0.48), (0.5, 0.33), (0.57, 0.12)],
         [(0.57, 0.12), (0.52, 0.6), (0.42, 1)]],
        [[(0.57, 0.12), (0.3, 0), (0.07, 0.22), (0.25, 0.48), (0.5, 0.33), (0.57, 0.12)], [(0.57, 0.12), (0.56, 1)]]],
}  # fmt: skip
FINE = 3  # so many times as large is drawn what is then made smaller, for soft edges


def printed(text: str, rng: np.random.Generator) -> Coverage:
    """A digit, or a letter, in one of the fonts."""
    return in_font(text, FONTS[rng.integers(len(FONTS))], int(rng.uniform(80, 400)))


def in_font(text: str, name: str, size: int) -> Coverage:
    font = ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf"), size)
    picture = Image.new("L", (2 * size, 2 * size))
    ImageDraw.Draw(picture).text((size // 2, size // 4), text, fill=255, font=font)
    return _ink_alone(picture)


def strokes(digit: int, rng: np.random.Generator, way: int | None = None) -> Coverage:
    """A digit by a hand that is never twice the same: its points, its slant, its width and its pen differ."""
    ways = WAYS[digit]
    height = rng.uniform(80, 400) * FINE
    pen = rng.uniform(0.04, 0.14) * height
    turn, slant, wide = np.deg2rad(rng.normal(0, 4)), np.clip(rng.normal(0.1, 0.15), -0.3, 0.5), rng.uniform(0.8, 1.3)
    shape = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [[wide, -slant], [0, 1]]
    moved: dict[Point, NDArray[np.float64]] = {}
    runs = []
    for run in ways[rng.integers(len(ways)) if way is None else way]:
        for point in run:
            moved.setdefault(point, shape @ (np.array(point) - 0.5 + rng.normal(0, 0.02, 2)))
        runs.append(_through(np.array([moved[point] for point in run])) * height)
    corner = np.min([run.min(axis=0) for run in runs], axis=0) - 2 * pen
    size = np.max([run.max(axis=0) for run in runs], axis=0) - corner + 2 * pen
    picture = Image.new("L", (int(size[0]), int(size[1])))
    draw = ImageDraw.Draw(picture)
    for curve in runs:
        places = curve - corner
        draw.line([(x, y) for x, y in places], fill=255, width=round(pen))
        for x, y in places:  # a round pen
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)
    return _ink_alone(picture.resize((picture.width // FINE, picture.height // FINE), Resampling.BOX))


def _through(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve through points (n, 2)."""
    if len(points) == 2:
        return np.linspace(points[0], points[1], 40)
    along = np.concatenate([[0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    curve: NDArray[np.float64] = CubicSpline(along, points)(np.linspace(0, along[-1], 120))
    return curve


def enlarged(image: NDArray[np.uint8], rng: np.random.Generator) -> Coverage:
    """Somebody's handwriting: an image of MNIST, 3 to 15 times as large, with sharp edges again."""
    side = int(image.shape[0] * rng.uniform(3, 15))
    large = np.asarray(Image.fromarray(image).resize((side, side), Resampling.BICUBIC), np.float32)
    return _ink_alone(Image.fromarray(_as_grey((large - 127.5) * 3 + 127.5)))


def _ink_alone(picture: Image.Image) -> Coverage:
    box = picture.getbbox()
    assert box is not None
    return np.asarray(picture.crop(box), np.float32) / np.float32(255)


def on_paper(ink: Coverage, rng: np.random.Generator, share: tuple[float, float] = (0.3, 0.75)) -> Coverage:
    """The digit somewhere on a sheet, of whose shorter side it is that share high."""
    longest = max(ink.shape)
    sides = np.maximum(longest * 1.15, longest / rng.uniform(*share) * np.array([rng.uniform(1, 1.4), 1]))
    if rng.random() < 0.5:
        sides = sides[::-1]
    room = (sides - ink.shape).astype(int)
    top, left = (int(rng.uniform(0.15, 0.85) * free) for free in room)
    sheet = np.zeros((ink.shape[0] + room[0], ink.shape[1] + room[1]), np.float32)
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet


def photographed(
    sheet: Coverage, light: NDArray[Any] | float = 1.0, paper: float = 235, ink: float = 35
) -> NDArray[np.uint8]:
    """Paper and ink in that light."""
    return _as_grey((paper + (ink - paper) * sheet) * light)


def _as_grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def noisy(grey: NDArray[np.uint8], rng: np.random.Generator, most: float = 50) -> NDArray[np.uint8]:
    return _as_grey(grey + rng.normal(0, rng.uniform(most / 5, most), grey.shape))


def blurred(grey: NDArray[np.uint8], rng: np.random.Generator, most: float = 0.02) -> NDArray[np.uint8]:
    return _as_grey(ndimage.gaussian_filter(grey.astype(np.float32), rng.uniform(most / 4, most) * min(grey.shape)))


def compressed(grey: NDArray[np.uint8], rng: np.random.Generator, least: int = 3) -> NDArray[np.uint8]:
    """Through a JPEG of poor quality."""
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=int(rng.integers(least, least + 15)))
    return np.asarray(Image.open(stream).convert("L"))


def turned(sheet: Coverage, rng: np.random.Generator, most: float = 15) -> Coverage:
    return np.asarray(
        Image.fromarray(np.pad(sheet, max(sheet.shape) // 8)).rotate(rng.uniform(-most, most), Resampling.BICUBIC)
    ).clip(0, 1)


def aslant(sheet: Coverage, rng: np.random.Generator, most: float = 0.2) -> Coverage:
    """As if seen from the side: each corner of the sheet is moved inwards by up to so much of its side."""
    height, width = (side - 1 for side in sheet.shape)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    seen = corners + inwards * rng.uniform(0, most, (4, 2)) * (width, height)
    rows = []
    for (x, y), (u, v) in zip(seen, corners, strict=True):  # from where it is seen to where it was
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    coefficients = np.linalg.solve(np.array(rows), corners.ravel())
    image = Image.fromarray(sheet)
    transformed = image.transform(image.size, Image.Transform.PERSPECTIVE, coefficients.tolist(), Resampling.BICUBIC)
    return np.asarray(transformed).clip(0, 1)


def shadow(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Light (height, width) that falls off to one side, with the shadow of something straight across it."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] / max(shape)

    def across() -> NDArray[np.float64]:
        angle = rng.uniform(0, 2 * np.pi)
        slope: NDArray[np.float64] = (rows - 0.5) * np.sin(angle) + (columns - 0.5) * np.cos(angle)
        return slope

    dark, soft = rng.uniform(0.25, 0.55), rng.uniform(0.01, 0.1)
    light: NDArray[np.float64] = (1 - rng.uniform(0, 0.5) * (across() + 0.5)) * (
        1 - dark / (1 + np.exp(-(across() - rng.uniform(-0.3, 0.3)) / soft))
    )
    return light


def texture(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Paper whose brightness varies by a few percent."""
    fibres = ndimage.gaussian_filter(rng.normal(0, 1, shape), (1.5, 3))
    return 1 + fibres / fibres.std() * rng.uniform(0.01, 0.04)


def ruled(shape: tuple[int, ...], rng: np.random.Generator) -> Coverage:
    """Lines on the paper, much paler than ink."""
    lines = np.zeros(shape, np.float32)
    apart, thick = rng.uniform(0.08, 0.25) * min(shape), max(1, round(min(shape) / 250))
    for place in np.arange(rng.uniform(0, apart), shape[0], apart):
        lines[int(place) : int(place) + thick] = rng.uniform(0.1, 0.25)
    return lines


def _on_bad_paper(sheet: Coverage, rng: np.random.Generator) -> NDArray[np.uint8]:
    light = shadow(sheet.shape, rng) * texture(sheet.shape, rng)
    return photographed(np.maximum(sheet, ruled(sheet.shape, rng)), light)


def _pale(sheet: Coverage, rng: np.random.Generator) -> NDArray[np.uint8]:
    paper = rng.uniform(120, 220)
    return noisy(photographed(sheet, 1.0, paper, paper - rng.uniform(30, 70)), rng, 4)


def _small(sheet: Coverage, rng: np.random.Generator) -> NDArray[np.uint8]:
    grey = photographed(sheet)
    height = np.flatnonzero(sheet.any(axis=1))
    scale = rng.uniform(12, 28) / (height[-1] - height[0] + 1)
    return np.asarray(
        Image.fromarray(grey).resize([max(1, round(side * scale)) for side in sheet.shape[::-1]], Resampling.BOX)
    )


def _everything(sheet: Coverage, rng: np.random.Generator) -> NDArray[np.uint8]:
    grey = _on_bad_paper(aslant(turned(sheet, rng, 8), rng, 0.1), rng)
    return compressed(noisy(blurred(grey, rng, 0.008), rng, 15), rng, 20)


DEGRADED: dict[str, Callable[[Coverage, np.random.Generator], NDArray[np.uint8]]] = {
    "clean": lambda sheet, rng: photographed(sheet),
    "light on dark": lambda sheet, rng: photographed(sheet, 1.0, 40, 225),
    "noise": lambda sheet, rng: noisy(photographed(sheet), rng),
    "blur": lambda sheet, rng: blurred(photographed(sheet), rng),
    "low contrast": _pale,
    "JPEG": lambda sheet, rng: compressed(photographed(sheet), rng),
    "small": _small,
    "rotation": lambda sheet, rng: photographed(turned(sheet, rng)),
    "perspective": lambda sheet, rng: photographed(aslant(sheet, rng)),
    "paper": _on_bad_paper,
    "everything": _everything,
}
