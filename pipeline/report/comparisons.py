"""The report's section "Is bigger better?": each larger network against the choice, and the two saved models."""

import math
from typing import Any

import pandas as pd

from pipeline.analysis import comparisons
from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.report import comparison_figures
from pipeline.report.results import Results
from pipeline.report.text import Column, interval, number, plural, points, text_table


def bigger(results: Results) -> dict[str, Any] | None:
    """Whether any larger network is better than the choice; None before there is one."""
    if results.choice is None:
        return None
    choice = results.choice["choice"]
    competing = [study.trials for name, study in results.studies.items() if name in results.params.champion.studies]
    if not competing:
        return None
    table = comparisons.paired_comparisons(pd.concat(competing), choice)
    section: dict[str, Any] = {
        "findings": [*_findings(table, choice), _mcnemar_finding(results)],
        "figures": {},
        "table": None,
    }
    if table.empty:
        return section
    if table["difference"].notna().any():
        alt = f"Difference of validation accuracy to the choice, {network_name(choice)}, for each larger network."
        section["figures"] = {"differences": comparison_figures.differences(table, choice, alt)}
    rows = [
        row | {"network": network_name(row)} | {"interval": interval(row["difference_low"], row["difference_high"])}
        for row in records(table)
    ]
    columns: dict[str, Column] = {
        "network": ("network", str), "parameters": ("parameters", number), "seeds": ("seeds shared", number),
        "difference": ("larger minus choice, points", points), "interval": ("95 % interval, points", str),
        "p_value": ("p, sign flips", number), "p_adjusted": ("p, Holm-adjusted", number),
        "verdict": ("the larger one is", str), "dropout": ("dropout", number), "optimizer": ("optimizer", str),
        "learning_rate": ("learning rate", number), "batch_size": ("batch size", number),
        "epochs": ("epochs at most", number),
    }  # fmt: skip
    section["table"] = text_table(rows, columns, fold=list(columns)[-5:])
    return section


def _findings(table: pd.DataFrame, choice: dict[str, Any]) -> list[str]:
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
        needed = 1 + math.ceil(math.log2(len(table) / comparisons.SIGNIFICANCE))
        sentences.append(
            f"These share at most {plural(most, 'seed')} with the choice"
            + (f", and with {most} no p-value can be below {number(2.0 ** (1 - most))}" if most > 1 else "")
            + f"; to compare {len(table)} at {100 * comparisons.SIGNIFICANCE:g} % takes {needed} seeds."
        )
    known = records(table.dropna(subset=["difference"]))
    if known:
        row = max(known, key=lambda row: row["difference"])
        bounds = interval(row["difference_low"], row["difference_high"])
        spread = "too few seeds for an interval" if pd.isna(row["difference_low"]) else f"95 % interval {bounds}"
        sentences.append(
            f"The largest mean difference is {points(row['difference'])} points, by {network_name(row)} with "
            f"{row['parameters']:,} parameters ({spread})"
            + (f"; the largest of {len(known)} owes some of it to luck." if len(known) > 1 else ".")
        )
    return sentences


def _mcnemar_finding(results: Results) -> str:
    """What McNemar's test says of the champion's first model and that of the best network."""
    assert results.choice is not None
    best, test = results.choice["best"], results.mcnemar
    if best == results.choice["choice"]:
        return "The choice is the most accurate network itself, so there are no two models to compare on the test data."
    if test is None:
        return "The stage evaluate has not run, so no two models have been compared on the test data."
    differ = test["p_value"] <= comparisons.SIGNIFICANCE
    gained, lost = (plural(test[f"only_{model}_right"], "time") for model in ("best", "champion"))
    return (
        f"On the {test['samples']:,} test samples the best network, {network_name(best)}, trained once with seed 0, "
        f"is right {gained} where the champion's model of the same seed is wrong, and wrong {lost} where that is "
        f"right: by McNemar's exact test these two models {'differ' if differ else 'cannot be told apart'} "
        f"(p = {number(test['p_value'])}). It speaks of two trained models, not of their configurations."
    )
