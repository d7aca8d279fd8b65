"""`serve` where there is nothing to serve; what it answers is in tests/tracking/test_served_model.py."""

import shutil
import socket
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.models import Model
from typer.testing import CliRunner, Result

from pipeline import paths
from pipeline.cli import app
from tests.conftest import ROOT
from tests.helpers.command_line import change
from tests.helpers.runs import DATA


@pytest.fixture(autouse=True)
def project(home: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", home)
    change(home, "data.dataset", "mnist5k")
    change(home, "data.validation", 30)
    DATA.write(paths.SEQUENCES_SUMMARY)
    return home


def serve(*options: str) -> Result:
    return CliRunner().invoke(app, ["serve", *options])


def registered(home: Path, loader: str) -> None:
    """A version with the alias champion, whose model is loaded by `loader`."""
    folder = home / "model"
    model = Model()
    model.add_flavor("python_function", loader_module=loader)
    folder.mkdir()
    model.save(str(folder / "MLmodel"))
    client = MlflowClient(paths.tracking_uri())
    client.create_registered_model("mnist-rnn")
    version = client.create_model_version("mnist-rnn", folder.as_uri())
    client.set_registered_model_alias("mnist-rnn", "champion", version.version)


@pytest.mark.parametrize("made", [None, "mlflow.keras"])  # that of an earlier version answers whatever is sent
def test_without_a_champion_there_is_a_sentence(home: Path, made: str | None) -> None:
    if made:
        registered(home, made)
    for command in ("dvc repro champion", "python -m pipeline champion"):
        told = serve()
        assert told.exit_code == 1
        assert told.stderr == (
            f"error: the MLflow store sqlite:///{home}/mlflow.db has no model mnist-rnn with the alias champion that "
            f"can be served: `{command}` registers one, or says why not\n"
        )
        paths.CHAMPION.mkdir(parents=True, exist_ok=True)
        paths.CHOICE.write_text("")


def test_a_port_that_is_taken_is_named(home: Path) -> None:
    registered(home, "served")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = serve("--port", str(port))
    assert told.exit_code == 1
    taken_by = f"error: port {port} is not free (Address already in use): `python -m pipeline serve --port {port + 1}`"
    assert told.stderr == f"{taken_by} takes another\n"
