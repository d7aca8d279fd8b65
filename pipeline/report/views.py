"""Section "Rows or columns": the same networks with the image read another way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.analysis.configurations import distinct
from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.report.results import Results
from pipeline.report.text import Table, interval, number, percent, plural, points, text_table


@dataclass(frozen=True)
class Views:
    findings: tuple[str, ...]
    table: Table


def views(results: Results) -> Views | None:
    """The same networks on other views; None without a study called views."""
    table = results.views_table
    if table.empty:
        return None
    return Views(tuple(_findings(table)), _table(table))


def _findings(table: pd.DataFrame) -> list[str]:
    """A sentence for each network and view but the first."""
    sentences = []
    for row in _named(records(table[table["difference"].notna()])):
        change = (
            f"{row['network']}: {_words(row['view'])} instead of "
            f"{_words(table['view'].iloc[0])} change validation accuracy by {points(row['difference'])} points"
        )
        seeds = plural(row["seeds"], "seed")
        if pd.isna(row["difference_low"]):
            sentences.append(f"{change} ({seeds}): how seeds vary is not known.")
            continue
        clear = row["difference_low"] > 0 or row["difference_high"] < 0
        sentences.append(
            f"{change} (95 % interval {interval(row['difference_low'], row['difference_high'])}, {seeds}): "
            + ("a difference is shown." if clear else "no difference is shown, nor that there is none.")
        )
    return sentences


def _named(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    plain = [network_name({"bidirectional": False, **row}) for row in rows]
    names = distinct(plain, rows, ["view", "train_samples"])
    return [{**row, "network": name} for row, name in zip(rows, names, strict=True)]


def _table(table: pd.DataFrame) -> Table:
    rows = [
        row | {"interval": interval(row["difference_low"], row["difference_high"])} for row in _named(records(table))
    ]
    return text_table(rows, {
        "network": ("network", str), "view": ("a time step is one of the", _words),
        "parameters": ("parameters", number), "train_samples": ("samples", number), "seeds": ("seeds", number),
        "validation_accuracy": ("validation accuracy", percent), "validation_accuracy_sd": ("sd, points", points),
        "difference": ("difference, points", points), "interval": ("95 % interval, points", str),
    })  # fmt: skip


def _words(view: str) -> str:
    return view.replace("_", " ")
