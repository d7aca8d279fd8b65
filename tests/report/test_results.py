"""The results that the report is made of: read whole, refused where they are of something else, joined with costs."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.analysis.configurations import complete_trials, configurations
from pipeline.commands import report
from pipeline.errors import PipelineError
from pipeline.report.results import Results, load_results, with_training_times
from tests.helpers.results import (
    capacity_records,
    project_params,
    without_race,
    write_results,
    write_study,
    write_summary,
)
from tests.helpers.trials import seeds, study


def test_everything_that_is_there_is_read(results: Results) -> None:
    assert list(results.studies) == ["book", "capacity", "search", "ablation", "race"]
    assert results.competitors.train_samples == 54_000
    assert results.costs["study"].unique().tolist() == ["race"]
    assert results.chosen is not None
    assert results.chosen["fit_seconds"] > 0
    assert results.lineage.study == "race"
    assert results.lineage.fingerprint == results.studies["race"].summary.fingerprint
    assert results.race_table is not None
    assert results.race_table["parameters"].is_monotonic_increasing
    assert results.test_table is not None
    assert results.test_table["role"].tolist() == ["champion", "most accurate", *["book"] * 4]


def test_results_of_other_data_never_answer(workspace: Path) -> None:
    write_results()
    write_summary(dataset="mnist", classes=5)
    assert load_results(project_params()).studies.keys() == {"book", "capacity", "search", "ablation", "race"}, (
        "the sequences are the same"
    )
    summary = paths.read_json(paths.SEQUENCES_SUMMARY)
    paths.write_json(paths.SEQUENCES_SUMMARY, summary | {"train": summary["train"] | {"sha256": "f" * 64}})
    with pytest.raises(PipelineError, match=r"data/studies/book does not hold study book as params\.yaml, data/seq"):
        report.run(project_params())


def test_results_of_other_parameters_never_answer(workspace: Path) -> None:
    params = project_params()
    other = params.model_copy(update={"training": params.training.model_copy(update={"batch_size": 99})})
    write_summary()
    write_study("capacity", capacity_records(), other)
    with pytest.raises(PipelineError, match="data/studies/capacity does not hold study capacity as"):
        report.run(params)


def test_a_champion_of_other_parameters_never_answers(workspace: Path) -> None:
    """The studies are those of params.yaml, but by its other rule they choose another network."""
    write_results()
    with pytest.raises(
        PipelineError, match=r"choice\.json has GRU 2×51 mean\+max, and not as params\.yaml and .*, .*:"
    ):
        report.run(without_race())


def test_sequences_of_another_data_set_never_answer(workspace: Path) -> None:
    write_results()
    params = project_params()
    other = params.model_copy(update={"data": params.data.model_copy(update={"dataset": "mnist5k"})})
    with pytest.raises(
        PipelineError, match=r"data/sequences holds mnist as rows, .*; params\.yaml asks for mnist5k as"
    ):
        report.run(other)


def test_results_with_a_file_missing_are_refused(workspace: Path) -> None:
    write_summary()
    write_study("capacity", capacity_records())
    (paths.study_folder("capacity") / "timings.csv").unlink()
    with pytest.raises(PipelineError, match=r"data/studies/capacity lacks timings\.csv: `dvc repro study@capacity`"):
        report.run(project_params())


def test_without_data_it_says_which_file_is_missing(workspace: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data/sequences/summary\.json"):
        report.run(project_params())


def test_the_choice_costs_nothing_where_its_study_is_gone(results: Results) -> None:
    gone = dataclasses.replace(results, studies={"capacity": results.studies["capacity"]})
    assert gone.chosen is None
    assert dataclasses.replace(results, studies={}).chosen is None
    assert dataclasses.replace(results, choice=None).chosen is None


def test_times_are_means_over_a_configurations_trainings() -> None:
    trials = study(seeds(8, [0.9, 0.91]), seeds(16, [0.92]), seeds(16, [0.93], dropout=np.nan))
    timings = pd.DataFrame({"number": range(4), "fit_seconds": [1.0, 3.0, 5.0, 7.0], "seconds_per_epoch": 0.1})
    timed = with_training_times(configurations(trials), complete_trials(trials), timings)
    assert timed["fit_seconds"].tolist() == [2.0, 5.0, 7.0], "a value that is missing is a value like others"
