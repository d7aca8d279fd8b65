"""No verb of its own: the first two stages, for a verb that needs their results and may be the first to run."""

from pipeline.commands import download, prepare
from pipeline.data.sequences import SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.paths import SEQUENCES, SEQUENCES_SUMMARY, TEST, TRAIN, VALIDATION


def make_sequences(params: Params) -> None:
    """Run download and prepare, unless the sequences are there: a fresh clone has results of them, but no data.

    Raises PipelineError if other sequences come out than the summary in git describes.
    """
    if all(path.exists() for path in (TRAIN, VALIDATION, TEST)):
        return
    before = SequencesSummary.read(SEQUENCES_SUMMARY) if SEQUENCES_SUMMARY.exists() else None
    download.run(params)
    prepare.run(params)
    if before is not None and SequencesSummary.read(SEQUENCES_SUMMARY) != before:
        raise PipelineError(
            f"{SEQUENCES} now holds other sequences than the studies were trained on: see `git diff "
            f"{SEQUENCES_SUMMARY}`, and run `dvc repro` to train on these"
        )
