"""A study as a process of its own: what the tests here start, kill and start again.

python -m tests.reproducibility.driver FOLDER WORKERS [SCHEDULER STORAGE]
"""

import json
import sys
from pathlib import Path

from pipeline.data.sequences import SequencesSummary
from pipeline.paths import SEQUENCES_SUMMARY, write_csv
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.engine import run_study
from pipeline.studies.results import curves_table, trials_table
from pipeline.training.cluster import Cluster
from pipeline.training.journal import Journal
from tests.helpers.sequences import params_with

SEARCH = {
    "sampler": "tpe", "trials": 14, "pruner": "median", "window": 4,
    "space": {
        "cell": ["simple_rnn", "gru"], "units": {"low": 2, "high": 16, "log": True}, "epochs": [4],
        "dropout": {"low": 0.0, "high": 0.4}, "learning_rate": {"low": 0.0001, "high": 0.05, "log": True},
    },
}  # fmt: skip


def main(folder: Path, workers: int, scheduler: str | None = None, storage: str | None = None) -> None:
    """Run the study over FOLDER/sequences; tables, and without a STORAGE the database, in FOLDER."""
    params = params_with({"search": SEARCH}, workers, scheduler)
    sequences = folder / "sequences"
    definition = StudyDefinition("search", params, SequencesSummary.read(sequences / SEQUENCES_SUMMARY.name))
    journal = Journal(folder / "journal", folder / "record")
    with Cluster(params.execution) as cluster:
        records = run_study(definition, sequences, cluster, storage or f"sqlite:///{folder}/optuna.db", journal)
    write_csv(folder / "trials.csv", trials_table(records))
    write_csv(folder / "curves.csv", curves_table(records))
    (folder / "trained.json").write_text(json.dumps([r.trial.number for r in records if not r.reused]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
