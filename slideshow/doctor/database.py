"""Checks of the database: version, privileges and free connections of a PostgreSQL server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from slideshow.doctor.finding import Finding, odd, ok, on_service, wrong

if TYPE_CHECKING:
    from backend.settings import Settings

MIN_VERSION = 14
"""The oldest major version that its developers still support (https://www.postgresql.org/support/versioning/)."""
CONNECT_SECONDS = 10
CONNECTIONS_PER_BACKEND = 8
"""Connections that one backend holds at most: one for each of its threads that read and of those that write."""
USUAL_BACKENDS = 10
"""Instances that `deploy.sh --cloud-sql` allows."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Check the database that the backend uses. A SQLite file is checked by the backend itself, at its start."""
    engine = None
    try:
        url = sa.make_url(settings.database)
        if url.get_backend_name() == "sqlite":
            yield _sqlite(settings)
            return
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"connect_timeout": CONNECT_SECONDS})
        with engine.connect() as connection:
            yield _version(connection)
            yield _privileges(connection)
            yield _connections(connection, settings)
    except (sa.exc.ArgumentError, ImportError) as error:
        yield wrong(
            "database", f"DATABASE_URL cannot be used: {error}", "set DATABASE_URL=postgresql://user:...@host/name"
        )
    except sa.exc.SQLAlchemyError as error:
        yield wrong("database", f"the database cannot be used: {_first_line(error)}", _reconnect(settings))
    finally:
        if engine is not None:
            engine.dispose()


def _sqlite(settings: Settings) -> Finding:
    if settings.durable and not settings.gcp_project_id:
        return ok("database", "SQLite, a file of the backend")
    return ok("database", "SQLite; it is part of the backend's instance, and the bucket has its snapshots")


def _version(connection: sa.Connection) -> Finding:
    number = int(connection.execute(sa.text("SHOW server_version_num")).scalar_one())
    major = number // 10_000
    if major < MIN_VERSION:
        return wrong(
            "database", f"PostgreSQL {major} is not supported any more", f"upgrade it to {MIN_VERSION} or later"
        )
    return ok("database", f"PostgreSQL {major}.{number % 10_000} answers")


def _privileges(connection: sa.Connection) -> Finding:
    """Create, fill and read a table, and take an advisory lock, in a transaction that is rolled back."""
    user = str(connection.execute(sa.text("SELECT current_user")).scalar_one())
    schema = connection.execute(sa.text("SELECT current_schema()")).scalar_one()
    grant = f'GRANT ALL ON SCHEMA public TO "{user}", as the owner of the database'
    if schema is None:
        return wrong("database", f"the user {user} has no schema in its search_path", grant)
    table = f"doctor_{secrets.token_hex(8)}"
    connection.rollback()
    transaction = connection.begin()
    try:
        for statement in (
            f"CREATE TABLE {table} (id integer PRIMARY KEY)",
            f"CREATE INDEX {table}_index ON {table} (id)",
            f"INSERT INTO {table} VALUES (1)",
            f"SELECT id FROM {table} FOR UPDATE SKIP LOCKED",
            "SELECT pg_try_advisory_xact_lock(0)",
        ):
            connection.execute(sa.text(statement))
    except sa.exc.DBAPIError as error:
        return wrong("database", f"the user {user} cannot create and use tables: {_first_line(error)}", grant)
    finally:
        transaction.rollback()
    return ok("database", f"the user {user} can create and use tables in the schema {schema}")


def _connections(connection: sa.Connection, settings: Settings) -> Finding:
    """Compare the limit of connections with what the backends hold."""
    limit, reserved = (
        int(connection.execute(sa.text(f"SHOW {name}")).scalar_one())
        for name in ("max_connections", "superuser_reserved_connections")
    )
    in_cloud = bool(settings.gcp_project_id)
    room = (limit - reserved) // CONNECTIONS_PER_BACKEND
    sentence = (
        f"{limit} connections are allowed, and a backend holds at most {CONNECTIONS_PER_BACKEND}: "
        f"there is room for {room} backends"
    )
    raised = "gcloud sql instances patch INSTANCE --database-flags max_connections=100"
    if room < 2:  # a deployment runs the old and the new backend side by side
        return wrong("database", sentence, raised if in_cloud else "raise max_connections in postgresql.conf")
    if in_cloud and room < USUAL_BACKENDS:
        update = on_service("update", settings.gcp_project_id, settings.gcp_region)
        return odd("database", sentence, f"{update} --max-instances {room - 1}, or {raised}")
    return ok("database", sentence)


def _first_line(error: sa.exc.SQLAlchemyError) -> str:
    reason = getattr(error, "orig", None) or error
    return str(reason).strip().partition("\n")[0]


def _reconnect(settings: Settings) -> str:
    if settings.gcp_project_id:
        return "deploy/deploy.sh --cloud-sql INSTANCE configures the connection, the user and the secret again"
    return "check that the server runs, and host, user, password and name of the database in DATABASE_URL"
