"""MLflow's server of models, with the champion in it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import paths
from pipeline.tracking.logged_model import LOADER
from pipeline.tracking.run_store import RunStore, environment_variable

if TYPE_CHECKING:
    from fastapi import Request, Response

HOST = "127.0.0.1"
UNREAD = (400, 405, 415)  # with these MLflow's server refuses a request
UNREADABLE = "this is not the JSON of a request, with the header Content-Type: application/json"


def champion_model(store: RunStore, name: str) -> tuple[str, Path] | None:
    """The version of the registered model `name` with the alias `champion`, and a folder that holds its model.

    None where there is none, or only one of an earlier version of this project, which answers whatever is sent.
    """
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        version = store.client.get_model_version_by_alias(name, "champion").version
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    with environment_variable("MLFLOW_TRACKING_URI", paths.tracking_uri()):
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}"))
    loader = Model.load(str(folder)).flavors["python_function"]["loader_module"]
    return (str(version), folder) if loader == LOADER else None


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
            message = json.loads(b"".join([part async for part in response.body_iterator]))["message"]
        if not message.endswith(wanted):
            message = f"{UNREADABLE}: give {wanted}"
        return JSONResponse({"error_code": "INVALID_PARAMETER_VALUE", "message": message}, status_code=400)

    ready()
    uvicorn.run(app, host=HOST, port=port, log_level="critical")
