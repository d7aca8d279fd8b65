"""The report's sections: for each its sentences, figures and tables of text, or None where there is nothing to show."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from pipeline import analysis, capacity, figures
from pipeline.figures import network_name
from pipeline.results import Results, StudyResults, book_table, capacity_table, views_table
from pipeline.wording import (
    Column,
    Table,
    book_finding,
    capacity_finding,
    elman_finding,
    interval,
    nearness_findings,
    number,
    order_finding,
    percent,
    points,
    saturation_verdict,
    text_table,
    view_findings,
)

WORST_MISTAKES = 12


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
    table = analysis.configurations(study.trials)
    if table.empty:
        return section | {"missing": "No trial of this study is complete, so there is nothing to compare."}
    if (table["seeds"] == 1).all():
        section["missing"] = "Every configuration has one seed, so seed-to-seed deviations and intervals are unknown."
    table = _with_costs(study).sort_values(
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


def book(results: Results) -> dict[str, Any] | None:
    """The chapter's networks beside what is published; None without a study called book."""
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


def views(results: Results) -> dict[str, Any] | None:
    """The same networks on other views; None without a study called views."""
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


def capacity_section(results: Results) -> dict[str, Any] | None:
    """What more units, layers and samples do; None without a study called capacity."""
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
    study = results.studies["capacity"]
    returns = capacity.marginal_return(study.trials)
    section = {
        "findings": capacity_finding(table),
        "figure": figure,
        "maps": Markup(
            figures.themed(figures.capacity_maps(table, "Accuracy and gap by units and layers; the numbers are below."))
        ),
        "returns": _returns(returns),
        "saturation": _saturation(capacity.saturation_capacity(returns)),
        "overfitting": _overfitting(capacity.overfitting_table(study.trials, study.curves)),
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
        | {"interval": f"{row['points_per_doubling_low']:.2f} to {row['points_per_doubling_high']:.2f}"}
        for row in analysis.records(returns)
    ]
    return text_table(rows, {
        "network": ("from", str), "next": ("to", str), "train_samples": ("samples", number),
        "parameters": ("parameters", number), "next_parameters": ("parameters after", number),
        "seeds": ("seeds", number), "points_per_doubling": ("points per doubling", number),
        "interval": ("95 % interval", str),
    })  # fmt: skip


def _saturation(table: pd.DataFrame) -> Table:
    rows = [
        row | {"cell": figures.CELL_NAMES[row["cell"]], "verdict": saturation_verdict(row)}
        for row in analysis.records(table)
    ]
    return text_table(rows, {
        "cell": ("cell", str), "depth": ("layers", number), "train_samples": ("samples", number),
        "verdict": ("more units", str),
        "next_points_per_doubling_high": ("the next step may bring, points per doubling, up to", number),
    })  # fmt: skip


def _overfitting(table: pd.DataFrame) -> Table:
    rows = [row | {"network": network_name(row)} for row in analysis.records(table)]
    return text_table(rows, {
        "network": ("network", str), "train_samples": ("samples", number), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "onset_epoch": ("onset, epoch", number),
        "onset_share": ("seen in, of the seeds", percent), "overfit_at_end": ("loss risen since, nats", number),
    })  # fmt: skip


def cost(results: Results) -> dict[str, Any] | None:
    """What networks cost: the Pareto fronts, and the best of each cell at equal budget; None before any study."""
    tables = [
        _with_costs(study).assign(study=name)
        for name, study in results.studies.items()
        if study.held_out == "validation" and len(analysis.complete_trials(study.trials))
    ]
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)
    table = table[table["train_samples"] == table["train_samples"].max()]
    fronts = {
        name: capacity.pareto_front(table, column)
        for name, column in (("parameters", "parameters"), ("training", "fit_seconds"),
                             ("prediction", "predict_microseconds_per_sequence"))
    }  # fmt: skip
    on_any = table[np.logical_or.reduce(list(fronts.values()))]
    rows = [
        row
        | {"network": network_name(row)}
        | {"fronts": ", ".join(name for name, front in fronts.items() if front[index])}
        for index, row in zip(on_any.index, analysis.records(on_any), strict=True)
    ]
    return {
        "samples": int(table["train_samples"].iloc[0]),
        "configurations": len(table),
        "front": text_table(sorted(rows, key=lambda row: row["parameters"]), {
            "network": ("network", str), "study": ("study", str), "parameters": ("parameters", number),
            "validation_accuracy": ("validation accuracy", percent), "fit_seconds": ("s to train", number),
            "predict_microseconds_per_sequence": ("µs per prediction", number),
            "fronts": ("nothing is better for less", str),
        }),
        "equal_parameters": _equal_budget(table, "parameters", "parameters at most"),
        "equal_seconds": _equal_budget(table, "fit_seconds", "seconds to train at most"),
    }  # fmt: skip


def _with_costs(study: StudyResults) -> pd.DataFrame:
    """The configurations with their mean seconds to train and microseconds to predict."""
    clock = analysis.complete_trials(study.trials).merge(study.timings, on="number", how="left")
    costs = clock.groupby(analysis.CONFIGURATION, sort=False, as_index=False)[
        ["fit_seconds", "seconds_per_epoch", "predict_microseconds_per_sequence"]
    ].mean()
    return analysis.configurations(study.trials).merge(costs, on=analysis.CONFIGURATION)


def _equal_budget(table: pd.DataFrame, column: str, header: str) -> Table:
    """A row per budget, a column per cell: the best network that it buys."""
    best = capacity.equal_budget(table, column)
    cells = [cell for cell in figures.COLOURS if cell in set(best["cell"])]
    rows: dict[float, dict[str, Any]] = {}
    for row in analysis.records(best):
        entry = rows.setdefault(row["budget"], {"budget": row["budget"]} | dict.fromkeys(cells, "–"))
        entry[row["cell"]] = f"{percent(row['validation_accuracy'])} by {network_name(row)}"
    columns: dict[str, Column] = {"budget": (header, number)}
    columns |= {cell: (figures.CELL_NAMES[cell], str) for cell in cells}
    return text_table(list(rows.values()), columns)


def curves(results: Results) -> list[str]:
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


def confusion(results: Results) -> dict[str, Any] | None:
    """The champion's mistakes; None where nothing was tested."""
    if results.predictions is None:
        return None
    classes = results.summary["classes"]
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (results.predictions["actual"].to_numpy(), results.predictions["predicted"].to_numpy()), 1)
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
    return {
        "sentence": f"{sentence}.",
        "figure": Markup(figures.themed(svg)),
        "worst": _worst_mistakes(results, labels),
        "reliability": _reliability(results.predictions),
    }


def _worst_mistakes(results: Results, labels: list[str]) -> Markup | None:
    """The wrong answers that were given the highest probability, as pictures; None for sequences of one feature."""
    predictions = results.predictions
    if predictions is None or results.test_x is None or results.summary["features"] == 1:
        return None
    wrong = predictions[predictions["actual"] != predictions["predicted"]]
    worst = wrong.sort_values("probability", ascending=False, kind="stable").head(WORST_MISTAKES)
    if worst.empty:
        return None
    titles = [
        f"{labels[row['actual']]}, not {labels[row['predicted']]}\n{percent(row['probability'])}"
        for row in analysis.records(worst)
    ]
    samples = results.test_x[worst["index"].to_numpy()]
    alt = f"The {len(worst)} wrong answers with the highest probability."
    return Markup(figures.themed(figures.mistakes(samples, titles, alt)))


def _reliability(predictions: pd.DataFrame) -> dict[str, Any]:
    table = analysis.reliability_table(predictions)
    error = analysis.calibration_error(table)
    rows = [row | {"interval": interval(row["low"], row["high"])} for row in analysis.records(table)]
    title = f"Off by {points(error)} points on average"
    return {
        "error": error,
        "figure": Markup(figures.themed(figures.reliability(table, title, f"Reliability diagram: {title}."))),
        "table": text_table(rows, {
            "samples": ("answers", number), "probability": ("mean probability", percent),
            "accuracy": ("right", percent), "interval": ("95 % interval, %", str),
        }),
    }  # fmt: skip
