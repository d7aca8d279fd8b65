"""The report's section on costs: Pareto fronts, times to predict, and the best of each cell at equal budget."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import capacity
from pipeline.analysis.configurations import CONFIGURATION, complete_trials, configurations
from pipeline.analysis.prediction_times import BATCH_SIZES, with_prediction_times
from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.params.studies import SampledStudy
from pipeline.report import comparison_figures, drawing
from pipeline.report.drawing import CELL_NAMES
from pipeline.report.results import Results, StudyResults
from pipeline.report.text import Column, Table, number, percent, text_table

COSTS = {"parameters": "parameters", "fit_seconds": "training", "predict_ms": "prediction"}


def cost(results: Results) -> dict[str, Any] | None:
    """What networks cost: the Pareto fronts, and the best of each cell at equal budget; None before any study."""
    tables = [
        with_costs(study).assign(study=name)
        for name, study in results.studies.items()
        if name in results.params.champion.studies and len(complete_trials(study.trials))
    ]
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)
    table = with_prediction_times(
        table[table["train_samples"] == table["train_samples"].max()], results.prediction_times
    )
    fronts = pd.DataFrame({name: capacity.pareto_front(table, column) for column, name in COSTS.items()})
    on_any = fronts.any(axis=1)
    rows = [
        row
        | {"network": network_name(row)}
        | {"fronts": ", ".join(name for name, front in fronts.loc[index].items() if front)}
        for index, row in zip(table.index[on_any], records(table[on_any]), strict=True)
    ]
    chosen = _chosen(table, None if results.choice is None else results.choice["choice"])
    alt = "Validation accuracy against parameters, seconds to train and milliseconds a prediction, with Pareto fronts."
    return {
        "samples": int(table["train_samples"].iloc[0]),
        "configurations": len(table),
        "chosen": chosen,
        "figures": {"pareto_fronts": comparison_figures.pareto_fronts(table, fronts, chosen, alt)},
        "front": text_table(sorted(rows, key=lambda row: row["parameters"]), {
            "network": ("network", str), "study": ("study", str), "parameters": ("parameters", number),
            "validation_accuracy": ("validation accuracy", percent), "fit_seconds": ("s to train", number),
            "predict_ms": ("ms a prediction", number),
            "predict_batch_ms": (f"ms for a batch of {BATCH_SIZES[1]}", number), "seeds": ("seeds", number),
            "fronts": ("nothing is better for less", str),
        }),
        "prediction": _prediction(results),
        "equal_parameters": _equal_budget(table, "parameters", "parameters at most"),
        "equal_seconds": _equal_budget(table, "fit_seconds", "seconds to train at most"),
        "equal_predict_ms": _equal_budget(table, "predict_ms", "ms a prediction at most"),
        "searched": [searched for name in results.studies if (searched := _by_budgets(name, results))],
    }  # fmt: skip


def _by_budgets(name: str, results: Results) -> dict[str, Any] | None:
    """What a study by budgets has found for each; None for any other study."""
    study = results.params.study(name)
    if not isinstance(study, SampledStudy) or study.parameter_budgets is None:
        return None
    table = capacity.budgets_table(results.studies[name].trials, study.parameter_budgets)
    rows = [row | {"network": network_name(row)} for row in records(table)]
    return {"name": name, "table": text_table(rows, {
        "budget": ("parameters at most", number), "network": ("the most accurate found", str),
        "parameters": ("parameters", number), "validation_accuracy": ("validation accuracy", percent),
        "learning_rate": ("learning rate", number), "trials": ("trials", number), "pruned": ("pruned", number),
    })}  # fmt: skip


def _chosen(table: pd.DataFrame, choice: dict[str, Any] | None) -> dict[str, Any] | None:
    """The row of the choice in `table`."""
    if choice is None:
        return None
    keys = ["study", *CONFIGURATION]
    rows = records(table[np.logical_and.reduce([table[name] == choice[name] for name in keys])])
    return rows[0] if rows else None


def with_costs(study: StudyResults) -> pd.DataFrame:
    """The study's configurations with their mean `fit_seconds` and `seconds_per_epoch`."""
    clock = complete_trials(study.trials).merge(study.timings, on="number", how="left")
    costs = clock.groupby(CONFIGURATION, sort=False, as_index=False)[["fit_seconds", "seconds_per_epoch"]].mean()
    return configurations(study.trials).merge(costs, on=CONFIGURATION)


def _prediction(results: Results) -> dict[str, Any] | None:
    """How long the champion and the others take to answer; None where nothing was measured."""
    times = results.prediction_times
    if times is None or times.empty:
        return None
    sentences = [
        f"The champion's saved model, {network_name(row)}, answers "
        f"{'one sequence' if row['batch_size'] == 1 else str(row['batch_size']) + ' at once'} in "
        f"{number(row['median_ms'])} ms (median of {row['calls']} calls; half of them took "
        f"{number(row['lower_quartile_ms'])} to {number(row['upper_quartile_ms'])} ms)."
        for row in records(times[times["model"] == "saved"])
    ]
    low, middle, high = times["sgemm_gflops"].quantile([0, 0.5, 1])
    sentences.append(
        f"Between the measurements the machine multiplied float32 matrices at {number(middle)} GFLOP/s on one thread "
        f"({number(low)} to {number(high)}). On another machine expect the times of large batches in that "
        "proportion, those of one sequence less so; where the rate was low this machine was busy with something else."
    )
    rows = [
        row
        | {"network": network_name(row)}
        | {"quartiles": f"{number(row['lower_quartile_ms'])} to {number(row['upper_quartile_ms'])}"}
        for row in records(times)
    ]
    return {"findings": sentences, "table": text_table(rows, {
        "network": ("network", str), "model": ("weights", str), "batch_size": ("sequences a call", number),
        "median_ms": ("ms a call, median", number), "quartiles": ("half of the calls, ms", str),
        "calls": ("calls", number), "sgemm_gflops": ("sgemm, GFLOP/s", number),
    })}  # fmt: skip


def _equal_budget(table: pd.DataFrame, column: str, header: str) -> Table:
    """A row per budget, a column per cell: the best network that it buys."""
    best = capacity.equal_budget(table, column)
    cells = [cell for cell in drawing.COLOURS if cell in set(best["cell"])]
    rows: dict[float, dict[str, Any]] = {}
    for row in records(best):
        entry = rows.setdefault(row["budget"], {"budget": row["budget"]} | dict.fromkeys(cells, "–"))
        entry[row["cell"]] = f"{percent(row['validation_accuracy'])} by {network_name(row)}"
    columns: dict[str, Column] = {"budget": (header, number)}
    columns |= {cell: (CELL_NAMES[cell], str) for cell in cells}
    return text_table(list(rows.values()), columns)
