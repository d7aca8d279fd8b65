"""Who takes part in a race: networks that other studies send, by rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from pipeline.documents import records
from pipeline.params.network import CELLS, NetworkSpec, parameter_count
from pipeline.params.settings import Configuration
from pipeline.params.studies import GridStudy, ListStudy, SampledStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.proposals import budget_places, configure
from pipeline.training.identity import as_trained

# Two networks that differ in nothing of these differ in how they are trained: one of them is enough.
SHAPE = [name for name in NetworkSpec.model_fields if "dropout" not in name]
# Room for networks somewhat above the largest budget: the book's SimpleRNN 1×256 has 75,530 parameters, and the default
# study's largest budget is 65,000. Those above twice the budget would take most of a race's time: the book's GRU 1×256,
# LSTM 1×256 and SimpleRNN 1×512 took 51, 102 and 82 s an epoch, so that five blocks of ten epochs would be about 3.3
# hours of one core. All other entrants together took 1.5 (EPYC, 2026-11-27).
REACH = 2

Studies = Mapping[str, tuple[StudyDefinition, pd.DataFrame]]


def entrants_of(studies: Studies) -> list[Configuration]:
    """The configurations that the studies send to a race, each once, the smallest network first.

    `studies` are definitions and their trials.csv, by name; the trials of a list do not matter. A study by a sampler
    sends the trial with the highest validation accuracy, of each of its budgets if it has any. It also sends the next
    one of another shape, if that is within one standard error of the highest: one set of validation data can't tell the
    two apart. A grid sends the network with the highest mean accuracy among those trained on all samples. A list, such
    as the book's, sends its recurrent networks. The last two are trained as `training` of params.yaml says, by a grid's
    learning rate if it gives one, and come along only up to `largest_admitted`. Failed and pruned trials send nothing.
    """
    largest = largest_admitted(studies)
    found: list[Configuration] = []
    for definition, trials in studies.values():
        sent = _sent_by_list_or_grid(definition, trials)
        found += [*_sent_by_sampler(definition, trials), *(each for each in sent if _size(each, studies) <= largest)]
    return _distinct(found, studies)


def refused_by(studies: Studies) -> list[Configuration]:
    """The configurations that lists and grids would send to the race, but for their size; ordered as `entrants_of`."""
    largest = largest_admitted(studies)
    sent = [each for definition, trials in studies.values() for each in _sent_by_list_or_grid(definition, trials)]
    return _distinct([each for each in sent if _size(each, studies) > largest], studies)


def why_nobody(studies: Studies) -> list[str]:
    """The rule by which each of these studies sends nobody to a race, in words; it is asked where none sends any."""
    return [f"{name} {_why_nobody(*study, largest_admitted(studies))}" for name, study in studies.items()]


def _why_nobody(definition: StudyDefinition, trials: pd.DataFrame, largest: float) -> str:
    if any(_sent_by_list_or_grid(definition, trials)):
        return f"sends no network of more than {largest:,.0f} parameters, {REACH} times the largest budget"
    if isinstance(definition.study, ListStudy):
        return "has no recurrent network"
    if _complete(trials).empty:
        return f"has no complete trial: see the column `state` of data/studies/{definition.name}/trials.csv"
    if isinstance(definition.study, GridStudy):
        return f"has trained no network on all {definition.available_samples:,} samples"
    return "has found no network within the budget that it was proposed for"


def largest_admitted(studies: Studies) -> float:
    """The most parameters with which a list's or a grid's network comes along: `REACH` times the largest budget.

    Infinite where no study has budgets.
    """
    budgets = [
        budget for definition, _ in studies.values()
        if isinstance(study := definition.study, SampledStudy)
        for budget in study.parameter_budgets or ()
    ]  # fmt: skip
    return REACH * max(budgets, default=math.inf)


def _distinct(found: list[Configuration], studies: Studies) -> list[Configuration]:
    data = _first(studies).summary
    learning = data.train.samples + data.validation.samples
    distinct = {as_trained(entrant, data.view, learning): entrant for entrant in reversed(found)}
    return sorted(distinct.values(), key=lambda entrant: _size(entrant, studies))


def _size(entrant: Configuration, studies: Studies) -> int:
    """Its parameters, on the data that all the studies share."""
    return parameter_count(entrant.network, *_first(studies).summary.sizes)


def _first(studies: Studies) -> StudyDefinition:
    definition, _ = next(iter(studies.values()))
    return definition


def _complete(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[(trials["state"] == "COMPLETE") & trials["validation_accuracy"].notna()]


def _sent_by_sampler(definition: StudyDefinition, trials: pd.DataFrame) -> Iterator[Configuration]:
    study, complete = definition.study, _complete(trials)
    if not isinstance(study, SampledStudy):
        return
    place = complete["number"].map(budget_places(study, definition.summary.sizes))
    budgets = dict(enumerate(study.parameter_budgets or ()))
    fits = complete["parameters"] <= place.map(budgets).fillna(np.inf)
    for _, rows in complete[fits].groupby(place[fits], sort=True):
        for row in records(_best(rows, definition.held_out_samples)):
            yield definition.recorded_trial(row).configuration


def _sent_by_list_or_grid(definition: StudyDefinition, trials: pd.DataFrame) -> Iterator[Configuration]:
    study, complete = definition.study, _complete(trials)
    networks: list[tuple[NetworkSpec, float | None]] = []
    if isinstance(study, ListStudy):
        networks = [(entry.network, None) for entry in study.trials if CELLS[entry.cell].recurrent]
    elif isinstance(study, GridStudy) and len(complete):
        whole = complete[complete["train_samples"] >= definition.available_samples]
        found = {number: definition.fixed_trials[number].configuration for number in whole["number"]}
        means = whole["validation_accuracy"].groupby(whole["number"].map(found), sort=False).mean()
        networks = [(best.network, best.learning_rate) for best in means.nlargest(1).index]
    for network, rate in networks:
        yield configure(network.model_dump() | {"learning_rate": rate}, definition.shared_defaults)


def _best(trials: pd.DataFrame, held_out: int) -> pd.DataFrame:
    """The most accurate of these trials, and the next one of another shape if that is not shown to be worse."""
    ordered = trials.sort_values("validation_accuracy", ascending=False, kind="stable")
    shapes = ordered.drop_duplicates(SHAPE)
    accuracy = shapes["validation_accuracy"].iloc[0]
    standard_error = np.sqrt(accuracy * (1 - accuracy) / held_out)
    return shapes[shapes["validation_accuracy"] >= accuracy - standard_error].head(2)
