"""The report in MLflow: the page and its figures, with the study that they answer from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.lineage import Lineage
from pipeline.run_store import PARENT_TAG, RunStore


def log_report(
    *, experiment: str, origin: Lineage, data: dict[str, Any], figures: Mapping[str, str], page: Path
) -> None:
    """Log the page, and each figure as `report/NAME.svg`, to the parent run of the study that `origin` names.

    Where MLflow has no such run (its database may have been lost), a run of its own, `report`, takes them. `data` is
    the content of data/sequences/summary.json.
    """
    store = RunStore(experiment)
    runs = store.search(f"tags.fingerprint = '{origin.fingerprint}' and tags.study = '{origin.study}'")
    parents = [run.info.run_id for run in runs if PARENT_TAG not in run.data.tags]
    run_id = parents[0] if parents else store.create("report", origin, origin.tags(), {}, data)
    for name, svg in figures.items():
        store.client.log_text(run_id, svg, f"report/{name}.svg")
    store.client.log_artifact(run_id, str(page), "report")
    if not parents:
        store.client.set_terminated(run_id)
