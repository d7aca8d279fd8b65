"""Section "On the test sequences": the champion and every other network that was measured on them."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.analysis.configurations import distinct
from pipeline.analysis.evaluation import Metrics
from pipeline.analysis.on_test_data import TO_BEST
from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.params.settings import METRIC_NAMES
from pipeline.report.results import Results
from pipeline.report.text import (
    NOTHING,
    Column,
    Table,
    interval,
    listed,
    number,
    p_value,
    percent,
    plural,
    points,
    text_table,
)


@dataclass(frozen=True)
class Tested:
    finding: str
    table: Table


def tested(results: Results) -> Tested | None:
    """The champion and the most accurate network against all others; None before the stage evaluate."""
    if results.test_table is None:
        return None
    return Tested(_finding(results.test_table), _table(results.test_table))


def model_words(metrics: Metrics) -> str:
    """How good the champion's model is: the one network that answers, not the mean over seeds."""
    found = (
        f"{percent(metrics.model_test_accuracy)} of the test sequences right (95 % interval over sequences "
        f"{interval(metrics.model_test_accuracy_low, metrics.model_test_accuracy_high)} %)"
    )
    if metrics.metric is None:
        return found
    assert metrics.model_test_score is not None
    return f"{found}, {METRIC_NAMES[metrics.metric]} {percent(metrics.model_test_score)}"


def shown(table: pd.DataFrame, verdict: str, suffix: str = "") -> list[dict[str, Any]]:
    """The rows of test.csv with this verdict against the champion; with `TO_BEST`, against the most accurate."""
    return records(table[table[f"verdict{suffix}"] == verdict])


def named(row: dict[str, Any]) -> str:
    """A network of test.csv, with the study that has trained it."""
    trained = "" if row["role"] in ("champion", "most accurate") else f" of the study {row['role']}"
    return f"{network_name(row)}{trained}"


def pairs_ahead(row: dict[str, Any], suffix: str = "") -> str:
    """In how many of the pairs of models a network is ahead: `6 of 9`."""
    ahead, pairs = row[f"model_pairs_ahead{suffix}"], row[f"model_pairs{suffix}"]
    return NOTHING if pd.isna(pairs) else f"{ahead:.0f} of {pairs:.0f}"


def described(row: dict[str, Any], suffix: str = "") -> str:
    """A network of test.csv, with its difference to the champion; with `TO_BEST`, to the most accurate."""
    difference = row[f"difference{suffix}"]
    sign = -1 if difference < 0 else 1  # the bounds in the direction of the difference itself
    low, high = sorted([sign * row[f"difference_low{suffix}"], sign * row[f"difference_high{suffix}"]])
    return (
        f"{named(row)} ({row['optimizer']}, {row['parameters']:,} parameters) by {points(abs(difference))} points "
        f"({interval(low, high)}; ahead in {pairs_ahead(row, suffix)} pairs of models)"
    )


def _finding(table: pd.DataFrame) -> str:
    if len(table) == 1:
        return "No other network was measured on the test sequences."
    sentences = [_better(table, "", "the champion")]
    if shown(table, "the most accurate", TO_BEST):
        sentences.append(_better(table, TO_BEST, "the most accurate"))
    if worse := shown(table, "worse"):
        sentences.append(f"Shown to be worse than the champion: {listed([described(row) for row in worse])}.")
    if open_ := shown(table, "no difference shown"):
        sentences.append(
            f"Between the champion and {plural(len(open_), 'other network')} no difference is shown, which does not "
            "say that there is none: the intervals say how large it may be."
        )
    return " ".join(sentences)


def _better(table: pd.DataFrame, suffix: str, than: str) -> str:
    better = [described(row, suffix) for row in shown(table, "better", suffix)]
    if not better:
        return f"No network is shown to be better than {than}."
    return f"Shown to be better than {than}: {listed(better)}."


def _table(table: pd.DataFrame) -> Table:
    against = {"": "the champion"}
    if shown(table, "the most accurate", TO_BEST):
        against[TO_BEST] = "the most accurate"
    tested = records(table)
    names = distinct([network_name(row) for row in tested], tested, ["role", "optimizer", "epochs"])
    rows = [
        row
        | {"network": name}
        | {"interval": interval(row["test_accuracy_low"], row["test_accuracy_high"])}
        | {
            f"difference_interval{suffix}": interval(row[f"difference_low{suffix}"], row[f"difference_high{suffix}"])
            for suffix in against
        }
        | {f"pairs{suffix}": pairs_ahead(row, suffix) for suffix in against}
        for row, name in zip(tested, names, strict=True)
    ]
    columns: dict[str, Column] = {
        "network": ("network", str), "role": ("role or study", str), "optimizer": ("optimizer", str),
        "parameters": ("parameters", number), "test_accuracy": ("test accuracy", percent),
    }  # fmt: skip
    for suffix, other in against.items():
        columns |= {
            f"difference{suffix}": (f"minus {other}, points", points),
            f"difference_interval{suffix}": ("95 % interval, points", str),
            f"verdict{suffix}": ("verdict", str),
            f"p_adjusted{suffix}": ("p, Holm-adjusted", p_value),
            f"pairs{suffix}": ("ahead, pairs of models", str),
        }
    columns["seeds"] = ("seeds", number)
    columns["interval"] = ("of the accuracy, 95 % interval, %", str)
    columns["epochs"] = ("epochs", number)
    return text_table(rows, columns)
