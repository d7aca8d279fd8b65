"""A page to draw a digit on: two networks read it step by step, and show what they hold in mind.

It answers on this machine alone: to the names of its loopback address, to pages of its own, and to small requests.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipeline.analysis.evaluation import accuracy, predict
from pipeline.analysis.temperature import with_temperature
from pipeline.data.sequences import as_sequences
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import View
from pipeline.use.digits import SIDE, NothingDrawn, digit_of
from pipeline.use.reading_states import ReadingModel, alike_together, decided_at, so_far

if TYPE_CHECKING:
    import keras

TEMPLATES = Path(__file__).parent / "templates"
HOSTS = ["127.0.0.1", "localhost"]
DRAWING = 140  # pixels: the side of a drawing as the page sends it
MARGIN = 10  # pixels of paper around it: a stroke at the border is no shadow there
HARD = "hard"  # the samples that only the first network reads right
# Samples, by which units that act alike are found: as many as a reading has pictures, so that one graph serves both.
ORDERED_BY = SIDE
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

Pixels = NDArray[np.uint8]


class Refused(Exception):
    """A request that has no answer; its message is the sentence for whoever asked."""


@dataclass(frozen=True)
class Reader:
    """A network on the page.

    `temperature` calibrates its probabilities, and answers to whole pictures are sure from the probability
    `answers_from` on. `order` is that of the units in each direction, as they are shown. `answers` (n, classes) are
    those to the samples of the page.
    """

    name: str
    network: NetworkSpec
    parameters: int
    model: ReadingModel
    temperature: float
    answers_from: float
    order: tuple[NDArray[np.intp], ...]
    answers: NDArray[np.float32]

    def read(self, x: NDArray[np.float32]) -> dict[str, Any]:
        """The reading of a picture (timesteps, features), for the page.

        `answers`: after each step, the probability of each class, with the rest of the picture blank. `sure`: whether
        the last of them is. `decided`: see `decided_at`. `maps`: for each direction, the states of these pictures
        (pictures, timesteps, units), as bytes of which 127 is 1, or the largest state if that is more.
        """
        raw, states = self.model.read(so_far(x))
        answers = with_temperature(raw, self.temperature)
        shown = [each[:, :, order] for each, order in zip(states, self.order, strict=True)]
        return {
            "answers": answers.round(4).tolist(),
            "sure": bool(answers[-1].max() >= self.answers_from),
            "decided": decided_at(answers),
            "maps": [as_text(as_bytes(each)) for each in shown],
        }


def reader(
    name: str,
    network: NetworkSpec,
    model: keras.Model,
    x: NDArray[np.float32],
    temperature: float = 1.0,
    answers_from: float = 0.0,
) -> Reader:
    """A network for a page whose samples are `x` (n, timesteps, features), in the view that it reads."""
    reading = ReadingModel(model)
    _, states = reading.read(x[:ORDERED_BY])
    order = tuple(alike_together(each) for each in states)
    return Reader(name, network, model.count_params(), reading, temperature, answers_from, order, predict(model, x))


@dataclass(frozen=True)
class Demo:
    """Two networks that read the same view of images, the larger one first, and test digits to show them.

    `samples` uint8 (n, 28, 28) are of the classes `y`, which the `labels` name. `seed` is that of the view.
    """

    readers: tuple[Reader, Reader]
    view: View
    seed: int
    labels: tuple[int | str, ...]
    samples: Pixels
    y: NDArray[np.int64]

    def reading(self, pixels: Pixels) -> dict[str, Any]:
        """What both networks make of a digit's pixels (28, 28)."""
        [x] = as_sequences(pixels[np.newaxis], self.view, self.seed)
        return {"pixels": as_text(pixels), "networks": [reader.read(x) for reader in self.readers]}

    @cached_property
    def accuracies(self) -> list[float]:
        """Of both networks, on the samples."""
        return [accuracy(reader.answers, self.y) for reader in self.readers]

    @cached_property
    def kinds(self) -> dict[str, NDArray[np.intp]]:
        """The samples by what can be asked for: a digit, or `HARD`, with the clearest difference first."""
        digits = {str(label): np.flatnonzero(self.y == place) for place, label in enumerate(self.labels)}
        large, small = (reader.answers for reader in self.readers)
        hard = np.flatnonzero((large.argmax(axis=1) == self.y) & (small.argmax(axis=1) != self.y))
        clear = large[hard].max(axis=1) * small[hard].max(axis=1)
        kinds = digits | {HARD: hard[np.argsort(-clear, kind="stable")]}
        return {kind: places for kind, places in kinds.items() if len(places)}

    def sample(self, kind: str, number: str) -> dict[str, Any]:
        """The pixels and the label of a sample of this kind: number 0, 1, 2 … and from the first one again."""
        if not re.fullmatch("[0-9]{1,9}", number):
            raise Refused(f"A sample has a number such as 0, 1 or 2, not {number[:20]!r}.")
        if kind not in self.kinds:
            raise Refused(f"There are no samples of {kind[:20]!r}, but of {', '.join(self.kinds)}.")
        of_kind = self.kinds[kind]
        index = of_kind[int(number) % len(of_kind)]
        return {"pixels": as_text(self.samples[index]), "label": self.labels[self.y[index]]}


def as_bytes(states: NDArray[np.float32]) -> NDArray[np.int8]:
    return np.rint(states * (127 / max(1.0, float(np.abs(states).max())))).astype(np.int8)


def as_text(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def pixels_of(body: bytes) -> Pixels:
    """A digit's pixels: of a drawing, found in it and brought to size, or those that somebody has already.

    Raises Refused for another number of bytes, and where nothing is drawn.
    """
    if len(body) == SIDE * SIDE:
        return np.frombuffer(body, np.uint8).reshape(SIDE, SIDE)
    if len(body) != DRAWING * DRAWING:
        raise Refused(
            f"A drawing is {DRAWING} × {DRAWING} bytes, 255 for paper and 0 for ink, or a digit of {SIDE} × {SIDE}, "
            f"0 for ground and 255 for ink; this is {len(body):,} bytes."
        )
    drawing = np.frombuffer(body, np.uint8).reshape(DRAWING, DRAWING)
    try:
        return digit_of(np.pad(drawing, MARGIN, constant_values=255)).pixels
    except NothingDrawn as nothing:
        raise Refused(f"There is no digit in the drawing: {nothing}.") from nothing


def application(demo: Demo, colours: Mapping[str, str]) -> Starlette:
    """The page and its answers. `colours` are the CSS variables of a `light` and of a `dark` screen."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("demo.html.j2").render(demo=demo, hard=HARD, settings=_settings(demo))
    style = environment.get_template("demo.css.j2").render(colours)
    script = (TEMPLATES / "demo.js").read_text(encoding="utf-8")
    files = {"/": (page, "text/html"), "/demo.css": (style, "text/css"), "/demo.js": (script, "text/javascript")}

    async def file(request: Request) -> Response:
        content, kind = files[request.url.path]
        return Response(content, headers=HEADERS, media_type=kind)

    async def sample(request: Request) -> Response:
        return JSONResponse(demo.sample(request.path_params["kind"], request.path_params["number"]), headers=HEADERS)

    async def read(request: Request) -> Response:
        # Other pages' requests of this type are not sent by a browser before it has asked, and nobody says yes.
        if request.headers.get("content-type") != "application/octet-stream":
            raise Refused("A drawing is sent as application/octet-stream.")
        return JSONResponse(demo.reading(pixels_of(await _body(request))), headers=HEADERS)

    async def refused(request: Request, error: Exception) -> Response:
        return PlainTextResponse(str(error), status_code=400, headers=HEADERS)

    return Starlette(
        routes=[
            *(Route(path, file) for path in files),
            Route("/sample/{kind}/{number}", sample),
            Route("/read", read, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        exception_handlers={Refused: refused},
    )


async def _body(request: Request) -> bytes:
    """The request's body; raises Refused as soon as it is longer than a drawing."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > DRAWING * DRAWING:
            raise Refused(f"A drawing has {DRAWING * DRAWING:,} bytes; these are more.")
    return body


def _settings(demo: Demo) -> dict[str, Any]:
    """What the page's script has to know."""
    return {
        "drawing": DRAWING,
        "side": SIDE,
        "step": "column" if demo.view == "columns" else "row",
        "labels": demo.labels,
        "networks": [
            {"name": each.name, "maps": [part.units for part in each.model.directions]} for each in demo.readers
        ],
    }
