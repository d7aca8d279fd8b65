"""prepare: data/raw → data/sequences, the sequences that every network sees."""

from dataclasses import replace
from typing import Any, get_args

from rich.console import Console

from pipeline.data.datasets import Dataset, load
from pipeline.data.description import description
from pipeline.data.sequences import SequencesSummary, SplitName, SplitSummary, are_images, as_sequences, summary_of
from pipeline.data.splits import split
from pipeline.params.document import Params
from pipeline.params.settings import DataParams
from pipeline.paths import SEQUENCES_SUMMARY, TEST, TRAIN, VALIDATION, write_npz


def run(params: Params) -> None:
    """Split the dataset, make its sequences and write train.npz, validation.npz, test.npz and summary.json.

    Of one's own sequences it also says, and summary.json keeps, what their owner should know.
    """
    summary = write_sequences(load(params.data), params.data)
    console = Console()
    for line in (outcome(summary), *summary.warnings):
        console.print(f"prepare: {line}", markup=False, highlight=False, soft_wrap=True)


def write_sequences(dataset: Dataset, data: DataParams) -> SequencesSummary:
    """Write the sequences of `dataset`, split and seen as `data` says, and their summary."""
    splits = split(dataset, data.validation, data.seed)
    classes = len(dataset.labels)
    own: dict[str, Any] = {} if are_images(dataset.train_x) else description(dataset, splits, data)
    summaries: dict[str, SplitSummary] = {}
    for name, path in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        part = getattr(splits, name)
        samples = replace(part, x=as_sequences(part.x, data.view, data.seed))
        write_npz(path, **samples.arrays)
        summaries[name] = summary_of(samples, classes)
    _, timesteps, features = samples.x.shape
    summary = SequencesSummary(
        dataset=data.dataset,
        view=data.view,
        seed=data.seed,
        classes=classes,
        labels=dataset.labels,
        timesteps=timesteps,
        features=features,
        **(summaries | own),
    )
    summary.write(SEQUENCES_SUMMARY)
    return summary


def outcome(summary: SequencesSummary) -> str:
    """What there is now, in a line."""
    sizes = ", ".join(f"{name} {summary.split(name).samples:,}" for name in get_args(SplitName))
    steps = f"{summary.timesteps}"
    if summary.padded and summary.lengths:
        shortest, _, longest = summary.lengths
        steps = f"{shortest} to {longest} steps"
    return f"{summary.title}: {sizes} sequences of {steps} × {summary.features} in {summary.classes} classes"
