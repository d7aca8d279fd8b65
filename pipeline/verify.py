"""verify: train trials of a finished study again and compare them with what was recorded, to the last bit."""

import json
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from pipeline import paths
from pipeline.cluster import Cluster, Finished
from pipeline.environment import environment
from pipeline.errors import PipelineError
from pipeline.figures import network_name
from pipeline.params import Params
from pipeline.study import StudyRun
from pipeline.trials import TrainingResult

COMPARED = ["best_epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "weights_sha256"]


def verify_study(params: Params, name: str, numbers: str, sample: int) -> bool:
    """Train the trials with these `numbers` ("3,7"), or else `sample` of them, again; True if all came out the same.

    Prints a row for each: `reproduced`, or `changed` with both values. Raises PipelineError for a study that is
    not there or a number that is not in it.
    """
    folder = paths.study_folder(name)
    run = StudyRun(name, params, json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8")), paths.SEQUENCES)
    recorded = json.loads((folder / "best.json").read_text(encoding="utf-8")) if folder.exists() else {}
    if recorded.get("fingerprint") != run.fingerprint:
        raise PipelineError(
            f"{folder} does not hold study {name} as params.yaml and the data say: run `dvc repro study@{name}` first"
        )
    rows = _choose(pd.read_csv(folder / "trials.csv"), numbers, sample)
    lengths = pd.read_csv(folder / "curves.csv").groupby("number")["epoch"].max().to_dict()
    if any(row["number"] not in lengths for row in rows):
        raise PipelineError(f"{folder / 'curves.csv'} is not of the same run as trials.csv: run `dvc checkout --force`")

    results: dict[int, TrainingResult | str] = {}
    with Cluster(params.execution) as cluster:
        for row in rows:
            number = row["number"]
            cluster.submit(number, run.repetition(row, lengths[number]), priority=number)
        while len(results) < len(rows):
            event = cluster.next_event()
            if isinstance(event, Finished):
                results[event.key] = event.result or event.error or ""

    differences = {row["number"]: _differences(row, results[row["number"]]) for row in rows}
    _print(rows, differences, recorded["environment"])
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
    rows = finished[finished["number"].isin(chosen)].to_dict(orient="records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _differences(row: dict[str, Any], result: TrainingResult | str) -> list[str]:
    """What differs, each as `name: recorded → now`; nothing if the trial came out the same to the last bit."""
    if isinstance(result, str):
        return [f"state: {row['state']} → FAIL ({result})"]
    now = vars(result.best) | {"best_epoch": result.best_epoch, "weights_sha256": result.weights_sha256}
    return [f"{name}: {row[name]} → {now[name]}" for name in COMPARED if row[name] != now[name]]


def _print(rows: list[dict[str, Any]], differences: dict[int, list[str]], recorded: dict[str, str]) -> None:
    console = Console(highlight=False)
    table = Table("trial", "network", "outcome", "recorded → now")
    for row in rows:
        different = differences[row["number"]]
        outcome = "[red]changed" if different else "[green]reproduced"
        table.add_row(str(row["number"]), network_name(row), outcome, "\n".join(different) or row["weights_sha256"])
    console.print(table)
    now = environment()
    if any(differences.values()):
        console.print(
            "The usual cause is another version of TensorFlow than the study was run with, or a processor with other "
            "vector instructions (with AVX-512 or without):"
        )
    for name, value in recorded.items():
        console.print(f"{name}: recorded {value}, now {now[name]}", soft_wrap=True)
