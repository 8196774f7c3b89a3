"""Sessions, named locks and single facts: small tables that serve the program itself."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Connection, delete, insert, select, update

from backend.database.tables import facts, insert_into, sessions, work_locks

FIRST_LOGIN = "first_login"
"""The fact that tells when somebody logged in for the first time."""


def open_session(connection: Connection, token_hash: str, now: float, expires_at: float) -> None:
    """Remember a login; sessions past their end go on the way."""
    connection.execute(delete(sessions).where(sessions.c.expires_at < now))
    connection.execute(insert(sessions).values(token_hash=token_hash, created_at=now, expires_at=expires_at))
    fact_or_make(connection, FIRST_LOGIN, str(now))


def session_is_open(connection: Connection, token_hash: str, now: float) -> bool:
    """Whether this session was opened, not closed, and has not ended."""
    return bool(
        connection.scalar(select(sa.exists().where(sessions.c.token_hash == token_hash, sessions.c.expires_at >= now)))
    )


def ended_sessions(connection: Connection, token_hashes: Collection[str], now: float) -> frozenset[str]:
    """Those of the sessions that were closed or have ended, found in one statement; of none, without any."""
    if not token_hashes:
        return frozenset()
    query = select(sessions.c.token_hash).where(sessions.c.token_hash.in_(token_hashes), sessions.c.expires_at >= now)
    return frozenset(token_hashes) - frozenset(connection.scalars(query))


def close_session(connection: Connection, token_hash: str) -> None:
    """Forget a login; one that is not known is closed already."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def take_lock(connection: Connection, name: str, holder: str, now: float, seconds: float) -> bool:
    """Take the named lock unless somebody holds it; it ends by itself after `seconds`."""
    connection.execute(delete(work_locks).where(work_locks.c.name == name, work_locks.c.until < now))
    statement = insert_into(connection, work_locks).values(name=name, holder=holder, until=now + seconds)
    return connection.execute(statement.on_conflict_do_nothing()).rowcount == 1


def renew_lock(connection: Connection, name: str, holder: str, until: float) -> None:
    """Hold the lock until then, if it is still held."""
    connection.execute(
        update(work_locks).where(work_locks.c.name == name, work_locks.c.holder == holder).values(until=until)
    )


def free_all_locks(connection: Connection) -> None:
    """Free what earlier processes held; for the start of a process that is known to be the only one."""
    connection.execute(delete(work_locks))


def free_lock(connection: Connection, name: str, holder: str) -> None:
    """Give the named lock back; a lock that another holder has taken since stays his."""
    connection.execute(delete(work_locks).where(work_locks.c.name == name, work_locks.c.holder == holder))


def get_fact(connection: Connection, key: str) -> str | None:
    """The value of a fact, or None."""
    found: str | None = connection.scalar(select(facts.c.value).where(facts.c.key == key))
    return found


def set_fact(connection: Connection, key: str, value: str) -> None:
    """Set a fact, over what it was."""
    statement = insert_into(connection, facts).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def fact_or_make(connection: Connection, key: str, value: str) -> str:
    """The fact of this key; `value` becomes it if there was none."""
    connection.execute(insert_into(connection, facts).values(key=key, value=value).on_conflict_do_nothing())
    found = get_fact(connection, key)
    assert found is not None
    return found
