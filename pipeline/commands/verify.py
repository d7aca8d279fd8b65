"""verify: train trials of a finished study again and compare them with the recorded figures, to the last bit."""

from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import paths
from pipeline.commands.sequences import make_sequences
from pipeline.data.sequences import prepared_sequences
from pipeline.documents import records
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.network import network_name
from pipeline.progress import TrialProgress
from pipeline.studies.results import read_results, study_definition
from pipeline.training.cluster import Cluster
from pipeline.training.machine import environment
from pipeline.training.task import Event, Finished, tell_progress

COMPARED = ["best_epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "weights_sha256"]


def verify_study(params: Params, name: str, numbers: str, sample: int) -> bool:
    """Train the trials with these `numbers` ("3,7"), or else `sample` of them, again; True if all came out the same.

    Prints a row for each: `reproduced`, or `changed` with both values. Sequences that are missing, as in a fresh
    clone, are made first. Raises PipelineError for a study that is not there or a number that is not in it.
    """
    summary = prepared_sequences(params.data)
    study, results = study_definition(name, params, summary), read_results(name, params, summary)
    rows = _choose(results.trials, numbers, sample)
    lengths = results.curves.groupby("number")["epoch"].max().to_dict()
    if any(row["number"] not in lengths for row in rows):
        raise PipelineError(
            f"{paths.study_folder(name)}/curves.csv is not of the same run as trials.csv: run "
            f"`dvc repro {paths.study_stage(name)}`"
        )
    make_sequences(params)
    trials = {row["number"]: study.recorded_trial(row) for row in rows}
    tasks = {row["number"]: study.repetition(row, lengths[row["number"]], paths.SEQUENCES) for row in rows}
    with (
        Cluster(params.execution) as cluster,
        TrialProgress(f"verify {name}", len(rows), study.cost, list(trials.values()), resumes=False) as progress,
    ):

        def on_news(event: Event) -> None:
            trial = trials[event.key]
            if isinstance(event, Finished):
                progress.trial_finished(study.record(trial, event.result, error=event.error))
            else:
                tell_progress(progress, trial, event)

        finished = cluster.run(tasks, on_news)
    differences = {row["number"]: _differences(row, finished[row["number"]]) for row in rows}
    _print(rows, differences, results.summary.environment)
    return not any(differences.values())


def _choose(trials: pd.DataFrame, numbers: str, sample: int) -> list[dict[str, Any]]:
    finished = trials[trials["state"] != "FAIL"]
    available = finished["number"].tolist()
    if not available:
        raise PipelineError("this study has no trained trial to verify")
    if numbers:
        try:
            chosen = [int(number) for number in numbers.split(",")]
        except ValueError:
            raise PipelineError(f"--trials wants numbers with commas between them, got {numbers!r}") from None
        unknown = sorted(set(chosen) - set(available))
        if unknown:
            raise PipelineError(f"no trained trial {unknown[0]} in this study: it has 0 to {max(available)}")
    else:
        places = np.linspace(0, len(available) - 1, min(sample, len(available))).round().astype(int)
        chosen = [available[place] for place in places]
    return records(finished[finished["number"].isin(chosen)])


def _differences(row: dict[str, Any], finished: Finished) -> list[str]:
    """The differences, each as `name: recorded → now`; none if the trial came out the same to the last bit."""
    result = finished.result
    if result is None:
        return [f"state: {row['state']} → FAIL ({finished.error})"]
    now = vars(result.best) | {"best_epoch": result.best_epoch, "weights_sha256": result.weights_sha256}
    return [f"{name}: {row[name]} → {now[name]}" for name in COMPARED if row[name] != now[name]]


def _print(rows: list[dict[str, Any]], differences: dict[int, list[str]], recorded: dict[str, str]) -> None:
    console = Console(highlight=False, markup=False)
    table = Table("trial", "network", "outcome", "recorded → now")
    for row in rows:
        different = differences[row["number"]]
        outcome = Text("changed", "red") if different else Text("reproduced", "green")
        table.add_row(str(row["number"]), network_name(row), outcome, "\n".join(different) or row["weights_sha256"])
    console.print(table)
    now = environment()
    if any(differences.values()):
        console.print(
            "The usual cause is a processor with other vector instructions (with AVX-512 or without), or another "
            "version of NumPy:"
        )
    for name, value in recorded.items():
        console.print(f"{name}: recorded {value}, now {now[name]}", soft_wrap=True)
