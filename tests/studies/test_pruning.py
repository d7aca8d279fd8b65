"""A trial is pruned by what was told before it, and a repeated one is not trained to find out that it would be."""

import math
from pathlib import Path

import pytest

from pipeline.studies.definition import StudyDefinition
from pipeline.studies.pruning import finished_twin
from pipeline.training.trials import Trial, TrialRecord
from tests.helpers.cluster import ToyCluster
from tests.helpers.studies import GRID, SEARCH, definition_of, run, tables


def test_pruned_trials_are_pruned_by_what_was_told_before(tmp_path: Path) -> None:
    records = run(tmp_path, ToyCluster(0))
    pruned = [record for record in records if record.state == "PRUNED"]
    assert len(pruned) >= 2
    for record in pruned:
        assert record.result is not None
        number, length = record.trial.number, len(record.result.epochs)
        told = [r.result for r in records[: max(0, number - 3)] if r.state == "COMPLETE" and r.result is not None]
        best_of_others = sorted(max(m.validation_accuracy or 0 for m in r.epochs[:length]) for r in told)
        best = max(m.validation_accuracy or 0 for m in record.result.epochs)
        assert len(told) >= 4
        assert sum(best < other for other in best_of_others) >= len(told) / 2


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_a_repeated_configuration_that_would_be_pruned_again_is_not_trained(
    tmp_path: Path, pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the tables are those of a study that trains it."""
    space = {"cell": ["gru", "lstm"], "units": [2, 4, 8, 16, 32], "epochs": [5]}
    narrow = SEARCH | {"trials": 60, "space": space, "sampler": "random", "pruner": pruner}
    cluster, diligent = ToyCluster(0), ToyCluster(0)
    records = run(tmp_path, cluster, narrow)
    assert any(record.reused and record.state == "PRUNED" for record in records)

    def only_complete(trial: Trial, told: list[TrialRecord], _: object) -> TrialRecord | None:
        return finished_twin(trial, told, None)

    monkeypatch.setattr("pipeline.studies.engine.finished_twin", only_complete)
    assert tables(run(tmp_path / "diligent", diligent, narrow, storage="sqlite:///:memory:")) == tables(records)
    assert len(cluster.trained) < len(diligent.trained) < 60


@pytest.mark.parametrize("pruner", ["median", "percentile", "successive_halving", "hyperband"])
@pytest.mark.parametrize("warmup_epochs", [0, 1, 2.5])
def test_no_trial_is_pruned_while_its_rate_still_rises(tmp_path: Path, pruner: str, warmup_epochs: float) -> None:
    """Nor is one spared the judgement after the first epoch at its full rate."""
    search = SEARCH | {"trials": 30, "pruner": pruner, "training": {"warmup_epochs": warmup_epochs}}
    records = run(tmp_path, ToyCluster(0), search)
    lengths = {len(record.result.epochs) for record in records if record.state == "PRUNED" and record.result}
    assert min(lengths) == 1 + math.ceil(warmup_epochs)


def test_pruning_begins_with_the_last_epoch_where_the_rate_rises_to_the_end() -> None:
    assert definition_of(SEARCH).pruning_epochs == range(1, 6)
    assert definition_of(SEARCH | {"training": {"warmup_epochs": 30}}).pruning_epochs == range(5, 6)


def test_the_first_epoch_of_pruning_is_part_of_the_fingerprint_where_there_is_a_pruner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trial that an older rule ended is then trained again, and not taken from the journal."""
    studies = [SEARCH, SEARCH | {"pruner": None}, GRID]
    before = [definition_of(study).fingerprint for study in studies]
    monkeypatch.setattr(StudyDefinition, "pruning_epochs", range(2, 6))
    after = [definition_of(study).fingerprint for study in studies]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True]
