"""MLflow's server of models, with the champion in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import paths
from pipeline.tracking.logged_model import LOADER
from pipeline.tracking.run_store import RunStore, environment_variable

if TYPE_CHECKING:
    from fastapi import Request, Response

HOST = "127.0.0.1"
UNREAD = (400, 405, 415)  # with these MLflow's server refuses a request
FAILED = "Encountered an unexpected error while evaluating the model"  # MLflow's words for what no refusal is
UNREADABLE = "this is not the JSON of a request, with the header Content-Type: application/json"


class Registered(NamedTuple):
    """A version of a registered model, a folder that holds it, and the hash of the .keras file that it was made of."""

    version: str
    folder: Path
    model_sha256: str | None


def champion_model(store: RunStore, name: str) -> Registered | None:
    """The version of the registered model `name` with the alias `champion`.

    None where there is none, or only one of an earlier version of this project, which answers whatever is sent.
    """
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        found = store.client.get_model_version_by_alias(name, "champion")
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    with environment_variable("MLFLOW_TRACKING_URI", paths.tracking_uri()):
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{found.version}"))
    loader = Model.load(str(folder)).flavors["python_function"]["loader_module"]
    return Registered(str(found.version), folder, found.tags.get("model_sha256")) if loader == LOADER else None


def answer(folder: Path, port: int, ready: Callable[[], None]) -> None:
    """Serve the model in `folder` on loopback, until Ctrl-C; calls `ready` when it is loaded."""
    import mlflow
    import uvicorn
    from fastapi.responses import JSONResponse
    from mlflow.pyfunc import scoring_server

    model = mlflow.pyfunc.load_model(str(folder))
    app = scoring_server.init(model)
    wanted = model.get_raw_model().wanted

    @app.middleware("http")
    async def refuse_in_a_sentence(request: Request, ask: Callable[[Request], Awaitable[Any]]) -> Response:
        """MLflow refuses some requests before it asks the model, at length, and stumbles over some others."""
        message = ""
        with suppress(Exception):  # of a request without a type, or nested too deep for Python
            response = await ask(request)
            if request.url.path != "/invocations" or response.status_code not in UNREAD:
                return response
            told = json.loads(b"".join([part async for part in response.body_iterator]))
            message = told["message"]
        if message.startswith(FAILED):
            print(f"serve: the network failed:\n{told.get('stack_trace', message)}", file=sys.stderr, flush=True)
            failed = "the network failed on this request; where it is served there is more"
            return JSONResponse({"error_code": "INTERNAL_ERROR", "message": failed}, status_code=500)
        if not message.endswith(wanted):
            message = f"{UNREADABLE}: give {wanted}"
        return JSONResponse({"error_code": "INVALID_PARAMETER_VALUE", "message": message}, status_code=400)

    ready()
    uvicorn.run(app, host=HOST, port=port, log_level="critical")
