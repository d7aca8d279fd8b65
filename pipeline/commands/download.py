"""download: the dataset of params.yaml → data/raw."""

from rich.console import Console

from pipeline.data.datasets import download
from pipeline.params.document import Params


def run(params: Params) -> None:
    """Fetch the dataset, verify it against its checksums and write it with its manifest.json to data/raw."""
    console = Console()
    manifest = download(params.data.dataset, console)
    console.print(
        f"download: {manifest.dataset}: {', '.join(manifest.files)} from {manifest.source}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
