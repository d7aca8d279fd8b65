"""MLflow's registry of models: the name, the alias and the test accuracy of the champion's version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.analysis.evaluation import Metrics
from pipeline.data.sequences import SequencesSummary
from pipeline.params.document import TrackingParams, as_name
from pipeline.params.settings import METRIC_NAMES, Metric
from pipeline.tracking.model_card import TEST_ACCURACY, accuracy_of_model
from pipeline.training.identity import stable_hash

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


def registered_name(experiment: str, data: SequencesSummary) -> str:
    """The name of the experiment; that of one's own file is added where the experiment is called as MNIST's."""
    as_mnist = experiment.startswith(TrackingParams().experiment)
    return f"{experiment}-{as_name(Path(data.dataset).stem)}" if data.is_own and as_mnist else experiment


def version_of(client: MlflowClient, name: str, model_sha256: str) -> ModelVersion | None:
    """The newest version of the registered model `name` that was made of this file; None where there is none."""
    found = [
        version for version in client.search_model_versions(f"name = '{name}'")
        if version.tags.get("model_sha256") == model_sha256
    ]  # fmt: skip
    return max(found, key=lambda version: int(version.version), default=None)


def tell_accuracy(client: MlflowClient, name: str, version: str, metrics: Metrics) -> None:
    """Write the test accuracy of the version's model in its tags and in its description."""
    for suffix in ("", "_low", "_high"):
        value = getattr(metrics, f"model_test_accuracy{suffix}")
        client.set_model_version_tag(name, version, f"test_accuracy{suffix}", repr(value))
    before = str(client.get_model_version(name, version).description or "")
    card = re.sub(rf"^{re.escape(TEST_ACCURACY)}.*$", lambda _: accuracy_of_model(metrics), before, flags=re.MULTILINE)
    client.update_model_version(name, version, card)


def version_facts(client: MlflowClient, name: str, version: str) -> dict[str, str]:
    """Name, version, aliases and tags of a version as it is now; nothing where it is no longer there."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version(name, version)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    return {"name": name, "version": version, "aliases": ", ".join(found.aliases)} | found.tags


def award(
    client: MlflowClient, model: str, version: str, value: float, metric: Metric, data: SequencesSummary
) -> tuple[str, str]:
    """Give the model's new version an alias; returns it, with a sentence that says why.

    `value` is the validation data's, by `metric`. Two files may have the same name: whether data are the same is told
    by their hash.
    """
    same = {"metric": metric, "data_sha256": stable_hash(data.learning_sha256)}
    for name, text in {"validation_accuracy": repr(value), "data": data.title, **same}.items():
        client.set_model_version_tag(model, version, name, text)
    this = f"{model} version {version}, validation {METRIC_NAMES[metric]} {value:.2%},"
    champion = client.get_registered_model(model).aliases.get("champion")
    if champion is None:
        client.set_registered_model_alias(model, "champion", version)
        return "champion", f"{this} is the first champion"
    before = client.get_model_version(model, str(champion)).tags
    if same.items() <= before.items() and value < float(before["validation_accuracy"]):
        client.set_registered_model_alias(model, "challenger", version)
        better = f"{float(before['validation_accuracy']):.2%}"
        return "challenger", f"{this} is a challenger only: champion stays version {champion} with {better}"
    client.set_registered_model_alias(model, "previous", str(champion))
    client.set_registered_model_alias(model, "champion", version)
    return "champion", f"{this} is the champion; the one before, version {champion}, has the alias previous"
