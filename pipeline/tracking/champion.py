"""The champion in MLflow: its trainings, its model in the registry, and its test result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import Metrics, sha256_of
from pipeline.analysis.temperature import Calibration
from pipeline.data.sequences import SequencesSummary
from pipeline.lineage import lineage
from pipeline.params.network import network_name
from pipeline.params.settings import Configuration, Instructions, Metric
from pipeline.tracking.links import version_link
from pipeline.tracking.logged_model import log_model, reading_of
from pipeline.tracking.model_card import input_words, model_card
from pipeline.tracking.outcomes import fingerprint_of
from pipeline.tracking.registry import award, registered_name, tell_accuracy
from pipeline.tracking.run_store import NOTE_TAG, RunStore
from pipeline.tracking.runs import flattened, numbers, trial_parameters
from pipeline.training.model_file import load_model
from pipeline.training.process import tensorflow_silenced
from pipeline.training.trials import TrialRecord

OWN_LAYER = '"module": "pipeline.'  # in the configuration of a model with a layer that is not Keras's
NOT_REGISTERED = (
    "{} is not registered: it has a layer that only this project can load; `python -m pipeline predict` answers by it"
)
OTHER_SEED = "The same network with another seed: it says how much the seed matters. Its model is not registered."


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
    instructions: Instructions,
    calibration: Calibration | None,
) -> str:
    """Log the champion's trainings, one run a seed, and register the first seed's model: see `registered_name`.

    The new version takes the alias `champion` unless it is worse by the same metric on the same data than the version
    that has it; then it is the `challenger`. A model with a layer of this project's own is not registered, as nobody
    could load it without this project. Returns a sentence that says what became of it; raises StoreAway where MLflow
    takes nothing.

    `models` are .keras files in the order of `records`; `input_example` is float32 (n, timesteps, features), as the
    networks read it; `metric` is that by which the champion was chosen; `licence` is that of the data;
    `tested` is what is known of the first seed's model on the test data; the registered model answers by
    `instructions`, and with the `calibration`.
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
                    reading = reading_of(model, data, choice.choice.view, instructions)
                    says = input_words(choice.choice, data)
                    info = log_model(run_id, model_name, path, reading, input_example, says, calibration)
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
                store.log(parent_id, tags=found | {NOTE_TAG: _note(choice, len(records), found)})
                note = f"The training with the first seed. {_model(found)}"
                store.log(run_id, tags=found | {NOTE_TAG: note})
            else:
                store.log(run_id, tags={NOTE_TAG: OTHER_SEED})
            store.conclude(run_id, record)
        store.end(parent_id)
    return found["outcome"]


def _note(choice: Choice, seeds: int, found: Mapping[str, str]) -> str:
    """The description of the champion's run."""
    return (
        f"**{network_name(choice.choice)}**, chosen by validation figures from {len(choice.candidates)} configurations "
        f"and trained again on training and validation data together, with {seeds} seed{'s' * (seeds > 1)}: a run "
        f"below for each. The rule: {choice.rule}\n\n{_model(found)} Its result on the test data is in the run "
        "`evaluate`.\n"
    )


def _model(found: Mapping[str, str]) -> str:
    """What became of the model, and a link to it where it is registered."""
    link = f" Its model: {version_link(found['model'], found['model_version'])}." if "model" in found else ""
    return f"{found['outcome']}.{link}"
