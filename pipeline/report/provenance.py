"""Section "How it was made": data, trainings, code and versions behind the page."""

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version

import pandas as pd

from pipeline import paths
from pipeline.data.sequences import SplitName
from pipeline.lineage import Lineage
from pipeline.report.results import Results
from pipeline.report.text import NOTHING, Table, number, plural, text_table

PACKAGES = ["tensorflow", "keras", "optuna", "distributed", "mlflow", "dvc", "numpy", "pandas", "scipy", "matplotlib"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Provenance:
    """`git_commit` is None outside a repository; `parameters` is params.yaml as JSON, but for how the work is done.

    `reproduce` makes the page again at its commit; None where that commit does not hold the results yet.
    """

    data_words: str
    data: Table
    trainings_words: str
    studies: Table
    git_commit: str | None
    git_dirty: bool
    reproduce: str | None
    versions: str
    parameters: str


def provenance(results: Results) -> Provenance:
    """Where the numbers of this page come from."""
    lineage = results.lineage
    versions = {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}
    # As params.yaml says them: a default of the class is not the value of a study that takes it from `training`.
    parameters = results.params.model_dump(mode="json", exclude={"execution", "tracking"}, exclude_unset=True)
    return Provenance(
        data_words=_data_words(results),
        data=_data(results),
        trainings_words=_trainings_words(results),
        studies=_studies(results),
        git_commit=lineage.git_commit or None,
        git_dirty=lineage.git_dirty == "true",
        reproduce=_reproduce(lineage),
        versions=", ".join(f"{name} {release}" for name, release in versions.items()),
        parameters=json.dumps(parameters, indent=2),
    )


def _reproduce(lineage: Lineage) -> str | None:
    """Results are committed after the page was made, but those of `quick` and of DVC's experiments never are."""
    is_committed_later = lineage.git_commit and not lineage.dvc_experiment and not lineage.experiment.endswith("-quick")
    return None if is_committed_later else lineage.reproduce


def _data_words(results: Results) -> str:
    summary = results.summary
    steps = f"{summary.timesteps}"
    if summary.padded:
        steps = f"{summary.lengths[0]} to {summary.lengths[2]}" if summary.lengths else f"up to {steps}"
    return (
        f"{number(summary.train.samples)} training, {number(summary.validation.samples)} validation and "
        f"{number(summary.test.samples)} test sequences of {steps} steps with "
        f"{plural(summary.features, 'feature')}, {summary.classes} classes, split with seed {summary.seed}."
    )


def _data(results: Results) -> Table:
    rows = [{"split": split, "sha256": results.summary.split(split).sha256} for split in SPLITS]
    return text_table(rows, {"split": ("data", str), "sha256": ("SHA-256", str)})


def _trainings_words(results: Results) -> str:
    """How many trainings the page shows, and that a copy of the project replays them."""
    total = sum(len(study.timings) for study in results.studies.values())
    made = f"The page was made on {results.lineage.environment['processor']}."
    if not total:
        return f"No study has trained a network yet. {made}"
    return (
        f"Behind this page are {plural(total, 'training')}. The table says on which processors they were done, and "
        f"when the first and the last of them ended. They are kept in the record ({paths.RECORD}): a study that asks "
        f"for the same trainings replays them from there, on any machine, and trains none of them again. {made}"
    )


def _studies(results: Results) -> Table:
    rows = [
        {"study": name, "fingerprint": study.summary.fingerprint, "trainings": len(study.timings)}
        | {"processor": ", ".join(sorted(set(study.timings["processor"].dropna()))) or NOTHING}
        | {"first": _moment(study.timings["trained_at"].min()), "last": _moment(study.timings["trained_at"].max())}
        for name, study in results.studies.items()
    ]
    return text_table(rows, {
        "study": ("study", str), "fingerprint": ("fingerprint", str), "trainings": ("trainings", number),
        "processor": ("trained on", str), "first": ("first ended, UTC", str), "last": ("last ended, UTC", str),
    })  # fmt: skip


def _moment(trained_at: str) -> str:
    """`2026-11-26T15:30:00Z` as `2026-11-26 15:30`."""
    return NOTHING if pd.isna(trained_at) else trained_at.replace("T", " ")[:16]
