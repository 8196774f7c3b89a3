"""Snapshots of a database that does not outlive the process: taken online, compressed, kept in the bucket."""

from __future__ import annotations

import asyncio
import gzip
import logging
import shutil
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from backend.database import Database, images
from backend.durability.fencing import FencingToken
from contract import object_names
from contract.bucket.port import NO_OBJECT, Bucket, BucketUnavailable, ObjectChanged, ObjectInfo, ObjectNotFound

log = logging.getLogger(__name__)

COMPRESSION = 1
"""Level 6 makes 10 % less of it and takes 2.5 times the time; what counts is the time that SIGTERM leaves."""
BUSY_SHARE = 0.05
"""Of the time, for snapshots: one that took 3 s is followed by the next after a minute at the earliest."""
NEAR_LIMIT_SECONDS = 3.0
"""Of the 10 s between SIGTERM and SIGKILL, of which requests under way need some."""
ATTEMPTS = 5


class DamagedSnapshot(Exception):
    """The snapshot is no database that this version can read."""


def snapshot_of(file: Path) -> bytes:
    """A consistent copy of the SQLite database in `file`, compressed; writers go on meanwhile."""
    with tempfile.TemporaryDirectory(dir=file.parent, prefix="snapshot-") as folder:
        copy = Path(folder) / "copy.db"
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # whole in one file, wherever it is opened
        packed = Path(folder) / "copy.db.gz"
        with copy.open("rb") as plain, gzip.open(packed, "wb", COMPRESSION) as out:
            shutil.copyfileobj(plain, out, 1024 * 1024)
        return packed.read_bytes()


def load_into(file: Path, data: bytes) -> None:
    """Replace the contents of the SQLite database in `file`, which may be open, by a snapshot's.

    Raises DamagedSnapshot, with the database unchanged.
    """
    with tempfile.TemporaryDirectory(dir=file.parent, prefix="snapshot-") as folder:
        copy = Path(folder) / "copy.db"
        packed = Path(folder) / "copy.db.gz"
        packed.write_bytes(data)
        try:
            with gzip.open(packed) as source, copy.open("wb") as plain:
                shutil.copyfileobj(source, plain, 1024 * 1024)
            with closing(sqlite3.connect(copy)) as loaded:
                (verdict,) = loaded.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise DamagedSnapshot(str(verdict))
                loaded.execute("SELECT version_num FROM alembic_version").fetchone()  # an empty file is no database
                with closing(sqlite3.connect(file)) as target:
                    loaded.backup(target)
        except (EOFError, gzip.BadGzipFile, zlib.error, sqlite3.DatabaseError) as error:
            raise DamagedSnapshot(str(error)) from error


class Snapshots:
    """Takes snapshots when they are due, and knows what the latest one holds."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        epoch: FencingToken,
        delay_seconds: float,
    ) -> None:
        assert database.file is not None, "only SQLite can be snapshotted"
        self._database = database
        self._file = database.file
        self._bucket = bucket
        self._in_bucket = in_bucket
        self._epoch = epoch
        self._delay = delay_seconds
        self._generation = NO_OBJECT
        self._held = -1
        self._changed_at: float | None = None
        self._seconds = 0.0
        self._taking = asyncio.Lock()

    def mark(self) -> int:
        """A moment, to be asked about later."""
        return self._database.changes

    def holds(self, mark: int) -> bool:
        """Whether all that was committed before that moment is in a snapshot in the bucket."""
        return mark <= self._held

    async def read(self) -> tuple[bytes, ObjectInfo] | None:
        """The snapshot in the bucket, or None if there is none. Raises BucketError."""
        try:
            data, self._generation = await self._in_bucket(self._bucket.read_with_generation, object_names.SNAPSHOT)
            return data, await self._in_bucket(self._bucket.stat, object_names.SNAPSHOT)
        except ObjectNotFound:
            self._generation = NO_OBJECT
            return None

    async def take_if_due(self, now: float) -> bool:
        """Take a snapshot some time after a change, the later the longer it takes; whether one was taken."""
        if self.holds(self.mark()):
            self._changed_at = None
            return False
        # A moment in the future is from before the clock was set back.
        if self._changed_at is None or self._changed_at > now:
            self._changed_at = now
        if now - self._changed_at < max(self._delay, self._seconds / BUSY_SHARE):
            return False
        await self.take()
        return True

    async def take(self) -> None:
        """Take a snapshot now. Raises EpochLost, BucketError; then the one before stays."""
        async with self._taking:
            mark, began = self.mark(), time.monotonic()
            data = await asyncio.to_thread(snapshot_of, self._file)
            await self._put(data)
            self._held, self._changed_at = mark, None
            self._seconds = time.monotonic() - began
        counts = await self._database.read(images.counts)
        text = f"{len(data) / 2**20:.2f} MiB for {sum(counts.values())} photos in {self._seconds:.1f} s"
        if self._seconds > NEAR_LIMIT_SECONDS:
            log.warning("a snapshot of the database is too large to be taken often: %s; set DATABASE_URL", text)
        else:
            log.info("snapshot of the database: %s", text)

    async def _put(self, data: bytes) -> None:
        for _ in range(ATTEMPTS):
            await self._epoch.confirm()
            try:
                self._generation = await self._in_bucket(
                    self._bucket.write_if, object_names.SNAPSHOT, data, "application/gzip", self._generation
                )
                return
            except ObjectChanged:
                # With the epoch ours, this is the last one of the backend before us, or was removed by hand.
                await self._epoch.confirm()
                await self._look()
        raise BucketUnavailable(object_names.SNAPSHOT, f"another writer was first {ATTEMPTS} times")

    async def _look(self) -> None:
        try:
            found: ObjectInfo = await self._in_bucket(self._bucket.stat, object_names.SNAPSHOT)
            self._generation = found.generation
        except ObjectNotFound:
            self._generation = NO_OBJECT
