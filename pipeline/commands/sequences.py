"""No verb of its own: the first two stages, for a verb that needs their results and may be the first to run."""

from pipeline.commands import download, prepare
from pipeline.params.document import Params
from pipeline.paths import TEST, TRAIN, VALIDATION


def make_sequences(params: Params) -> None:
    """Run download and prepare, unless the sequences are there: a fresh clone has results of them, but no data."""
    if not all(path.exists() for path in (TRAIN, VALIDATION, TEST)):
        download.run(params)
        prepare.run(params)
