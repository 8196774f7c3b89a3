"""Login sessions. The database stores a hash of each session token, never the token."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select

from backend.database import key_value
from backend.database.tables import sessions

FIRST_LOGIN = "first_login"
"""The key, in the table `facts`, of the time of the first login ever."""


PASSWORD_HASH = "password_hash"
"""The key, in the table `facts`, of the hash of the password with which the open sessions were opened."""


def open_session(connection: Connection, token_hash: str, now: float, expires_at: float) -> None:
    """Store a new session and delete the sessions that have expired."""
    connection.execute(delete(sessions).where(sessions.c.expires_at < now))
    connection.execute(insert(sessions).values(token_hash=token_hash, created_at=now, expires_at=expires_at))
    key_value.get_or_insert(connection, FIRST_LOGIN, str(now))


def session_is_open(connection: Connection, token_hash: str, now: float) -> bool:
    """Return True if the session was opened, was not closed and has not expired."""
    return not ended_sessions(connection, [token_hash], now)


def ended_sessions(connection: Connection, token_hashes: Collection[str], now: float) -> frozenset[str]:
    """Return the hashes in `token_hashes` whose sessions are closed or expired.

    All sessions are looked up in one statement. No statement is run if `token_hashes` is empty.
    """
    if not token_hashes:
        return frozenset()
    query = select(sessions.c.token_hash).where(sessions.c.token_hash.in_(token_hashes), sessions.c.expires_at >= now)
    return frozenset(token_hashes) - frozenset(connection.scalars(query))


def close_session(connection: Connection, token_hash: str) -> None:
    """Delete a session. An unknown session counts as closed already."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def delete_all_sessions(connection: Connection) -> int:
    """Delete all sessions. Return the number of deleted sessions."""
    return connection.execute(delete(sessions)).rowcount


def end_all_sessions(connection: Connection, password_hash: str) -> int:
    """Delete all sessions and store the hash of the new password. Return the number of deleted sessions."""
    key_value.put(connection, PASSWORD_HASH, password_hash)
    return delete_all_sessions(connection)
