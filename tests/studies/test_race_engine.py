"""A race on the engine: the same one whatever finishes when, wherever it is stopped."""

import functools
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages import BaseStorage, InMemoryStorage

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.params.settings import Configuration
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.engine import run_study
from pipeline.studies.race_results import RACE_COLUMNS, race_accuracies, race_table
from pipeline.studies.results import trials_table, write_results
from pipeline.training.task import TrainingTask
from pipeline.training.trials import EpochMetrics, Trial, TrialRecord
from tests.helpers.cluster import ToyCluster
from tests.helpers.sequences import params_with
from tests.helpers.studies import SUMMARY, journal_of, tables

LARGE = SUMMARY.model_copy(
    update={
        "train": SUMMARY.train.model_copy(update={"samples": 54_000}),
        "validation": SUMMARY.validation.model_copy(update={"samples": 6_000}),
    }
)
RACE: dict[str, Any] = {"sampler": "race", "entrants": ["some"], "seed": 20}
SOME: dict[str, Any] = {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}
# Units of entrants → how accurate they are. GRU-8 fails in the second block; LSTM-8 is as good as the best, GRU-32.
TRUTHS = {("gru", 4): 0.95, ("lstm", 4): 0.9855, ("gru", 8): 0.98, ("lstm", 8): 0.9898, ("gru", 32): 0.99}
ENTRANTS = [
    Configuration(cell="gru", units=4, epochs=2, learning_rate=0.003),
    Configuration(cell="lstm", units=4, epochs=2),
    Configuration(cell="gru", units=8, epochs=2, pooling="mean_max", dropout=0.1),
    Configuration(cell="lstm", units=8, epochs=2, optimizer="adamw", weight_decay=0.1),
    Configuration(cell="gru", units=32, epochs=2),
]


def truth(task: TrainingTask) -> float:
    """Noisy enough that the race goes on for some blocks after the first look."""
    configuration = task.configuration
    if (configuration.cell, configuration.units, task.seed) == ("gru", 8, 21):
        return float("nan")
    noise = np.random.default_rng((task.seed, configuration.units, len(configuration.cell))).normal(0, 0.0008)
    return TRUTHS[configuration.cell, configuration.units] + float(noise)


def definition(entrants: list[Configuration] = ENTRANTS, **changes: Any) -> StudyDefinition:
    params = params_with({"race": RACE | changes, "some": SOME})
    return StudyDefinition("race", params, LARGE, entrants)


def play(
    folder: Path, cluster: ToyCluster, storage: str | BaseStorage = "", study: StudyDefinition | None = None
) -> list[TrialRecord]:
    return run_study(study or definition(), folder, cluster, storage or InMemoryStorage(), journal_of(folder))


def all_tables(records: list[TrialRecord]) -> tuple[str, ...]:
    """trials.csv, curves.csv and race.csv."""
    return (*tables(records), race_table(definition(), trials_table(records)).to_csv())


@functools.cache
def undisturbed() -> tuple[str, ...]:
    with TemporaryDirectory() as folder:
        return all_tables(play(Path(folder), ToyCluster(0, workers=1, truth=truth)))


@functools.cache
def played() -> tuple[TrialRecord, ...]:
    with TemporaryDirectory() as folder:
        return tuple(play(Path(folder), ToyCluster(0, truth=truth)))


@pytest.mark.reproducibility
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_race_is_the_same_whatever_finishes_when(workers: int, tmp_path: Path) -> None:
    for seed in range(3):
        cluster = ToyCluster(seed, workers, truth=truth)
        assert all_tables(play(tmp_path / str(seed), cluster)) == undisturbed()
        assert sorted(cluster.trained) == sorted(cluster.submitted) == list(range(len(played())))


@pytest.mark.reproducibility
def test_a_race_stopped_at_any_training_is_the_same(tmp_path: Path) -> None:
    """With its database and, after every other stop, without."""
    for stop in range(len(played())):
        folder, storage = tmp_path / str(stop), InMemoryStorage()
        first = ToyCluster(stop, workers=1 + stop % 4, stop_after=stop, truth=truth)
        with pytest.raises(KeyboardInterrupt):
            play(folder, first, storage)
        second = ToyCluster(stop + 1, workers=1 + (stop + 1) % 4, truth=truth)
        records = play(folder, second, storage if stop % 2 else InMemoryStorage())
        assert all_tables(records) == undisturbed()
        failed = {record.trial.number for record in records if record.state == "FAIL"}
        assert set(first.trained) & set(second.trained) <= failed, "a finished training was done again"


def test_a_finished_race_trains_nothing_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    play(tmp_path, ToyCluster(0, truth=truth), url)
    again = ToyCluster(1, truth=truth)
    assert all_tables(play(tmp_path, again, url)) == undisturbed()
    assert again.submitted == []


def test_blocks_follow_each_other_with_those_who_are_left() -> None:
    """Numbers are contiguous, in order of block and size; block b has seed 20 + b, and so another fold."""
    records = played()
    assert [record.trial.number for record in records] == list(range(len(records)))
    table = race_table(definition(), trials_table(records))
    left = table["left_after"].fillna(99)
    blocks = int(table["blocks"].max())
    expected = [
        (20 + block - 1, entrant.cell, entrant.units)
        for block in range(1, blocks + 1)
        for entrant, last in zip(ENTRANTS, left, strict=True)
        if block <= last
    ]
    found = [
        (record.trial.seed, record.trial.configuration.cell, record.trial.configuration.units) for record in records
    ]
    assert found == expected
    assert definition().total == 50
    assert len(records) < 50
    assert 3 < blocks <= 10


def test_race_csv_says_when_and_why_everybody_left() -> None:
    table = race_table(definition(), trials_table(played()))
    assert list(table.columns) == RACE_COLUMNS
    assert table["entrant"].tolist() == [0, 1, 2, 3, 4]
    assert table["network"].tolist() == ["GRU 1×4", "LSTM 1×4", "GRU 1×8 mean+max", "LSTM 1×8", "GRU 1×32"]
    assert table["learning_rate"].tolist() == [0.003, 0.001, 0.001, 0.001, 0.001]
    assert table["optimizer"].tolist() == ["adam", "adam", "adam", "adamw", "adam"]
    assert table["parameters"].tolist() == [135, 159, 387, 443, 3747]
    assert table["left_after"].tolist()[0] == 2
    assert table["left_after"].tolist()[2] == 2
    assert table["left_after"].isna().tolist() == [False, False, False, True, True]
    assert table["blocks"].tolist()[:1] == [2]
    assert table["blocks"][2] == 1, "its second training failed"
    low = table["behind_low"]
    assert (low[[0, 1]] > 0.002).all()
    assert low[[2]].isna().all()
    assert table["reason"][0] == (
        f"shown to be worse than the leader by more than 0.2 points after block 2: by {100 * low[0]:.2f} or more"
    )
    assert table["reason"][2] == "a training failed in block 2"
    accuracies = race_accuracies(definition(), trials_table(played()))
    assert np.isnan(accuracies[1, 2])
    np.testing.assert_allclose(table["validation_accuracy"], np.nanmean(accuracies, axis=0))
    assert (table["behind_low"] <= table["behind"])[[0, 1, 4]].all()
    assert (table["behind"] <= table["behind_high"])[[0, 1, 4]].all()
    bounds = ["behind", "behind_low", "behind_high"]
    assert table.loc[3, bounds].isna().all(), "the leader is not compared with itself"


def test_a_wide_tolerance_settles_at_the_first_look(tmp_path: Path) -> None:
    study = definition(tolerance=0.1)
    records = play(tmp_path, ToyCluster(0, truth=truth), study=study)
    table = race_table(study, trials_table(records))
    assert len(records) == 10, "two blocks, one entrant fails in the second"
    assert table["settled"].tolist() == [True, False, False, False, False]
    assert table["as_good"].tolist() == [True, True, False, True, True]
    assert table["reason"].tolist() == [
        *["shown to be at most 10 points worse than any other one left in the race"] * 2,
        "a training failed in block 2",
        *["shown to be at most 10 points worse than any other one left in the race"] * 2,
    ]


def test_a_race_ends_with_its_blocks_or_with_its_entrants(tmp_path: Path) -> None:
    study = definition(tolerance=0.0001, max_blocks=5)
    records = play(tmp_path / "five", ToyCluster(0, truth=truth), study=study)
    table = race_table(study, trials_table(records))
    assert (study.total, len(records)) == (25, 18)
    assert not table["settled"].any()
    assert table["reason"][4] == "not known whether it is more than 0.01 points worse than the best"

    nobody = play(tmp_path / "nobody", ToyCluster(0, truth=lambda task: float("nan")))
    assert [record.state for record in nobody] == ["FAIL"] * 5
    assert race_table(definition(), trials_table(nobody))["reason"].tolist() == ["a training failed in block 1"] * 5


def test_who_is_left_alone_is_trained_no_more(tmp_path: Path) -> None:
    single = definition(ENTRANTS[:1])
    records = play(tmp_path / "single", ToyCluster(0, truth=truth), study=single)
    assert len(records) == 1, "so that its accuracy is known"
    assert race_table(single, trials_table(records))["reason"].tolist() == ["the only network left"]
    three = definition(
        [ENTRANTS[0], ENTRANTS[2], ENTRANTS[4]]
    )  # the second one fails in block 2, the first then leaves
    records = play(tmp_path / "settled", ToyCluster(0, truth=truth), study=three)
    assert race_table(three, trials_table(records))["settled"].tolist() == [False, False, True], "it has beaten one"
    two = definition([ENTRANTS[2], ENTRANTS[4]])
    records = play(tmp_path / "two", ToyCluster(0, truth=truth), study=two)
    assert [record.trial.seed for record in records] == [20, 20, 21, 21]
    table = race_table(two, trials_table(records))
    assert table["reason"].tolist() == ["a training failed in block 2", "the only network left"]
    assert not table["settled"].any()


def test_optuna_shows_what_the_table_says(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    records = play(tmp_path, ToyCluster(0, truth=truth), url)
    study = optuna.load_study(study_name=definition().optuna_study, storage=url)
    assert [trial.number for trial in study.trials] == [record.trial.number for record in records]
    assert [trial.state.name for trial in study.trials] == [record.state for record in records]
    assert {record.state for record in records} == {"COMPLETE", "FAIL"}
    for trial, record in zip(study.trials, records, strict=True):
        configuration = record.trial.configuration
        assert trial.params == {
            "cell": configuration.cell, "units": configuration.units, "seed": record.trial.seed,
            "pooling": configuration.pooling, "dropout": configuration.dropout, "optimizer": configuration.optimizer,
            "weight_decay": configuration.weight_decay, "learning_rate": configuration.learning_rate,
        }  # fmt: skip
        if record.result is None:
            assert trial.user_attrs["error"] == record.error
        else:
            assert trial.value == record.result.best.validation_accuracy


def test_a_row_of_the_table_is_the_trial_that_it_is_about() -> None:
    study = definition()
    rows = pd.read_csv(io.StringIO(trials_table(played()).to_csv(index=False))).to_dict("records")
    for record, row in zip(played(), rows, strict=True):
        named = {str(name): value for name, value in row.items()}
        assert study.recorded_trial(named) == record.trial
        assert study.key(study.recorded_trial(named)) == study.key(record.trial)
        task = study.repetition(named, 2, Path())
        assert (task.held_out, task.seed, task.should_prune) == ("fold", record.trial.seed, None)
    with pytest.raises(PipelineError, match=r"^trial 0 of race is of no network in this race$"):
        study.recorded_trial({str(name): value for name, value in rows[0].items()} | {"units": 5})


def test_entrants_are_part_of_the_fingerprint_and_folds_of_what_is_held_out() -> None:
    assert definition().fingerprint != definition(ENTRANTS[:-1]).fingerprint
    assert definition().fingerprint != definition(tolerance=0.003).fingerprint
    assert (definition().held_out_samples, definition().available_samples) == (6_000, 54_000)


def test_finished_trials_come_to_observers_in_order_of_number(tmp_path: Path) -> None:
    told: list[int] = []

    class Teller:
        def trial_started(self, trial: Trial) -> None: ...
        def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None: ...
        def trial_finished(self, record: TrialRecord) -> None:
            told.append(record.trial.number)

    cluster = ToyCluster(3, workers=4, truth=truth)
    run_study(definition(), tmp_path, cluster, InMemoryStorage(), journal_of(tmp_path), [Teller()])
    assert told == list(range(len(played())))


def test_the_results_are_written_with_race_csv(tmp_path: Path) -> None:
    write_results(tmp_path, definition(), played())
    written = pd.read_csv(tmp_path / paths.RACE.name)
    assert list(written.columns) == RACE_COLUMNS
    pd.testing.assert_frame_equal(
        written, race_table(definition(), trials_table(played())), check_dtype=False, check_exact=True
    )
