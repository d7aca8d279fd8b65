"""Section "The search": what so many trials find, and the best network of each size."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.analysis.capacity import budgets_table
from pipeline.analysis.search import expected_best_by_cell
from pipeline.documents import records
from pipeline.params.network import CELLS, network_name
from pipeline.params.studies import SampledStudy
from pipeline.report.drawing import accuracy_axis, legend, styled, to_svg
from pipeline.report.results import Results
from pipeline.report.text import Table, in_order, number, percent, plural, text_table
from pipeline.studies.proposals import budget_places


@dataclass(frozen=True)
class Search:
    """`figures` has the expected best accuracy, if any trial was measured; `budgets` is None where there are none."""

    study: str
    finding: str
    figures: dict[str, str]
    budgets: Table | None


def searches(results: Results) -> tuple[Search, ...]:
    """Every study whose trials a sampler has proposed."""
    return tuple(
        _search(name, study, results)
        for name in results.studies
        if isinstance(study := results.params.study(name), SampledStudy)
    )


def _search(name: str, study: SampledStudy, results: Results) -> Search:
    found = results.studies[name]
    expected = expected_best_by_cell(found.trials, found.curves)
    figures = {}
    if len(expected):
        alt = (
            f"Expected best validation accuracy of the study {name} against the number of trials, a line for each cell."
        )
        figures[f"expected_best_{name}"] = expected_best_figure(expected, alt)
    return Search(name, _finding(expected, found.trials), figures, _budgets(name, study, results))


def _finding(expected: pd.DataFrame, trials: pd.DataFrame) -> str:
    states = trials["state"].value_counts()
    parts = [
        f"{CELLS[row['cell']].title} {percent(row['expected_best'])} after {plural(row['trials'], 'trial')}"
        for row in records(expected.groupby("cell", sort=False, as_index=False).last())
    ]
    failed = f"; {plural(int(states['FAIL']), 'failed trial')} left out" if "FAIL" in states else ""
    return f"The best to be expected: {', '.join(parts)}{failed}." if parts else "No trial was measured."


def _budgets(name: str, study: SampledStudy, results: Results) -> Table | None:
    if study.parameter_budgets is None:
        return None
    place_of = budget_places(study, results.summary.sizes)
    table = budgets_table(results.studies[name].trials, study.parameter_budgets, place_of)
    rows = [row | {"network": network_name(row)} for row in records(table)]
    return text_table(rows, {
        "budget": ("parameters at most", number), "network": ("the most accurate found", str),
        "parameters": ("parameters", number), "validation_accuracy": ("validation accuracy", percent),
        "learning_rate": ("learning rate", number), "dropout": ("dropout", number), "trials": ("trials", number),
        "pruned": ("pruned", number),
    })  # fmt: skip


def expected_best_figure(table: pd.DataFrame, alt: str) -> str:
    """The expected best accuracy against the number of trials, a line for each cell, as SVG.

    `table` is that of `expected_best_by_cell`.
    """
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(6.2, 3.8), layout="constrained")
        axes = figure.subplots()
        for cell in in_order(table["cell"].tolist()):
            line, kind = table[table["cell"] == cell], CELLS[cell]
            axes.plot(line["trials"], line["expected_best"], color=kind.colour, linewidth=1.4)
            for row in records(line):
                gid = f"expected-{cell}-{row['trials']}"
                axes.plot(row["trials"], row["expected_best"], kind.marker, color=kind.colour, markersize=4, gid=gid)
                hover[gid] = (
                    f"{kind.title}: the best of {plural(row['trials'], 'trial')} is expected to reach "
                    f"{row['expected_best']:.2%}"
                )
        accuracy_axis(axes, table["expected_best"])
        axes.set_title("Expected best validation accuracy")
        axes.set_xlabel("trials of the cell")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(handles=legend(table, None), loc="outside lower left", ncols=6)
        return to_svg(figure, alt, hover)
