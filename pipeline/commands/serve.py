"""serve: the champion that MLflow has registered, behind MLflow's own server."""

import socket
import sys
from pathlib import Path

from pipeline import paths
from pipeline.analysis.evaluation import champion_file, sha256_of
from pipeline.data.sequences import prepared_sequences
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.tracking.registry import registered_name
from pipeline.tracking.run_store import RunStore
from pipeline.tracking.serving import HOST, answer, champion_model
from pipeline.training.process import configure_tensorflow


def serve(params: Params, port: int) -> None:
    """Answer requests on this machine until Ctrl-C; prints a command that asks.

    Raises PipelineError where there is no champion to ask, or something else has the port.
    """
    store = RunStore(params.tracking.experiment)
    name = registered_name(params.tracking.experiment, prepared_sequences(params.data))
    found = champion_model(store, name)
    if found is None:
        made = "python -m pipeline champion" if paths.CHOICE.exists() else "dvc repro champion"
        raise PipelineError(
            f"the MLflow store {store.where} has no model {name} with the alias champion that can be served: `{made}` "
            "registers one, or says why not"
        )
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind((HOST, port))
        except OSError as error:
            other = port + 1 if port < 65_535 else 5001
            raise PipelineError(
                f"port {port} is not free ({error.strerror}): `python -m pipeline serve --port {other}` takes another"
            ) from error
    configure_tensorflow(params.training.answering)  # with others than in the training the last digits differ
    if paths.CHOICE.exists() and found.model_sha256 != sha256_of(champion_file(paths.CHAMPION)):
        print(
            f"serve: version {found.version} is another network than `predict` asks, {champion_file(paths.CHAMPION)}: "
            "one with a better validation figure keeps the alias champion",
            file=sys.stderr,
        )
    example = found.folder / "serving_input_example.json"
    answer(found.folder, port, lambda: _tell(f"{name} version {found.version}", port, example))


def _tell(model: str, port: int, example: Path) -> None:
    here = Path.cwd()
    file = example.relative_to(here) if example.is_relative_to(here) else example
    url = f"http://{HOST}:{port}/invocations"
    print(f"{model} answers at {url} until Ctrl-C. Ask it, from another terminal:")
    print(f"  curl {url} -H 'Content-Type: application/json' -d @{file}", flush=True)
