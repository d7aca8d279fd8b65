"""No verb of its own: the first two stages, for a verb that needs their results and may be the first to run."""

from pipeline import paths
from pipeline.commands import download, prepare
from pipeline.data.sequences import Samples, SequencesSummary, summary_of
from pipeline.errors import PipelineError
from pipeline.params.document import Params

FILES = {"train": paths.TRAIN, "validation": paths.VALIDATION, "test": paths.TEST}


def make_sequences(params: Params) -> None:
    """Run download and prepare, unless the sequences are there: a fresh clone has results of them, but no data.

    Raises PipelineError if the sequences are not those that the summary in git describes.
    """
    before = SequencesSummary.read(paths.SEQUENCES_SUMMARY) if paths.SEQUENCES_SUMMARY.exists() else None
    if not all(path.exists() for path in FILES.values()):
        download.run(params)
        prepare.run(params)
    if before is not None and not _described_by(before):
        raise PipelineError(
            f"{paths.SEQUENCES} holds other sequences than {paths.SEQUENCES_SUMMARY} of the committed results "
            "describes: `dvc repro` makes the sequences and the results that params.yaml asks for"
        )


def _described_by(summary: SequencesSummary) -> bool:
    return all(
        summary_of(Samples.read(path), summary.classes) == getattr(summary, name) for name, path in FILES.items()
    )
