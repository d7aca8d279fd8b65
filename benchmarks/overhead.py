"""Where a study's wall time goes, apart from training.

    .venv/bin/python -m benchmarks.overhead              # a study with the budgets of params.yaml's capacity study
    .venv/bin/python -m benchmarks.overhead --finished   # the studies of this folder, as MLflow remembers them

Each worker's time, from the start of the driver to its end, is divided up by the events that the driver hears. Of
finished studies MLflow has the begin and the end, and their tables have the trainings and the speed of evaluation. That
holds for studies that trained all of their trials in one go: after `make repro FRESH=1`.
"""

import itertools
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from dask.system import CPU_COUNT
from rich.console import Console
from rich.table import Table

from benchmarks.contestants import start_as_the_command_line_does
from benchmarks.work import environment, make_workspace, run_python
from pipeline import paths
from pipeline.data.sequences import SequencesSummary
from pipeline.params.document import load_params
from pipeline.studies.results import study_definition
from pipeline.training.task import Event, Finished, Started

PARTS = {
    "fit": "training",
    "evaluate": "evaluating after each epoch (estimated from the speed on the validation data)",
    "build": "reading data, building, tracing, summary and diagram",
    "dispatch": "between trainings: results, journal, Optuna, MLflow",
    "start": "start of the driver, MLflow's database, the workers, importing TensorFlow",
    "tail": "idle at the end: other workers' last trainings, tables, plots, the driver's exit",
}


def divide(
    began: float, ended: float, workers: int, timeline: Sequence[tuple[float, Event]], evaluated: int
) -> dict[str, float]:
    """Shares of workers × (ended - began), which add up to 1; keys as in `PARTS`.

    `timeline` has the driver's events with their times; `evaluated` sequences are measured after every epoch.
    """
    started: dict[int, float] = {}
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)  # of each worker, in order
    seconds = dict.fromkeys(PARTS, 0.0)
    for moment, event in timeline:
        if isinstance(event, Started):
            started[event.key] = moment
        elif isinstance(event, Finished) and event.result is not None:
            begin = started[event.key]
            own = spans[event.result.worker]
            begin = max([begin, *(end for _, end in own[-1:])])  # seeds that train together share their time
            own.append((begin, moment))
            seconds["build"] += moment - begin
            per_sequence = event.result.predict_microseconds_per_sequence / 1e6
            evaluation = len(event.result.epochs) * evaluated * per_sequence
            seconds["fit"] += event.result.fit_seconds
            seconds["evaluate"] += evaluation
            seconds["build"] -= event.result.fit_seconds + evaluation
    # A worker that died is another one afterwards: the time between the two counts as start and tail.
    for trainings in spans.values():
        for (_, end), (begin, _) in itertools.pairwise(trainings):
            seconds["dispatch"] += begin - end
    first = sorted(trainings[0][0] for trainings in spans.values())[:workers]
    seconds["start"] = sum(begin - began for begin in first)
    seconds["tail"] = workers * (ended - began) - sum(seconds.values())
    return {part: value / (workers * (ended - began)) for part, value in seconds.items()}


def measure(workspace: Path) -> dict[str, float]:
    """Run the study of default budgets in a fresh process and divide its time up."""
    with tempfile.TemporaryDirectory() as home:
        began = time.time()
        report = run_python(["-m", "benchmarks.overhead", "--one"], workspace, environment(Path(home)))
        ended = time.time()
    # The process could not time its own start and exit.
    whole = ended - began
    shares = {part: share * (report["ended"] - report["began"]) / whole for part, share in report["shares"].items()}
    shares["start"] += (report["began"] - began) / whole
    shares["tail"] += (ended - report["ended"]) / whole
    return shares


def finished_studies() -> dict[str, dict[str, float]]:
    """For each study of the current folder: minutes, and the shares of the workers' time as in `PARTS`, the rest as
    `rest`."""
    from mlflow import MlflowClient

    params = load_params()
    client = MlflowClient(paths.tracking_uri())
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    experiment = client.get_experiment_by_name(params.tracking.experiment)
    if experiment is None:
        raise RuntimeError(f"{paths.tracking_uri()} has no experiment {params.tracking.experiment}: run `make repro`")
    found: dict[str, dict[str, float]] = {}
    for name in params.studies:
        folder = paths.study_folder(name)
        trials, curves, timings = (pd.read_csv(folder / f"{table}.csv") for table in ("trials", "curves", "timings"))
        held_out = study_definition(name, params, summary).held_out_samples
        evaluated = curves.groupby("number").size() * (trials.train_samples.clip(upper=held_out) + held_out)
        per_sequence = timings.predict_microseconds_per_sequence / 1e6
        runs = client.search_runs([experiment.experiment_id], f"attributes.run_name = 'study/{name}'", max_results=1)
        seconds = (runs[0].info.end_time - runs[0].info.start_time) / 1000
        whole = seconds * (params.execution.workers or CPU_COUNT)
        shares = {"fit": timings.fit_seconds.sum() / whole, "evaluate": (evaluated * per_sequence).sum() / whole}
        found[name] = {"minutes": seconds / 60} | shares | {"rest": 1 - sum(shares.values())}
    return found


def _one() -> None:
    began = time.time()
    start_as_the_command_line_does()
    from benchmarks.engine import timed_study

    _, cluster = timed_study("budget")
    ended = time.time()
    evaluated = 2 * SequencesSummary.read(paths.SEQUENCES_SUMMARY).validation.samples
    workers = load_params().execution.workers or CPU_COUNT
    shares = divide(began, ended, workers, cluster.timeline, evaluated)
    print(json.dumps({"began": began, "ended": ended, "shares": shares}))


def main() -> None:
    if "--one" in sys.argv:
        _one()
        return
    if "--finished" in sys.argv:
        table = Table("study", "minutes", "training, %", "evaluating, %", "the rest, %")
        for name, found in finished_studies().items():
            table.add_row(
                name, f"{found['minutes']:.1f}", *(f"{100 * found[part]:.1f}" for part in ("fit", "evaluate", "rest"))
            )
        Console().print(table)
        return
    with tempfile.TemporaryDirectory() as name:
        make_workspace(Path(name))
        shares = measure(Path(name))
    table = Table("part of the workers' time", "%")
    for part, title in PARTS.items():
        table.add_row(title, f"{100 * shares[part]:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
