"""Addresses of MLflow's pages; `python -m pipeline.tracking.links` prints those of the experiments."""

import os

from pipeline import paths
from pipeline.errors import without_credentials

MODEL_TRAINING = "workflowType=machine_learning"  # the end of each: without it MLflow opens those for language models
ON_THIS_MACHINE = "http://127.0.0.1:5000"  # where `make ui` serves them


def version_link(name: str, version: str) -> str:
    """In Markdown, from a description, to the page of a version of a registered model."""
    return f"[{name} version {version}](#/models/{name}/versions/{version}?{MODEL_TRAINING})"


def experiment_page(experiment_id: str) -> str:
    """The address of an experiment's runs."""
    uri = paths.tracking_uri()
    server = without_credentials(uri).rstrip("/") if uri.startswith(("http://", "https://")) else ON_THIS_MACHINE
    return f"{server}/#/experiments/{experiment_id}/runs?{MODEL_TRAINING}"


def experiment_pages() -> dict[str, str]:
    """The address of each experiment by name, the newest first. MLflow's own list of them leads to the wrong pages."""
    from mlflow import MlflowClient

    found = MlflowClient(paths.tracking_uri()).search_experiments()
    return {one.name: experiment_page(one.experiment_id) for one in found if one.name != "Default"}


def main() -> None:
    """Print them."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # a new database reports every table otherwise
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"  # of a server that is away: minutes otherwise
    try:
        pages = experiment_pages()
    except Exception as error:  # of a server that is away or a database: the pages themselves will tell more
        reason = without_credentials(str(error).splitlines()[0] if str(error) else type(error).__name__)
        print(f"  the experiments' addresses are not known ({reason}): choose Model training at the top left")
        return
    for name, page in pages.items():
        print(f"  {name}: {page}")


if __name__ == "__main__":
    main()
