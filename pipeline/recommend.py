"""recommend: the finished studies' answer within a budget, in a sentence and a table."""

import json

import pandas as pd
from rich.console import Console
from rich.table import Table

from pipeline import paths
from pipeline.analysis import CONFIGURATION, choose_champion, complete_trials, configurations, records
from pipeline.errors import PipelineError
from pipeline.figures import network_name
from pipeline.params import Params
from pipeline.wording import interval, number, percent

SHOWN = 8  # rows of the table


def recommend(
    params: Params,
    max_parameters: int | None,
    max_predict_ms: float | None,
    min_accuracy: float | None,
    console: Console | None = None,
) -> bool:
    """Print the network to use among those that qualify; False if none does. Nothing is trained.

    Networks are those of `champion.studies` trained on the most samples. A prediction's time is that per sequence
    in large batches on one thread, as timings.csv has it. With `min_accuracy` the smallest network that qualifies is
    recommended, otherwise the one-standard-error rule chooses. Raises PipelineError before any study has finished.
    """
    console = console or Console(highlight=False)
    trials = {name: _with_times(name) for name in params.champion.studies}
    most = max((table["train_samples"].max() for table in trials.values() if len(table)), default=0)
    tables = []
    for name, study in trials.items():
        study = study[study["train_samples"] == most]
        if study.empty:
            continue
        times = study.groupby(CONFIGURATION, sort=False, dropna=False)["predict_ms"].mean().reset_index()
        tables.append(configurations(study).merge(times, on=CONFIGURATION).assign(study=name))
    if not tables:
        raise PipelineError("no study that champion.studies names has a complete trial yet: run `dvc repro` first")
    everything = pd.concat(tables, ignore_index=True)

    limits = {"parameters": max_parameters, "predict_ms": max_predict_ms}
    qualifying = everything
    for column, limit in limits.items():
        if limit is not None:
            qualifying = qualifying[qualifying[column] <= limit]
    if min_accuracy is not None:
        qualifying = qualifying[qualifying["validation_accuracy"] >= min_accuracy]
    if qualifying.empty:
        best = max(records(everything), key=lambda row: row["validation_accuracy"])
        console.print(
            f"None of the {len(everything)} networks qualifies: parameters from {everything['parameters'].min():,}, "
            f"prediction from {everything['predict_ms'].min():.2g} ms, validation accuracy up to "
            f"{percent(best['validation_accuracy'])} ({network_name(best)}, {best['parameters']:,} parameters).",
            soft_wrap=True,
        )
        return False

    chosen = _choose(trials, qualifying, min_accuracy)
    bounds = interval(chosen["validation_accuracy_low"], chosen["validation_accuracy_high"])
    console.print(
        f"Use {network_name(chosen)}: {chosen['parameters']:,} parameters, validation accuracy "
        f"{percent(chosen['validation_accuracy'])} (95 % interval {bounds}, {chosen['seeds']} "
        f"seed{'s' * (chosen['seeds'] > 1)}), {chosen['predict_ms']:.2g} ms a prediction. "
        f"{len(qualifying)} of {len(everything)} networks trained on {most:,} samples qualify.",
        soft_wrap=True,
    )
    console.print(_table(qualifying))
    return True


def _with_times(name: str) -> pd.DataFrame:
    folder = paths.study_folder(name)
    if not (folder / "trials.csv").exists() or not (folder / "timings.csv").exists():
        raise PipelineError(f"study {name} has not run: `dvc repro study@{name}` makes {folder}/trials.csv")
    timings = pd.read_csv(folder / "timings.csv")
    times = timings.assign(predict_ms=timings["predict_microseconds_per_sequence"] / 1000)[["number", "predict_ms"]]
    return complete_trials(pd.read_csv(folder / "trials.csv")).merge(times, on="number", how="left")


def _choose(trials: dict[str, pd.DataFrame], qualifying: pd.DataFrame, min_accuracy: float | None) -> dict:
    if min_accuracy is not None:
        order = qualifying.sort_values(["parameters", "validation_accuracy"], ascending=[True, False], kind="stable")
        return records(order)[0]
    within = {name: study.merge(qualifying[CONFIGURATION].drop_duplicates()) for name, study in trials.items()}
    samples = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))["validation"]["samples"]
    choice = choose_champion(within, samples)["choice"]
    same = qualifying.merge(pd.DataFrame([choice])[["study", *CONFIGURATION]])
    return records(same)[0]


def _table(qualifying: pd.DataFrame) -> Table:
    table = Table(
        "network", "study", "parameters", "validation accuracy", "95 % interval, %", "seeds", "ms a prediction"
    )
    best_first = qualifying.sort_values(["validation_accuracy", "parameters"], ascending=[False, True], kind="stable")
    for row in records(best_first)[:SHOWN]:
        bounds = interval(row["validation_accuracy_low"], row["validation_accuracy_high"])
        table.add_row(
            network_name(row), row["study"], number(row["parameters"]), percent(row["validation_accuracy"]), bounds,
            str(row["seeds"]), f"{row['predict_ms']:.2g}",
        )  # fmt: skip
    return table
