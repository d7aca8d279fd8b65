"""The page in a real browser, as a reader opens it: from disk, light and dark, on a desktop and on a phone."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from playwright.sync_api import Browser, Locator, Page

from pipeline import paths
from pipeline.commands import report
from tests.helpers.results import capacity_records, project_params, write_results, write_study, write_summary
from tests.helpers.servers import chromium, needs_chromium

pytestmark = needs_chromium

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}  # CSS pixels


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of whole results, and of a study alone."""
    made = {}
    for name in ("whole", "study alone"):
        folder = tmp_path_factory.mktemp("report")
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.chdir(folder)
            monkeypatch.setattr(report, "log_report", lambda **_: None)
            if name == "whole":
                write_results()
                write_study("views", capacity_records(seeds=1)[:2])
            else:
                write_summary()
                write_study("capacity", capacity_records(seeds=1))
            report.run(project_params())
        made[name] = folder / paths.REPORT
    return made


@pytest.fixture
def page(browser: Browser, reports: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page open; fails for an error on the console, and for a request for anything but the file itself."""
    name, size, scheme = getattr(request, "param", ("whole", "desktop", "light"))
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        has_touch=size == "phone",
    )
    opened, complaints, requests = context.new_page(), list[str](), list[str]()
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: requests.append(asked.url))
    opened.goto(reports[name].as_uri())
    opened.locator("#explore svg").wait_for()
    yield opened
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [reports[name].as_uri()]
    context.close()


EVERYWHERE = [
    (name, size, scheme) for name in ("whole", "study alone") for size in SIZES for scheme in ("light", "dark")
]


@pytest.mark.parametrize("page", EVERYWHERE, indirect=True, ids=" ".join)
def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    width, screen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= screen


# What lies outside of the page, and in a figure the words that lie outside of it; not what is in a box that scrolls.
CUT = """() => [...document.querySelectorAll('main *')].filter(part => {
  const figure = part.parentElement.closest('svg');
  if (figure ? part.tagName != 'text' : part.parentElement.closest('.scroll, pre')) return false;
  const [inner, outer] = [part, figure ?? document.body].map(each => each.getBoundingClientRect());
  return inner.left < outer.left - 1 || inner.right > outer.right + 1
    || (figure && (inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1));
}).map(part => `${part.tagName}: ${part.textContent.trim().slice(0, 60)}`)"""


@pytest.mark.parametrize("page", EVERYWHERE, indirect=True, ids=" ".join)
def test_nothing_is_cut_that_does_not_scroll(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert page.evaluate(CUT) == []


@pytest.mark.parametrize("page", EVERYWHERE[:4:3], indirect=True, ids=" ".join)  # the desktop, a phone in the dark
def test_a_box_that_scrolls_has_a_shadow_on_the_side_where_there_is_more(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    boxes = page.locator(".scroll, pre")
    scrolling = [box for box in boxes.all() if box.evaluate("box => box.scrollWidth > box.clientWidth + 16")]
    assert len(scrolling) > (20 if page.evaluate("innerWidth") < 400 else 2)
    for box in scrolling:
        assert box.evaluate("box => getComputedStyle(box).overflowX") == "auto"
        there, gone = edge(box, 0), edge(box, 10_000)
        assert abs(there - gone) > 0.1, box.text_content()


def edge(box: Locator, scrolled: int) -> float:
    """How light the right edge of a box is where nothing is written on it, scrolled so far."""
    box.evaluate("(box, scrolled) => { box.scrollLeft = scrolled; }", scrolled)
    pixels = imread(BytesIO(box.screenshot()))  # (height, width, 4), from 0 to 1
    return float(np.median(pixels[:, -2, :3]))


@pytest.mark.parametrize("page", [("whole", "phone", "light")], indirect=True, ids=" ".join)
def test_the_navigation_is_for_a_finger(page: Page) -> None:
    links = page.locator("nav a")
    assert links.count() == page.locator("h2").count()
    boxes = [box for link in links.all() if (box := link.bounding_box())]
    assert min(box["height"] for box in boxes) >= 24
    links.last.tap()
    place = page.locator("h2#made").bounding_box()
    assert place is not None
    assert -1 < place["y"] < 844


@pytest.mark.parametrize("page", EVERYWHERE[:2], indirect=True, ids=" ".join)
def test_colours_are_the_readers(page: Page) -> None:
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    bars = page.locator("figure svg text").first.evaluate("text => getComputedStyle(text).fill")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert [background, bars] == (
        ["rgb(21, 23, 26)", "rgb(232, 232, 230)"] if dark else ["rgb(254, 254, 254)", "rgb(27, 27, 27)"]
    )


def test_every_figure_has_marks_a_name_and_a_caption(page: Page) -> None:
    figures = page.locator("figure:not(#explore)").evaluate_all(
        "all => all.map(f => [f.querySelector('svg').getAttribute('role'), f.querySelector('svg').ariaLabel ?? '',"
        " f.querySelector('figcaption')?.textContent.length ?? 0,"
        " f.querySelectorAll('[data-tip]').length + f.querySelectorAll('image').length])"
    )
    assert len(figures) == 17
    for role, name, caption, marks in figures:
        assert role == "img"
        assert len(name) > 20
        assert caption > 40
        assert marks > 0


@pytest.mark.parametrize(
    "page", [("whole", "desktop", "light"), ("whole", "phone", "dark")], indirect=True, ids=" ".join
)
def test_a_mark_shows_its_numbers(page: Page) -> None:
    tip = page.locator("#tip")
    assert not tip.is_visible()
    drawn(page).first.wait_for()  # what stands below it moves until then
    mark = page.locator("svg[aria-label^='By how much'] [data-tip]").first
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2 + 6, box["y"] + box["height"] / 2  # beside it: a finger is not that exact
    if page.evaluate("navigator.maxTouchPoints"):
        page.touchscreen.tap(x, y)
    else:
        page.mouse.move(x, y)
    tip.wait_for()
    assert re.fullmatch(
        r".+, [\d,]+ parameters: .+; accuracy 9\d\.\d\d% over \d+ blocks?(, .+ behind)?", tip.inner_text()
    )
    place = tip.bounding_box()
    assert place is not None
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= page.evaluate("innerWidth")
    page.mouse.move(2, 2)
    assert not tip.is_visible()


def drawn(page: Page) -> Locator:
    """The marks of the picture's upper panel, those of accuracy, in the order of the networks."""
    return page.locator("#explore > .chart .concat_0_group path[aria-roledescription=point]")


def test_a_click_shows_a_network_and_a_choice_in_the_list_another(page: Page) -> None:
    details = page.locator("#explore section")
    assert not details.is_visible()
    mark = drawn(page).nth(2)
    told = mark.get_attribute("data-tip") or ""
    mark.hover()
    assert page.locator("#tip").inner_text() == told
    mark.click()
    assert told.startswith(details.locator("h3").inner_text() + ", study race,")
    rows = details.locator("tbody tr")
    assert f", {rows.count()} seed" in told
    numbers = [row.locator("td").first.inner_text() for row in rows.all()]
    assert details.locator("pre").inner_text().splitlines() == [
        f"python -m pipeline verify race --trials {','.join(numbers)}", f"python -m pipeline show race#{numbers[0]}",
    ]  # fmt: skip
    assert "and tags.trial = " in rows.first.locator("td").last.inner_text()
    lines = details.locator(".chart path[aria-roledescription=point]")
    assert lines.count() == 2 * 10  # accuracy and loss of ten epochs
    assert "epoch 1: validation accuracy " in (lines.first.get_attribute("data-tip") or "")

    network = page.get_by_role("combobox", name="Network")
    network.focus()
    page.keyboard.press("ArrowUp")  # the keyboard alone
    assert details.locator("h3").inner_text() + " (race," in network.locator("option:checked").inner_text()
    assert not told.startswith(details.locator("h3").inner_text() + ", study race,")


def test_boxes_let_networks_through(page: Page) -> None:
    status, before = page.locator("#explore [role=status]"), drawn(page).count()
    assert status.inner_text().startswith(f"Networks drawn: {before} of ")
    page.get_by_label("capacity (36)").check()
    assert status.inner_text().startswith(f"Networks drawn: {before + 36} of ")
    for box in page.locator("#explore input[name=samples]").all():
        box.set_checked(box.get_attribute("value") == "3000")
    page.get_by_label("LSTM (3)").uncheck()
    assert status.inner_text().startswith("Networks drawn: 6 of ")
    tips = [mark.get_attribute("data-tip") or "" for mark in drawn(page).all()]
    assert len(tips) == 6
    assert all("3,000 training samples" in tip and not tip.startswith("LSTM") for tip in tips)


def test_the_axis_is_the_readers_choice(page: Page) -> None:
    axis = page.get_by_label("Across")
    titles = axis.locator("option").all_inner_texts()
    assert titles == ["parameters", "seconds to train", "ms a prediction", "multiplications a sequence"]
    places = {}
    for title in titles:
        axis.select_option(title)
        page.locator("#explore").get_by_text(f"{title} (log scale)", exact=True).wait_for()
        places[title] = [box["x"] for mark in drawn(page).all() if (box := mark.bounding_box())]
    assert {len(place) for place in places.values()} == {len(places[titles[0]])}
    assert places["parameters"] != places["multiplications a sequence"]
    page.get_by_label("book (measured on the test data)").check()
    axis.select_option("ms a prediction")
    told = page.locator("#explore [role=status]").inner_text()
    found = re.fullmatch(r"Networks drawn: (\d+) of \d+\. Of (\d+) more “ms a prediction” is not known\.", told)
    assert found is not None
    assert int(found[1]) + int(found[2]) == len(places["parameters"]) + 4


@pytest.mark.parametrize("page", [("whole", "phone", "light")], indirect=True, ids=" ".join)
def test_a_finger_chooses_a_network_and_sees_the_leader_of_the_race(page: Page) -> None:
    mark = drawn(page).last
    name = (mark.get_attribute("data-tip") or "").partition(", study race,")[0]
    mark.tap()
    heading = page.locator("#explore section h3")
    assert heading.inner_text() == name
    place = heading.bounding_box()
    assert place is not None
    assert 0 <= place["y"] < 844
    race = page.locator("figure:has(svg[aria-label^='By how much']) .scroll")
    assert race.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_without_scripts_and_on_paper_the_picture_is_still(
    browser: Browser, reports: dict[str, Path], page: Page
) -> None:
    assert page.locator("#explore").is_visible()
    assert not page.locator("#still").is_visible()
    page.emulate_media(media="print")
    assert page.locator("#still").is_visible()
    assert not page.locator("#explore").is_visible()
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(reports["whole"].as_uri())
    assert plain.locator("#still").is_visible()
    assert not plain.locator("#explore").is_visible()
    context.close()


def test_on_paper_it_is_light_and_nothing_is_cut(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert page.locator(".scroll").first.evaluate("box => getComputedStyle(box).overflowX") == "visible"
