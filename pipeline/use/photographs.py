"""Photographs of digits: found in files, folders and on standard input, and read into grey pixels."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.errors import PipelineError, damage, unfit
from pipeline.use.digits import LONGEST, Digit, NothingDrawn, digit_of

STANDARD_INPUT = "-"
FORMATS = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "BMP": (".bmp",), "GIF": (".gif",), "WEBP": (".webp",),
           "TIFF": (".tif", ".tiff")}  # fmt: skip
SUFFIXES = {suffix for suffixes in FORMATS.values() for suffix in suffixes}
READ = "PNG, JPEG, BMP, GIF, WebP or TIFF, or arrays as an .npz"
MOST_BYTES = 1 << 28  # of a file
MOST_PIXELS = 120_000_000  # of a picture: what telephones take have fewer
ONLY_GREY = ("1", "L")  # modes that need no conversion but to a byte a pixel
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")  # modes of more than 8 bits, in no unit that is known


@dataclass(frozen=True)
class Photograph:
    """A file, or standard input, by the name that its user gave it."""

    name: str
    path: Path | None  # None is standard input

    def digit(self) -> Digit:
        """The digit in it; raises PipelineError where there is none, or where it is no picture."""
        try:
            return digit_of(self.grey())
        except NothingDrawn as none:
            raise unfit(
                Path(self.name),
                f"no digit found, as {none}: take one digit, dark on light or light on dark, that fills much of the "
                "picture",
            ) from none

    def grey(self) -> NDArray[np.uint8]:
        """Its pixels (height, width), the right way up; raises PipelineError where it is no picture."""
        return read_grey(self._content(), Path(self.name))

    def _content(self) -> bytes:
        if self.path is not None:
            try:
                with self.path.open("rb") as file:
                    return _read(file, Path(self.name))
            except OSError as error:
                raise unfit(Path(self.name), f"{error.strerror or error}: give a picture that can be read") from error
        if sys.stdin.isatty():
            raise PipelineError(
                f"{STANDARD_INPUT}: reads a picture from standard input, which is a terminal here: end the command "
                "with `< photo.png`"
            )
        return _read(sys.stdin.buffer, Path(self.name))


def photographs(names: Iterable[str], here: Path) -> tuple[list[Photograph], list[str]]:
    """The photographs of these names, relative to `here`, and notes on what folders hold besides.

    A folder stands for the pictures in it, in the order of their names. Raises PipelineError where a folder has none,
    or where standard input is to be read twice.
    """
    found, notes = list[Photograph](), list[str]()
    for name in names:
        if name != STANDARD_INPUT and (here / name).is_dir():
            inside, note = _of_folder(name, here / name)
            found += inside
            notes += note
        else:
            found.append(_named(name, None if name == STANDARD_INPUT else here / name))
    if sum(photograph.path is None for photograph in found) > 1:
        raise PipelineError(f"{STANDARD_INPUT}: standard input can be read once only: give it once")
    return found, notes


def _of_folder(name: str, folder: Path) -> tuple[list[Photograph], list[str]]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    pictures = [entry for entry in entries if entry.suffix.lower() in SUFFIXES and not entry.is_dir()]
    others = [entry.name for entry in entries if entry not in pictures]
    if not pictures:
        raise unfit(Path(name), f"no pictures in this folder; their names end with {', '.join(sorted(SUFFIXES))}")
    more = f" and {len(others) - 3} more" * (len(others) > 3)
    left_out = [f"{name}: left out what is no picture by its name: {', '.join(others[:3])}{more}"] if others else []
    return [_named(str(Path(name, entry.name)), entry) for entry in pictures], left_out


def _named(name: str, path: Path | None) -> Photograph:
    """By a name that can be printed: bytes of it that are no UTF-8 become question marks."""
    return Photograph(name.encode(errors="replace").decode(), path)


def _read(stream: BinaryIO, name: Path) -> bytes:
    content = stream.read(MOST_BYTES + 1)
    if not content:
        raise unfit(name, "is empty: give a picture")
    if len(content) > MOST_BYTES:
        raise unfit(name, f"has more than {MOST_BYTES >> 20} MiB: save the picture smaller")
    return content


def read_grey(content: bytes, name: Path) -> NDArray[np.uint8]:
    """The pixels (height, width) of an encoded picture, the right way up by its EXIF orientation.

    Of several frames or pages it is the first; what is transparent becomes ground. Raises PipelineError, in which the
    picture is called `name`, where nothing can be read, and before there is room for them where it has too many pixels.
    """
    with (
        damage(name, "is damaged", ": save it again"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of Pillow, about tags that nobody asks for, and sizes that are checked here
        try:
            image = Image.open(io.BytesIO(content), formats=list(FORMATS))
        except UnidentifiedImageError:
            raise unfit(name, f"is no picture that can be read: give {READ}") from None
        except Image.DecompressionBombError:
            raise _too_large(name) from None
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise _too_large(name)
            scale = min(1, 2 * LONGEST / max(image.size))
            image.draft(None, (round(image.width * scale), round(image.height * scale)))  # a JPEG: smaller at once
            return _grey(ImageOps.exif_transpose(image))


def _too_large(name: Path) -> PipelineError:
    return unfit(name, f"has more than {MOST_PIXELS // 1_000_000} million pixels: save the picture smaller")


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in DEEP:
        return _stretched(np.asarray(image, np.float64))
    if image.has_transparency_data:
        return _without_transparency(image)
    return np.asarray((image if image.mode in (*ONLY_GREY, "P") else image.convert("RGB")).convert("L"))


def _stretched(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """From the darkest to the brightest, as nobody knows how bright white is; what is no number is dark."""
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    shares = np.where(finite, (values - low) / max(high - low, 1e-300), 0)
    return np.rint(shares * 255).astype(np.uint8)


def _without_transparency(image: Image.Image) -> NDArray[np.uint8]:
    """On a ground that the strokes stand out from: white, or black below strokes that are bright.

    Where only corners or an edge are transparent, the ground is what most of the picture is.
    """
    both = np.asarray(image.convert("RGBA").convert("LA"))
    grey, solid = both[..., 0].astype(np.float32), both[..., 1].astype(np.float32) / 255
    if not solid.any():
        return np.full(grey.shape, 255, np.uint8)
    if solid.mean() > 0.75:
        ground = float(np.median(grey[solid > 0.5]))
    else:
        ground = 255.0 if np.average(grey, weights=solid) < 128 else 0.0
    return np.rint(grey * solid + ground * (1 - solid)).astype(np.uint8)
