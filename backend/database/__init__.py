"""The database: SQLAlchemy Core over SQLite (WAL) or another server, used from bounded threads.

SQLite takes one writer at a time, so writes go through one thread and begin IMMEDIATE: they
queue here instead of failing there. Query functions take a connection and know no threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url

from backend.database.change_counter import ChangeCounter

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 10.0
"""How long a statement waits for another process's lock before it fails."""


def _tune_sqlite(engine: Engine, begin: str) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, see below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: an upload that was acknowledged survives a power cut.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


class Database:
    """Runs query functions in threads: `read` side by side, `write` one at a time and committed."""

    def __init__(self, url: URL | str, *, readers: int = 4) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.file = Path(parsed.database) if self.is_sqlite and parsed.database else None
        """The file of a SQLite database."""
        self.changes = 0
        """How many transactions of SQLite have changed rows, but for `passing` ones."""
        self.passing: frozenset[Callable[..., Any]] = frozenset()
        """Query functions whose changes are no loss if they are lost."""
        self.private: frozenset[Callable[..., Any]] = frozenset()
        """Query functions whose changes are known to whoever uses them, as those of passing ones are."""
        self._news = 0
        writers = 1 if self.is_sqlite else readers
        self._reader = sa.create_engine(url, pool_size=readers, max_overflow=0, pool_timeout=BUSY_SECONDS)
        self._writer = sa.create_engine(url, pool_size=writers, max_overflow=0, pool_timeout=BUSY_SECONDS)
        if self.is_sqlite:
            _tune_sqlite(self._reader, "BEGIN")
            _tune_sqlite(self._writer, "BEGIN IMMEDIATE")
        self._watch = ChangeCounter(self.file)
        self._stamp: tuple[int, int] | None = None
        self._read_threads = ThreadPoolExecutor(readers, "database-read")
        self._write_threads = ThreadPoolExecutor(writers, "database-write")

    def migrate(self) -> None:
        """Bring the tables up to date; the migrations and their record commit together."""
        from alembic import command
        from alembic.config import Config

        with self._writer.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            with connection.begin():
                command.upgrade(config, "head")

    def make_anew(self) -> None:
        """Put a SQLite database aside, and begin with an empty one; nobody may be using it."""
        assert self.file is not None
        self._watch.close()
        self._reader.dispose()
        self._writer.dispose()
        for ending in ("", "-wal", "-shm"):
            found = self.file.with_name(self.file.name + ending)
            if found.exists():
                found.replace(found.with_name(f"{self.file.name}.before{ending}"))
        self.migrate()

    def _run(self, engine: Engine, query: Callable[[Connection], T]) -> T:
        with engine.begin() as connection:
            return query(connection)

    def _run_counted(self, query: Callable[[Connection], T], *, passing: bool, news: bool) -> T:
        with self._writer.begin() as connection:
            raw = connection.connection.driver_connection
            before = raw.total_changes if self.is_sqlite and raw is not None else 0
            answer = query(connection)
            changed = self.is_sqlite and raw is not None and raw.total_changes != before
        self.changes += changed and not passing
        self._news += changed and news
        return answer

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of a query function that changes nothing, from one consistent view."""
        bound = functools.partial(_late_connection, query, args, kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._run, self._reader, bound)

    async def write(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of a query function, its changes committed before this returns."""
        bound = functools.partial(_late_connection, query, args, kwargs)
        passing = query in self.passing
        news = not (passing or query in self.private)
        run = functools.partial(self._run_counted, bound, passing=passing, news=news)
        with contextlib.nullcontext() if news else self._watch.passing(lambda: self._news):
            return await asyncio.get_running_loop().run_in_executor(self._write_threads, run)

    def stamp(self) -> int:
        """A larger number after any commit of anybody; our own passing and private ones may count as none for a second.

        To be asked in the event loop. A SQLite database answers at once; of another one every second is a change.
        """
        news = self._news
        if self._stamp is None or self._stamp[0] != news:
            if self._stamp is None:
                # What comes in later is handled later in the loop: until then nobody can know of a newer commit.
                asyncio.get_running_loop().call_soon(self._look_again)
            self._stamp = news, self._watch.stamp(news)
        return self._stamp[1]

    def _look_again(self) -> None:
        self._stamp = None

    def close(self) -> None:
        self._watch.close()
        self._read_threads.shutdown(wait=True)
        self._write_threads.shutdown(wait=True)
        self._reader.dispose()
        self._writer.dispose()


def _late_connection(
    query: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], connection: Connection
) -> T:
    return query(connection, *args, **kwargs)
