"""Whether a database was changed is known at once, by whomever it was; what passes may count as nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from backend.database.change_counter import PAST_SECONDS, ChangeCounter


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "some.db"
    with contextlib.closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
    return made


def change(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (1)")


def test_a_stamp_changes_with_every_commit_and_with_nothing_else(file: Path) -> None:
    watch = ChangeCounter(file, lambda: 0.0)
    first = watch.stamp(0)
    assert watch.stamp(0) == first
    change(file)
    second = watch.stamp(0)
    assert second != first
    assert watch.stamp(0) == second
    watch.close()


def test_a_passing_change_counts_as_none_for_a_second(file: Path) -> None:
    now = 0.0
    watch = ChangeCounter(file, lambda: now)
    first = watch.stamp(0)
    with watch.ephemeral(lambda: 0):
        change(file)
        assert watch.stamp(0) == first  # another question comes while the change is on its way
    assert watch.stamp(0) == first
    change(file)  # of somebody else
    assert watch.stamp(0) != first
    second = watch.stamp(0)
    with watch.ephemeral(lambda: 1):  # together with a change of our own that is not passing
        change(file)
        assert watch.stamp(1) != second
    third = watch.stamp(1)
    with watch.ephemeral(lambda: 1):
        change(file)
    now = PAST_SECONDS
    assert watch.stamp(1) != third  # what may have come together with it is noticed
    watch.close()


def test_a_change_of_our_own_is_noticed_though_a_passing_one_took_it_for_its_own(file: Path) -> None:
    watch = ChangeCounter(file, lambda: 0.0)
    first = watch.stamp(0)
    with watch.ephemeral(lambda: 0):  # the change below is committed, and not counted yet
        change(file)
    assert watch.stamp(1) != first
    watch.close()


def test_a_change_beside_passing_ones_that_never_end_is_noticed_after_a_second(file: Path) -> None:
    now = 0.0
    watch = ChangeCounter(file, lambda: now)
    first = watch.stamp(0)
    with watch.ephemeral(lambda: 0):
        change(file)  # of somebody else
        assert watch.stamp(0) == first
        now = PAST_SECONDS
        assert watch.stamp(0) != first
    watch.close()


def test_without_a_file_every_second_is_a_change() -> None:
    now = 0.0
    watch = ChangeCounter(None, lambda: now)
    first = watch.stamp(0)
    assert watch.stamp(0) == first
    now = PAST_SECONDS
    assert watch.stamp(0) != first
