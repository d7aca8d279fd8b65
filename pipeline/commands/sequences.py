"""No verb of its own: the first two stages, for a verb that needs their results and may be the first to run."""

from pipeline import paths
from pipeline.commands import download, prepare
from pipeline.params.document import Params


def make_sequences(params: Params) -> None:
    """Run download and prepare, unless their results are there: a fresh clone has no data, only the results of it."""
    needed = (paths.MANIFEST, paths.SEQUENCES_SUMMARY, paths.TRAIN, paths.VALIDATION, paths.TEST)
    if not all(path.exists() for path in needed):
        download.run(params)
        prepare.run(params)
