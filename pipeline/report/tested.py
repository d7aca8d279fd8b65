"""Section "On the test images": the champion and every other network that was measured on them."""

from dataclasses import dataclass
from typing import Any

from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.report.results import Results
from pipeline.report.text import Column, Table, interval, listed, number, percent, plural, points, text_table


@dataclass(frozen=True)
class Tested:
    finding: str
    table: Table


def tested(results: Results) -> Tested | None:
    """The champion against all others on the same test images; None before the stage evaluate."""
    if results.test_table is None:
        return None
    return Tested(_finding(results), _table(results))


def shown(results: Results, verdict: str) -> list[dict[str, Any]]:
    """The rows of test.csv with this verdict."""
    table = results.test_table
    return [] if table is None else records(table[table["verdict"] == verdict])


def described(row: dict[str, Any]) -> str:
    """A network of test.csv, with its difference to the champion."""
    trained = "" if row["role"] == "most accurate" else f" of the study {row['role']}"
    return (
        f"{network_name(row)}{trained} ({row['optimizer']}, {row['parameters']:,} parameters) by "
        f"{points(abs(row['difference']))} points ({interval(*sorted(_bounds(row)))})"
    )


def _bounds(row: dict[str, Any]) -> tuple[float, float]:
    """Of the difference, above 0 in the direction of the difference itself."""
    sign = -1 if row["difference"] < 0 else 1
    return sign * row["difference_low"], sign * row["difference_high"]


def _finding(results: Results) -> str:
    better, worse, open_ = (shown(results, verdict) for verdict in ("better", "worse", "no difference shown"))
    if not better + worse + open_:
        return "No other network was measured on the test images."
    sentences = [
        f"Shown to be better than the champion: {listed([described(row) for row in better])}."
        if better
        else "No network is shown to be better than the champion."
    ]
    if worse:
        sentences.append(f"Shown to be worse: {listed([described(row) for row in worse])}.")
    if open_:
        sentences.append(
            f"Of {plural(len(open_), 'other network')} no difference is shown, which does not say that there is none: "
            "the intervals say how large it may be."
        )
    return " ".join(sentences)


def _table(results: Results) -> Table:
    assert results.test_table is not None
    rows = [
        row
        | {"network": network_name(row)}
        | {"interval": interval(row["test_accuracy_low"], row["test_accuracy_high"])}
        | {"difference_interval": interval(row["difference_low"], row["difference_high"])}
        for row in records(results.test_table)
    ]
    columns: dict[str, Column] = {
        "network": ("network", str), "role": ("role or study", str), "optimizer": ("optimizer", str),
        "parameters": ("parameters", number),
        "test_accuracy": ("test accuracy", percent), "difference": ("minus the champion, points", points),
        "difference_interval": ("95 % interval, points", str), "verdict": ("verdict", str),
        "p_adjusted": ("p, Holm-adjusted", number), "seeds": ("seeds", number),
        "interval": ("of the accuracy, 95 % interval, %", str),
        "epochs": ("epochs", number),
    }  # fmt: skip
    return text_table(rows, columns)
