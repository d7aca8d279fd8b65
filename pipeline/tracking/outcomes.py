"""In MLflow: the test result, and the report with the study that it answers from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.analysis.evaluation import Metrics
from pipeline.data.sequences import SequencesSummary
from pipeline.documents import Document
from pipeline.lineage import Lineage, lineage
from pipeline.tracking.links import version_link
from pipeline.tracking.registry import registered_name, tell_accuracy, version_of
from pipeline.tracking.run_store import NOTE_TAG, PARENT_TAG, RunStore
from pipeline.tracking.runs import flattened, numbers
from pipeline.training.identity import stable_hash

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def log_evaluation(*, experiment: str, metrics: Metrics, data: SequencesSummary, folder: Path) -> None:
    """Log the test result, and tell it of the registered version that it is of.

    The run names that version, links to it, and has the model among its inputs; the figures of the model are on the
    model's page, too. `folder` has metrics.json and the stage's other files. Raises StoreAway where MLflow takes
    nothing.
    """
    store = RunStore(experiment)
    document = metrics.model_dump(mode="json")
    origin = lineage("evaluate", experiment=experiment, data=data, fingerprint=fingerprint_of(metrics, data))
    figures = numbers(document)
    facts = {name: value for name, value in document.items() if name not in figures}
    of_model = {name: value for name, value in figures.items() if name.startswith("model_")}
    of_size = {name: value for name, value in figures.items() if name not in of_model}
    name = registered_name(experiment, data)
    with store.logging(origin):
        run_id = store.create("evaluate", origin, origin.tags(), flattened(facts), data)
        version = version_of(store.client, name, metrics.model_sha256)
        store.log(run_id, metrics=[(0, of_size)])
        store.log(run_id, metrics=[(0, of_model)], tags=_of_version(version, metrics), of=version)
        if version is not None:
            tell_accuracy(store.client, name, version.version, metrics)
        for file in ("metrics.json", "confusion.csv", "mcnemar.json", "test.csv", "prediction_times.csv"):
            store.client.log_artifact(run_id, str(folder / file))
        store.end(run_id)


def _of_version(version: ModelVersion | None, metrics: Metrics) -> dict[str, str]:
    """Tags that name the version that was tested, and a description with a link to it."""
    model = f"the model of seed {metrics.model_seed}"
    named = {}
    if version is not None:
        named = {"model": version.name, "model_version": str(version.version)}
        model = f"{version_link(version.name, version.version)}, {model}"
    note = (
        f"`model_…` are figures of {model}, which `python -m pipeline predict` answers with: it gets "
        f"{metrics.model_test_accuracy:.2%} of the test sequences right. The other figures are means over "
        f"{metrics.seeds} seed{'s' * (metrics.seeds > 1)}: they tell how good networks of this size are."
    )
    return named | {NOTE_TAG: note}


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
