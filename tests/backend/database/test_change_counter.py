"""The version of a database differs after every commit, on SQLite by any process and on a database server."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from backend.database import key_value
from backend.database.change_counter import SqliteChangeCounter
from tests.support.core_library import Library


def test_value_differs_after_a_commit_of_another_connection(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
    counter = SqliteChangeCounter(file)
    first = counter.value()
    assert counter.value() == first
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (1)")
    second = counter.value()
    assert second != first
    assert counter.value() == second
    counter.close()
    assert counter.value() is not None, "it opens the file again"
    counter.close()


def test_version_differs_after_each_write_only(library: Library) -> None:
    seen = [library.run(library.database.version())]
    for number in range(3):
        library.read(key_value.get, "a")
        assert library.run(library.database.version()) == seen[-1]
        library.write(key_value.put, "a", str(number))
        seen.append(library.run(library.database.version()))
    assert len(set(seen)) == 4


def test_version_differs_after_a_write_of_another_process(library: Library) -> None:
    other = library.another()
    before = library.run(library.database.version())
    other.write(key_value.put, "a", "1")
    assert library.run(library.database.version()) != before
    other.close()
