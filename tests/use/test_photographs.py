"""Pictures of any format, mode and orientation are the same grey pixels; whatever else a file is, a sentence says."""

import io
import os
import random
import struct
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import PipelineError
from pipeline.use.digits import digit_of
from pipeline.use.photographs import Photograph, photographs, read_grey
from tests.helpers import drawn
from tests.helpers.mutations import damaged

Grey = NDArray[np.uint8]
NAME = Path("photo.png")


@pytest.fixture(scope="module")
def grey() -> Grey:
    """A seven on paper, small, taller than wide."""
    rng = np.random.default_rng(1)
    ink = drawn.strokes(7, rng)
    picture = Image.fromarray(drawn.photographed(np.pad(ink, ((20, 40), (15, 30)))))
    return np.asarray(picture.resize((90, 120)))


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def with_alpha(grey: Grey, ink: int) -> Image.Image:
    """The strokes alone, in one colour, on nothing."""
    solid = 255 - np.rint((grey - grey.min()) / np.ptp(grey) * 255).astype(np.uint8)
    return Image.fromarray(np.dstack([np.full((*grey.shape, 3), ink, np.uint8), solid]))


def palette(grey: Grey, transparent: bool) -> bytes:
    image = Image.fromarray(grey).convert("RGB").quantize(8)
    return encoded(image, "PNG", **({"transparency": image.getpixel((0, 0))} if transparent else {}))


def in_colour(grey: Grey, mode: str) -> Image.Image:
    return Image.fromarray(grey).convert("RGB").convert(mode)


FORMS = {
    "PNG, L": lambda grey: encoded(Image.fromarray(grey), "PNG"),
    "PNG, 1": lambda grey: encoded(Image.fromarray(grey).point(lambda value: 255 * (value > 128), "1"), "PNG"),
    "PNG, LA": lambda grey: encoded(with_alpha(grey, 0).convert("LA"), "PNG"),
    "PNG, RGB": lambda grey: encoded(in_colour(grey, "RGB"), "PNG"),
    "PNG, RGBA, all solid": lambda grey: encoded(in_colour(grey, "RGBA"), "PNG"),
    "PNG, RGBA, black strokes on nothing": lambda grey: encoded(with_alpha(grey, 0), "PNG"),
    "PNG, RGBA, white strokes on nothing": lambda grey: encoded(with_alpha(grey, 255), "PNG"),
    "PNG, P": lambda grey: palette(grey, False),
    "PNG, P, transparent": lambda grey: palette(grey, True),
    "PNG, I;16": lambda grey: encoded(Image.fromarray(grey.astype(np.uint16) * 16), "PNG"),
    "JPEG, L": lambda grey: encoded(Image.fromarray(grey), "JPEG", quality=95),
    "JPEG, RGB": lambda grey: encoded(in_colour(grey, "RGB"), "JPEG", quality=95),
    "JPEG, CMYK": lambda grey: encoded(in_colour(grey, "CMYK"), "JPEG", quality=95),
    "BMP": lambda grey: encoded(in_colour(grey, "RGB"), "BMP"),
    "GIF": lambda grey: encoded(Image.fromarray(grey), "GIF"),
    "WebP": lambda grey: encoded(in_colour(grey, "RGB"), "WEBP", lossless=True),
    "TIFF, CMYK": lambda grey: encoded(in_colour(grey, "CMYK"), "TIFF"),
    "TIFF, F": lambda grey: encoded(Image.fromarray(grey.astype(np.float32) / 7), "TIFF"),
    "TIFF, I": lambda grey: encoded(Image.fromarray(grey.astype(np.int32) * 1000), "TIFF"),
    "TIFF, two pages": lambda grey: encoded(
        Image.fromarray(grey), "TIFF", save_all=True, append_images=[Image.fromarray(grey.T)]
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_format_and_mode_shows_the_same_digit(form: str, grey: Grey) -> None:
    read = read_grey(FORMS[form](grey), NAME)
    assert (read.shape, read.dtype) == (grey.shape, np.uint8)
    difference = digit_of(read).pixels - digit_of(grey).pixels.astype(float)
    assert np.abs(difference).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_telephone_held_in_any_way_gives_the_same(orientation: int, grey: Grey) -> None:
    """As EXIF has it: how the stored rows and columns are to be turned."""
    stored = {
        1: grey, 2: grey[:, ::-1], 3: grey[::-1, ::-1], 4: grey[::-1], 5: grey.T, 6: grey.T[::-1],
        7: grey.T[::-1, ::-1], 8: grey.T[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(read_grey(content, NAME), grey)


def test_large_photographs_are_read_smaller() -> None:
    coverage = np.pad(drawn.in_font("4", "DejaVuSans", 2500), 800)
    content = encoded(Image.fromarray(drawn.photographed(coverage)), "JPEG")
    read = read_grey(content, NAME)
    assert 1600 <= max(read.shape) < max(coverage.shape)
    expected = digit_of(drawn.photographed(coverage)).pixels
    assert np.abs(digit_of(read).pixels - expected.astype(float)).mean() < 3


def bomb(side: int) -> bytes:
    """A PNG that says it is `side` pixels wide and high."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: give a picture"),
        (b"hello", "is no picture that can be read: give PNG, JPEG"),
        (b"PK\x03\x04" + bytes(100), "is no picture that can be read: .*arrays as an .npz"),
        (b"%PDF-1.7\n", "is no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture that can be read"),
        (bomb(12_000), "has more than 120 million pixels: save the picture smaller"),
        (bomb(100_000), "has more than 120 million pixels: save the picture smaller"),
        (bomb(40), r"is damaged \(.*\): save it again"),
        (FORMS["PNG, L"](np.full((40, 30), 255, np.uint8)), "no digit found, as it is of one colour: take one digit"),
    ],
    ids=["nothing", "a text", "a zip", "a PDF", "SVG", "large", "a bomb", "too short", "white"],
)
def test_what_is_no_picture_of_a_digit_is_refused_in_a_sentence(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(content)
    with pytest.raises(PipelineError, match=rf"^photo\.png: {sentence}"):
        Photograph("photo.png", tmp_path / "photo.png").digit()


@pytest.mark.parametrize("form", ["PNG, L", "JPEG, RGB", "GIF", "WebP", "BMP", "TIFF, CMYK"])
def test_half_a_file_is_damaged(form: str, grey: Grey) -> None:
    content = FORMS[form](grey)
    with pytest.raises(PipelineError, match=r"^photo\.png: is (damaged \(.*\): save it again|no picture)"):
        read_grey(content[: len(content) // 2], NAME)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_bytes_are_read_or_refused(form: str, grey: Grey, tmp_path: Path) -> None:
    rng, content = random.Random(form), FORMS[form](grey[::2, ::2])
    for _ in range(60):
        (tmp_path / "x").write_bytes(damaged(content, rng))
        with suppress(PipelineError):
            assert Photograph("x", tmp_path / "x").digit().pixels.shape == (28, 28)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(PipelineError, match=r"^gone\.png: No such file or directory: give a picture that can be read$"):
        Photograph("gone.png", Path("/nowhere/gone.png")).digit()


def test_a_folder_stands_for_the_pictures_in_it(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "c.tif", "notes.txt", ".hidden.png", "x.csv", "y", "z.heic"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "more.png").mkdir()
    found, notes = photographs([".", "b.PNG", "-"], tmp_path)
    assert [photograph.name for photograph in found] == ["a.jpeg", "b.PNG", "c.tif", "b.PNG", "-"]
    assert found[1].path == tmp_path / "b.PNG"
    assert found[-1].path is None
    assert notes == [".: left out what is no picture by its name: more.png, notes.txt, x.csv and 2 more"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(PipelineError, match=r"^empty: no pictures in this folder; their names end with \.bmp, \.gif"):
        photographs(["empty"], tmp_path)
    with pytest.raises(PipelineError, match=r"^-: standard input can be read once only"):
        photographs(["-", "-"], tmp_path)


def test_standard_input_is_read(grey: Grey, monkeypatch: pytest.MonkeyPatch) -> None:
    content = FORMS["PNG, L"](grey)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    np.testing.assert_array_equal(Photograph("-", None).grey(), grey)
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(
            PipelineError, match=r"^-: .* which is a terminal here: end the command with `< photo\.png`"
        ):
            Photograph("-", None).grey()
    os.close(ours)
