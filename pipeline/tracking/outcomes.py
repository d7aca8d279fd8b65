"""In MLflow: the test result, and the report with the study that it answers from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.analysis.evaluation import Metrics
from pipeline.data.sequences import SequencesSummary
from pipeline.documents import Document
from pipeline.lineage import Lineage, lineage
from pipeline.tracking.run_store import PARENT_TAG, RunStore
from pipeline.tracking.runs import flattened, numbers
from pipeline.training.identity import stable_hash


def log_evaluation(*, experiment: str, metrics: Metrics, data: SequencesSummary, folder: Path) -> None:
    """Log the test result; `folder` has metrics.json and the stage's other files. Raises StoreAway where MLflow takes
    nothing."""
    store = RunStore(experiment)
    document = metrics.model_dump(mode="json")
    origin = lineage("evaluate", experiment=experiment, data=data, fingerprint=fingerprint_of(metrics, data))
    figures = numbers(document)
    facts = {name: value for name, value in document.items() if name not in figures}
    with store.logging(origin):
        run_id = store.create("evaluate", origin, origin.tags(), flattened(facts), data)
        store.log(run_id, metrics=[(0, figures)])
        for name in ("metrics.json", "confusion.csv", "mcnemar.json", "test.csv", "prediction_times.csv"):
            store.client.log_artifact(run_id, str(folder / name))
        store.end(run_id)


def fingerprint_of(found: Document, data: SequencesSummary) -> str:
    """That of a run which shows this document: the same result of the same data has the same."""
    return stable_hash([found.model_dump(mode="json"), data.model_dump(mode="json")])


def log_report(
    *, experiment: str, origin: Lineage, data: SequencesSummary, figures: Mapping[str, str], page: Path
) -> None:
    """Log the page, and each figure as `report/NAME.svg`, to the parent run of the study that `origin` names.

    Where MLflow has no such run (its database may have been lost), a run of its own, `report`, takes them.
    Raises StoreAway where MLflow takes nothing.
    """
    store = RunStore(experiment)
    with store.logging(origin):
        runs = store.study_runs(origin.study, origin.fingerprint)
        parents = [run.info.run_id for run in runs if PARENT_TAG not in run.data.tags]
        run_id = parents[0] if parents else store.create("report", origin, origin.tags(), {}, data)
        with TemporaryDirectory() as folder:
            for name, svg in figures.items():
                Path(folder, f"{name}.svg").write_text(svg, encoding="utf-8")
            Path(folder, page.name).write_bytes(page.read_bytes())
            store.client.log_artifacts(run_id, folder, "report")
        if not parents:
            store.end(run_id)
