"""Refits are kept the moment they end, with their models: no interruption loses one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.params.document import ExecutionParams
from pipeline.params.settings import Configuration, View
from pipeline.studies.refits import Refits
from pipeline.training.cluster import Cluster
from pipeline.training.identity import training_key
from pipeline.training.model_file import load_model
from pipeline.training.task import TrainingTask
from pipeline.training.trials import EpochMetrics, Trial, TrialRecord
from tests.helpers.cluster import ToyCluster, toy_model
from tests.helpers.sequences import CLASSES, write_sequences
from tests.helpers.studies import SUMMARY, journal_of

CONFIGURATION = Configuration(cell="gru", units=3, batch_size=32, epochs=2, learning_rate=0.01)
TRIALS = [Trial(number, CONFIGURATION, seed=number) for number in range(3)]


class Watcher:
    """Notes what it is told; `stop_after` so many new trainings it raises KeyboardInterrupt, as Ctrl-C would."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.told: list[tuple[str, int]] = []

    def trial_started(self, trial: Trial) -> None:
        self.told.append(("started", trial.number))

    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None:
        self.told.append(("epoch", trial.number))

    def trial_finished(self, record: TrialRecord) -> None:
        self.told.append(("reused" if record.reused else "finished", record.trial.number))
        if [kind for kind, _ in self.told].count("finished") == self.stop_after:
            raise KeyboardInterrupt


def no_cluster() -> Cluster:
    raise AssertionError("everything is there: nobody needs a cluster")


def toy_refits(folder: Path) -> Refits:
    return Refits(SUMMARY, folder, journal_of(folder), "avx2")


def weights(records: list[TrialRecord]) -> list[str]:
    return [record.result.weights_sha256 for record in records if record.result is not None]


def stopped_by_the_observer() -> tuple[ToyCluster, Watcher]:
    return ToyCluster(5, workers=1), Watcher(stop_after=1)


def stopped_in_the_cluster() -> tuple[ToyCluster, Watcher]:
    return ToyCluster(5, workers=1, stop_after=1), Watcher()


@pytest.mark.parametrize("stopped", [stopped_by_the_observer, stopped_in_the_cluster])
def test_what_finished_before_an_interruption_is_not_trained_again(
    tmp_path: Path, stopped: Callable[[], tuple[ToyCluster, Watcher]]
) -> None:
    undisturbed = toy_refits(tmp_path / "undisturbed").train(TRIALS, lambda: ToyCluster(0), Watcher())

    cluster, watcher = stopped()
    with pytest.raises(KeyboardInterrupt):
        toy_refits(tmp_path).train(TRIALS, lambda: cluster, watcher)
    assert cluster.trained == [0]

    again, watcher = ToyCluster(1), Watcher()
    refits = toy_refits(tmp_path)
    records = refits.train(TRIALS, lambda: again, watcher)
    assert sorted(again.submitted) == sorted(again.trained) == [1, 2]
    assert watcher.told[0] == ("reused", 0)
    assert [record.trial for record in records] == TRIALS
    assert [record.reused for record in records] == [True, False, False]
    assert weights(records) == weights(undisturbed)
    models = [toy_model(TrainingTask(CONFIGURATION, trial.seed, tmp_path, "nothing", "avx2")) for trial in TRIALS]
    assert [refits.model(trial) for trial in TRIALS] == models

    records = toy_refits(tmp_path).train(TRIALS, no_cluster, Watcher())
    assert all(record.reused for record in records)


def test_a_result_whose_model_is_lost_is_trained_again(tmp_path: Path) -> None:
    toy_refits(tmp_path).train(TRIALS, lambda: ToyCluster(0), Watcher())
    next((tmp_path / "journal").glob("*.keras")).unlink()
    cluster = ToyCluster(0)
    toy_refits(tmp_path).train(TRIALS, lambda: cluster, Watcher())
    assert len(cluster.trained) == 1


def test_from_the_record_alone_nothing_is_trained(tmp_path: Path) -> None:
    refits = toy_refits(tmp_path)
    trained = refits.train(TRIALS, lambda: ToyCluster(0), Watcher())
    models = [refits.model(trial) for trial in TRIALS]
    refits.record("champion", TRIALS)
    shutil.rmtree(tmp_path / "journal")

    clone = toy_refits(tmp_path)
    replayed = clone.train(TRIALS, no_cluster, Watcher())
    assert [record.result for record in replayed] == [record.result for record in trained]
    assert [clone.model(trial) for trial in TRIALS] == models
    assert len(list((tmp_path / "record").glob("*.keras"))) == 3


def test_other_data_are_other_refits(tmp_path: Path) -> None:
    toy_refits(tmp_path).train(TRIALS, lambda: ToyCluster(0), Watcher())
    for split, again in (("train", 3), ("validation", 3), ("test", 0)):
        other = SUMMARY.model_copy(update={split: SUMMARY.train.model_copy(update={"sha256": "other"})})
        cluster = ToyCluster(0)
        Refits(other, tmp_path, journal_of(tmp_path), "avx2").train(TRIALS, lambda: cluster, Watcher())  # noqa: B023 (called at once)
        assert len(cluster.trained) == again, split


def test_without_the_validation_data_it_is_another_refit_that_these_measure(tmp_path: Path) -> None:
    toy_refits(tmp_path).train(TRIALS, lambda: ToyCluster(0), Watcher())
    cluster = ToyCluster(0)
    refits = Refits(SUMMARY, tmp_path, journal_of(tmp_path), "avx2", validated={2})
    records = refits.train(TRIALS, lambda: cluster, Watcher())
    assert cluster.trained == [2]
    train, validation = SUMMARY.train.samples, SUMMARY.validation.samples
    assert [record.train_samples for record in records] == [train + validation, train + validation, train]
    refits.train(TRIALS, no_cluster, Watcher())
    key = training_key(
        CONFIGURATION, 2, train_samples=train, held_out="validation", data_sha256=SUMMARY.learning_sha256,
        instructions="avx2",
    )  # fmt: skip
    assert journal_of(tmp_path).model(key) == refits.model(TRIALS[2])


def test_another_view_is_another_refit_and_the_datas_own_is_not(tmp_path: Path) -> None:
    def refit(view: View | None) -> tuple[list[int], TrialRecord]:
        trial = Trial(0, CONFIGURATION.model_copy(update={"view": view}), seed=0)
        cluster = ToyCluster(0)
        [record] = toy_refits(tmp_path).train([trial], lambda: cluster, Watcher())
        return cluster.trained, record

    assert SUMMARY.view == "rows"
    assert [(trained, record.view) for trained, record in map(refit, (None, "rows", "columns"))] == [
        ([0], "rows"), ([], "rows"), ([0], "columns"),
    ]  # fmt: skip


def test_a_training_that_fails_is_named_and_the_others_before_it_are_kept(tmp_path: Path) -> None:
    cluster = ToyCluster(0, workers=1, fail_every=2)  # trial 1 fails
    with pytest.raises(PipelineError) as caught:
        toy_refits(tmp_path).train(TRIALS, lambda: cluster, Watcher())
    assert str(caught.value) == (
        "the training of #001 GRU 1×3 failed: TrainingFailed: the loss is not a finite number after epoch 1"
    )
    again = ToyCluster(0)
    toy_refits(tmp_path).train(TRIALS, lambda: again, Watcher())
    assert sorted(again.trained) == [1, 2]


@pytest.mark.usefixtures("one_thread")
def test_interrupted_on_real_workers_only_the_rest_is_trained(tmp_path: Path) -> None:
    """Trained on everything but the test data, and the same once more from the beginning."""
    summary = write_sequences(tmp_path / "sequences")
    refits = Refits(summary, tmp_path / "sequences", journal_of(tmp_path), "avx2")
    watcher = Watcher(stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        refits.train(TRIALS, lambda: Cluster(ExecutionParams(workers=1)), watcher)
    assert watcher.told == [("started", 0), ("epoch", 0), ("epoch", 0), ("finished", 0)]

    watcher = Watcher()
    records = refits.train(TRIALS, lambda: Cluster(ExecutionParams(workers=2)), watcher)
    assert sorted(number for kind, number in watcher.told if kind == "finished") == [1, 2]
    for record in records:
        assert record.result is not None
        assert record.train_samples == 156
        assert record.result.best.validation_accuracy is None
        (tmp_path / "model.keras").write_bytes(refits.model(record.trial))
        assert load_model(tmp_path / "model.keras").output_shape == (None, CLASSES)
    assert len(set(weights(records))) == 3
