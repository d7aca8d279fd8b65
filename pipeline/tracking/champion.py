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
from pipeline.analysis.evaluation import Metrics, sha256_of
from pipeline.data.sequences import SequencesSummary
from pipeline.lineage import lineage
from pipeline.params.network import network_name
from pipeline.params.settings import Configuration, Metric
from pipeline.tracking.model_card import input_words, model_card
from pipeline.tracking.outcomes import fingerprint_of
from pipeline.tracking.registry import award, registered_name, tell_accuracy
from pipeline.tracking.run_store import RunStore, environment_variable
from pipeline.tracking.runs import flattened, numbers, trial_parameters
from pipeline.training.model_file import load_model
from pipeline.training.process import tensorflow_silenced
from pipeline.training.trials import TrialRecord

if TYPE_CHECKING:
    import keras
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

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
    tested: Metrics | None,
) -> str:
    """Log the champion's trainings, one run a seed, and register the first seed's model: see `registered_name`.

    The new version takes the alias `champion` unless it is worse by the same metric on the same data than the version
    that has it; then it is the `challenger`. A model with a layer of this project's own is not registered, as nobody
    could load it without this project. Returns a sentence that says what became of it; raises StoreAway where MLflow
    takes nothing.

    `models` are .keras files in the order of `records`; `input_example` is float32 (n, timesteps, features), as the
    networks read it; `metric` is that by which the champion was chosen; `licence` is that of the data;
    `tested` is what is known of the first seed's model on the test data.
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
                    says = input_words(choice.choice, data)
                    info = _register(run_id, model_name, model, input_example, says)
                    model_version = str(info.registered_model_version)
                    for tag, text in {"model_sha256": sha256_of(path), "model_id": str(info.model_id)}.items():
                        store.client.set_model_version_tag(model_name, model_version, tag, text)
                    card = model_card(choice, record, data, metric, licence, origin.reproduce)
                    store.client.update_model_version(model_name, model_version, card)
                    value = choice.choice.validation_accuracy
                    alias, outcome = award(store.client, model_name, model_version, value, metric, data)
                    if tested is not None:
                        tell_accuracy(store.client, model_name, model_version, tested)
                    found = {
                        "model": model_name, "model_version": model_version, "alias": alias, "outcome": outcome,
                    }  # fmt: skip
                for run in (parent_id, run_id):
                    store.log(run, tags=found)
            store.conclude(run_id, record)
        store.end(parent_id)
    return found["outcome"]


def signature_of(model: keras.Model) -> ModelSignature:
    """What goes in and what comes out, in MLflow's terms: -1 is any number of sequences, and of steps where a network
    takes them."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(shape: tuple[int | None, ...]) -> Schema:
        return Schema([TensorSpec(np.dtype("float32"), tuple(-1 if size is None else size for size in shape))])

    return ModelSignature(schema(model.input_shape), schema(model.output_shape))


def _register(run_id: str, name: str, model: keras.Model, input_example: np.ndarray, says: str) -> ModelInfo:
    """Log the model as the run's, and register it. A signature has no place for what values mean: that `says` the
    model's metadata."""
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
        return Model.log(
            artifact_path=None,
            name="champion",
            flavor=KerasFlavor,
            flavor_name="mlflow.keras",
            model=model,
            signature=signature_of(model),
            input_example=input_example,
            metadata={"input": says},
            pip_requirements=[f"{package}=={version(package)}" for package in ("tensorflow", "keras", "numpy")],
            registered_model_name=name,
        )
