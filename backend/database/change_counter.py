"""Detect changes of the database by any process, within some microseconds."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PAST_SECONDS = 1.0
"""A commit of another process during an ephemeral change of our own is detected after this time."""


class ChangeCounter:
    """Reads SQLite's `data_version`, which differs after a commit of any other connection; for one thread.

    https://www.sqlite.org/pragma.html#pragma_data_version. Without a file every second counts as a change.
    """

    def __init__(self, file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` in seconds, from any beginning."""
        self._file = file
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._version = -1
        self._stamp = 0
        self._changes = 0
        self._past: float | None = None
        self._ephemeral = 0

    def stamp(self, changes: int) -> int:
        """Return a different number after any commit. `changes` counts our own commits that are not ephemeral."""
        if self._file is None:
            return int(self._clock() / PAST_SECONDS)
        version, now = self._data_version(), self._clock()
        moved = version != self._version or changes != self._changes
        if moved and self._ephemeral and changes == self._changes:
            moved = False  # it may be the ephemeral change in progress
            self._past = now if self._past is None else self._past
        if moved or (self._past is not None and now - self._past >= PAST_SECONDS):
            self._version, self._past = version, None
            self._stamp += 1
        self._changes = changes
        return self._stamp

    @contextlib.contextmanager
    def ephemeral(self, changes: Callable[[], int]) -> Iterator[None]:
        """Treat a commit in this context as an ephemeral change of ours, unless the count of `changes` differs."""
        self._ephemeral += 1
        try:
            yield
        finally:
            self._ephemeral -= 1
            if self._connection is not None and changes() == self._changes:
                self._version = self._data_version()
                if self._past is None:
                    self._past = self._clock()

    def _data_version(self) -> int:
        if self._connection is None:
            self._connection = sqlite3.connect(str(self._file), isolation_level=None, check_same_thread=False)
        found: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return found

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection, self._version = None, -1
