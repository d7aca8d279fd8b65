"""`make faults`: as many kills as one asks for, hostile inputs, and their rows in docs/reliability.csv.

python -m tests.faults [MOMENTS]
"""

import os
import sys
import tempfile
from pathlib import Path

from mlflow import MlflowClient

from tests.faults import inputs
from tests.faults.kills import Outcome, faults, struck
from tests.helpers.reliability import TABLE, keep


def main(number: int) -> None:
    """Strike so many times; the rows are written whatever was lost."""
    os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    mlflow = folder / "mlflow.db"
    MlflowClient(f"sqlite:///{mlflow}").search_experiments()
    outcomes: list[Outcome] = []
    for outcome in struck(folder, number, mlflow):
        outcomes.append(outcome)
        moment = outcome.moment
        what = f"{len(outcomes):4} {outcome.stage}: {moment.number.name} to {moment.target}"
        print(what, *outcome.lost, sep="\n     ", flush=True)
    keep(faults(outcomes))
    lost = sum(bool(outcome.lost) for outcome in outcomes)
    print(f"{len(outcomes)} moments, {lost} with a loss: {TABLE}" + (f"; what is left is in {folder}" if lost else ""))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
    inputs.main(times=2, seed=inputs.SEED + 1)
