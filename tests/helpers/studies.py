"""Studies on the toy cluster, which train nothing: what their tests share."""

from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from pipeline.data.sequences import SequencesSummary, SplitSummary
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.engine import run_study
from pipeline.studies.results import curves_table, trials_table
from pipeline.training.journal import Journal
from pipeline.training.trials import TrialRecord
from tests.helpers.cluster import ToyCluster
from tests.helpers.sequences import params_with

SUMMARY = SequencesSummary(
    dataset="toy",
    view="rows",
    seed=0,
    classes=3,
    labels=(0, 1, 2),
    timesteps=6,
    features=4,
    train=SplitSummary(samples=96, per_class=(32, 32, 32), sha256="a"),
    validation=SplitSummary(samples=60, per_class=(20, 20, 20), sha256="b"),
    test=SplitSummary(samples=30, per_class=(10, 10, 10), sha256="c"),
)
SEARCH = {
    "sampler": "tpe", "trials": 14, "pruner": "median", "window": 4,
    "space": {
        "cell": ["gru", "lstm"], "units": {"low": 2, "high": 64, "log": True}, "epochs": [5],
        "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    },
}  # fmt: skip
GRID = {"sampler": "grid", "seeds": 2, "space": {"cell": ["gru", "lstm"], "units": [4, 8]}}


def definition_of(study: dict[str, Any], summary: SequencesSummary = SUMMARY) -> StudyDefinition:
    """The study `search` of a params.yaml that has no other, over the toy data."""
    return StudyDefinition("search", params_with({"search": study}), summary)


def journal_of(folder: Path) -> Journal:
    return Journal(folder / "journal", folder / "record")


def run(
    folder: Path, cluster: ToyCluster, study: dict[str, Any] = SEARCH, storage: str | BaseStorage = ""
) -> list[TrialRecord]:
    """Run the study with its journal, and without a `storage` its database too, in `folder`."""
    url = storage or f"sqlite:///{folder}/optuna.db"
    return run_study(definition_of(study), folder, cluster, url, journal_of(folder))


def tables(records: list[TrialRecord]) -> tuple[str, str]:
    """trials.csv and curves.csv."""
    return trials_table(records).to_csv(), curves_table(records).to_csv()
