"""Single values by key (table `facts`), and named locks with an expiry time (table `work_locks`)."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from backend.database.tables import facts, insert_if_absent, insert_into, work_locks


def get(connection: Connection, key: str) -> str | None:
    """Return the value of a key, or None."""
    value: str | None = connection.scalar(select(facts.c.value).where(facts.c.key == key))
    return value


def put(connection: Connection, key: str, value: str) -> None:
    """Store the value of a key, replacing an earlier one."""
    statement = insert_into(connection, facts).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def remove(connection: Connection, key: str) -> None:
    """Delete a key, if it exists."""
    connection.execute(delete(facts).where(facts.c.key == key))


def keys(connection: Connection, prefix: str) -> list[str]:
    """Return the keys that begin with `prefix`, without the prefix."""
    found = connection.scalars(select(facts.c.key).where(facts.c.key.startswith(prefix, autoescape=True)))
    return sorted(key.removeprefix(prefix) for key in found)


def get_or_insert(connection: Connection, key: str, value: str) -> str:
    """Return the value of a key, after storing `value` if the key had none."""
    connection.execute(insert_into(connection, facts).values(key=key, value=value).on_conflict_do_nothing())
    stored = get(connection, key)
    assert stored is not None
    return stored


def acquire_lock(connection: Connection, name: str, holder: str, now: float, seconds: float) -> bool:
    """Acquire a named lock for `seconds`; return False if another holder has it.

    A lock that has expired is free, so the lock of a process that died does not block its successor.
    """
    connection.execute(delete(work_locks).where(work_locks.c.name == name, work_locks.c.until < now))
    return insert_if_absent(connection, work_locks, {"name": name, "holder": holder, "until": now + seconds})


def renew_lock(connection: Connection, name: str, holder: str, until: float) -> None:
    """Extend a lock to the time `until`, if `holder` still has it."""
    connection.execute(
        update(work_locks).where(work_locks.c.name == name, work_locks.c.holder == holder).values(until=until)
    )


def release_lock(connection: Connection, name: str, holder: str) -> None:
    """Release a lock, unless another holder has acquired it since."""
    connection.execute(delete(work_locks).where(work_locks.c.name == name, work_locks.c.holder == holder))


def release_all_locks(connection: Connection) -> None:
    """Release the locks of earlier processes. Call it only at the start, if no other process uses the database."""
    connection.execute(delete(work_locks))
