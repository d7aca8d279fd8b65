"""The champion in MLflow: its trainings, its model in the registry, and its test result."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.data.sequences import SequencesSummary
from pipeline.lineage import lineage
from pipeline.params.document import TrackingParams, as_name
from pipeline.params.network import network_name
from pipeline.params.settings import METRIC_NAMES, Configuration, Metric
from pipeline.tracking.model_card import model_card
from pipeline.tracking.outcomes import fingerprint_of
from pipeline.tracking.run_store import RunStore, environment_variable
from pipeline.tracking.runs import flattened, numbers, trial_parameters
from pipeline.training.identity import stable_hash
from pipeline.training.model_file import load_model
from pipeline.training.process import tensorflow_silenced
from pipeline.training.trials import TrialRecord

if TYPE_CHECKING:
    import keras
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

OWN_LAYER = '"module": "pipeline.'  # in the configuration of a model with a layer that is not Keras's
NOT_REGISTERED = (
    "{} is not registered: it has a layer that only this project can load; `python -m pipeline predict` answers by it"
)


def log_champion(
    *,
    experiment: str,
    choice: Choice,
    records: Sequence[TrialRecord],
    models: Sequence[Path],
    data: SequencesSummary,
    input_example: np.ndarray,
    metric: Metric,
    licence: str,
) -> str:
    """Log the champion's trainings, one run a seed, and register the first seed's model: see `registered_name`.

    The new version takes the alias `champion` unless it is worse by the same metric on the same data than the version
    that has it; then it is the `challenger`. A model with a layer of this project's own is not registered, as nobody
    could load it without this project. Returns a sentence that says what became of it; raises StoreAway where MLflow
    takes nothing.

    `models` are .keras files in the order of `records`; `input_example` is float32 (n, timesteps, features), as the
    networks read it; `metric` is that by which the champion was chosen; `licence` is that of the data.
    """
    store = RunStore(experiment)
    chosen = choice.choice.model_dump(mode="json")
    document = choice.model_dump(mode="json")
    origin = lineage(
        "champion",
        experiment=experiment,
        data=data,
        fingerprint=fingerprint_of(choice, data),
        study=choice.choice.study,
    )
    parameters = {name: value for name, value in chosen.items() if name in (*Configuration.model_fields, "study")}
    with store.logging(origin):
        parent_id = store.create("champion", origin, origin.tags(), flattened(parameters), data)
        store.log(parent_id, metrics=[(0, numbers(chosen, leave_out=parameters))])
        store.client.log_dict(parent_id, document, "choice.json")
        for index, (record, path) in enumerate(zip(records, models, strict=True)):
            tags = origin.tags(trial=str(record.trial.number), seed=str(record.trial.seed))
            name = f"champion seed {record.trial.seed}"
            run_id = store.create(name, origin, tags, trial_parameters(record.trial, data.view), data, parent_id)
            if index == 0:
                with tensorflow_silenced():
                    model = load_model(path)
                if OWN_LAYER in model.to_json():
                    found = {"outcome": NOT_REGISTERED.format(network_name(choice.choice))}
                else:
                    model_name = registered_name(experiment, data)
                    model_version = _register(run_id, model_name, model, input_example)
                    card = model_card(choice, record, data, metric, licence, origin.reproduce)
                    store.client.update_model_version(model_name, model_version, card)
                    value = choice.choice.validation_accuracy
                    alias, outcome = _award(store.client, model_name, model_version, value, metric, data)
                    found = {"model_version": model_version, "alias": alias, "outcome": outcome}
                for run in (parent_id, run_id):
                    store.log(run, tags=found)
            store.conclude(run_id, record)
        store.end(parent_id)
    return found["outcome"]


def registered_name(experiment: str, data: SequencesSummary) -> str:
    """The name of the experiment; that of one's own file is added where the experiment is called as MNIST's."""
    as_mnist = experiment.startswith(TrackingParams().experiment)
    return f"{experiment}-{as_name(Path(data.dataset).stem)}" if data.is_own and as_mnist else experiment


def signature_of(model: keras.Model) -> ModelSignature:
    """What goes in and what comes out, in MLflow's terms: -1 is any number of sequences, and of steps where a network
    takes them."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(shape: tuple[int | None, ...]) -> Schema:
        return Schema([TensorSpec(np.dtype("float32"), tuple(-1 if size is None else size for size in shape))])

    return ModelSignature(schema(model.input_shape), schema(model.output_shape))


def _register(run_id: str, name: str, model: keras.Model, input_example: np.ndarray) -> str:
    """Log the model as the run's, and register it; returns the version."""
    import mlflow
    from mlflow.models import Model

    class KerasFlavor:
        """mlflow.keras, but `save_model` finds its folder: it writes the input example before it makes one."""

        @staticmethod
        def save_model(path: str, **options: Any) -> None:
            Path(path).mkdir(parents=True, exist_ok=True)
            mlflow.keras.save_model(path=path, **options)

    # Only MLflow's global functions log a model. They try it on the example, and Keras draws a progress bar for that.
    store = environment_variable("MLFLOW_TRACKING_URI", paths.tracking_uri())
    with store, redirect_stdout(StringIO()), mlflow.start_run(run_id=run_id):
        info = Model.log(
            artifact_path=None,
            name="champion",
            flavor=KerasFlavor,
            flavor_name="mlflow.keras",
            model=model,
            signature=signature_of(model),
            input_example=input_example,
            pip_requirements=[f"{package}=={version(package)}" for package in ("tensorflow", "keras", "numpy")],
            registered_model_name=name,
        )
    return str(info.registered_model_version)


def _award(
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
