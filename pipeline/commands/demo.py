"""demo: a page on this machine to draw a digit on, which the champion and a small network read."""

import socket
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import uvicorn

from pipeline import paths
from pipeline.commands.sequences import make_sequences
from pipeline.data.sequences import Samples, SequencesSummary, in_view
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.network import network_name
from pipeline.params.settings import Configuration
from pipeline.progress import TrialProgress
from pipeline.report import palette
from pipeline.studies.refits import Refits
from pipeline.training.cluster import Cluster
from pipeline.training.journal import Journal
from pipeline.training.model_file import load_model
from pipeline.training.process import configure_tensorflow
from pipeline.training.trials import Trial
from pipeline.use.answering import champion, chosen
from pipeline.use.demo import Demo, application, reader
from pipeline.use.digits import DIGIT_DATASETS

if TYPE_CHECKING:
    import keras

VIEWS = ("rows", "columns")  # in which a step is one that can be seen
FEWER = 12  # times fewer units has the small network


def run(params: Params, port: int) -> None:
    """Serve the page on the loopback address until Ctrl-C; port 0 takes one that is free.

    Raises PipelineError for a champion of other data than digits, and for a port that is taken.
    """
    if params.data.dataset not in DIGIT_DATASETS:
        raise PipelineError(
            f"demo is for images of digits: params.yaml: data.dataset is {params.data.dataset!r}, it must be "
            f"{' or '.join(DIGIT_DATASETS)}"
        )
    with listening(port) as listener:
        app = application(demo_of(params), {"light": palette.css(palette.LIGHT), "dark": palette.css(palette.DARK)})
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", server_header=False))
        print(f"demo: open http://127.0.0.1:{listener.getsockname()[1]} in a browser; Ctrl-C ends it", flush=True)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    print("demo: ended")


def listening(port: int) -> socket.socket:
    """A socket at this port of the loopback address, and of no other."""
    try:
        listener = socket.create_server(("127.0.0.1", port))
        # Else an answer's second packet waits for the first one's receipt, 40 ms: asyncio does it for its own sockets.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        return listener
    except OSError as error:
        raise PipelineError(
            f"port {port} is not free ({error.strerror}): end what listens there, or choose another by --port"
        ) from error


def demo_of(params: Params) -> Demo:
    """The champion, a small network, and the test digits; the data are made first where they are not there."""
    make_sequences(params)
    _, choice, summary = chosen(params)
    network = choice.choice
    if network.view not in VIEWS:
        raise PipelineError(
            f"demo shows how an image is read row by row or column by column, and the champion's view is "
            f"{network.view}: it is for champions whose view is {' or '.join(VIEWS)}"
        )
    small = network.refit.model_copy(update={"units": fewer(network.units)})
    small_model = trained(small, params, summary)
    large = champion(params)
    test = Samples.read(paths.TEST)
    x = in_view(test.x, network.view, summary)
    readers = (
        reader(choice.name_of(network), network.network, large.model, x, large.temperature, large.answers_from),
        reader(network_name(small), small.network, small_model, x),
    )
    images = x.transpose(0, 2, 1) if network.view == "columns" else x
    samples = np.rint(255 * images).astype(np.uint8)
    return Demo(readers, network.view, summary.seed, summary.labels, samples, test.y)


def fewer(units: int) -> int:
    """The units of the small network."""
    return max(1, units // FEWER)


def trained(configuration: Configuration, params: Params, summary: SequencesSummary) -> "keras.Model":
    """The model of a network trained as the champion was, with the first seed, unless the record has it already."""
    trial = Trial(0, configuration, 0)
    journal = Journal(paths.journal_folder(), paths.RECORD)
    refits = Refits(summary, paths.SEQUENCES, journal, params.training.instructions)
    expectation = "a small network to compare with"
    with TrialProgress("demo", 1, lambda _: 1.0, [trial], expectation) as progress:
        refits.train([trial], lambda: Cluster(params.execution), progress)
    refits.record("demo", [trial])
    configure_tensorflow(params.training.answering)
    with TemporaryDirectory() as folder:
        file = Path(folder, "small.keras")
        file.write_bytes(refits.model(trial))
        return load_model(file)
