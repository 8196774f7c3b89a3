"""The database: SQLAlchemy Core over SQLite (WAL) or a database server, used from a fixed number of threads.

SQLite allows one writer at a time. Therefore writes use one thread and begin with IMMEDIATE: they wait in the
thread's queue instead of failing in SQLite. Query functions take a connection and use no threads themselves.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url

from backend.database.change_counter import SqliteChangeCounter, postgres_snapshot

P = ParamSpec("P")
T = TypeVar("T")

WAL_BYTES = 16 * 1024 * 1024
"""A larger WAL is truncated after a checkpoint. On Cloud Run it takes up memory."""
BUSY_SECONDS = 10.0
"""A statement fails if it waits for the lock of another process for longer than this time."""


class DatabaseFileError(OSError):
    """The file of a SQLite database cannot be used. The message contains the reason and what to do."""


_ADVICE = "Restore a backup, or move the file away: a start without it fills a new database from the bucket"


def sqlite_file(url: URL | str) -> Path | None:
    """Return the file of a SQLite database, or None for a database server. Raises ArgumentError for no valid URL."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def reject_empty(file: Path) -> None:
    """Raise DatabaseFileError for an empty file, which SQLite would take for a new database.

    The file is not opened: closing it would release the locks that SQLite holds in this process
    (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    if file.is_file() and file.stat().st_size == 0:
        raise DatabaseFileError(f"{file} is empty. {_ADVICE}")


def _tune_sqlite(engine: Engine, begin: str) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by the listener below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: an acknowledged upload survives a power failure.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


class Database:
    """Runs query functions in threads: `read` calls run concurrently, and `write` calls run one at a time."""

    def __init__(self, url: URL | str, *, readers: int = 4) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.file = Path(parsed.database) if self.is_sqlite and parsed.database else None
        """The file of a SQLite database; None for a database server."""
        self.changes = 0
        """The number of SQLite transactions that changed rows, without `ephemeral` queries."""
        self.ephemeral: frozenset[Callable[..., Any]] = frozenset()
        """Queries that do not trigger a snapshot, because their data may be lost."""
        writers = 1 if self.is_sqlite else readers
        # A server's own isolation level for writes, which wait for the locks of rows; reads have one consistent view.
        isolation = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reader = sa.create_engine(url, pool_size=readers, max_overflow=0, pool_timeout=BUSY_SECONDS, **isolation)
        self._writer = sa.create_engine(url, pool_size=writers, max_overflow=0, pool_timeout=BUSY_SECONDS)
        if self.is_sqlite:
            _tune_sqlite(self._reader, "BEGIN")
            _tune_sqlite(self._writer, "BEGIN IMMEDIATE")
        self._counter = SqliteChangeCounter(self.file) if self.file is not None else None
        self._next_version: asyncio.Task[object] | None = None
        self._version_lock = asyncio.Lock()
        self._read_threads = ThreadPoolExecutor(readers, "database-read")
        self._write_threads = ThreadPoolExecutor(writers, "database-write")
        self._pools = ((self._read_threads, readers), (self._write_threads, writers))

    def migrate(self) -> None:
        """Apply all migrations. They commit together with the revision that alembic stores."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        try:
            with self._writer.connect() as connection:
                config.attributes["connection"] = connection
                with connection.begin():
                    command.upgrade(config, "head")
        except sa.exc.DatabaseError as error:
            if self.file is not None and "not a database" in str(error.orig):
                raise DatabaseFileError(f"{self.file} is not a SQLite database. {_ADVICE}") from None
            raise

    def recreate(self) -> None:
        """Rename the SQLite file to `*.before` and create an empty database. No other code may use the database."""
        assert self.file is not None
        if self._counter is not None:
            self._counter.close()
        self._reader.dispose()
        self._writer.dispose()
        for suffix in ("", "-wal", "-shm"):
            file = self.file.with_name(self.file.name + suffix)
            if file.exists():
                file.replace(file.with_name(f"{self.file.name}.before{suffix}"))
        self.migrate()

    async def replace_file(self, new: Path) -> None:
        """Replace the SQLite file by `new`. Queries that were under way end first, and later ones read the new file.

        No connection is open meanwhile: closing one to a renamed file would delete the WAL of the new file.

        Raises:
            OSError: The file cannot be renamed, or queries did not end in time.
        """
        assert self.file is not None
        threads = [pool for pool, count in self._pools for _ in range(count)]
        arrived = threading.Barrier(len(threads) + 1, timeout=BUSY_SECONDS)
        released = threading.Event()

        def park() -> None:
            arrived.wait()
            released.wait(BUSY_SECONDS)

        parked = [pool.submit(park) for pool in threads]
        try:
            await asyncio.to_thread(arrived.wait)
            self._swap_file(new)
        except threading.BrokenBarrierError:
            raise OSError(f"{self.file} is in use: queries did not end within {BUSY_SECONDS:.0f} s") from None
        finally:
            released.set()
            await asyncio.gather(*map(asyncio.wrap_future, parked), return_exceptions=True)

    def _swap_file(self, new: Path) -> None:
        assert self.file is not None
        self._reader.dispose()
        self._writer.dispose()
        for suffix in ("-wal", "-shm"):
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)
        new.replace(self.file)

    def truncate_wal(self) -> None:
        """Write the WAL into the SQLite file, and truncate it. Does nothing while another connection reads."""
        raw = self._writer.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()

    def _run(self, engine: Engine, query: Callable[[Connection], T]) -> T:
        with engine.begin() as connection:
            return query(connection)

    def _run_counted(self, query: Callable[[Connection], T], *, ephemeral: bool) -> T:
        with self._writer.begin() as connection:
            raw = connection.connection.driver_connection
            before = raw.total_changes if self.is_sqlite and raw is not None else 0
            result = query(connection)
            changed = self.is_sqlite and raw is not None and raw.total_changes != before
        self.changes += changed and not ephemeral
        return result

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a query function that changes nothing, from one consistent view."""
        bound = functools.partial(_late_connection, query, args, kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._run, self._reader, bound)

    async def write(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a query function after its changes are committed."""
        bound = functools.partial(_late_connection, query, args, kwargs)
        run = functools.partial(self._run_counted, bound, ephemeral=query in self.ephemeral)
        return await asyncio.get_running_loop().run_in_executor(self._write_threads, run)

    async def version(self) -> object:
        """Return a value that is different after a commit of any process; equal values mean equal contents.

        The value is read after this call begins. Concurrent calls share one query of a database server.
        """
        if self._counter is not None:
            return self._counter.value()
        if self._next_version is None:  # a query that is being sent already may have missed the latest commit
            self._next_version = asyncio.create_task(self._read_version())
        return await asyncio.shield(self._next_version)

    async def _read_version(self) -> object:
        async with self._version_lock:
            self._next_version = None
            return await self.read(postgres_snapshot)

    def close(self) -> None:
        if self._counter is not None:
            self._counter.close()
        self._read_threads.shutdown(wait=True)
        self._write_threads.shutdown(wait=True)
        self._reader.dispose()
        self._writer.dispose()


def _late_connection(
    query: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], connection: Connection
) -> T:
    return query(connection, *args, **kwargs)
