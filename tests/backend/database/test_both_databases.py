"""Query functions on SQLite and on a real PostgreSQL server: the same results, and the same tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backend.database import Database, claims, executions, images, key_value
from backend.database.tables import metadata
from backend.database.variants import store_variants, variant_row
from backend.settings import read_settings
from bench.system.postgres import PostgresServer, running_postgres
from contract.messages.processing import ClaimRequest
from tests.support.core_library import PALETTE, image_id

pytestmark = pytest.mark.server

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'slideshow.db'}")
        made.migrate()
        yield made
        made.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.new_database()
    made = Database(server.url(name))
    made.migrate()
    yield made
    made.close()
    server.drop(name)


def write(database: Database, query: Callable[..., Any], *args: Any) -> Any:
    async def act() -> Any:
        return await database.write(query, *args)

    return asyncio.run(act())


def photo(number: int) -> dict[str, Any]:
    name = image_id(number)
    return {
        "id": name,
        "file_path": f"file:///bucket/{name}.jpg",
        "file_hash": name * 2,
        "filename": "photo.jpg",
        "byte_size": 1000,
        "width": 800,
        "height": 480,
        "orientation": "landscape",
        "ingested_at": NOW,
    }


def test_migrate_repeated_changes_nothing(database: Database) -> None:
    database.migrate()
    assert sum(write(database, images.counts).values()) == 0


def test_add_returns_a_revision_for_new_images_only(database: Database) -> None:
    assert write(database, images.add, photo(1)) == 1
    assert write(database, images.add, photo(1)) == 0
    assert write(database, images.oldest_pending) == (image_id(1), NOW)
    assert sum(write(database, images.counts).values()) == 1


def test_lock_is_held_by_one_holder_until_it_expires(database: Database) -> None:
    assert write(database, key_value.acquire_lock, "sync", "first", NOW, 60.0)
    assert not write(database, key_value.acquire_lock, "sync", "second", NOW + 59, 60.0)
    assert write(database, key_value.acquire_lock, "sync", "second", NOW + 61, 60.0)
    write(database, key_value.release_lock, "sync", "second")
    assert write(database, key_value.acquire_lock, "sync", "third", NOW + 62, 60.0)


def test_get_or_insert_returns_the_first_value(database: Database) -> None:
    assert write(database, key_value.get_or_insert, "key", "first") == "first"
    assert write(database, key_value.get_or_insert, "key", "second") == "first"
    write(database, key_value.put, "key", "third")
    assert write(database, key_value.get, "key") == "third"


def test_begin_rejects_a_second_starting_execution(database: Database) -> None:
    assert write(database, executions.begin, "first", 1, 1, NOW, NOW + 900)
    assert not write(database, executions.begin, "second", 1, 1, NOW, NOW + 900)
    write(database, executions.mark_running, "first")
    assert write(database, executions.begin, "second", 1, 1, NOW, NOW + 900)


def test_claim_gives_each_image_to_one_owner(database: Database) -> None:
    for number in range(4):
        write(database, images.add, photo(number))
    first = write(database, claims.claim, ClaimRequest(owner="first/0", limit=3), "one", NOW, 60.0)
    second = write(database, claims.claim, ClaimRequest(owner="second/0", limit=3), "two", NOW, 60.0)
    claimed = [image.id for answer in (first, second) for image in answer.images]
    assert [len(answer.images) for answer in (first, second)] == [3, 1]
    assert sorted(claimed) == sorted(image_id(number) for number in range(4))


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_tables_of_migrations_are_those_of_the_code(database: Database) -> None:
    def check(connection: sa.Connection) -> None:
        found = sa.inspect(connection)
        assert set(found.get_table_names()) - {"alembic_version"} == set(metadata.tables)
        for name, table in metadata.tables.items():
            columns = {column["name"]: column["nullable"] for column in found.get_columns(name)}
            assert columns == {column.name: bool(column.nullable) for column in table.columns}, name
            indexes = {index["name"] for index in found.get_indexes(name) if not index.get("duplicates_constraint")}
            if database.is_sqlite:  # SQLAlchemy cannot read an index on an expression from SQLite
                indexes |= {"ix_images_queue"} & {index.name for index in table.indexes}
            assert indexes == {index.name for index in table.indexes}, name

    write(database, check)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_settings_accept_the_usual_urls_of_postgresql(scheme: str) -> None:
    settings = read_settings({"DATABASE_URL": f"{scheme}://user:secret@127.0.0.1/photos"})
    assert str(settings.database).startswith("postgresql+psycopg://user:secret@")


def test_turn_swaps_the_sides_and_drops_split_screen_variants(database: Database) -> None:
    write(database, images.add, photo(1))
    image_id = photo(1)["id"]
    rows = [
        variant_row(image_id, key, (10, 10), f"file:///b/processed/x/{image_id}-{key[:1]}.jpg", PALETTE, "0" * 10, 1.0)
        for key in ("wide", "wide/half")
    ]
    write(database, store_variants, rows)
    width, height = photo(1)["width"], photo(1)["height"]
    assert write(database, images.set_turn, image_id, 1, 5.0) is True
    assert write(database, images.set_turn, image_id, 1, 6.0) is False
    assert write(database, images.set_turn, "0" * 32, 1, 6.0) is None
    found = write(database, images.get, image_id)
    assert (found.turn, found.width, found.height) == (1, height, width)
    assert [variant.device_size for variant in found.variants] == ["wide"]
    assert write(database, images.turn_by, [image_id, image_id, "0" * 32], 3, 7.0) == [image_id]
    found = write(database, images.get, image_id)
    assert (found.turn, found.width, found.height, found.processing_status) == (0, width, height, "pending")
