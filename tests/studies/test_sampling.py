"""Proposals: random at first, then learned; with budgets, as many units as each budget allows."""

from pathlib import Path

import optuna
import pytest

from pipeline.params.network import parameter_count
from pipeline.params.settings import Configuration
from pipeline.params.studies import SampledStudy
from pipeline.studies.sampling import sampling_of
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
        sampling = sampling_of(sampled, params.training, 5, (6, 4, 3))
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
