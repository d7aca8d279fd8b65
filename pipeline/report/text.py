"""The report's words: numbers as text, tables of text, and sentences computed from results."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from pipeline.analysis.book import LAST_EPOCHS, NEAR_THE_BOOK
from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.report.drawing import CELL_NAMES

NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """Texts ready to be shown: rows under headers, and what is the same in every row, said once in `common`."""

    headers: list[str]
    rows: list[list[str]]
    common: str = ""


Column = tuple[str, Callable[[Any], str]]


def percent(value: float) -> str:
    """A fraction as per cent with two digits."""
    return NOTHING if pd.isna(value) else f"{value:.2%}".replace("%", " %")


def points(value: float) -> str:
    """A difference of fractions as percentage points with two digits."""
    return NOTHING if pd.isna(value) else f"{100 * value:.2f}".replace("-", "−")


def number(value: float) -> str:
    """A number with three significant digits; whole and large ones in full, with thousands separated."""
    if pd.isna(value):
        return NOTHING
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


def plural(count: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def interval(low: float, high: float) -> str:
    """Two fractions as an interval in per cent or percentage points, without the unit."""
    return NOTHING if pd.isna(low) else f"{points(low)} to {points(high)}"


def text_table(rows: list[dict[str, Any]], columns: Mapping[str, Column], fold: Sequence[str] = ()) -> Table:
    """The `columns` of `rows`, in that order: name → (header, how to show a value).

    A column of `fold` with one and the same text in every row becomes part of `common` instead.
    """
    texts = {name: [show(row[name]) for row in rows] for name, (_, show) in columns.items()}
    folded = [name for name in fold if len(set(texts[name])) == 1]
    shown = [name for name in columns if name not in folded]
    return Table(
        headers=[columns[name][0] for name in shown],
        rows=[list(row) for row in zip(*(texts[name] for name in shown), strict=True)],
        common=", ".join(f"{columns[name][0]} {texts[name][0]}" for name in folded if texts[name][0] != NOTHING),
    )


def finding(choice: Mapping[str, Any] | None) -> str:
    """What choice.json comes to, in one clause."""
    if choice is None:
        return "No network is recommended yet"
    chosen, best = choice["choice"], choice["best"]
    if chosen["parameters"] == best["parameters"]:
        return f"{network_name(chosen)} is the most accurate, and nothing smaller comes within one standard error"
    fewer = 1 - chosen["parameters"] / best["parameters"]
    share = f"{fewer:.0%} fewer" if fewer >= 0.01 else "slightly fewer"
    return (
        f"{network_name(chosen)} is within one standard error of the best, {network_name(best)}, "
        f"with {share} parameters"
    )


def capacity_finding(table: pd.DataFrame) -> list[str]:
    """What growing the networks of the capacity study does: a sentence per cell, on the fewest and the most samples."""
    sentences = []
    table = table[table["train_samples"].isin([table["train_samples"].min(), table["train_samples"].max()])]
    for _, group in table.groupby(["train_samples", "cell"], sort=False):
        if len(group) < 2:
            continue
        rows = records(group)
        small, large = (extreme(rows, key=lambda row: row["parameters"]) for extreme in (min, max))
        best = max(rows, key=lambda row: row["validation_accuracy"])
        sentences.append(
            f"{CELL_NAMES[best['cell']]} on {best['train_samples']:,} samples: from {small['parameters']:,} to "
            f"{large['parameters']:,} parameters validation accuracy goes from "
            f"{percent(small['validation_accuracy'])} to {percent(large['validation_accuracy'])} and the "
            f"generalization gap from {points(small['generalization_gap'])} to "
            f"{points(large['generalization_gap'])} points; {network_name(best)} is the most accurate with "
            f"{percent(best['validation_accuracy'])}."
        )
    return sentences


def saturation_verdict(row: Mapping[str, Any]) -> str:
    """Where growing stops paying, for a row of `capacity.saturation_capacity`."""
    if row["verdict"] != "levels off":
        return str(row["verdict"])
    return f"levels off from {row['parameters']:,} parameters ({row['units']} units) on"


def onset_findings(table: pd.DataFrame) -> list[str]:
    """How overfitting moves with training samples and with capacity, from `capacity.overfitting_table`."""
    return [
        sentence
        for column, place in (("train_samples", "on {:,} samples"), ("units", "with {:,} units"))
        if (sentence := _onset(table, column, place))
    ]


def _onset(table: pd.DataFrame, column: str, place: str) -> str | None:
    if table[column].nunique() < 2:
        return None
    parts = []
    for value, group in table.groupby(column):
        trainings, seen = group["seeds"].sum(), (group["seeds"] * group["onset_share"]).sum()
        rise = (group["seeds"] * group["overfit_at_end"]).sum() / trainings
        onset = (group["seeds"] * group["onset_share"] * group["onset_epoch"]).sum() / seen if seen else None
        parts.append(
            f"{place.format(value)} in {seen:.0f} of {trainings} trainings"
            + ("" if onset is None else f", from epoch {number(round(onset, 1))} on average")
            + f", the loss {number(rise)} nats above its lowest at the end"
        )
    return f"Overfitting is seen {'; '.join(parts)}."


def book_finding(table: pd.DataFrame) -> str:
    """Why the book's train accuracy lies below its test accuracy, with the numbers of this run."""
    running = (table["train_accuracy_during_fit"] - table["test_accuracy"]).mean()
    after = (table["train_accuracy"] - table["test_accuracy"]).mean()
    return (
        f"Keras's running mean during the last epoch, which is what the book prints as train accuracy, lies "
        f"{_side(running)} test accuracy here, on average over the rows. It is taken with dropout on and over weights "
        f"that still change. The same networks measured after training with dropout off lie {_side(after)} "
        "test accuracy on their own training data: that is the generalization gap."
    )


def nearness_findings(table: pd.DataFrame, far: pd.DataFrame) -> list[str]:
    """How near the test accuracies are to the published ones; for each that is not, what its own epochs say."""
    published = table[table["book_test_accuracy"].notna()]
    if published.empty:
        return []
    near = len(published) - len(far)
    sentences = [
        f"{near} of the {len(published)} published test accuracies are met within {points(NEAR_THE_BOOK)} points."
    ]
    for row in records(far):
        difference = row["test_accuracy"] - row["book_test_accuracy"]
        inside = row["lowest"] <= row["book_test_accuracy"] <= row["highest"]
        sentences.append(
            f"{_setting(row)} lies {points(abs(difference))} points {'below' if difference < 0 else 'above'} the "
            f"published {percent(row['book_test_accuracy'])}. In the last {LAST_EPOCHS} epochs of the same trainings "
            f"the test accuracy moved between {percent(row['lowest'])} and {percent(row['highest'])}: "
            + (
                "the published figure is inside, so a single run that ends at one epoch or another explains it."
                if inside
                else "the published figure is outside, so more than the moment of stopping differs."
            )
        )
    return sentences


def order_finding(table: pd.DataFrame) -> str | None:
    """Whether CNN, MLP and SimpleRNN come in the order of the book; None where one of them is missing."""
    order = ["cnn", "mlp", "simple_rnn"]
    if not set(order) <= set(table["cell"]):
        return None
    best = [max(records(table[table["cell"] == cell]), key=lambda row: row["test_accuracy"]) for cell in order]
    figures = ", ".join(
        f"{CELL_NAMES[row['cell']]} {percent(row['test_accuracy'])} "
        f"({interval(row['test_accuracy_low'], row['test_accuracy_high'])})"
        for row in best
    )
    in_order = all(one["test_accuracy"] > other["test_accuracy"] for one, other in pairwise(best))
    sentences = [
        f"The best rows of each kind, with their 95 % intervals: {figures}.",
        f"The order of the means is {'' if in_order else 'not '}the book's: CNN, MLP, SimpleRNN.",
    ]
    for one, other in pairwise(best):
        overlap = one["test_accuracy_low"] <= other["test_accuracy_high"]
        if overlap and other["test_accuracy_low"] <= one["test_accuracy_high"]:
            names = f"{CELL_NAMES[one['cell']]} and {CELL_NAMES[other['cell']]}"
            sentences.append(f"The intervals of {names} overlap: these trainings do not tell the two apart.")
    return " ".join(sentences)


def elman_finding(table: pd.DataFrame) -> str | None:
    """What an output layer inside the cell adds over SimpleRNN; None where the two were not trained alike."""
    setting = ["units", "depth", "dropout", "optimizer", "epochs"]
    pairs = table[table["cell"] == "elman_output"].merge(table[table["cell"] == "simple_rnn"], on=setting)
    if pairs.empty:
        return None
    row = records(pairs)[0]
    difference = row["test_accuracy_x"] - row["test_accuracy_y"]
    return (
        f"What the output o = V h + c of Figure 1.5.2 adds to SimpleRNN: {row['parameters_x'] - row['parameters_y']:,} "
        f"parameters, and {points(difference)} points of test accuracy ({percent(row['test_accuracy_x'])} against "
        f"{percent(row['test_accuracy_y'])}, {row['units']} units, {row['optimizer']}). In one layer it can express "
        "nothing new: it is a linear map in front of the linear map of the softmax layer."
    )


def view_findings(table: pd.DataFrame) -> list[str]:
    """What reading an image another way does, a sentence for each network and view."""
    sentences = []
    for row in records(table[table["difference"].notna()]):
        clear = row["difference_low"] > 0 or row["difference_high"] < 0
        sentences.append(
            f"{CELL_NAMES[row['cell']]} {row['depth']}×{row['units']}: {row['view'].replace('_', ' ')} instead of "
            f"{table['view'].iloc[0]} change validation accuracy by {points(row['difference'])} points "
            f"(95 % interval {interval(row['difference_low'], row['difference_high'])}, {row['seeds']} seeds): "
            + ("a difference beyond the seeds." if clear else "no difference that the seeds can show.")
        )
    return sentences


def _setting(row: Mapping[str, Any]) -> str:
    return f"{CELL_NAMES[row['cell']]} {row['units']} with {row['optimizer']} ({percent(row['test_accuracy'])} here)"


def _side(difference: float) -> str:
    return f"{points(abs(difference))} points {'below' if difference < 0 else 'above'}"


def wrap(text: str, width: int) -> str:
    """`text` broken into lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(text, width))
