"""Detect commits of any process, at the cost of a very small query."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection


class SqliteChangeCounter:
    """Reads SQLite's `data_version`, which differs after a commit of any other connection; for one thread.

    https://www.sqlite.org/pragma.html#pragma_data_version. The connection is used for nothing else, so every commit
    counts.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def value(self) -> int:
        """Return a number that is different after any commit."""
        if self._connection is None:
            self._connection = sqlite3.connect(str(self._file), isolation_level=None, check_same_thread=False)
        found: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return found

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def postgres_snapshot(connection: Connection) -> str:
    """Return PostgreSQL's current snapshot, which is different after the commit of any transaction that wrote.

    Two statements with equal snapshots see the same rows
    (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT).
    """
    return str(connection.scalar(sa.text("SELECT CAST(pg_current_snapshot() AS text)")))
