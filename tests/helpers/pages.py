"""The report read back: a page's text and tables, and the texts of a figure."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

from pipeline import paths

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "br", "hr", "img", "input", "link", "path", "use", "rect", "circle", "line", "polyline", "ellipse"}

Rows = list[list[str]]


def texts(svg: str) -> list[str]:
    """All that is written in a figure."""
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def hovers(svg: str) -> list[str]:
    """All that a pointer resting on a figure's marks shows."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}title")]


class ReadPage(HTMLParser):
    """A page's text and tables; fails on tags that do not match, and where a number that is not known is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[Rows] = []
        self.headings: set[str] = set()
        self.part = ""  # the id of the last heading
        self.parts: dict[str, list[Rows]] = {}  # the tables below each heading
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))
        assert re.findall(r".{60}\bnan\b.{20}", self.text, re.IGNORECASE) == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        self.headings |= {dict(attrs).get("id") or ""} if tag == "h2" else set()
        self.part = dict(attrs).get("id") or self.part if tag in ("h2", "h3") else self.part
        if tag == "table":
            self.tables.append([])
            self.parts.setdefault(self.part, []).append(self.tables[-1])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data.strip()


def read_page(folder: Path = Path()) -> ReadPage:
    """The page that the stage `report` has left in a project's folder."""
    return ReadPage((folder / paths.REPORT).read_text(encoding="utf-8"))
