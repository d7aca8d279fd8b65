"""What the stages before have left for the report, and the tables that are read from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import book, capacity, views
from pipeline.lineage import Lineage
from pipeline.params.document import Params
from pipeline.studies.results import TRIAL_COLUMNS


@dataclass(frozen=True)
class StudyResults:
    """What one study wrote: its tables as pipeline.trials describes them, and best.json."""

    held_out: str
    trials: pd.DataFrame
    curves: pd.DataFrame
    during_fit: pd.DataFrame
    timings: pd.DataFrame
    best: dict[str, Any]
    networks: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Results:
    """All that the report is made of; None, or a study left out, where a stage has not run."""

    params: Params
    summary: dict[str, Any]
    studies: dict[str, StudyResults]
    choice: dict[str, Any] | None
    metrics: dict[str, Any] | None
    predictions: pd.DataFrame | None
    test_x: np.ndarray | None  # (n, timesteps, features) in the order of predictions
    mcnemar: dict[str, Any] | None  # also None where the choice is the best network
    prediction_times: pd.DataFrame | None
    lineage: Lineage


def book_table(results: Results) -> pd.DataFrame:
    """The content of book_table.csv; without rows where no study called book has trained on the book's terms."""
    study = results.studies.get("book")
    if study is None or study.held_out != "test":
        return pd.DataFrame(columns=book.BOOK_COLUMNS)
    return book.book_table(study.trials, study.during_fit, results.summary["test"]["samples"])


def capacity_table(results: Results) -> pd.DataFrame:
    """The content of capacity.csv; without rows where no study is called capacity."""
    study = results.studies.get("capacity")
    return capacity.capacity_table(pd.DataFrame(columns=TRIAL_COLUMNS) if study is None else study.trials)


def views_table(results: Results) -> pd.DataFrame:
    """The content of views.csv; without rows where no study is called views."""
    study = results.studies.get("views")
    return views.views_table(pd.DataFrame(columns=TRIAL_COLUMNS) if study is None else study.trials)


def networks(results: Results) -> dict[str, dict[str, str]]:
    """Summary and diagram of each network of the chapter, by its file name."""
    return results.studies["book"].networks if "book" in results.studies else {}
