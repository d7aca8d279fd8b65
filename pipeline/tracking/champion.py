"""The champion in MLflow: its trainings, its model in the registry, and its test result."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.data.sequences import SequencesSummary
from pipeline.lineage import lineage
from pipeline.params.settings import Configuration
from pipeline.tracking.model_card import model_card
from pipeline.tracking.run_store import RunStore, environment_variable
from pipeline.tracking.runs import flattened, numbers, trial_parameters
from pipeline.training.identity import stable_hash
from pipeline.training.process import tensorflow_silenced
from pipeline.training.trials import TrialRecord

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient


def log_champion(
    *,
    experiment: str,
    choice: Choice,
    records: Sequence[TrialRecord],
    models: Sequence[Path],
    data: SequencesSummary,
    input_example: np.ndarray,
    licence: str,
) -> str:
    """Log the champion's trainings, one run a seed, and register the first seed's model, named as the experiment.

    The new version takes the alias `champion` unless it is less accurate on the same data than the version that
    has it; then it is the `challenger`. Returns a sentence that says which.

    `models` are .keras files in the order of `records`; `input_example`
    is float32 (n, timesteps, features); `licence` is that of the data.
    """
    store = RunStore(experiment)
    chosen = choice.choice.model_dump(mode="json")
    document = choice.model_dump(mode="json")
    origin = lineage(
        "champion",
        experiment=experiment,
        data=data,
        fingerprint=stable_hash([document, data.model_dump(mode="json")]),
        study=choice.choice.study,
    )
    parameters = {name: value for name, value in chosen.items() if name in (*Configuration.model_fields, "study")}
    parent_id = store.create("champion", origin, origin.tags(), flattened(parameters), data)
    store.log(parent_id, metrics=[(0, numbers(chosen, leave_out=parameters))])
    store.client.log_dict(parent_id, document, "choice.json")
    for index, (record, path) in enumerate(zip(records, models, strict=True)):
        tags = origin.tags(trial=str(record.trial.number), seed=str(record.trial.seed))
        name = f"champion seed {record.trial.seed}"
        run_id = store.create(name, origin, tags, trial_parameters(record.trial, data.view), data, parent_id)
        if index == 0:
            model_version = _register(run_id, experiment, path, input_example)
            card = model_card(choice, record, data, licence, origin.reproduce)
            store.client.update_model_version(experiment, model_version, card)
            accuracy = choice.choice.validation_accuracy
            alias, outcome = _award(store.client, experiment, model_version, accuracy, store.data_name(data))
            for run in (parent_id, run_id):
                store.log(run, tags={"model_version": model_version, "alias": alias, "outcome": outcome})
        store.conclude(run_id, record)
    store.client.set_terminated(parent_id)
    return outcome


def _register(run_id: str, name: str, path: Path, input_example: np.ndarray) -> str:
    """Log the Keras model at `path` as the run's, and register it; returns the version."""
    with tensorflow_silenced():
        import keras

    import mlflow
    from mlflow.models import Model, infer_signature

    import pipeline.training.elman  # noqa: F401 (registers its layer with Keras)

    class KerasFlavor:
        """mlflow.keras, but `save_model` finds its folder: it writes the input example before it makes one."""

        @staticmethod
        def save_model(path: str, **options: Any) -> None:
            Path(path).mkdir(parents=True, exist_ok=True)
            mlflow.keras.save_model(path=path, **options)

    model = keras.models.load_model(path)
    signature = infer_signature(input_example, model.predict_on_batch(input_example))  # any number of sequences
    # Only MLflow's global functions log a model. They try it on the example, and Keras draws a progress bar for that.
    store = environment_variable("MLFLOW_TRACKING_URI", paths.tracking_uri())
    with store, redirect_stdout(StringIO()), mlflow.start_run(run_id=run_id):
        info = Model.log(
            artifact_path=None,
            name="champion",
            flavor=KerasFlavor,
            flavor_name="mlflow.keras",
            model=model,
            signature=signature,
            input_example=input_example,
            pip_requirements=[f"{package}=={version(package)}" for package in ("tensorflow", "keras", "numpy")],
            registered_model_name=name,
        )
    return str(info.registered_model_version)


def _award(client: MlflowClient, model: str, version: str, accuracy: float, data: str) -> tuple[str, str]:
    """Give the model's new version an alias; returns it, with a sentence that says why."""
    tags = {"validation_accuracy": repr(accuracy), "data": data}
    for name, value in tags.items():
        client.set_model_version_tag(model, version, name, value)
    this = f"{model} version {version}, validation accuracy {accuracy:.2%},"
    champion = client.get_registered_model(model).aliases.get("champion")
    if champion is None:
        client.set_registered_model_alias(model, "champion", version)
        return "champion", f"{this} is the first champion"
    before = client.get_model_version(model, str(champion)).tags
    if before.get("data") == data and accuracy < float(before["validation_accuracy"]):
        client.set_registered_model_alias(model, "challenger", version)
        better = f"{float(before['validation_accuracy']):.2%}"
        return "challenger", f"{this} is a challenger only: champion stays version {champion} with {better}"
    client.set_registered_model_alias(model, "previous", str(champion))
    client.set_registered_model_alias(model, "champion", version)
    return "champion", f"{this} is the champion; the one before, version {champion}, has the alias previous"
