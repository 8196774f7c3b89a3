"""`ChangeCounter` detects every commit of every process; ephemeral changes may not count for a second."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from backend.database.change_counter import PAST_SECONDS, ChangeCounter


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
    return path


def change(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (1)")


def test_stamp_changes_with_every_commit_only(file: Path) -> None:
    watch = ChangeCounter(file, lambda: 0.0)
    first = watch.stamp(0)
    assert watch.stamp(0) == first
    change(file)
    second = watch.stamp(0)
    assert second != first
    assert watch.stamp(0) == second
    watch.close()


def test_stamp_ignores_an_ephemeral_change_for_a_second(file: Path) -> None:
    now = 0.0
    watch = ChangeCounter(file, lambda: now)
    first = watch.stamp(0)
    with watch.ephemeral(lambda: 0):
        change(file)
        assert watch.stamp(0) == first  # another call during the change
    assert watch.stamp(0) == first
    change(file)  # by another process
    assert watch.stamp(0) != first
    second = watch.stamp(0)
    with watch.ephemeral(lambda: 1):  # together with an own change that is not ephemeral
        change(file)
        assert watch.stamp(1) != second
    third = watch.stamp(1)
    with watch.ephemeral(lambda: 1):
        change(file)
    now = PAST_SECONDS
    assert watch.stamp(1) != third  # a possible concurrent change is detected
    watch.close()


def test_stamp_changes_with_an_own_change_during_an_ephemeral_one(file: Path) -> None:
    watch = ChangeCounter(file, lambda: 0.0)
    first = watch.stamp(0)
    with watch.ephemeral(lambda: 0):  # the change below is committed and not counted yet
        change(file)
    assert watch.stamp(1) != first
    watch.close()


def test_stamp_during_endless_ephemeral_changes_changes_after_a_second(file: Path) -> None:
    now = 0.0
    watch = ChangeCounter(file, lambda: now)
    first = watch.stamp(0)
    with watch.ephemeral(lambda: 0):
        change(file)  # by another process
        assert watch.stamp(0) == first
        now = PAST_SECONDS
        assert watch.stamp(0) != first
    watch.close()


def test_stamp_without_file_changes_every_second() -> None:
    now = 0.0
    watch = ChangeCounter(None, lambda: now)
    first = watch.stamp(0)
    assert watch.stamp(0) == first
    now = PAST_SECONDS
    assert watch.stamp(0) != first
