"""A backend for all tests, and a clean one for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.database import Database
from bench.system.postgres import PostgresServer, running_postgres
from tests.support import server
from tests.support.core_library import Library

# Small enough that tests can reach the bounds.
SETTINGS = {"UPLOAD_LIMIT_MIB": "1", "UPLOADS_AT_ONCE": "2"}


@pytest.fixture(scope="session")
def shared_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    """One backend for all tests that need no other settings: what takes long is its start."""
    with server.running(tmp_path_factory.mktemp("backend") / "data", **SETTINGS) as made:
        yield made


@pytest.fixture
def backend(shared_backend: server.BackendServer) -> Iterator[server.BackendServer]:
    """The shared backend without photos, devices and executions, and with clients of this test's own."""
    shared_backend.clear()
    yield shared_backend
    shared_backend.close_clients()


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """Return the data folder of backends that the test starts itself."""
    return tmp_path / "data"


@pytest.fixture
def frame(backend: server.BackendServer) -> dict[str, Any]:
    """The one device, `frame`, 80x48."""
    return backend.add_device("frame")


@pytest.fixture
def image(backend: server.BackendServer, frame: dict[str, Any]) -> str:
    """One pending photo, with one device to be rendered for."""
    return backend.upload_photos(1)[0]


@pytest.fixture
def unchanged(backend: server.BackendServer) -> Iterator[None]:
    """Fails the test if it left anything in the bucket or the database."""
    before = backend.objects()
    yield
    assert backend.objects() == before
    assert backend.incomplete_objects() == []
    assert backend.sql("SELECT count(*) FROM images") == [(0,)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A database server, with the migrated database `migrated` as a template."""
    with running_postgres() as database_server:
        database_server.execute("CREATE DATABASE migrated")
        database = Database(database_server.url("migrated"))
        database.migrate()
        database.close()
        yield database_server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """A database without a server around it: SQLite, and PostgreSQL."""
    if request.param == "sqlite":
        made = Library(tmp_path / "slideshow.db")
        yield made
        made.close()
        return
    database_server: PostgresServer = request.getfixturevalue("postgres")
    name = database_server.new_database("migrated")
    made = Library(url=database_server.url(name))
    yield made
    made.close()
    database_server.drop(name)
