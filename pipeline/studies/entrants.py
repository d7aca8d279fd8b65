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


def entrants_of(studies: Mapping[str, tuple[StudyDefinition, pd.DataFrame]]) -> list[Configuration]:
    """The configurations that the studies send to a race, each once, the smallest network first.

    `studies` are definitions and their trials.csv, by name; the trials of a list do not matter. A study by a sampler
    sends the trial with the highest validation accuracy, or of each of its budgets the one that is highest within it. A
    grid sends the network with the highest mean accuracy among those trained on the most samples. A list, such as the
    book's, sends its recurrent networks. The last two are trained as `training` of params.yaml says, by a grid's
    learning rate if it gives one, and come along only if they are no larger than the largest budget. Failed and pruned
    trials send nothing.
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
            best = rows.loc[[rows["validation_accuracy"].idxmax()]]
            yield definition.recorded_trial(records(best)[0]).configuration
        return
    networks: list[tuple[NetworkSpec, float | None]] = []
    if isinstance(study, ListStudy):
        networks = [(entry.network, None) for entry in study.trials if CELLS[entry.cell].recurrent]
    elif isinstance(study, GridStudy) and len(complete):
        most = complete[complete["train_samples"] == complete["train_samples"].max()]
        found = {number: definition.fixed_trials[number].configuration for number in most["number"]}
        means = most["validation_accuracy"].groupby(most["number"].map(found), sort=False).mean()
        best_of_all = max(means.index, key=lambda configuration: means[configuration])
        networks = [(best_of_all.network, best_of_all.learning_rate)]
    for network, rate in networks:
        if largest is None or parameter_count(network, *sizes) <= largest:
            yield configure(network.model_dump() | {"learning_rate": rate}, definition.shared_defaults)
