"""The report: one HTML page that needs nothing else, every number in it computed from the results given."""

import base64
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from pipeline import analysis, figures
from pipeline.figures import network_name
from pipeline.params import Params
from pipeline.trials import TRIAL_COLUMNS
from pipeline.wording import (
    Column,
    Table,
    book_finding,
    capacity_finding,
    elman_finding,
    finding,
    interval,
    nearness_findings,
    number,
    order_finding,
    percent,
    points,
    text_table,
    view_findings,
    wrap,
)

PACKAGES = ["tensorflow", "keras", "optuna", "distributed", "mlflow", "dvc", "numpy", "pandas", "scipy", "matplotlib"]


@dataclass(frozen=True)
class StudyResults:
    """What one study wrote: its tables as pipeline.trials describes them, and best.json."""

    held_out: str
    trials: pd.DataFrame
    curves: pd.DataFrame
    during_fit: pd.DataFrame
    timings: pd.DataFrame
    best: dict[str, Any]
    networks: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Results:
    """All that the report is made of; None, or a study left out, where a stage has not run."""

    params: Params
    summary: dict[str, Any]
    studies: dict[str, StudyResults]
    choice: dict[str, Any] | None
    metrics: dict[str, Any] | None
    confusion: pd.DataFrame | None


def answer_figure(results: Results) -> str:
    """The picture of answer.svg, from the studies that hold out validation data."""
    tables = {
        name: table
        for name, study in results.studies.items()
        if study.held_out == "validation" and len(table := analysis.configurations(study.trials))
    }
    choice = None if results.choice is None else results.choice["choice"]
    # Networks that saw more samples would only look better than those that saw fewer.
    most = max((table["train_samples"].max() for table in tables.values()), default=0)
    tables = {name: table[table["train_samples"] == most] for name, table in tables.items()}
    tables = {name: table for name, table in tables.items() if len(table)}
    alt = f"Validation accuracy and generalization gap against the number of parameters. {finding(results.choice)}."
    return figures.answer(tables, choice, wrap(finding(results.choice), 52), alt)


def book_table(results: Results) -> pd.DataFrame:
    """The content of book_table.csv; without rows where no study called book has trained on the book's terms."""
    study = results.studies.get("book")
    if study is None or study.held_out != "test":
        return pd.DataFrame(columns=analysis.BOOK_COLUMNS)
    return analysis.book_table(study.trials, study.during_fit, results.summary["test"]["samples"])


def capacity_table(results: Results) -> pd.DataFrame:
    """The content of capacity.csv; without rows where no study is called capacity."""
    study = results.studies.get("capacity")
    return analysis.capacity_table(pd.DataFrame(columns=TRIAL_COLUMNS) if study is None else study.trials)


def views_table(results: Results) -> pd.DataFrame:
    """The content of views.csv; without rows where no study is called views."""
    study = results.studies.get("views")
    return analysis.views_table(pd.DataFrame(columns=TRIAL_COLUMNS) if study is None else study.trials)


def networks(results: Results) -> dict[str, dict[str, str]]:
    """Summary and diagram of each network of the chapter, by its file name."""
    return results.studies["book"].networks if "book" in results.studies else {}


def render(results: Results, answer: str, diagrams: Mapping[str, bytes]) -> str:
    """The page as HTML text. `answer` is the picture of `answer_figure`, `diagrams` are the PNGs of `networks`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["base64"] = lambda picture: base64.b64encode(picture).decode()
    environment.filters |= {"percent": percent, "points": points, "number": number}
    environment.globals |= {"network_name": network_name, "cell_names": figures.CELL_NAMES, "interval": interval}
    return environment.get_template("report.html.j2").render(
        results=results,
        choice=results.choice,
        metrics=results.metrics,
        finding=finding(results.choice),
        answer=Markup(figures.themed(answer)),
        candidates=None if results.choice is None else _candidates(results.choice),
        studies=[_study(name, results) for name in results.params.studies],
        book=_book(results),
        capacity=_capacity(results),
        views=_views(results),
        networks=networks(results),
        diagrams=diagrams,
        curves=[Markup(figures.themed(svg)) for svg in _curves(results)],
        confusion=_confusion(results),
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        parameters=json.dumps(results.params.model_dump(mode="json", exclude={"execution", "tracking"}), indent=2),
    )


def _candidates(choice: Mapping[str, Any]) -> Table:
    rows = [row | {"network": network_name(row)} for row in choice["candidates"]]
    return text_table(rows, {
        "network": ("network", str), "study": ("study", str), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "validation_accuracy": ("validation accuracy", percent),
        "validation_accuracy_sd": ("sd, points", points), "generalization_gap": ("gap, points", points),
        "within_one_standard_error": ("within one standard error", lambda within: "yes" if within else "no"),
    })  # fmt: skip


def _study(name: str, results: Results) -> dict[str, Any]:
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
    table = analysis.configurations(study.trials)
    if table.empty:
        return section | {"missing": "No trial of this study is complete, so there is nothing to compare."}
    if (table["seeds"] == 1).all():
        section["missing"] = "Every configuration has one seed, so seed-to-seed deviations and intervals are unknown."
    clock = analysis.complete_trials(study.trials).merge(study.timings, on="number", how="left")
    costs = clock.groupby(analysis.CONFIGURATION, sort=False, as_index=False)[
        ["seconds_per_epoch", "predict_microseconds_per_sequence"]
    ].mean()
    table = table.merge(costs, on=analysis.CONFIGURATION).sort_values(
        ["validation_accuracy", "parameters"], ascending=[False, True], kind="stable"
    )
    rows = [
        row
        | {"network": network_name(row)}
        | {"interval": interval(row["validation_accuracy_low"], row["validation_accuracy_high"])}
        for row in analysis.records(table)
    ]
    columns: dict[str, Column] = {
        "network": ("network", str), "parameters": ("parameters", number),
        "validation_accuracy": (f"{measured} accuracy", percent), "validation_accuracy_sd": ("sd, points", points),
        "interval": ("95 % interval, %", str), "train_accuracy": ("train accuracy", percent),
        "generalization_gap": ("gap, points", points), "validation_loss": (f"{measured} loss", number),
        "seconds_per_epoch": ("s per epoch", number),
        "predict_microseconds_per_sequence": ("µs per prediction", number), "best_epoch": ("best epoch", number),
        "seeds": ("seeds", number), "train_samples": ("samples", number), "optimizer": ("optimizer", str),
        "learning_rate": ("learning rate", number), "dropout": ("dropout", number),
        "batch_size": ("batch size", number), "epochs": ("epochs at most", number), "view": ("view", str),
    }  # fmt: skip
    fold = ["validation_accuracy_sd", "interval", *list(columns)[-8:]]
    section["table"] = text_table(rows, columns, fold)
    return section


def _book(results: Results) -> dict[str, Any] | None:
    if (table := book_table(results)).empty:
        return None
    rows = [
        row
        | {"cell": figures.CELL_NAMES[row["cell"]], "source": row["source"] if isinstance(row["source"], str) else "–"}
        | {"interval": interval(row["test_accuracy_low"], row["test_accuracy_high"])}
        for row in analysis.records(table)
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
    far = analysis.far_from_the_book(study.trials, study.curves, table)
    findings = [book_finding(table), *nearness_findings(table, far), order_finding(table), elman_finding(table)]
    matched = table["book_test_accuracy"].notna().any()
    return {"findings": [text for text in findings if text], "matched": matched, "table": text_table(rows, columns)}


def _views(results: Results) -> dict[str, Any] | None:
    if (table := views_table(results)).empty:
        return None
    rows = [
        row
        | {"network": network_name(row | {"bidirectional": False})}
        | {"interval": interval(row["difference_low"], row["difference_high"])}
        for row in analysis.records(table)
    ]
    return {"findings": view_findings(table), "table": text_table(rows, {
        "network": ("network", str), "view": ("a time step is one of the", lambda view: view.replace("_", " ")),
        "parameters": ("parameters", number), "train_samples": ("samples", number), "seeds": ("seeds", number),
        "validation_accuracy": ("validation accuracy", percent), "validation_accuracy_sd": ("sd, points", points),
        "difference": ("difference, points", points), "interval": ("95 % interval, points", str),
    })}  # fmt: skip


def _capacity(results: Results) -> dict[str, Any] | None:
    if (table := capacity_table(results)).empty:
        return None
    spread = {"validation_accuracy": "accuracy_interval", "generalization_gap": "gap_interval"}
    rows = [
        row
        | {"network": network_name(row)}
        | {name: interval(row[f"{measure}_low"], row[f"{measure}_high"]) for measure, name in spread.items()}
        for row in analysis.records(table)
    ]
    figure = None
    if table["train_samples"].nunique() > 1:
        alt = "Generalization gap against the number of training samples, a panel for each cell."
        figure = Markup(figures.themed(figures.gap_against_samples(table, alt)))
    return {"findings": capacity_finding(table), "figure": figure, "table": text_table(rows, {
        "network": ("network", str), "train_samples": ("samples", number), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "validation_accuracy": ("validation accuracy", percent),
        "accuracy_interval": ("95 % interval, %", str), "train_accuracy": ("train accuracy", percent),
        "generalization_gap": ("gap, points", points), "gap_interval": ("95 % interval, points", str),
    })}  # fmt: skip


def _curves(results: Results) -> list[str]:
    """Learning curves of the smallest, the chosen and the largest of the networks compared."""
    if results.choice is None:
        return []
    choice, candidates = results.choice["choice"], results.choice["candidates"]
    shown = {
        "smallest": min(candidates, key=lambda row: row["parameters"]),
        "chosen": {key: value for key, value in choice.items() if key != "refit_epochs"},
        "largest": max(candidates, key=lambda row: row["parameters"]),
    }
    titles: dict[int, str] = {}
    for role, row in shown.items():
        position = candidates.index(row)
        titles[position] = f"{titles[position]} and {role}" if position in titles else role
    return [_curve(results, candidates[position], title) for position, title in titles.items()]


def _curve(results: Results, row: Mapping[str, Any], role: str) -> str:
    study = results.studies[row["study"]]
    trials = analysis.complete_trials(study.trials)
    same = np.logical_and.reduce([trials[name] == row[name] for name in analysis.CONFIGURATION])
    frames = [study.curves[study.curves["number"] == trial] for trial in trials.loc[same, "number"]]
    title = f"{role.capitalize()}: {network_name(row)},\n{row['parameters']:,} parameters"
    alt = f"Learning curves of the {role} network, {network_name(row)}: accuracy and loss per epoch."
    return figures.learning_curves(frames, row["cell"], title, alt)


def _confusion(results: Results) -> dict[str, Any] | None:
    if results.confusion is None:
        return None
    classes = results.summary["classes"]
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (results.confusion["actual"].to_numpy(), results.confusion["predicted"].to_numpy()), 1)
    wrong = int(counts.sum() - np.trace(counts))
    mistakes = counts - np.diag(np.diag(counts))
    actual, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    labels = [str(label) for label in results.summary["labels"]]
    sentence = f"{wrong:,} of {counts.sum():,} test sequences are put in a wrong class"
    if wrong:
        sentence += f"; most often {labels[actual]} is taken for {labels[predicted]} ({mistakes.max()} times)"
    svg = figures.confusion_matrix(
        counts, labels, f"{wrong:,} of {counts.sum():,} wrong", f"Confusion matrix: {sentence}."
    )
    return {"sentence": f"{sentence}.", "figure": Markup(figures.themed(svg))}
