"""The report: one HTML page that needs nothing else, every number in it computed from the results given."""

import base64
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import jinja2
from markupsafe import Markup

from pipeline import analysis, figures, sections
from pipeline.figures import network_name
from pipeline.results import Results, networks
from pipeline.wording import finding, interval, number, percent, points, wrap

PACKAGES = ["tensorflow", "keras", "optuna", "distributed", "mlflow", "dvc", "numpy", "pandas", "scipy", "matplotlib"]


def answer_figure(results: Results) -> str:
    """The picture of answer.svg, from the studies that compete for the champion."""
    tables = {
        name: table
        for name, study in results.studies.items()
        if name in results.params.champion.studies and len(table := analysis.configurations(study.trials))
    }
    choice = None if results.choice is None else results.choice["choice"]
    # Networks that saw more samples would only look better than those that saw fewer.
    most = max((table["train_samples"].max() for table in tables.values()), default=0)
    tables = {name: table[table["train_samples"] == most] for name, table in tables.items()}
    tables = {name: table for name, table in tables.items() if len(table)}
    alt = f"Validation accuracy and generalization gap against the number of parameters. {finding(results.choice)}."
    return figures.answer(tables, choice, wrap(finding(results.choice), 52), alt)


def render(results: Results, answer: str, diagrams: Mapping[str, bytes]) -> str:
    """The page as HTML text. `answer` is the picture of `answer_figure`, `diagrams` are the PNGs of `networks`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["base64"] = lambda picture: base64.b64encode(picture).decode()
    environment.filters |= {"percent": percent, "points": points, "number": number}
    environment.globals |= {"network_name": network_name, "cell_names": figures.CELL_NAMES, "interval": interval}
    return environment.get_template("report.html.j2").render(
        results=results,
        choice=results.choice,
        metrics=results.metrics,
        finding=finding(results.choice),
        answer=Markup(figures.themed(answer)),
        candidates=None if results.choice is None else sections.candidates(results.choice),
        studies=[sections.study(name, results) for name in results.params.studies],
        book=sections.book(results),
        capacity=sections.capacity_section(results),
        views=sections.views(results),
        cost=sections.cost(results),
        networks=networks(results),
        diagrams=diagrams,
        curves=[Markup(figures.themed(svg)) for svg in sections.curves(results)],
        confusion=sections.confusion(results),
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        parameters=json.dumps(results.params.model_dump(mode="json", exclude={"execution", "tracking"}), indent=2),
    )
