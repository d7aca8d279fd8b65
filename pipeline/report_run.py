"""The report in MLflow: the page and its figures, with the study that they answer from."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.lineage import Lineage
from pipeline.run_store import PARENT_TAG, RunStore


def log_report(
    *, experiment: str, origin: Lineage, data: dict[str, Any], figures: Mapping[str, str], page: Path
) -> None:
    """Log the page, and each figure as `report/NAME.svg`, to the parent run of the study that `origin` names.

    Where MLflow has no such run (its database may have been lost), a run of its own, `report`, takes them. `data` is
    the content of data/sequences/summary.json. Raises PipelineError or StoreAway where MLflow does not answer.
    """
    store = RunStore(experiment)
    with store.answering(patient=False):
        runs = store.study_runs(origin.study, origin.fingerprint)
        parents = [run.info.run_id for run in runs if PARENT_TAG not in run.data.tags]
        run_id = parents[0] if parents else store.create("report", origin, origin.tags(), {}, data)
        with TemporaryDirectory() as folder:
            for name, svg in figures.items():
                Path(folder, f"{name}.svg").write_text(svg, encoding="utf-8")
            Path(folder, page.name).write_bytes(page.read_bytes())
            store.client.log_artifacts(run_id, folder, "report")
        if not parents:
            store.client.set_terminated(run_id)
