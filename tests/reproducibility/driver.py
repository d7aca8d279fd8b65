"""A study as a process of its own: what the tests here start, kill and start again.

python -m tests.reproducibility.driver FOLDER WORKERS
"""

import json
import sys
from pathlib import Path

from pipeline.studies.engine import StudyRun
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


def main(folder: Path, workers: int) -> None:
    """Run the study over FOLDER/sequences; databases and tables in FOLDER."""
    params = params_with({"search": SEARCH}, workers)
    summary = json.loads((folder / "sequences" / "summary.json").read_text(encoding="utf-8"))
    run = StudyRun("search", params, summary, folder / "sequences")
    with Cluster(params.execution) as cluster:
        records = run.run(cluster, f"sqlite:///{folder}/optuna.db", Journal(folder / "journal"), [])
    for name, table in {"trials": trials_table(records), "curves": curves_table(records)}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "trained.json").write_text(json.dumps([r.trial.number for r in records if not r.reused]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
