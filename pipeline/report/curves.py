"""Section "Learning curves": of the smallest, the chosen and the largest of the networks compared."""

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.analysis.choice import Candidate
from pipeline.analysis.configurations import complete_trials, is_configuration
from pipeline.documents import records
from pipeline.params.network import CELLS, Cell
from pipeline.report.drawing import log_ticks, percent_tick, styled, to_svg
from pipeline.report.palette import INK
from pipeline.report.results import Results
from pipeline.report.text import Table, number, percent, text_table

TITLE_WIDTH = 34  # characters


@dataclass(frozen=True)
class Curves:
    figures: dict[str, str]
    table: Table


def curves(results: Results) -> Curves | None:
    """The curves of three networks, or fewer where they are the same; None before a choice, and without its studies."""
    if results.choice is None:
        return None
    candidates = results.choice.candidates
    shown = {
        "smallest": min(candidates, key=lambda candidate: candidate.parameters),
        "chosen": Candidate(**results.choice.choice.model_dump(exclude={"refit_epochs"})),
        "largest": max(candidates, key=lambda candidate: candidate.parameters),
    }
    roles: dict[int, list[str]] = {}
    for role, candidate in shown.items():
        if candidate.study in results.studies:
            roles.setdefault(candidates.index(candidate), []).append(role)
    if not roles:
        return None
    frames = {position: _epochs(results, candidates[position]) for position in roles}
    every = pd.concat(frames.values())
    figures, rows = {}, []
    for position, names in roles.items():
        candidate, role = candidates[position], " and ".join(names)
        name = results.choice.name_of(candidate)
        called = "\n".join(textwrap.wrap(f"{role.capitalize()}: {name},", TITLE_WIDTH))
        title = f"{called}\n{candidate.parameters:,} parameters"
        alt = f"Learning curves of the {role} network, {name}: accuracy and loss per epoch."
        figures[f"curves_{names[0]}"] = learning_curves(frames[position], candidate.cell, title, alt, every)
        means = frames[position].groupby("epoch", as_index=False).mean()
        rows += [{"network": f"{role}: {name}"} | mean for mean in records(means)]
    return Curves(figures, text_table(rows, {
        "network": ("network", str), "epoch": ("epoch", number), "train_accuracy": ("train accuracy", percent),
        "validation_accuracy": ("validation accuracy", percent), "train_loss": ("train loss", number),
        "validation_loss": ("validation loss", number),
    }))  # fmt: skip


def _epochs(results: Results, candidate: Candidate) -> pd.DataFrame:
    """The rows of curves.csv of one candidate's trials."""
    study = results.studies[candidate.study]
    trials = complete_trials(study.trials)
    numbers = trials.loc[is_configuration(trials, candidate.model_dump()), "number"]
    return study.curves[study.curves["number"].isin(numbers)]


def learning_curves(curves: pd.DataFrame, cell: Cell, title: str, alt: str, all_shown: pd.DataFrame) -> str:
    """Accuracy and loss per epoch, train dashed and validation solid, one pair of lines per seed, as SVG.

    `curves` are the rows of curves.csv of one configuration; `all_shown` are those of all the figures that are shown
    side by side, which get the same axes.
    """
    hover: dict[str, str] = {}
    colour = CELLS[cell].colour
    with styled():
        figure = Figure(figsize=(3.6, 4.6), layout="constrained")
        figure.suptitle(title, x=0.02, ha="left", fontsize=11.5, fontweight="bold")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, measure in zip(panels, ("accuracy", "loss"), strict=True):
            for _, frame in curves.groupby("number"):
                axes.plot(frame["epoch"], frame[f"train_{measure}"], "--", color=INK, linewidth=1.2)
                axes.plot(frame["epoch"], frame[f"validation_{measure}"], "-", color=colour, linewidth=1.8)
            for row in records(curves.groupby("epoch", as_index=False).mean()):
                gid = f"epoch-{measure}-{row['epoch']}"
                axes.plot(row["epoch"], row[f"validation_{measure}"], ".", color=colour, markersize=5, gid=gid)
                hover[gid] = (
                    f"epoch {row['epoch']}: validation accuracy {row['validation_accuracy']:.2%}, train "
                    f"{row['train_accuracy']:.2%}; loss {row['validation_loss']:.3g} and {row['train_loss']:.3g} nats"
                ).replace("nan", "not measured")
            values = all_shown[[f"train_{measure}", f"validation_{measure}"]].to_numpy(float)
            low, high = np.nanmin(values, initial=1), np.nanmax(values, initial=0.1)
            if measure == "loss":
                axes.set_yscale("log")
                axes.set_ylim(low / 1.1, high * 1.1)
                log_ticks(axes.yaxis, *axes.get_ylim())
            else:
                axes.set_ylim(low - 0.02, min(high + 0.02, 1.005))
        upper, lower = panels
        lower.set_xlim(0.5, max(all_shown["epoch"].max(), 1) + 0.5)
        upper.set_title("accuracy")
        upper.yaxis.set_major_formatter(percent_tick)
        lower.set_title("loss, nats (log scale)")
        lower.set_xlabel("epoch")
        lower.xaxis.get_major_locator().set_params(integer=True)
        handles = [
            Line2D([], [], color=INK, linestyle="--", label="train"),
            Line2D([], [], color=colour, label="validation"),
        ]
        figure.legend(handles=handles, loc="outside lower left", ncols=2)
        return to_svg(figure, alt, hover)
