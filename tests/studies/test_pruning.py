"""A trial is pruned by what was told before it, and a repeated one is not trained to find out that it would be."""

import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.studies.definition import StudyDefinition
from pipeline.studies.pruning import as_pruned
from pipeline.training.journal import Journal
from pipeline.training.trials import EpochMetrics, TrainingResult
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


MEMORY = "sqlite:///:memory:"
PRUNERS = ["median", "percentile", "successive_halving", "hyperband"]


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_repeated_configuration_that_would_be_pruned_again_is_not_trained(
    tmp_path: Path, pruner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the tables are those of a study that trains it."""
    space = {"cell": ["gru", "lstm"], "units": [2, 4, 8, 16, 32], "epochs": [5]}
    narrow = SEARCH | {"trials": 60, "space": space, "sampler": "random", "pruner": pruner}
    cluster, diligent = ToyCluster(0), ToyCluster(0)
    records = run(tmp_path, cluster, narrow)
    assert any(record.reused and record.state == "PRUNED" for record in records)
    monkeypatch.setattr(Journal, "get", lambda *_: None)
    assert tables(run(tmp_path / "diligent", diligent, narrow, MEMORY)) == tables(records)
    assert len(cluster.trained) < len(diligent.trained) < 60


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("before", [{"pruner": None}, {"pruner": "median"}, {"startup_trials": 1}, {"trials": 30}])
def test_trainings_of_another_search_are_taken_where_they_end_as_they_would_here(
    tmp_path: Path, pruner: str, before: dict[str, Any]
) -> None:
    """The tables do not tell what was there before. Only what has not been trained, or not as far, is trained."""
    search = SEARCH | {"sampler": "random", "trials": 20, "pruner": pruner}
    expected = tables(run(tmp_path / "alone", ToyCluster(0), search, MEMORY))
    run(tmp_path / "after", ToyCluster(0), search | before, MEMORY)
    cluster = ToyCluster(0)
    records = run(tmp_path / "after", cluster, search, MEMORY)
    assert tables(records) == expected
    shorter = [record for record in records if record.state == "PRUNED"]
    assert len(cluster.trained) <= len(shorter) < 20, "whatever was trained to its end is there to its end"


def result(stopped_after: int | None, *accuracies: float) -> TrainingResult:
    epochs = tuple(EpochMetrics(place, 1.0, 0.5, 1.0, each, 1.0, 0.5) for place, each in enumerate(accuracies, 1))
    assert stopped_after in (None, len(epochs))
    return TrainingResult(9, epochs, len(epochs), stopped_after is not None, f"{stopped_after}", 1.0, 1.0, "", "")


def test_a_kept_training_is_taken_only_if_it_ends_where_the_pruner_ends_it() -> None:
    to_the_end, after_one, after_two = result(None, 0.1, 0.2, 0.3), result(1, 0.1), result(2, 0.1, 0.2)

    def pruner(epoch: int) -> Any:
        return lambda accuracies: len(accuracies) == epoch

    everything = [to_the_end, after_one, after_two]
    assert [as_pruned(everything, pruner(epoch)) for epoch in (1, 2, 3, 4)] == [after_one, after_two, None, to_the_end]
    assert as_pruned(everything, None) == to_the_end
    assert as_pruned([after_two], pruner(2)) == after_two
    assert as_pruned([after_two], pruner(1)) is None, "its weights are those of two epochs"
    assert as_pruned([after_two], pruner(3)) is None
    assert as_pruned([], pruner(1)) is None


@pytest.mark.parametrize("pruner", PRUNERS)
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
