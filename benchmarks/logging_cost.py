"""What MLflow's records cost the driver: processor time for each trial of 20 epochs, on SQLite.

    .venv/bin/python -m benchmarks.logging_cost

Trainings take no time here, so what the process uses is bookkeeping. `together`: the training lasts less than
`SECONDS_BETWEEN_SHOWN_EPOCHS`, and the epochs after the first are logged with the result. `each`: every epoch lasts
longer than that and is shown as it ends, so that the training takes more than a minute.
"""

import contextlib
import os
import tempfile
import time
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from pipeline.tracking.study import StudyTracker
from tests.helpers.runs import epoch, record, tracker

TRIALS, EPOCHS = 30, 20


def milliseconds_a_trial(seconds_between: float) -> tuple[float, float]:
    """Processor and wall time to log one trial, of a study that has them all; epochs are shown so far apart."""
    with patch("pipeline.tracking.study.SECONDS_BETWEEN_SHOWN_EPOCHS", seconds_between), tracker() as study:
        _log(study, 0)  # diagram, fonts, statements: once
        started, processor_started = time.perf_counter(), time.process_time()
        for number in range(1, TRIALS + 1):
            _log(study, number)
        processor, wall = time.process_time() - processor_started, time.perf_counter() - started
    return 1000 * processor / TRIALS, 1000 * wall / TRIALS


def _log(study: StudyTracker, number: int) -> None:
    finished = record(number, epochs=EPOCHS)
    study.trial_started(finished.trial)
    for n in range(1, EPOCHS + 1):
        study.epoch_finished(finished.trial, epoch(n))
    study.trial_finished(finished)


def main() -> None:
    table = Table("epochs logged", "processor, ms a trial", "wall, ms a trial")
    for name, seconds_between in {"together": 60.0, "each": 0.0}.items():
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            os.environ["PIPELINE_HOME"] = folder
            processor, wall = milliseconds_a_trial(seconds_between)
        table.add_row(name, f"{processor:.0f}", f"{wall:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
