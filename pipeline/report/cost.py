"""Section "Cost": Pareto fronts, times to predict, and the best of each cell at equal budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.capacity import equal_budget, pareto_front
from pipeline.analysis.choice import distinct_names
from pipeline.analysis.configurations import CONFIGURATION, distinct
from pipeline.analysis.prediction_times import BATCH_SIZES
from pipeline.documents import records
from pipeline.params.network import CELLS, network_name
from pipeline.params.settings import METRIC_NAMES
from pipeline.report.baseline import Baseline
from pipeline.report.drawing import (
    accuracy_axis,
    baseline_line,
    baseline_words,
    cost_axis,
    legend,
    ring,
    styled,
    to_svg,
)
from pipeline.report.palette import INK
from pipeline.report.results import Results
from pipeline.report.text import NOTHING, Column, Table, in_order, number, percent, text_table

# Each cost by its column: its name, and its unit.
COSTS = {
    "parameters": ("parameters", "parameters"),
    "fit_seconds": ("training", "seconds to train"),
    "predict_ms": ("prediction", "ms a prediction"),
}


@dataclass(frozen=True)
class Prediction:
    """How long the champion and the others take to answer."""

    findings: tuple[str, ...]
    table: Table


@dataclass(frozen=True)
class Cost:
    configurations: int
    samples: int
    figures: dict[str, str]
    baseline: str
    front: Table
    prediction: Prediction | None
    equal_budgets: tuple[Table, ...]


def cost(results: Results) -> Cost | None:
    """What networks cost; None before any study that competes."""
    table = results.costs
    if table.empty:
        return None
    fronts = pd.DataFrame({name: pareto_front(table, column) for column, (name, _) in COSTS.items()})
    alt = "Validation accuracy against parameters, seconds to train and milliseconds a prediction, with Pareto fronts."
    budgets = (_equal_budget(table, column, f"{unit} at most") for column, (_, unit) in COSTS.items())
    marked = None if results.recommended is None else results.chosen
    return Cost(
        configurations=len(table),
        samples=results.competitors.train_samples,
        figures={"pareto_fronts": pareto_fronts(table, fronts, results.baseline, marked, alt)},
        baseline=baseline_words(results.baseline, table["validation_accuracy"]),
        front=_front(table, fronts),
        prediction=_prediction(results.prediction_times),
        equal_budgets=tuple(budget for budget in budgets if budget.rows),
    )


def _front(table: pd.DataFrame, fronts: pd.DataFrame) -> Table:
    """The networks on any of the fronts, the smallest first."""
    on_any = fronts.any(axis=1)
    table = table.assign(network=distinct_names(records(table)))
    rows = [
        row | {"fronts": ", ".join(name for name, front in fronts.loc[index].items() if front)}
        for index, row in zip(table.index[on_any], records(table[on_any]), strict=True)
    ]
    return text_table(sorted(rows, key=lambda row: row["parameters"]), {
        "network": ("network", str), "study": ("study", str), "parameters": ("parameters", number),
        "validation_accuracy": ("validation accuracy", percent), "fit_seconds": ("s to train", number),
        "predict_ms": ("ms a prediction", number),
        "predict_batch_ms": (f"ms for a batch of {BATCH_SIZES[1]}", number), "seeds": ("seeds", number),
        "fronts": ("on the Pareto front for", str),
    })  # fmt: skip


def _prediction(times: pd.DataFrame | None) -> Prediction | None:
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
        f"({number(low)} to {number(high)}). On another machine, expect the times of large batches in that proportion, "
        "and those of one sequence less so. Where the rate was low, this machine was busy with something else."
    )
    shown = records(times)
    names = distinct([network_name(row) for row in shown], shown, ["model", "batch_size"])
    rows = [
        row
        | {"network": name}
        | {"quartiles": f"{number(row['lower_quartile_ms'])} to {number(row['upper_quartile_ms'])}"}
        for row, name in zip(shown, names, strict=True)
    ]
    return Prediction(tuple(sentences), text_table(rows, {
        "network": ("network", str), "model": ("weights", str), "batch_size": ("sequences a call", number),
        "median_ms": ("ms a call, median", number), "quartiles": ("half of the calls, ms", str),
        "calls": ("calls", number), "sgemm_gflops": ("sgemm, GFLOP/s", number),
    }))  # fmt: skip


def _equal_budget(table: pd.DataFrame, column: str, header: str) -> Table:
    """A row per budget, a column per cell: the best network within the budget."""
    names = table.assign(network=distinct_names(records(table))).drop_duplicates(CONFIGURATION)
    best = equal_budget(table, column).merge(names[[*CONFIGURATION, "network"]], on=CONFIGURATION, how="left")
    cells = in_order(best["cell"].tolist())
    rows: dict[float, dict[str, Any]] = {}
    for row in records(best):
        entry = rows.setdefault(row["budget"], {"budget": row["budget"]} | dict.fromkeys(cells, NOTHING))
        entry[row["cell"]] = f"{percent(row['validation_accuracy'])} by {row['network']}"
    columns: dict[str, Column] = {"budget": (header, number)}
    columns |= {cell: (CELLS[cell].title, str) for cell in cells}
    return text_table(list(rows.values()), columns)


def pareto_fronts(
    table: pd.DataFrame, fronts: pd.DataFrame, baseline: Baseline, chosen: Mapping[str, Any] | None, alt: str
) -> str:
    """Validation accuracy against each cost, the networks on the Pareto front joined by a line, as SVG.

    `table` has a row per configuration with the columns of `COSTS`, `fronts` a boolean column for each of them by its
    name; `chosen` is the row to mark. A line is the `baseline`, if it is in sight.
    """
    hover: dict[str, str] = {}
    table = table.assign(network=distinct_names(records(table)))
    with styled():
        figure = Figure(figsize=(10.5, 4.2), layout="constrained")
        panels = figure.subplots(1, len(COSTS), sharey=True)
        for axes, (column, (name, unit)) in zip(panels, COSTS.items(), strict=True):
            known = table.dropna(subset=[column])
            axes.set_title(unit)
            if known.empty:
                axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
                continue
            front = known[fronts.loc[known.index, name]].sort_values(column)
            axes.plot(front[column], front["validation_accuracy"], drawstyle="steps-post", color=INK, linewidth=1.2)
            for index, row in zip(known.index, records(known), strict=True):
                gid, best, cell = f"front-{column}-{index}", bool(fronts.loc[index, name]), CELLS[row["cell"]]
                axes.plot(row[column], row["validation_accuracy"], cell.marker, color=cell.colour,
                          fillstyle="full" if best else "none", alpha=1 if best else 0.6, gid=gid)  # fmt: skip
                hover[gid] = (
                    f"{row['network']}: validation accuracy {row['validation_accuracy']:.2%}, "
                    f"{row[column]:,.4g} {unit}" + (", on the Pareto front" if best else "")
                )
            if chosen is not None:
                ring(axes, chosen[column], chosen["validation_accuracy"])
            cost_axis(axes, f"{unit} (log scale)")
        accuracy_axis(panels[0], table["validation_accuracy"])
        for axes in panels:
            baseline_line(axes, baseline.score)
        panels[0].set_ylabel(f"validation {METRIC_NAMES[baseline.metric]}")
        figure.legend(handles=legend(table, chosen), loc="outside lower left", ncols=6)
        return to_svg(figure, alt, hover)
