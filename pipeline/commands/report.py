"""report: one page that answers, and the tables and the picture behind it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.lineage import lineage
from pipeline.params.document import Params
from pipeline.report import page as report
from pipeline.report import results
from pipeline.tracking.outcomes import log_report
from pipeline.tracking.run_store import StoreAway
from pipeline.training.diagram import diagram_png

# Figures of times differ from run to run: they are on the page and in MLflow, but no output that has to be the same.
CLOCK = {"pareto_fronts"}


def run(params: Params) -> None:
    """Write report.html, answer.svg, figures/, book_table.csv, capacity.csv, views.csv and networks/; what there are no
    results for is empty."""
    found = load(params)
    content = report.content(found, _write_networks(results.networks(found)))
    drawings = report.drawings(content)
    _write_text(paths.ANSWER, drawings["answer"])
    _write_figures({name: svg for name, svg in drawings.items() if name not in {"answer", *CLOCK}})
    _write_csv(paths.BOOK_TABLE, results.book_table(found))
    _write_csv(paths.CAPACITY, results.capacity_table(found))
    _write_csv(paths.VIEWS, results.views_table(found))
    _write_text(paths.REPORT, report.render(content))
    try:
        log_report(
            experiment=params.tracking.experiment,
            origin=found.lineage,
            data=found.summary,
            figures=drawings,
            page=paths.REPORT,
        )
    except (PipelineError, StoreAway) as reason:  # MLflow is a view: the page is there without it
        print(f"report: not logged to MLflow, `dvc repro -f -s report` tries again ({reason})")
    print(f"report: {paths.REPORT}")


def load(params: Params) -> results.Results:
    """All that earlier stages have left, None or left out where one has not run.

    Raises PipelineError where there is not even data.
    """
    if not paths.SEQUENCES_SUMMARY.exists():
        raise PipelineError(f"{paths.SEQUENCES_SUMMARY} not found: run `dvc repro`, which makes it first")
    summary = _read_json(paths.SEQUENCES_SUMMARY)
    studies = {name: _study(name) for name in params.studies if (paths.study_folder(name) / "best.json").exists()}
    answering = next((name for name in params.champion.studies if name in studies), None)
    return results.Results(
        params=params,
        summary=summary,
        studies=studies,
        choice=_read_json(paths.CHOICE) if paths.CHOICE.exists() else None,
        metrics=_read_json(paths.METRICS) if paths.METRICS.exists() else None,
        predictions=pd.read_csv(paths.PREDICTIONS) if paths.PREDICTIONS.exists() else None,
        test_x=_test_x() if paths.TEST.exists() else None,
        mcnemar=_read_json(paths.MCNEMAR) if paths.MCNEMAR.exists() else None,
        prediction_times=pd.read_csv(paths.PREDICTION_TIMES) if paths.PREDICTION_TIMES.exists() else None,
        lineage=lineage(
            "report",
            experiment=params.tracking.experiment,
            data=summary,
            fingerprint=studies[answering].best["fingerprint"] if answering else "",
            study=answering or "",
        ),
    )


def _test_x() -> np.ndarray:
    with np.load(paths.TEST, allow_pickle=False) as arrays:
        return arrays["x"]


def _study(name: str) -> results.StudyResults:
    folder = paths.study_folder(name)
    if missing := paths.missing_results(name):
        raise PipelineError(f"{folder} lacks {', '.join(missing)}: `dvc pull` or `dvc repro study@{name}` brings them")
    best = _read_json(folder / "best.json")
    tables = {table: pd.read_csv(folder / f"{table}.csv") for table in ("trials", "curves", "during_fit", "timings")}
    networks = _read_json(folder / "networks.json")
    return results.StudyResults(held_out=best["held_out"], best=best, networks=networks, **tables)


def _write_networks(networks: dict[str, dict[str, str]]) -> dict[str, bytes]:
    """Write each network's summary as NAME.txt and its diagram as NAME.png; returns the diagrams."""
    diagrams = {name: diagram_png(network["diagram"]) for name, network in networks.items()}
    paths.NETWORKS.mkdir(parents=True, exist_ok=True)
    for stale in paths.NETWORKS.iterdir():  # DVC leaves the last run's files in place
        stale.unlink()
    for name, network in networks.items():
        _write_text(paths.NETWORKS / f"{name}.txt", network["summary"])
        (paths.NETWORKS / f"{name}.png").write_bytes(diagrams[name])
    return diagrams


def _write_figures(drawings: dict[str, str]) -> None:
    paths.FIGURES.mkdir(parents=True, exist_ok=True)
    for stale in paths.FIGURES.iterdir():
        stale.unlink()
    for name, svg in drawings.items():
        _write_text(paths.FIGURES / f"{name}.svg", svg)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_text(path: Path, text: str) -> None:
    with paths.atomic_write(path) as file:
        file.write(text)


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    with paths.atomic_write(path) as file:
        table.to_csv(file, index=False, lineterminator="\n")
