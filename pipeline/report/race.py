"""Section "The race": every network against the leader, when each left, and how far the race is from an end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from pipeline.analysis.choice import distinct_names
from pipeline.documents import records
from pipeline.params.network import CELLS, NetworkSpec, network_name, parameter_count
from pipeline.params.studies import RaceStudy
from pipeline.report.drawing import cost_axis, legend, points_tick, ring, styled, to_svg
from pipeline.report.palette import INK, MARK
from pipeline.report.results import Results
from pipeline.report.text import Table, interval, listed, number, percent, plural, points, text_table, tolerance_words
from pipeline.studies.entrants import REACH, largest_admitted, refused_by
from pipeline.studies.race_results import TRAINED_BY
from pipeline.studies.racing import FIRST_LOOK, blocks_to_settle
from pipeline.studies.results import TRIAL_COLUMNS, study_definition
from pipeline.training.inputs import FOLDS

BEHIND = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
TICKS = [*(-tick for tick in BEHIND), 0, *BEHIND]


@dataclass(frozen=True)
class Race:
    findings: tuple[str, ...]
    figures: dict[str, str]
    caption: str
    table: Table


def race(results: Results) -> Race | None:
    """How the race went; None where none decides, or it has not run."""
    rules, table = results.race, results.race_table
    if rules is None or table is None:
        return None
    trials = results.studies["race"].trials
    table = table.assign(network=distinct_names(records(table)))
    chosen = None
    if (recommended := results.recommended) is not None:
        chosen = next((row for row in records(table) if _is(row, recommended.model_dump())), None)
    figures = {}
    if table["behind"].notna().any():
        alt = "By how much each network of the race is less accurate than the leader, against its parameters."
        figures["race"] = behind_the_leader(table, rules, chosen, alt)
    return Race(
        findings=(_course(table, rules, len(trials)), *_refused(results, rules), *_unknown(table, rules)),
        figures=figures,
        caption=(
            "Higher is more accurate; on the line at 0 is the leader. Bars are the intervals by which the race "
            f"decides: within the shaded band a network is at most {tolerance_words(rules.tolerance)} less accurate. "
            "Hollow marks have left, and their bars are those of that moment"
            f"{'; the ring marks the champion' * (chosen is not None)}. The axis is stretched near 0."
        ),
        table=_table(table),
    )


def _is(row: Mapping[str, Any], network: Mapping[str, Any]) -> bool:
    """Whether a row of race.csv is about this network, trained this way."""
    return all(network[name] == row[name] for name in (*NetworkSpec.model_fields, *TRAINED_BY))


def _course(table: pd.DataFrame, rules: RaceStudy, trainings: int) -> str:
    """How long the race was, and how many are left in it."""
    left = int(table["left_after"].isna().sum())
    blocks = max(
        int(table["blocks"].max()), int(table["left_after"].fillna(0).max())
    )  # in the last all may have failed
    settled = bool(table["settled"].any())
    failed = table[_failed(table, rules)]
    end = (
        "and then it was settled"
        if settled
        else "and then it ended, since fewer than two networks were left"
        if left < 2
        else "the most that were allowed, and it is not settled"
        if blocks == rules.max_blocks
        else "and it is not settled"
    )
    return (
        f"{plural(len(table), 'network')} started. In each block those still in the race are trained once, with the "
        f"block's seed, and measured on a part of the sequences that no other block holds out. There "
        f"{'was' if blocks == 1 else 'were'} {plural(blocks, 'block')}, {end}. {plural(left, 'network')} stayed to the "
        f"end. That took {plural(trainings, 'training')} of the {len(table) * rules.max_blocks} that "
        f"{plural(rules.max_blocks, 'block')} of all networks would be. {_certainty(table, failed, rules)}"
    )


def _certainty(table: pd.DataFrame, failed: pd.DataFrame, rules: RaceStudy) -> str:
    """What is shown of those who left and of those who are named; nothing of those whose training `failed`."""
    left = "nobody has left who is as good" if failed.empty else "nobody who left for being less accurate is as good"
    confidence = f"With {100 * rules.confidence:g} % confidence, however often it looked, {left}"
    last = _last_comparison(table, failed)
    if _over(table) and not last:
        certainty = "So no two networks were compared, and nothing is shown."
    elif _over(table):
        certainty = f"Networks were compared until block {last}, and none is named as good."
        if table["left_after"].notna().sum() > len(failed):
            certainty += f" {confidence}."
    else:
        certainty = f"{confidence}, and whoever is named as good is."
    if failed.empty:
        return certainty
    return (
        f"{certainty} Not compared to the end, because a training failed: {listed(failed['network'].tolist())}. Of "
        "these nothing is shown."
    )


def _over(table: pd.DataFrame) -> bool:
    """Whether the race ended without settling, since fewer than two networks are left."""
    return int(table["left_after"].isna().sum()) < 2 and not table["settled"].any()


def _last_comparison(table: pd.DataFrame, failed: pd.DataFrame) -> int:
    """The last block after which those who have left were compared, 0 if they never were."""
    compared = table["left_after"].sub(table.index.isin(failed.index)).max()
    return int(compared) if compared >= FIRST_LOOK else 0


def _failed(table: pd.DataFrame, rules: RaceStudy) -> pd.Series:
    """Who left because a training failed, and not because the leader was shown to be better, as booleans."""
    return table["left_after"].notna() & ~(table["behind_low"] > rules.tolerance)


def _leads(table: pd.DataFrame) -> pd.Series:
    """The leader, as booleans: the one still in the race that is behind nobody; before a look there is none."""
    behind_nobody = table["left_after"].isna() & table["behind"].isna()
    return behind_nobody & (behind_nobody.sum() == 1)


def _refused(results: Results, rules: RaceStudy) -> list[str]:
    """Whom the race has not let in."""
    studies = {
        name: (
            study_definition(name, results.params, results.summary),
            results.studies[name].trials if name in results.studies else pd.DataFrame(columns=TRIAL_COLUMNS),
        )
        for name in rules.entrants
    }
    refused = refused_by(studies)
    if not refused:
        return []
    data = results.summary
    names = [f"{network_name(each)} ({parameter_count(each.network, *data.sizes):,} parameters)" for each in refused]
    return [
        f"Refused for their size: {listed(names)}. More than {largest_admitted(studies):,.0f} parameters, {REACH} "
        "times the largest budget, would take much of the race's time. So the best in the race is the best of those "
        "that were let in: whether one of the refused is better, the race does not tell."
    ]


def _unknown(table: pd.DataFrame, rules: RaceStudy) -> list[str]:
    """A sentence for each network of which it is not known whether it is good enough."""
    running = table["left_after"].isna()
    if _over(table):
        return []
    rows = records(table.assign(leads=_leads(table))[running & ~table["as_good"].astype(bool)])
    return [_of_unknown(row, rules, len(table), int(running.sum())) for row in rows]


def _of_unknown(row: Mapping[str, Any], rules: RaceStudy, entrants: int, left: int) -> str:
    tolerance = tolerance_words(rules.tolerance)
    name = f"{row['network']} ({row['parameters']:,} parameters)"
    if row["leads"]:
        return f"{name} leads, but is not shown to be at most {tolerance} less accurate than every other network."
    if pd.isna(row["behind_high"]):
        return f"{name} has not been compared yet: the race looks after {plural(FIRST_LOOK, 'block')} first."
    if row["behind_high"] <= rules.tolerance:
        return (
            f"{name} is shown to be at most {tolerance} less accurate than the leader, but not than every "
            "other network that is left."
        )
    needed = blocks_to_settle(rules, entrants, left, row["blocks"], row["behind"], row["behind_high"])
    told = (
        "The blocks differ so much that no number of them is likely to tell on which side of the tolerance its mean "
        f"lies, {points(row['behind'])} points behind the leader."
        if needed is None
        else f"If mean and spread stay as they are, about {plural(needed - row['blocks'], 'more block')} would tell"
        + ("." if needed <= FOLDS else f"; but there are only {FOLDS} different parts to hold out.")
    )
    return (
        f"Of {name} it is not known whether it is more than {tolerance} less accurate than the leader: "
        f"{between(*_bounds(row))}. {told}"
    )


def possible(leader: float, low: float, high: float) -> tuple[float, float]:
    """Bounds of the difference to a leader of this accuracy, cut where no accuracy reaches: below 0 or above 100 %."""
    leader = round(leader, 12)  # it is often a sum, and those are not exact
    low, high = np.clip([low, high], leader - 1, leader)
    return float(low), float(high)


def _bounds(row: Mapping[str, Any]) -> tuple[float, float]:
    """The interval of a row of race.csv by which it is behind the leader, as far as that is `possible`."""
    return possible(row["validation_accuracy"] + row["behind"], row["behind_low"], row["behind_high"])


def between(low: float, high: float) -> str:
    """By how much a network may be less accurate, or more."""
    if low > 0:
        return f"it may be {points(low)} to {points(high)} points less accurate"
    more = f" and up to {points(-low)} points more accurate" * (low < 0)
    return f"it may be up to {points(high)} points less accurate{more}"


def _table(table: pd.DataFrame) -> Table:
    rows = [row | {"interval": interval(*_bounds(row))} | {"left": number(row["left_after"])} for row in records(table)]
    return text_table(rows, {
        "network": ("network", str), "parameters": ("parameters", number), "blocks": ("blocks", number),
        "validation_accuracy": ("mean accuracy over these", percent), "behind": ("behind the leader, points", points),
        "interval": ("interval, points", str), "left": ("left after block", str), "reason": ("why", str),
    })  # fmt: skip


def behind_the_leader(table: pd.DataFrame, rules: RaceStudy, chosen: Mapping[str, Any] | None, alt: str) -> str:
    """How much less accurate than the leader each network is, with the race's interval, as SVG.

    `table` is race.csv with `distinct_names`, `chosen` the row of it to mark.
    """
    leads = _leads(table)
    known = table.assign(leads=leads, behind=table["behind"].mask(leads, 0)).dropna(subset=["behind"])
    hover: dict[str, str] = {}
    with styled():
        figure = Figure(figsize=(6.2, 4.8), layout="constrained")
        axes = figure.subplots()
        axes.axhspan(0, rules.tolerance, color=MARK, alpha=0.12, linewidth=0)
        axes.axhline(0, color=INK, linewidth=0.8)
        for index, row in zip(known.index, records(known), strict=True):
            cell, gid, left = CELLS[row["cell"]], f"race-{index}", pd.notna(row["left_after"])
            if not row["leads"]:
                axes.vlines(row["parameters"], *_bounds(row), color=cell.colour, linewidth=1.4)
            axes.plot(row["parameters"], row["behind"], cell.marker, color=cell.colour, markersize=7,
                      fillstyle="none" if left else "full", gid=gid)  # fmt: skip
            hover[gid] = (
                f"{row['network']}, {row['parameters']:,} parameters: {row['reason']}; accuracy "
                f"{row['validation_accuracy']:.2%} over {plural(row['blocks'], 'block')}"
                + ("" if row["leads"] else f", {100 * row['behind']:.2f} points behind")
            )
        axes.set_yscale("symlog", linthresh=2 * rules.tolerance)
        lows, highs = zip(*(_bounds(row) for row in records(known[~known["leads"]])), strict=True)
        axes.set_ylim(1.25 * max(*highs, rules.tolerance), min(1.25 * min(lows), -rules.tolerance / 2))
        # Nearer to 0 the axis is linear, and their numbers would lie on one another.
        axes.yaxis.set_major_locator(FixedLocator([tick for tick in TICKS if not 0 < abs(tick) < rules.tolerance / 2]))
        axes.yaxis.set_minor_locator(FixedLocator([]))
        axes.yaxis.set_major_formatter(points_tick)
        axes.set_title("Less accurate than the leader by, points")
        if chosen is not None:
            ring(axes, chosen["parameters"], 0 if pd.isna(chosen["behind"]) else chosen["behind"])
        cost_axis(axes, "trainable parameters (log scale)")
        figure.legend(handles=legend(known, chosen), loc="outside lower left", ncols=2)
        return to_svg(figure, alt, hover)
