"""Proposals: random at first, then learned; with budgets, as many units as each budget allows."""

import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage

from pipeline.params.network import Sizes, parameter_count
from pipeline.params.settings import Configuration
from pipeline.params.studies import SampledStudy
from pipeline.studies.proposals import budget_places
from pipeline.studies.results import trials_table
from pipeline.studies.sampling import sampling_of
from pipeline.training.build import build
from pipeline.training.reading import Reading
from pipeline.training.task import TrainingTask
from pipeline.training.trials import Trial, TrialRecord
from tests.helpers.cluster import ToyCluster, toy_result
from tests.helpers.sequences import params_with
from tests.helpers.studies import SEARCH, definition_of, run


@pytest.mark.parametrize("budgets", [None, [300, 3000]])
def test_proposals_follow_the_results_once_there_are_enough(tmp_path: Path, budgets: list[int] | None) -> None:
    """The same study with other results: the first proposals are random, the later ones are not."""
    study = SEARCH | {"pruner": None, "startup_trials": 3, "trials": 16} | {"parameter_budgets": budgets}
    params = params_with({"s": study})
    sampled = params.study("s")
    assert isinstance(sampled, SampledStudy)
    proposals = []
    for seed in (0, 1):
        sampling = sampling_of(sampled, range(1, 6), Sizes(6, 4, 3))
        asked = []
        for number in range(16):
            asked.append(sampling.ask(number).params)
            fields = {name: value for name, value in asked[-1].items() if name != "parameter_budget"}
            configuration = Configuration(**fields, epochs=5)
            result = toy_result(TrainingTask(configuration, seed, tmp_path, "validation", "avx2"))
            sampling.tell(TrialRecord(Trial(number, configuration, seed), "COMPLETE", 96, "rows", result))
        proposals.append(asked)
    same = [one == other for one, other in zip(*proposals, strict=True)]
    random = 3 * len(budgets or [1])
    assert same[:random] == [True] * random
    assert same[random : 3 * random].count(False) >= random / 2, "Optuna's own default is 10 random ones a study"


@pytest.mark.usefixtures("one_thread")
def test_networks_on_tokens_keep_within_the_budgets_with_their_embeddings() -> None:
    """50 tokens take 1,632 parameters of each budget."""
    budgets, tokens = (2000, 5000), 50
    params = params_with({"s": SEARCH | {"parameter_budgets": list(budgets), "trials": 8}})
    sampled = params.study("s")
    assert isinstance(sampled, SampledStudy)
    sampling = sampling_of(sampled, range(1, 6), Sizes(9, 1, 3, tokens))
    for number in range(8):
        fields = {name: value for name, value in sampling.ask(number).params.items() if name != "parameter_budget"}
        network = Configuration(**fields).network
        larger = network.model_copy(update={"units": network.units + 1})
        built = [build(spec, 9, 1, 3, 0, Reading(tokens=tokens)).count_params() for spec in (network, larger)]
        assert built[0] <= budgets[number % 2]
        assert network.units == 64 or built[1] > budgets[number % 2]


def test_what_is_sent_with_a_trial_of_a_pruned_study_does_not_carry_the_others_parameters(tmp_path: Path) -> None:
    study = SEARCH | {"pruner": "median", "trials": 60}
    sent: list[int] = []

    class Measured(ToyCluster):
        def submit(self, key: int, task: TrainingTask, priority: float) -> None:
            sent.append(len(pickle.dumps(task)))
            super().submit(key, task, priority)

    run(tmp_path, Measured(0), study)
    assert (sent[-1] - sent[0]) / 60 < 200, "bytes for each trial told before; 380 with parameters and their ranges"


def test_budgets_take_turns_and_nobody_is_pruned_for_being_small(tmp_path: Path) -> None:
    budgets = (300, 3000)
    study = SEARCH | {"parameter_budgets": list(budgets), "trials": 40}
    records = run(tmp_path, ToyCluster(0), study)
    for record in records:
        network = record.trial.configuration.network
        budget = budgets[record.trial.number % 2]
        larger = network.model_copy(update={"units": network.units + 1})
        assert parameter_count(network, 6, 4, 3) <= budget
        assert network.units == 64 or parameter_count(larger, 6, 4, 3) > budget
    pruned = [record for record in records if record.state == "PRUNED"]
    assert {record.trial.number % 2 for record in pruned} == {0, 1}
    for record in pruned:
        assert record.result is not None
        number, length = record.trial.number, len(record.result.epochs)
        told = [
            r for r in records[: max(0, number - 3)] if r.state == "COMPLETE" and (number - r.trial.number) % 2 == 0
        ]
        bests = [max(m.validation_accuracy or 0 for m in r.result.epochs[:length]) for r in told if r.result]
        best = max(m.validation_accuracy or 0 for m in record.result.epochs)
        assert sum(best < other for other in bests) >= len(told) / 2
    name = definition_of(study).optuna_study
    shown = optuna.load_study(study_name=name, storage=f"sqlite:///{tmp_path}/optuna.db").trials
    assert [(trial.params["units"], trial.params["parameter_budget"]) for trial in shown] == [
        (record.trial.configuration.units, budgets[record.trial.number % 2]) for record in records
    ]


ENQUEUED: list[dict[str, Any]] = [
    {"cell": "gru", "units": 5, "learning_rate": 0.002},
    {"cell": "lstm", "units": 64},
    {"cell": "gru", "units": 9},
]
ALONE: dict[str, Any] = {"sampler": "random", "pruner": None, "trials": 9, "enqueue": ENQUEUED}


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
def test_what_is_enqueued_comes_first_and_the_sampler_draws_the_rest(tmp_path: Path, sampler: str) -> None:
    study = SEARCH | ALONE | {"sampler": sampler}
    tables = [trials_table(run(tmp_path / str(seed), ToyCluster(seed), study, InMemoryStorage())) for seed in (0, 1)]
    assert tables[0].equals(tables[1])
    first = tables[0].head(3)
    assert first[["number", "cell", "units"]].to_numpy().tolist() == [[0, "gru", 5], [1, "lstm", 64], [2, "gru", 9]]
    assert first["learning_rate"][0] == 0.002
    assert first["learning_rate"][1:].between(0.001, 0.1).all()
    assert first["learning_rate"].nunique() == 3


def test_optuna_knows_what_was_enqueued(tmp_path: Path) -> None:
    records = run(tmp_path, ToyCluster(0), SEARCH | ALONE)
    name = definition_of(SEARCH | ALONE).optuna_study
    shown = optuna.load_study(study_name=name, storage=f"sqlite:///{tmp_path}/optuna.db").trials
    assert [trial.number for trial in shown] == [record.trial.number for record in records] == list(range(9))
    for trial, record in zip(shown, records, strict=True):
        configuration = record.trial.configuration
        assert trial.params == {name: getattr(configuration, name) for name in ("cell", "units", "learning_rate")}


def test_what_is_enqueued_counts_for_the_smallest_budget_that_holds_it(tmp_path: Path) -> None:
    """Budgets of 3000 and 300: GRU-5 has 183 parameters, LSTM-64 more than either, GRU-9 435."""
    study = SEARCH | ALONE | {"sampler": "tpe", "parameter_budgets": [3000, 300]}
    sampled = params_with({"s": study}).study("s")
    assert isinstance(sampled, SampledStudy)
    sizes = [
        parameter_count(Configuration(cell=entry["cell"], units=entry["units"]).network, 6, 4, 3) for entry in ENQUEUED
    ]
    assert sizes == [183, 17_859, 435]
    place_of = budget_places(sampled, Sizes(6, 4, 3))
    assert [place_of(number) for number in range(9)] == [1, 0, 0, 0, 1, 0, 1, 0, 1], "then they take turns"

    records = run(tmp_path, ToyCluster(0), study)
    networks = [record.trial.configuration.network for record in records]
    assert [(network.cell, network.units) for network in networks[:3]] == [("gru", 5), ("lstm", 64), ("gru", 9)]
    for number in range(3, 9):
        assert parameter_count(networks[number], 6, 4, 3) <= (3000, 300)[place_of(number)]
    name = definition_of(study).optuna_study
    shown = optuna.load_study(study_name=name, storage=f"sqlite:///{tmp_path}/optuna.db").trials
    assert [(trial.params["units"], trial.params["parameter_budget"]) for trial in shown] == [
        (network.units, (3000, 300)[place_of(number)]) for number, network in enumerate(networks)
    ]
    definition = definition_of(study)
    again = [definition.recorded_trial(row) for row in trials_table(records).to_dict("records")]  # type: ignore[arg-type]
    assert again == [record.trial for record in records]
