"""report: one page that answers, and the tables and the pictures behind it."""

from collections.abc import Mapping
from pathlib import Path

from pipeline import paths
from pipeline.commands.champion import outdated
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.report.page import assemble, render
from pipeline.report.results import load_results
from pipeline.tracking.outcomes import log_report
from pipeline.tracking.run_store import as_a_view

# Figures of times differ from run to run: they are on the page and in MLflow, but no output that has to be the same.
CLOCK = {"pareto_fronts"}


def run(params: Params) -> None:
    """Write report.html, answer.svg, figures/, book_table.csv, capacity.csv, views.csv and networks/.

    A table is empty where there are no results for it, and a figure is not there. Raises PipelineError where the
    studies that compete have all finished, and would choose another champion than the one that is there.
    """
    results = load_results(params)
    finished = set(params.champion.studies) <= results.studies.keys()
    if results.choice is not None and finished and (reason := outdated(params, results.summary, results.choice)):
        raise PipelineError(reason)
    page = assemble(results)
    summaries = {f"{network.name}.txt": network.summary.encode() for network in page.networks}
    diagrams = {f"{network.name}.png": network.diagram for network in page.networks}
    figures = {f"{name}.svg": svg.encode() for name, svg in page.figures.items() if name not in {"answer", *CLOCK}}
    _write_folder(paths.NETWORKS, summaries | diagrams)
    _write_folder(paths.FIGURES, figures)
    paths.write_text(paths.ANSWER, page.figures["answer"])
    paths.write_csv(paths.BOOK_TABLE, results.book_table)
    paths.write_csv(paths.CAPACITY, results.capacity_table)
    paths.write_csv(paths.VIEWS, results.views_table)
    paths.write_text(paths.REPORT, render(page))
    with as_a_view("report", "dvc repro -f -s report"):
        log_report(
            experiment=params.tracking.experiment,
            origin=results.lineage,
            data=results.summary,
            figures=page.figures,
            page=paths.REPORT,
        )
    print(f"report: {paths.REPORT}")


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` hold these files and no others: DVC leaves the last run's in place."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.iterdir():
        if stale.name not in files:
            stale.unlink()
    for name, content in files.items():
        with paths.atomic_write(folder / name, "wb") as file:
            file.write(content)
