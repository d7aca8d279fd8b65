"""Everything that the report is made of: read from the folders of the earlier stages, and joined into tables."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.analysis import book, capacity, views
from pipeline.analysis.calibration import MeasuredCalibration
from pipeline.analysis.choice import Choice, Competitors, Finalist, competitors
from pipeline.analysis.configurations import CONFIGURATION, is_configuration
from pipeline.analysis.evaluation import Metrics, tested_model
from pipeline.analysis.prediction_times import with_prediction_times
from pipeline.analysis.temperature import Calibration
from pipeline.data.sequences import Samples, SequencesSummary, prepared_sequences
from pipeline.documents import read_table, records
from pipeline.lineage import Lineage, lineage
from pipeline.params.document import RACE, Params
from pipeline.params.settings import Metric
from pipeline.params.studies import RaceStudy
from pipeline.report.baseline import (
    AgainstBaseline,
    Baseline,
    against_baseline,
    champion_against_baseline,
    on_held_out_sequences,
)
from pipeline.studies.results import MISTAKES, TRIAL_COLUMNS, StudyResults, has_results, read_results


@dataclass(frozen=True)
class Results:
    """All that the report is made of. None, or a study left out, stands for a stage that has not run."""

    params: Params
    summary: SequencesSummary
    studies: dict[str, StudyResults]
    choice: Choice | None
    metrics: Metrics | None
    predictions: pd.DataFrame | None
    calibration: Calibration | None
    measured_calibration: MeasuredCalibration | None
    coverage: pd.DataFrame | None  # coverage.csv
    test_x: np.ndarray | None  # (n, timesteps, features) in the order of predictions
    race_table: pd.DataFrame | None  # race.csv
    test_table: pd.DataFrame | None  # test.csv
    book_mistakes: pd.DataFrame | None  # mistakes.csv of the study book
    prediction_times: pd.DataFrame | None
    lineage: Lineage

    @cached_property
    def competitors(self) -> Competitors:
        """Who competes for the champion."""
        competing = self.params.champion.studies
        studies = {name: study.trials for name, study in self.studies.items() if name in competing}
        return competitors(studies, self.params.studies[competing[0]].held_out)

    @cached_property
    def race(self) -> RaceStudy | None:
        """The rules of the race that decides; None where no race does, or it has not run."""
        study = self.params.studies.get(RACE)
        decides = RACE in self.params.champion.studies and self.race_table is not None
        return study if decides and isinstance(study, RaceStudy) else None

    @cached_property
    def costs(self) -> pd.DataFrame:
        """The competitors with their costs: the columns of `with_training_times` and `with_prediction_times`.

        Without competitors these columns are missing.
        """
        timed = [
            with_training_times(self.competitors.of(name), trials, self.studies[name].timings)
            for name, trials in self.competitors.trials.items()
        ]
        if not timed:
            return self.competitors.table
        return with_prediction_times(pd.concat(timed, ignore_index=True), self.prediction_times)

    @cached_property
    def chosen(self) -> dict[str, Any] | None:
        """The row of `costs` of the choice; None where there is no choice, or its study is not there."""
        if self.choice is None:
            return None
        choice = self.choice.choice
        same = is_configuration(self.costs, choice.model_dump()) & (self.costs["study"] == choice.study)
        return next(iter(records(self.costs[same])), None)

    @cached_property
    def most_accurate_tested(self) -> dict[str, Any] | None:
        """The row of test.csv of the most accurate network; None where the choice is that, or nothing was tested."""
        rows = [] if self.test_table is None else records(self.test_table)
        return next((row for row in rows if row["role"] == "most accurate"), None)

    @property
    def metric(self) -> Metric:
        """What networks were chosen by; it is what the columns called accuracy hold, but for those of the test data."""
        return self.params.champion.metric

    @cached_property
    def baseline(self) -> Baseline:
        """What it is worth to answer without a look, on the sequences and by the metric of validation accuracies.

        Where some studies hold out folds and others do not, it is that of the folds, which hold all that the others do.
        """
        held_out = {self.studies[name].summary.held_out for name in self.competitors.trials}
        return on_held_out_sequences(self.summary, self.metric, "fold" if "fold" in held_out else "validation")

    @cached_property
    def against_baseline(self) -> AgainstBaseline | None:
        """The choice against answering without a look: on the test data, before that by validation data.

        None where there is no choice, or neither is there.
        """
        if self.choice is None:
            return None
        if self.chosen is not None:
            held_out = self._held_out_by(self.choice.choice.study)
            compared = len(self.competitors.table)
            return against_baseline(
                self.summary, self.chosen, self.choice, self.metrics, self.metric, held_out, compared
            )
        return None if self.metrics is None else champion_against_baseline(self.summary, self.metrics, self.metric)

    @property
    def recommended(self) -> Finalist | None:
        """The choice, if it is shown to be better than answering without a look."""
        shown = self.against_baseline is not None and self.against_baseline.shown
        return self.choice.choice if self.choice is not None and shown else None

    @cached_property
    def book_table(self) -> pd.DataFrame:
        """The content of book_table.csv; no rows unless a study called book has trained on the book's terms.

        With another metric than accuracy its figures are of that, and there is nothing to compare them with.
        """
        study = self.studies.get("book")
        if study is None or study.summary.held_out != "test" or self.metric != "accuracy":
            return pd.DataFrame(columns=book.BOOK_COLUMNS)
        return book.book_table(study.trials, study.during_fit, self.summary.test.samples)

    @cached_property
    def capacity_table(self) -> pd.DataFrame:
        """The content of capacity.csv; no rows where no study is called capacity."""
        return capacity.capacity_table(self._trials_of("capacity"), self._held_out_by("capacity"))

    @cached_property
    def views_table(self) -> pd.DataFrame:
        """The content of views.csv; no rows where no study is called views."""
        return views.views_table(self._trials_of("views"), self._held_out_by("views"))

    def _trials_of(self, name: str) -> pd.DataFrame:
        return self.studies[name].trials if name in self.studies else pd.DataFrame(columns=TRIAL_COLUMNS)

    def _held_out_by(self, name: str) -> str:
        return self.studies[name].summary.held_out if name in self.studies else "validation"


def load_results(params: Params) -> Results:
    """All that earlier stages have left. What was measured of another choice, or on other data, is left out.

    Raises FileNotFoundError where there are not even data, and PipelineError for results of other data or parameters.
    """
    summary = prepared_sequences(params.data)
    studies = {name: read_results(name, params, summary) for name in params.studies if has_results(name)}
    answering = next((name for name in params.champion.studies if name in studies), None)
    choice = Choice.read_for(summary.learning_sha256, paths.CHOICE) if paths.CHOICE.exists() else None
    metrics = None
    if choice is not None:
        metrics = tested_model(choice.choice, summary.all_sha256, params.champion.metric)
    return Results(
        params=params,
        summary=summary,
        studies=studies,
        choice=choice,
        metrics=metrics,
        predictions=_table(paths.PREDICTIONS) if metrics else None,
        calibration=Calibration.of_champion() if choice else None,
        measured_calibration=_measured_calibration() if metrics else None,
        coverage=_table(paths.COVERAGE) if metrics else None,
        test_x=_test_x(),
        race_table=_table(paths.RACE) if RACE in studies else None,
        test_table=_table(paths.TEST_TABLE) if metrics else None,
        book_mistakes=_table(paths.study_folder("book") / MISTAKES) if "book" in studies else None,
        prediction_times=_table(paths.PREDICTION_TIMES),
        lineage=lineage(
            "report",
            experiment=params.tracking.experiment,
            data=summary,
            fingerprint=studies[answering].summary.fingerprint if answering else "",
            study=answering or "",
        ),
    )


def with_training_times(table: pd.DataFrame, trials: pd.DataFrame, timings: pd.DataFrame) -> pd.DataFrame:
    """`table` of configurations with the mean `fit_seconds` and `seconds_per_epoch` of their trainings.

    `trials` are the complete trials of one study, `timings` its timings.csv.
    """
    timed = trials.merge(timings, on="number", how="left")
    means = timed.groupby(CONFIGURATION, sort=False, dropna=False)[["fit_seconds", "seconds_per_epoch"]].mean()
    return table.merge(means.reset_index(), on=CONFIGURATION, how="left")


def _table(path: Path) -> pd.DataFrame | None:
    return read_table(path) if path.exists() else None


def _test_x() -> np.ndarray | None:
    if not paths.TEST.exists():
        return None
    return Samples.read(paths.TEST).x


def _measured_calibration() -> MeasuredCalibration | None:
    path = paths.MEASURED_CALIBRATION
    return MeasuredCalibration.read(path) if path.exists() else None
