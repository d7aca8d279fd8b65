"""Section "Limits": how far the results reach, with the numbers that decide it."""

import math
from dataclasses import dataclass

import pandas as pd

from pipeline.analysis.choice import Choice
from pipeline.params.network import CELLS
from pipeline.report.results import Results
from pipeline.report.text import in_order, number, percent, plural, points


@dataclass(frozen=True)
class Limits:
    sentences: tuple[str, ...]


def limits(results: Results) -> Limits:
    """A sentence or two for each limit, computed from what has been run."""
    sentences = [_of_the_data(results)]
    if results.choice is not None:
        sentences += _of_the_choice(results, results.choice)
        sentences += _of_the_recipe(results, results.choice)
    if results.metrics is not None:
        sentences.append(_of_the_test(results, results.metrics.seeds))
    if results.prediction_times is not None and len(results.prediction_times):
        rate = number(results.prediction_times["sgemm_gflops"].median())
        sentences.append(
            f"Prediction times are of one machine, one thread at {rate} GFLOP/s in float32 matrices. On a GPU, or with "
            "more threads, networks may come in another order."
        )
    return Limits(tuple(sentences))


def _of_the_data(results: Results) -> str:
    summary = results.summary
    name = summary.title if summary.is_own else f"{summary.dataset} read as {summary.view.replace('_', ' ')}"
    steps = f"up to {summary.timesteps}" if summary.padded else summary.timesteps
    return (
        f"One data set: {name}, sequences of {steps} steps with {plural(summary.features, 'feature')}, "
        f"{summary.classes} classes. The size for another data set takes another study."
    )


def _of_the_choice(results: Results, choice: Choice) -> list[str]:
    candidates = choice.candidates
    sizes = [candidate.parameters for candidate in candidates]
    units = [candidate.units for candidate in candidates]
    cells = ", ".join(CELLS[cell].title for cell in in_order([candidate.cell for candidate in candidates]))
    edge = (
        "The most accurate is the largest, so a still larger one may be better."
        if choice.best.parameters == max(sizes)
        else "Of sizes outside this range the comparison says nothing."
    )
    view, other = results.summary.view, choice.choice.view
    sentences = [f"The choice, {choice.name_of(choice.choice)}, reads the images as {other.replace('_', ' ')}."] * (
        other != view
    )
    sentences += [
        *(_of_the_race(results, choice) if choice.race is not None else _of_one_validation_set(results, choice)),
        f"The networks compared have {min(sizes):,} to {max(sizes):,} parameters ({cells}; "
        f"{min(units)} to {max(units)} units). {edge}",
    ]
    train = results.summary.train.samples
    if (used := choice.compared_train_samples) < train:
        sentences.append(
            f"They were compared after training on {used:,} of the {train:,} training samples; with all of them larger "
            "networks may gain more than smaller ones."
        )
    return sentences


def _of_one_validation_set(results: Results, choice: Choice) -> list[str]:
    """A choice by the accuracies on one and the same validation data."""
    chosen, validation = choice.choice, results.summary.validation.samples
    accuracy = chosen.validation_accuracy
    noise = math.sqrt(accuracy * (1 - accuracy) / validation)
    spread = (
        f"between them it varies by {points(chosen.validation_accuracy_sd)} points (standard deviation)"
        if chosen.validation_accuracy_sd is not None
        else "the result of another seed is not known"
    )
    return [
        f"The choice, {choice.name_of(chosen)}, rests on {plural(chosen.seeds, 'seed')}: {spread}.",
        f"With {validation:,} validation samples a single accuracy of {percent(accuracy)} has a standard error of "
        f"{points(noise)} points: of two networks nearer than about {points(2 * noise)} points, one run each does not "
        "say which is better.",
        f"It was chosen among {len(choice.candidates)} configurations by the same validation data that its validation "
        "accuracy is taken from, which flatters the choice; only the test accuracy is free of that.",
    ]


def _of_the_race(results: Results, choice: Choice) -> list[str]:
    """A choice by accuracies on several held-out folds."""
    chosen = choice.choice
    summary = results.summary
    whole = "training and validation sequences"
    held_out = f"tenth of the {whole}, {summary.largest_fold:,} of them,"
    if summary.folds:
        fewest, most = min(summary.folds), max(summary.folds)
        size = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        held_out = f"fold, whole groups with {size} of the {whole},"
    spread = (
        f", and varies between them by {points(chosen.validation_accuracy_sd)} points (standard deviation)"
        if chosen.validation_accuracy_sd is not None
        else ""
    )
    return [
        f"The validation accuracy of the choice, {choice.name_of(chosen)}, is the mean over "
        f"{plural(chosen.seeds, 'block')}{spread}. Each holds out another {held_out} "
        "and has a seed of its own, so that its intervals speak of seeds and of "
        "sequences. Any two blocks share most of the sequences that they train on; the intervals of the race and of "
        "its accuracies allow for that.",
        f"It was chosen among {len(choice.candidates)} configurations by the same figures, which flatters it; only the "
        "test accuracy is free of that.",
        "The race compares the networks that other studies send. A network that none of them has found may be "
        "better, or smaller.",
    ]


def _of_the_recipe(results: Results, choice: Choice) -> list[str]:
    compared = results.competitors
    if compared.train_samples != choice.compared_train_samples:  # the studies that competed are gone
        return []
    recipes = [
        f"{name} has trained with {', '.join(sorted(set(trained['optimizer'])))}, learning rate "
        f"{_range(trained, 'learning_rate')}, batches of {_range(trained, 'batch_size')} and at most "
        f"{_range(trained, 'epochs')} epochs"
        for name, trained in compared.trials.items()
    ]
    recipe = f"The recipe: {'; '.join(recipes)}. A size that does badly may only need another recipe, or more epochs."
    trials = pd.concat(compared.trials.values())
    at_the_end = trials["best_epoch"] == trials["epochs"]
    if at_the_end.all():  # as without early stopping
        return [recipe]
    return [
        recipe,
        f"{at_the_end.sum()} of the {plural(len(at_the_end), 'training')} compared are counted at the last allowed "
        "epoch: with more epochs these might still improve.",
    ]


def _of_the_test(results: Results, seeds: int) -> str:
    readers = [f"by {plural(seeds, 'model')} of the chosen network"]
    if results.most_accurate_tested is not None:
        readers.append("by the most accurate network, to be compared with it")
    readers += [
        f"by the study {name}, which takes no part in the choice"
        for name, study in results.studies.items()
        if study.summary.held_out == "test"
    ]
    return (
        f"The test data have chosen nothing. They were read {', and '.join(readers)}. An interval over several seeds "
        f"takes the {results.summary.test.samples:,} test samples as given; that of a single seed, or of seeds that "
        "agree, is about the samples alone."
    )


def _range(table: pd.DataFrame, column: str) -> str:
    low, high = table[column].min(), table[column].max()
    return number(low) if low == high else f"{number(low)} to {number(high)}"
