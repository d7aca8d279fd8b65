"""Section "The studies": for each its configurations, best first, and what is missing of it."""

from dataclasses import dataclass

from pipeline.analysis.choice import best_first, named
from pipeline.analysis.configurations import CONFIGURATION, complete_trials, configurations
from pipeline.documents import records
from pipeline.report.results import Results, with_training_times
from pipeline.report.text import Column, Table, interval_of_accuracy, number, percent, points, text_table
from pipeline.studies.results import StudyResults

ENDS = {"COMPLETE": "complete", "PRUNED": "pruned (left out below)", "FAIL": "failed (left out below)"}


@dataclass(frozen=True)
class Study:
    """`words` is None for a study that has not run; `missing` says what there is not to see of it, if anything."""

    name: str
    words: str | None
    missing: str | None
    table: Table | None


def studies(results: Results) -> tuple[Study, ...]:
    """Every study of params.yaml, whether it has run or not."""
    return tuple(_study(name, results.studies.get(name)) for name in results.params.studies)


def _study(name: str, study: StudyResults | None) -> Study:
    if study is None:
        return Study(name, None, "This study has not run: there is no trials.csv of it.", None)
    table = configurations(study.trials)
    if table.empty:
        missing = "No trial of this study is complete, so there is nothing to compare."
        return Study(name, _words(study), missing, None)
    alone = "Every configuration has one seed, so seed-to-seed deviations and intervals are unknown."
    return Study(name, _words(study), alone if (table["seeds"] == 1).all() else None, _table(study))


def _words(study: StudyResults) -> str:
    states = study.trials["state"].value_counts(sort=False)
    counts = ", ".join(f"{states[state]} {label}" for state, label in ENDS.items() if state in states)
    minutes = study.timings["fit_seconds"].sum() / 60
    sentence = f"{len(study.trials)} trials: {counts}. {minutes:.1f} minutes of training in all, on one thread each."
    if study.summary.held_out != "test":
        return sentence
    return (
        f"{sentence} This study trains on training and validation data and is measured on the test data. "
        "Nothing is chosen by it."
    )


def _table(study: StudyResults) -> Table:
    measured = "test" if study.summary.held_out == "test" else "validation"
    timed = with_training_times(
        configurations(study.trials, study.summary.held_out), complete_trials(study.trials), study.timings
    )
    columns: dict[str, Column] = {
        "network": ("network", str), "parameters": ("parameters", number),
        "validation_accuracy": (f"{measured} accuracy", percent), "validation_accuracy_sd": ("sd, points", points),
        "interval": ("95 % interval, %", str), "train_accuracy": ("train accuracy", percent),
        "generalization_gap": ("gap, points", points), "validation_loss": (f"{measured} loss", number),
        "seconds_per_epoch": ("s per epoch", number), "best_epoch": ("best epoch", number),
        "seeds": ("seeds", number), "train_samples": ("samples", number), "optimizer": ("optimizer", str),
        "learning_rate": ("learning rate", number), "dropout": ("dropout", number),
        "batch_size": ("batch size", number), "epochs": ("epochs at most", number), "view": ("view", str),
        "learning_rate_schedule": ("schedule", str), "warmup_epochs": ("warm-up epochs", number),
        "weight_decay": ("weight decay", number), "global_clipnorm": ("gradients clipped at", number),
    }  # fmt: skip
    rows = [
        row | {"interval": interval_of_accuracy(row["validation_accuracy_low"], row["validation_accuracy_high"])}
        for row in named(records(best_first(timed)), [name for name in columns if name in CONFIGURATION])
    ]
    return text_table(rows, columns, fold=["validation_accuracy_sd", "interval", *list(columns)[-12:]])
