"""Section "The networks": each network of the book's chapter, as Keras summarizes it and as a diagram."""

from dataclasses import dataclass

from pipeline.report.results import Results
from pipeline.training.diagram import diagram_png


@dataclass(frozen=True)
class Network:
    """`name` is one for files; `diagram` is a PNG."""

    name: str
    summary: str
    diagram: bytes


def networks(results: Results) -> tuple[Network, ...]:
    """The networks of the study called book; none without it."""
    if "book" not in results.studies:
        return ()
    return tuple(
        Network(name, text.summary, diagram_png(text.diagram))
        for name, text in results.studies["book"].networks.items()
    )
