"""Section "Is bigger better?": each larger network against the choice, and the two saved models."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.choice import Finalist, named
from pipeline.analysis.comparisons import SIGNIFICANCE, paired_comparisons
from pipeline.documents import records
from pipeline.params.network import CELLS, NetworkSpec, network_name
from pipeline.report.drawing import cost_axis, legend, styled, to_svg
from pipeline.report.palette import INK, MARK
from pipeline.report.results import Results
from pipeline.report.text import Column, Table, interval, number, p_value, p_words, plural, points, text_table

TESTS = {
    "validation": "The test is a sign-flip permutation test.",
    "fold": "The test is Student's, widened because the trainings share sequences (Nadeau and Bengio, 2003).",
}


@dataclass(frozen=True)
class Comparisons:
    test: str
    findings: tuple[str, ...]
    figures: dict[str, str]
    table: Table | None


def comparisons(results: Results) -> Comparisons | None:
    """Whether any larger network is better than the choice; None before there is one, and without its competitors.

    None, too, where a race decides: its section says all this (`race`).
    """
    if results.race is not None or results.choice is None:
        return None
    if results.competitors.train_samples != results.choice.compared_train_samples:
        return None
    choice = results.choice.choice
    held_out = results.studies[choice.study].summary.held_out
    table = paired_comparisons(pd.concat(results.competitors.trials.values()), choice.model_dump(), held_out)
    findings = (*_findings(table, choice, held_out), _mcnemar_finding(results))
    figures = {}
    if table["difference"].notna().any():
        alt = f"Difference of validation accuracy to the choice, {network_name(choice)}, for each larger network."
        figures["differences"] = differences(table, choice, alt)
    return Comparisons(TESTS[held_out], findings, figures, None if table.empty else _table(table, held_out))


def _findings(table: pd.DataFrame, choice: Finalist, held_out: str) -> list[str]:
    if table.empty:
        return [
            f"No network larger than {network_name(choice)} was trained on as many samples, so nothing can be said."
        ]
    counts = table["verdict"].value_counts()
    told = {
        "better": "shown to be better", "worse": "shown to be worse", "no difference shown": "not shown to differ",
        "too few seeds to tell": "trained with too few seeds to tell",
    }  # fmt: skip
    parts = [
        f"{counts[verdict]} {'is' if counts[verdict] == 1 else 'are'} {text}"
        for verdict, text in told.items()
        if verdict in counts
    ]
    sentences = [
        f"Of the {plural(len(table), 'configuration')} larger than {network_name(choice)} and trained on as many "
        f"samples, {', '.join(parts)}."
    ]
    if "too few seeds to tell" in counts:
        most = int(table.loc[table["verdict"] == "too few seeds to tell", "seeds"].max())
        by_signs = held_out != "fold"
        needed = 1 + math.ceil(math.log2(len(table) / SIGNIFICANCE)) if by_signs else 2
        bound = f", and with {most} no p-value can be below {number(2.0 ** (1 - most))}" * (by_signs and most > 1)
        sentences.append(
            f"These share at most {plural(most, 'seed')} with the choice{bound}"
            + f"; to compare {len(table)} at {100 * SIGNIFICANCE:g} % takes {needed} seeds."
        )
    known = named(records(table.dropna(subset=["difference"])))
    if known:
        row = max(known, key=lambda row: row["difference"])
        bounds = interval(row["difference_low"], row["difference_high"])
        spread = "too few seeds for an interval" if pd.isna(row["difference_low"]) else f"95 % interval {bounds}"
        sentences.append(
            f"The largest mean difference is {points(row['difference'])} points, by {row['network']} with "
            f"{row['parameters']:,} parameters ({spread})"
            + (f"; the largest of {len(known)} owes some of it to luck." if len(known) > 1 else ".")
        )
    return sentences


def _mcnemar_finding(results: Results) -> str:
    """McNemar's test of the champion's first model and that of the best network."""
    assert results.choice is not None
    best, test = results.choice.best, results.most_accurate_tested
    if best == results.choice.choice:
        return "The choice is the most accurate network itself, so there are no two models to compare on the test data."
    if test is None:
        return "The stage evaluate has not run, so no two models have been compared on the test data."
    differ = test["p_adjusted"] <= SIGNIFICANCE
    right, wrong = (plural(int(test[name]), "time") for name in ("only_this_right", "only_other_right"))
    return (
        f"On the {results.summary.test.samples:,} test samples the best network, {network_name(best)}, trained once "
        f"with seed 0, is right {right} where the champion's model of the same seed is wrong, and wrong {wrong} where "
        f"that is right: by McNemar's exact test these two models {'differ' if differ else 'are not shown to differ'} "
        f"({p_words(test['p_adjusted'])}, Holm-adjusted). The test speaks of two trained models, not of their "
        "configurations."
    )


def _table(table: pd.DataFrame, held_out: str) -> Table:
    test = "p, Student's t, widened for folds" if held_out == "fold" else "p, sign flips"
    columns: dict[str, Column] = {
        "network": ("network", str), "parameters": ("parameters", number), "seeds": ("seeds shared", number),
        "difference": ("larger minus choice, points", points), "interval": ("95 % interval, points", str),
        "p_value": (test, p_value), "p_adjusted": ("p, Holm-adjusted", p_value),
        "verdict": ("the larger one is", str), "dropout": ("dropout", number), "optimizer": ("optimizer", str),
        "learning_rate": ("learning rate", number), "batch_size": ("batch size", number),
        "epochs": ("epochs at most", number),
    }  # fmt: skip
    rows = [
        row | {"interval": interval(row["difference_low"], row["difference_high"])}
        for row in named(records(table), list(columns)[-5:])
    ]
    return text_table(rows, columns, fold=list(columns)[-5:])


def differences(table: pd.DataFrame, choice: NetworkSpec | Mapping[str, Any], alt: str) -> str:
    """How much more accurate each larger network is than the choice, with 95 % intervals, as SVG.

    `table` is that of `paired_comparisons`. Filled marks are differences that the adjusted test shows.
    """
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(6.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.axhline(0, color=MARK, linewidth=2)
        for index, row in enumerate(named(records(table.dropna(subset=["difference"])))):
            cell, gid = CELLS[row["cell"]], f"difference-{index}"
            shown = row["verdict"] in ("better", "worse")
            axes.vlines(row["parameters"], row["difference_low"], row["difference_high"], color=cell.colour,
                        linewidth=1.2)  # fmt: skip
            axes.plot(row["parameters"], row["difference"], cell.marker, color=cell.colour, gid=gid,
                      fillstyle="full" if shown else "none")  # fmt: skip
            hover[gid] = (
                f"{row['network']}, {row['parameters']:,} parameters: {100 * row['difference']:+.2f} points over "
                f"{plural(row['seeds'], 'seed')}; {row['verdict']}"
            )
        axes.set_title(f"Validation accuracy minus that of {network_name(choice)}, points", color=INK)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+g}" if value else "0")
        cost_axis(axes, "trainable parameters (log scale)")
        figure.legend(handles=legend(table, None), loc="outside lower left", ncols=6)
        return to_svg(figure, alt, hover)
