"""The page: its sections put together, and rendered as one HTML file that needs nothing else."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from pipeline.params.network import network_name
from pipeline.report import palette
from pipeline.report.ablation import Ablation, ablation
from pipeline.report.answer import Answer, answer
from pipeline.report.book import Book, book
from pipeline.report.calibration import Calibrated, calibrated
from pipeline.report.capacity import Capacity, capacity
from pipeline.report.comparisons import Comparisons, comparisons
from pipeline.report.cost import Cost, cost
from pipeline.report.curves import Curves, curves
from pipeline.report.drawing import themed
from pipeline.report.explore import Explore, explore
from pipeline.report.limits import Limits, limits
from pipeline.report.mistakes import Mistakes, mistakes
from pipeline.report.networks import Network, networks
from pipeline.report.provenance import Provenance, provenance
from pipeline.report.race import Race, race
from pipeline.report.recall import Recall, recall
from pipeline.report.results import Results
from pipeline.report.scaling import Scaling, scaling
from pipeline.report.search import Search, searches
from pipeline.report.studies import Study, studies
from pipeline.report.tested import Tested, tested
from pipeline.report.text import number, percent, plural, points
from pipeline.report.views import Views, views

TEMPLATES = Path(__file__).parent / "templates"
VEGA = TEMPLATES / "vega.js"  # somebody else's code, and no template


@dataclass(frozen=True)
class Page:
    """All that the page shows, a field a section and an include of the template; None where there is nothing to show.

    Every number in it is computed from `results`.
    """

    results: Results
    answer: Answer
    explore: Explore | None
    race: Race | None
    comparisons: Comparisons | None
    capacity: Capacity | None
    scaling: Scaling | None
    curves: Curves | None
    searches: tuple[Search, ...]
    ablation: Ablation | None
    cost: Cost | None
    mistakes: Mistakes | None
    recall: Recall | None
    calibration: Calibrated | None
    tested: Tested | None
    book: Book | None
    networks: tuple[Network, ...]
    views: Views | None
    studies: tuple[Study, ...]
    limits: Limits
    provenance: Provenance

    @property
    def figures(self) -> dict[str, str]:
        """Every figure of the page as SVG text, by name."""
        sections = (
            self.answer, self.race, self.comparisons, self.capacity, self.scaling, self.curves, *self.searches,
            self.ablation, self.cost, self.mistakes, self.recall,
            self.calibration,
        )  # fmt: skip
        return {name: svg for section in sections if section for name, svg in section.figures.items()}


def assemble(results: Results) -> Page:
    """The page that these results make."""
    return Page(
        results=results,
        answer=answer(results),
        explore=explore(results),
        race=race(results),
        comparisons=comparisons(results),
        capacity=capacity(results),
        scaling=scaling(results),
        curves=curves(results),
        searches=searches(results),
        ablation=ablation(results),
        cost=cost(results),
        mistakes=mistakes(results),
        recall=recall(results),
        calibration=calibrated(results),
        tested=tested(results),
        book=book(results),
        networks=networks(results),
        views=views(results),
        studies=studies(results),
        limits=limits(results),
        provenance=provenance(results),
    )


def render(page: Page) -> str:
    """The page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "base64": lambda picture: base64.b64encode(picture).decode(),
        "links": lambda sections: re.findall(r'<h2 id="(\w+)">(.*?)</h2>', sections),  # of each, in order
        "css": lambda colours: Markup(palette.css(colours)),
        "themed": lambda svg: Markup(themed(svg)),
        "percent": percent,
        "points": points,
        "number": number,
        "plural": plural,
        "network_name": network_name,
    }
    return environment.get_template("page.html.j2").render(
        vars(page), palette=palette, vega=Markup(VEGA.read_text(encoding="utf-8"))
    )
