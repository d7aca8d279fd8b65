"""What the results cannot say, with the numbers that decide it."""

import math
from typing import Any

import pandas as pd

from pipeline.analysis.configurations import complete_trials
from pipeline.params.network import network_name
from pipeline.report import drawing
from pipeline.report.drawing import CELL_NAMES
from pipeline.report.results import Results
from pipeline.report.text import number, percent, plural, points


def limits(results: Results) -> list[str]:
    """A sentence or two for each limit, computed from what has been run."""
    summary = results.summary
    sentences = [
        f"One data set: {summary['dataset']} read as {summary['view'].replace('_', ' ')}, sequences of "
        f"{summary['timesteps']} steps with {plural(summary['features'], 'feature')}, {summary['classes']} classes. "
        "What size another data set needs is another study."
    ]
    if results.choice is not None:
        sentences += _of_the_choice(results, results.choice)
        sentences += _of_the_recipe(results, results.choice)
    if results.metrics is not None:
        readers = [f"by {plural(results.metrics['seeds'], 'model')} of the chosen network"]
        if results.mcnemar is not None:
            readers.append("by one of the most accurate network, for McNemar's test")
        readers += [
            f"by the study {name}, which reproduces a published table and takes no part in the choice"
            for name, study in results.studies.items()
            if study.held_out == "test"
        ]
        sentences.append(
            f"The test data have chosen nothing. They were read {', and '.join(readers)}. The interval speaks of seeds "
            f"and takes the {summary['test']['samples']:,} test samples as given."
        )
    if results.prediction_times is not None and len(results.prediction_times):
        rate = number(results.prediction_times["sgemm_gflops"].median())
        sentences.append(
            f"Times are of one machine, one thread at {rate} GFLOP/s in float32 matrices. On a GPU, or with more "
            "threads, networks may come in another order."
        )
    return sentences


def _of_the_choice(results: Results, choice: dict[str, Any]) -> list[str]:
    chosen, candidates = choice["choice"], choice["candidates"]
    validation, train = results.summary["validation"]["samples"], results.summary["train"]["samples"]
    accuracy, seeds = chosen["validation_accuracy"], chosen["seeds"]
    noise = math.sqrt(accuracy * (1 - accuracy) / validation)
    by_size = sorted(candidates, key=lambda row: row["parameters"])
    smallest, largest = by_size[0], by_size[-1]
    units = [row["units"] for row in candidates]
    cells = ", ".join(CELL_NAMES[cell] for cell in drawing.COLOURS if cell in {row["cell"] for row in candidates})
    edge = (
        "The most accurate is the largest, so a still larger one may be better."
        if choice["best"]["parameters"] == largest["parameters"]
        else "Of sizes outside nothing is known."
    )
    spread = (
        f"between them it varies by {points(chosen['validation_accuracy_sd'])} points (standard deviation)"
        if chosen["validation_accuracy_sd"] is not None
        else "what another seed would give is not known"
    )
    sentences = [
        f"The choice, {network_name(chosen)}, rests on {plural(seeds, 'seed')}: {spread}.",
        f"With {validation:,} validation samples a single accuracy of {percent(accuracy)} has a standard error of "
        f"{points(noise)} points: of two networks nearer than about {points(2 * noise)} points, one run each does not "
        "say which is better.",
        f"It was chosen among {len(candidates)} configurations by the same validation data that its validation "
        "accuracy is taken from, which flatters whatever is chosen; only the test accuracy is free of that.",
        f"The networks compared have {smallest['parameters']:,} to {largest['parameters']:,} parameters ({cells}; "
        f"{min(units)} to {max(units)} units). {edge}",
    ]
    if (used := choice["compared_train_samples"]) < train:
        sentences.append(
            f"They were compared after training on {used:,} of the {train:,} training samples; with all of them larger "
            "networks may gain more than smaller ones."
        )
    return sentences


def _of_the_recipe(results: Results, choice: dict[str, Any]) -> list[str]:
    trials = [
        complete.assign(study=name)
        for name, study in results.studies.items()
        if name in results.params.champion.studies and len(complete := complete_trials(study.trials))
    ]
    if not trials:
        return []
    compared = pd.concat(trials)
    compared = compared[compared["train_samples"] == choice["compared_train_samples"]]
    recipes = [
        f"{name} has trained with {_values(group, 'optimizer', str)}, learning rate {_range(group, 'learning_rate')}, "
        f"batches of {_range(group, 'batch_size')} and at most {_range(group, 'epochs')} epochs"
        for name, group in compared.groupby("study", sort=False)
    ]
    cut = compared["best_epoch"] == compared["epochs"]
    return [
        f"The recipe: {'; '.join(recipes)}. A size that does badly may only need another recipe.",
        f"{int(cut.sum())} of the {plural(len(cut), 'training')} compared counted at the last epoch they were allowed: "
        "with more epochs these might still improve.",
    ]


def _values(group: pd.DataFrame, column: str, show: Any) -> str:
    return ", ".join(show(value) for value in sorted(set(group[column])))


def _range(group: pd.DataFrame, column: str) -> str:
    low, high = group[column].min(), group[column].max()
    return number(low) if low == high else f"{number(low)} to {number(high)}"
