"""Who takes part in a race: networks that other studies send, by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from pipeline.documents import records
from pipeline.params.network import CELLS, NetworkSpec, parameter_count
from pipeline.params.settings import Configuration
from pipeline.params.studies import GridStudy, ListStudy, SampledStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.proposals import budget_places, configure

# Two networks that differ in nothing of these differ in how they are trained: one of them is enough.
SHAPE = [name for name in NetworkSpec.model_fields if "dropout" not in name]
REACH = 2


def entrants_of(studies: Mapping[str, tuple[StudyDefinition, pd.DataFrame]]) -> list[Configuration]:
    """The configurations that the studies send to a race, each once, the smallest network first.

    `studies` are definitions and their trials.csv, by name; the trials of a list do not matter. A study by a sampler
    sends the trial with the highest validation accuracy, of each of its budgets if it has any. It also sends the next
    one of another shape, if that is within one standard error of the highest: one set of validation data can't tell the
    two apart. A grid sends the network with the highest mean accuracy among those trained on all samples. A list, such
    as the book's, sends its recurrent networks. The last two are trained as `training` of params.yaml says, by a grid's
    learning rate if it gives one, and come along only if they are at most `REACH` times as large as the largest budget:
    others would cost more than all that the budgets are for. Failed and pruned trials send nothing.
    """
    definitions = [definition for definition, _ in studies.values()]
    largest = max(
        (max(study.parameter_budgets) for definition in definitions
         if isinstance(study := definition.study, SampledStudy) and study.parameter_budgets),
        default=None,
    )  # fmt: skip
    sizes = definitions[0].summary.sizes
    found = [entrant for definition, trials in studies.values() for entrant in _sent_by(definition, trials, largest)]
    # A rate that is Keras's default may be left out or written out.
    distinct = {
        entrant.model_copy(update={"learning_rate": entrant.effective_learning_rate}): entrant
        for entrant in reversed(found)
    }
    return sorted(distinct.values(), key=lambda entrant: parameter_count(entrant.network, *sizes))


def _sent_by(definition: StudyDefinition, trials: pd.DataFrame, largest: int | None) -> Iterator[Configuration]:
    complete = trials[(trials["state"] == "COMPLETE") & trials["validation_accuracy"].notna()]
    study, sizes = definition.study, definition.summary.sizes
    if isinstance(study, SampledStudy):
        place = complete["number"].map(budget_places(study, sizes))
        budgets = dict(enumerate(study.parameter_budgets or ()))
        fits = complete["parameters"] <= place.map(budgets).fillna(np.inf)
        for _, rows in complete[fits].groupby(place[fits], sort=True):
            for row in records(_best(rows, definition.held_out_samples)):
                yield definition.recorded_trial(row).configuration
        return
    networks: list[tuple[NetworkSpec, float | None]] = []
    if isinstance(study, ListStudy):
        networks = [(entry.network, None) for entry in study.trials if CELLS[entry.cell].recurrent]
    elif isinstance(study, GridStudy) and len(complete):
        whole = complete[complete["train_samples"] >= definition.available_samples]
        found = {number: definition.fixed_trials[number].configuration for number in whole["number"]}
        means = whole["validation_accuracy"].groupby(whole["number"].map(found), sort=False).mean()
        networks = [(best.network, best.learning_rate) for best in means.nlargest(1).index]
    for network, rate in networks:
        if largest is None or parameter_count(network, *sizes) <= REACH * largest:
            yield configure(network.model_dump() | {"learning_rate": rate}, definition.shared_defaults)


def _best(trials: pd.DataFrame, held_out: int) -> pd.DataFrame:
    """The most accurate of these trials, and the next one of another shape if that is not shown to be worse."""
    ordered = trials.sort_values("validation_accuracy", ascending=False, kind="stable")
    shapes = ordered.drop_duplicates(SHAPE)
    accuracy = shapes["validation_accuracy"].iloc[0]
    standard_error = np.sqrt(accuracy * (1 - accuracy) / held_out)
    return shapes[shapes["validation_accuracy"] >= accuracy - standard_error].head(2)
