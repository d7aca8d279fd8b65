"""The report: one HTML page that needs nothing else, every number in it computed from the results given."""

import base64
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline.analysis.configurations import configurations
from pipeline.params.network import network_name
from pipeline.report import drawing, sections
from pipeline.report.comparisons import bigger
from pipeline.report.cost import cost
from pipeline.report.drawing import CELL_NAMES
from pipeline.report.limits import limits
from pipeline.report.mistakes import confusion
from pipeline.report.results import Results, networks
from pipeline.report.text import finding, interval, number, percent, points, wrap

PACKAGES = ["tensorflow", "keras", "optuna", "distributed", "mlflow", "dvc", "numpy", "pandas", "scipy", "matplotlib"]


def answer_figure(results: Results) -> str:
    """The picture of answer.svg, from the studies that compete for the champion."""
    tables = {
        name: table
        for name, study in results.studies.items()
        if name in results.params.champion.studies and len(table := configurations(study.trials))
    }
    choice = None if results.choice is None else results.choice["choice"]
    # Networks that saw more samples would only look better than those that saw fewer.
    most = max((table["train_samples"].max() for table in tables.values()), default=0)
    tables = {name: table[table["train_samples"] == most] for name, table in tables.items()}
    tables = {name: table for name, table in tables.items() if len(table)}
    alt = f"Validation accuracy and generalization gap against the number of parameters. {finding(results.choice)}."
    return drawing.answer(tables, choice, wrap(finding(results.choice), 52), alt)


def content(results: Results, diagrams: Mapping[str, bytes]) -> dict[str, Any]:
    """All that the page shows, by the template's names. `diagrams` are the PNGs of `networks`."""
    return {
        "results": results,
        "choice": results.choice,
        "metrics": results.metrics,
        "finding": finding(results.choice),
        "answer": {"figures": {"answer": answer_figure(results)}},
        "candidates": None if results.choice is None else sections.candidates(results.choice),
        "studies": [sections.study(name, results) for name in results.params.studies],
        "book": sections.book(results),
        "bigger": bigger(results),
        "capacity": sections.capacity_section(results),
        "views": sections.views(results),
        "cost": cost(results),
        "networks": networks(results),
        "diagrams": diagrams,
        "curves": sections.curves(results),
        "confusion": confusion(results),
        "limits": limits(results),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "parameters": json.dumps(results.params.model_dump(mode="json", exclude={"execution", "tracking"}), indent=2),
    }


def drawings(content: Mapping[str, Any]) -> dict[str, str]:
    """Every figure of the page as SVG text, by name."""
    return {
        name: svg
        for section in content.values()
        if isinstance(section, dict)
        for name, svg in section.get("figures", {}).items()
    }


def render(content: Mapping[str, Any]) -> str:
    """The page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["base64"] = lambda picture: base64.b64encode(picture).decode()
    environment.filters["themed"] = lambda svg: Markup(drawing.themed(svg))
    environment.filters |= {"percent": percent, "points": points, "number": number}
    environment.globals |= {"network_name": network_name, "cell_names": CELL_NAMES, "interval": interval}
    return environment.get_template("report.html.j2").render(content)
