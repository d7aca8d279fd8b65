"""download: the dataset of params.yaml → data/raw."""

from rich.console import Console

from pipeline.data.datasets import download
from pipeline.params.document import Params


def run(params: Params) -> None:
    """Fetch the dataset, verify it against its checksums and write it with its manifest.json to data/raw."""
    console = Console()
    found = download(params.data, console)
    console.print(
        f"download: {params.data.dataset}: {', '.join(found.manifest.files)} from {found.source}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
