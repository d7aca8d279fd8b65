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
from pipeline.prediction_times import BATCH_SIZES, with_prediction_times
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

    Networks are those of `champion.studies` trained on the most samples. A prediction's time is that of one sequence
    alone, on one thread, as prediction_times.csv has it; the table gives that of a batch, too. With `min_accuracy` the
    smallest network that qualifies is recommended, otherwise the one-standard-error rule chooses. Raises PipelineError
    before any study has finished, and for `max_predict_ms` before prediction times have been measured.
    """
    console = console or Console(highlight=False)
    if max_predict_ms is not None and not paths.PREDICTION_TIMES.exists():
        raise PipelineError(f"{paths.PREDICTION_TIMES} not found: `dvc repro evaluate` measures how long networks take")
    trials = {name: _complete_trials(name) for name in params.champion.studies}
    most = max((table["train_samples"].max() for table in trials.values() if len(table)), default=0)
    tables = []
    for name, study in trials.items():
        study = study[study["train_samples"] == most]
        if study.empty:
            continue
        tables.append(configurations(study).assign(study=name))
    if not tables:
        raise PipelineError("no study that champion.studies names has a complete trial yet: run `dvc repro` first")
    times = pd.read_csv(paths.PREDICTION_TIMES) if paths.PREDICTION_TIMES.exists() else None
    everything = with_prediction_times(pd.concat(tables, ignore_index=True), times)

    if max_predict_ms is not None and (unknown := int(everything["predict_ms"].isna().sum())):
        console.print(f"{unknown} networks have not been timed: `dvc repro evaluate` does it.", soft_wrap=True)
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
            f"one prediction from {number(everything['predict_ms'].min())} ms, validation accuracy up to "
            f"{percent(best['validation_accuracy'])} ({network_name(best)}, {best['parameters']:,} parameters).",
            soft_wrap=True,
        )
        return False

    chosen = _choose(trials, qualifying, min_accuracy)
    bounds = interval(chosen["validation_accuracy_low"], chosen["validation_accuracy_high"])
    console.print(
        f"Use {network_name(chosen)}: {chosen['parameters']:,} parameters, validation accuracy "
        f"{percent(chosen['validation_accuracy'])} (95 % interval {bounds}, {chosen['seeds']} "
        f"seed{'s' * (chosen['seeds'] > 1)}), {number(chosen['predict_ms'])} ms for one prediction. "
        f"{len(qualifying)} of {len(everything)} networks trained on {most:,} samples qualify.",
        soft_wrap=True,
    )
    console.print(_table(qualifying))
    return True


def _complete_trials(name: str) -> pd.DataFrame:
    file = paths.study_folder(name) / "trials.csv"
    if not file.exists():
        raise PipelineError(f"study {name} has not run: `dvc repro study@{name}` makes {file}")
    return complete_trials(pd.read_csv(file))


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
        "network", "study", "parameters", "validation accuracy", "95 % interval, %", "seeds", "ms for one prediction",
        f"ms for {BATCH_SIZES[1]}",
    )  # fmt: skip
    best_first = qualifying.sort_values(["validation_accuracy", "parameters"], ascending=[False, True], kind="stable")
    for row in records(best_first)[:SHOWN]:
        bounds = interval(row["validation_accuracy_low"], row["validation_accuracy_high"])
        table.add_row(
            network_name(row), row["study"], number(row["parameters"]), percent(row["validation_accuracy"]), bounds,
            str(row["seeds"]), number(row["predict_ms"]), number(row["predict_batch_ms"]),
        )  # fmt: skip
    return table
