"""prepare: data/raw → data/sequences, the sequences that every network sees."""

from dataclasses import replace

from rich.console import Console

from pipeline.data.datasets import load
from pipeline.data.sequences import SequencesSummary, SplitSummary, as_sequences, split, summary_of
from pipeline.params.document import Params
from pipeline.paths import SEQUENCES_SUMMARY, TEST, TRAIN, VALIDATION, write_npz


def run(params: Params) -> None:
    """Split the dataset, make its sequences and write train.npz, validation.npz, test.npz and summary.json."""
    data = params.data
    dataset = load(data)
    splits = split(dataset, data.validation, data.seed)
    classes = len(dataset.labels)
    summaries: dict[str, SplitSummary] = {}
    for name, path in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        images = getattr(splits, name)
        samples = replace(images, x=as_sequences(images.x, data.view, data.seed))
        write_npz(path, x=samples.x, y=samples.y)
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
        **summaries,
    )
    summary.write(SEQUENCES_SUMMARY)
    sizes = ", ".join(f"{name} {part.samples:,}" for name, part in summaries.items())
    line = f"{data.dataset} as {data.view}: {sizes} sequences of {timesteps} × {features} in {classes} classes"
    for sentence in (line, *dataset.notes):
        Console().print(f"prepare: {sentence}", markup=False, highlight=False, soft_wrap=True)
