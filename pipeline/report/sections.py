"""The report's sections: for each its sentences, figures and tables of text, or None where there is nothing to show."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis import capacity
from pipeline.analysis.book import far_from_the_book
from pipeline.analysis.configurations import CONFIGURATION, complete_trials, configurations
from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.report import drawing
from pipeline.report.cost import with_costs
from pipeline.report.drawing import CELL_NAMES
from pipeline.report.results import Results, book_table, capacity_table, views_table
from pipeline.report.text import (
    Column,
    Table,
    book_finding,
    capacity_finding,
    elman_finding,
    interval,
    nearness_findings,
    number,
    onset_findings,
    order_finding,
    percent,
    points,
    saturation_verdict,
    text_table,
    view_findings,
)


def candidates(choice: Mapping[str, Any]) -> Table:
    """The configurations that competed, best first."""
    rows = [row | {"network": network_name(row)} for row in choice["candidates"]]
    return text_table(rows, {
        "network": ("network", str), "study": ("study", str), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "validation_accuracy": ("validation accuracy", percent),
        "validation_accuracy_sd": ("sd, points", points), "generalization_gap": ("gap, points", points),
        "within_one_standard_error": ("within one standard error", lambda within: "yes" if within else "no"),
    })  # fmt: skip


def study(name: str, results: Results) -> dict[str, Any]:
    """One study's section: its configurations, best first, and what is missing of it."""
    if name not in results.studies:
        return {"name": name, "missing": "This study has not run: there is no trials.csv of it.", "table": None}
    study = results.studies[name]
    measured = "test" if study.held_out == "test" else "validation"
    states = study.trials["state"].value_counts(sort=False)
    labels = {"COMPLETE": "complete", "PRUNED": "pruned (left out below)", "FAIL": "failed (left out below)"}
    counts = ", ".join(f"{states[state]} {label}" for state, label in labels.items() if state in states)
    section: dict[str, Any] = {"name": name, "missing": None, "table": None, "fingerprint": study.best["fingerprint"],
                               "counts": f"{len(study.trials)} trials: {counts}.", "measured": measured,
                               "fit_minutes": study.timings["fit_seconds"].sum() / 60}  # fmt: skip
    table = configurations(study.trials)
    if table.empty:
        return section | {"missing": "No trial of this study is complete, so there is nothing to compare."}
    if (table["seeds"] == 1).all():
        section["missing"] = "Every configuration has one seed, so seed-to-seed deviations and intervals are unknown."
    table = with_costs(study).sort_values(["validation_accuracy", "parameters"], ascending=[False, True], kind="stable")
    rows = [
        row
        | {"network": network_name(row)}
        | {"interval": interval(row["validation_accuracy_low"], row["validation_accuracy_high"])}
        for row in records(table)
    ]
    columns: dict[str, Column] = {
        "network": ("network", str), "parameters": ("parameters", number),
        "validation_accuracy": (f"{measured} accuracy", percent), "validation_accuracy_sd": ("sd, points", points),
        "interval": ("95 % interval, %", str), "train_accuracy": ("train accuracy", percent),
        "generalization_gap": ("gap, points", points), "validation_loss": (f"{measured} loss", number),
        "seconds_per_epoch": ("s per epoch", number), "best_epoch": ("best epoch", number),
        "seeds": ("seeds", number), "train_samples": ("samples", number), "optimizer": ("optimizer", str),
        "learning_rate": ("learning rate", number), "dropout": ("dropout", number),
        "batch_size": ("batch size", number), "epochs": ("epochs at most", number), "view": ("view", str),
    }  # fmt: skip
    fold = ["validation_accuracy_sd", "interval", *list(columns)[-8:]]
    section["table"] = text_table(rows, columns, fold)
    return section


def book(results: Results) -> dict[str, Any] | None:
    """The chapter's networks beside what is published; None without a study called book."""
    if (table := book_table(results)).empty:
        return None
    rows = [
        row
        | {"cell": CELL_NAMES[row["cell"]], "source": row["source"] if isinstance(row["source"], str) else "–"}
        | {"interval": interval(row["test_accuracy_low"], row["test_accuracy_high"])}
        for row in records(table)
    ]
    columns: dict[str, Column] = {
        "cell": ("cell", str), "units": ("units", number), "optimizer": ("optimizer", str),
        "parameters": ("parameters", number), "seeds": ("seeds", number),
        "book_train_accuracy": ("book: train", percent),
        "train_accuracy_during_fit": ("here: train, during fit", percent),
        "train_accuracy": ("here: train, after fit", percent), "book_test_accuracy": ("book: test", percent),
        "test_accuracy": ("here: test", percent), "test_accuracy_sd": ("sd, points", points),
        "interval": ("95 % interval, %", str), "source": ("published in", str),
    }  # fmt: skip
    study = results.studies["book"]
    far = far_from_the_book(study.trials, study.curves, table)
    findings = [book_finding(table), *nearness_findings(table, far), order_finding(table), elman_finding(table)]
    matched = table["book_test_accuracy"].notna().any()
    return {"findings": [text for text in findings if text], "matched": matched, "table": text_table(rows, columns)}


def views(results: Results) -> dict[str, Any] | None:
    """The same networks on other views; None without a study called views."""
    if (table := views_table(results)).empty:
        return None
    rows = [
        row
        | {"network": network_name(row | {"bidirectional": False})}
        | {"interval": interval(row["difference_low"], row["difference_high"])}
        for row in records(table)
    ]
    return {"findings": view_findings(table), "table": text_table(rows, {
        "network": ("network", str), "view": ("a time step is one of the", lambda view: view.replace("_", " ")),
        "parameters": ("parameters", number), "train_samples": ("samples", number), "seeds": ("seeds", number),
        "validation_accuracy": ("validation accuracy", percent), "validation_accuracy_sd": ("sd, points", points),
        "difference": ("difference, points", points), "interval": ("95 % interval, points", str),
    })}  # fmt: skip


def capacity_section(results: Results) -> dict[str, Any] | None:
    """What more units, layers and samples do; None without a study called capacity."""
    if (table := capacity_table(results)).empty:
        return None
    spread = {"validation_accuracy": "accuracy_interval", "generalization_gap": "gap_interval"}
    rows = [
        row
        | {"network": network_name(row)}
        | {name: interval(row[f"{measure}_low"], row[f"{measure}_high"]) for measure, name in spread.items()}
        for row in records(table)
    ]
    study = results.studies["capacity"]
    returns = capacity.marginal_return(study.trials)
    saturation = capacity.saturation_capacity(returns)
    on_most = saturation["train_samples"] == table["train_samples"].max()
    overfitting = capacity.overfitting_table(study.trials, study.curves)
    drawn = {
        "capacity_maps": drawing.capacity_maps(table, "Accuracy and gap by units and layers, a map for each cell.")
    }
    if len(gaps := capacity.gap_against_samples(study.trials)):
        alt = "Generalization gap against the number of training samples, a panel for each cell."
        drawn["gap_against_samples"] = drawing.gap_against_samples(gaps, alt)
    section = {
        "findings": capacity_finding(table),
        "figures": drawn,
        "returns": _returns(returns),
        "saturation": _saturation(saturation[on_most]),
        "on_fewer_samples": _saturation(saturation[~on_most]),
        "onset": onset_findings(overfitting),
        "overfitting": _overfitting(overfitting),
    }
    return section | {"table": text_table(rows, {
        "network": ("network", str), "train_samples": ("samples", number), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "validation_accuracy": ("validation accuracy", percent),
        "accuracy_interval": ("95 % interval, %", str), "train_accuracy": ("train accuracy", percent),
        "generalization_gap": ("gap, points", points), "gap_interval": ("95 % interval, points", str),
    })}  # fmt: skip


def _returns(returns: pd.DataFrame) -> Table:
    rows = [
        row
        | {"network": network_name(row), "next": network_name(row | {"units": row["next_units"]})}
        | {"interval": interval(row["points_per_doubling_low"] / 100, row["points_per_doubling_high"] / 100)}
        for row in records(returns)
    ]
    return text_table(rows, {
        "network": ("from", str), "next": ("to", str), "train_samples": ("samples", number),
        "parameters": ("parameters", number), "next_parameters": ("parameters after", number),
        "seeds": ("seeds", number), "points_per_doubling": ("points per doubling", number),
        "interval": ("95 % interval", str),
    })  # fmt: skip


def _saturation(table: pd.DataFrame) -> Table:
    rows = [row | {"cell": CELL_NAMES[row["cell"]], "verdict": saturation_verdict(row)} for row in records(table)]
    return text_table(rows, {
        "cell": ("cell", str), "depth": ("layers", number), "train_samples": ("samples", number),
        "verdict": ("more units", str),
        "next_points_per_doubling_high": ("the next step may bring, points per doubling, up to", number),
    })  # fmt: skip


def _overfitting(table: pd.DataFrame) -> Table:
    rows = [row | {"network": network_name(row)} for row in records(table)]
    return text_table(rows, {
        "network": ("network", str), "train_samples": ("samples", number), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "onset_epoch": ("onset, epoch", number),
        "onset_share": ("seen in, of the seeds", percent), "overfit_at_end": ("loss risen since, nats", number),
    })  # fmt: skip


def curves(results: Results) -> dict[str, Any] | None:
    """Learning curves of the smallest, the chosen and the largest of the networks compared; None before a choice, and
    of those whose study is there."""
    if results.choice is None:
        return None
    candidates = results.choice["candidates"]
    chosen = {key: value for key, value in results.choice["choice"].items() if key != "refit_epochs"}
    shown = {
        "smallest": min(candidates, key=lambda row: row["parameters"]),
        "chosen": chosen,
        "largest": max(candidates, key=lambda row: row["parameters"]),
    }
    roles: dict[int, list[str]] = {}
    for role, row in shown.items():
        if row["study"] in results.studies:
            roles.setdefault(candidates.index(row), []).append(role)
    if not roles:
        return None
    frames = {position: _epochs(results, candidates[position]) for position in roles}
    every = pd.concat(frames.values())
    drawn, rows = {}, []
    for position, names in roles.items():
        row, role = candidates[position], " and ".join(names)
        title = f"{role.capitalize()}: {network_name(row)},\n{row['parameters']:,} parameters"
        alt = f"Learning curves of the {role} network, {network_name(row)}: accuracy and loss per epoch."
        drawn[f"curves_{names[0]}"] = drawing.learning_curves(frames[position], row["cell"], title, alt, every)
        means = frames[position].groupby("epoch", as_index=False).mean()
        rows += [{"network": f"{role}: {network_name(row)}"} | mean for mean in records(means)]
    return {"figures": drawn, "table": text_table(rows, {
        "network": ("network", str), "epoch": ("epoch", number), "train_accuracy": ("train accuracy", percent),
        "validation_accuracy": ("validation accuracy", percent), "train_loss": ("train loss", number),
        "validation_loss": ("validation loss", number),
    })}  # fmt: skip


def _epochs(results: Results, row: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of curves.csv of one candidate's trials."""
    study = results.studies[row["study"]]
    trials = complete_trials(study.trials)
    same = np.logical_and.reduce([trials[name] == row[name] for name in CONFIGURATION])
    return study.curves[study.curves["number"].isin(trials.loc[same, "number"])]
