"""Snapshots of a SQLite database that does not outlive the process: online copies, compressed, in the bucket."""

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
"""gzip level. Level 6 saves 10 % but takes 2.5 times as long, and SIGKILL follows soon after SIGTERM."""
BUSY_SHARE = 0.05
"""Largest share of the time spent on snapshots: one that took 3 s is followed by the next after 60 s or later."""
NEAR_LIMIT_SECONDS = 3.0
"""A slower snapshot is logged as a warning: SIGKILL follows 10 s after SIGTERM, and open requests need some of them."""
ATTEMPTS = 5
"""Rounds against other writers of the snapshot object."""


class DamagedSnapshot(Exception):
    """The snapshot is not a database that this version can read."""


def snapshot_of(file: Path) -> bytes:
    """Return a consistent, compressed copy of the SQLite database in `file`. Writers continue meanwhile."""
    with tempfile.TemporaryDirectory(dir=file.parent, prefix="snapshot-") as folder:
        copy = Path(folder) / "copy.db"
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file without a WAL
        packed = Path(folder) / "copy.db.gz"
        with copy.open("rb") as plain, gzip.open(packed, "wb", COMPRESSION) as out:
            shutil.copyfileobj(plain, out, 1024 * 1024)
        return packed.read_bytes()


def load_into(file: Path, data: bytes) -> None:
    """Replace the contents of the SQLite database in `file`, which may be open, by the contents of a snapshot.

    Raises:
        DamagedSnapshot: The snapshot cannot be read. The database is unchanged.
    """
    with tempfile.TemporaryDirectory(dir=file.parent, prefix="snapshot-") as folder:
        copy = Path(folder) / "copy.db"
        packed = Path(folder) / "copy.db.gz"
        packed.write_bytes(data)
        try:
            with gzip.open(packed) as source, copy.open("wb") as plain:
                shutil.copyfileobj(source, plain, 1024 * 1024)
            with closing(sqlite3.connect(copy)) as loaded:
                (result,) = loaded.execute("PRAGMA quick_check(1)").fetchone()
                if result != "ok":
                    raise DamagedSnapshot(str(result))
                loaded.execute("SELECT version_num FROM alembic_version").fetchone()  # SQLite opens an empty file, too
                with closing(sqlite3.connect(file)) as target:
                    loaded.backup(target)
        except (EOFError, gzip.BadGzipFile, zlib.error, sqlite3.DatabaseError) as error:
            raise DamagedSnapshot(str(error)) from error


class Snapshots:
    """Takes snapshots when they are due, and reports what the latest one contains."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        fencing_token: FencingToken,
        delay_seconds: float,
    ) -> None:
        assert database.file is not None, "snapshots need a SQLite database"
        self._database = database
        self._file = database.file
        self._bucket = bucket
        self._in_bucket = in_bucket
        self._fencing_token = fencing_token
        self._delay = delay_seconds
        self._generation = NO_OBJECT
        self._saved = -1
        self._changed_at: float | None = None
        self._seconds = 0.0
        self._taking = asyncio.Lock()

    def checkpoint(self) -> int:
        """Return a number that stands for everything committed until now. See `covers`."""
        return self._database.changes

    def covers(self, checkpoint: int) -> bool:
        """Return True if everything committed before the checkpoint is in a snapshot in the bucket."""
        return checkpoint <= self._saved

    async def read(self) -> tuple[bytes, ObjectInfo] | None:
        """Return the snapshot in the bucket, or None if there is none. Raises BucketError."""
        try:
            data, self._generation = await self._in_bucket(self._bucket.read_with_generation, object_names.SNAPSHOT)
            return data, await self._in_bucket(self._bucket.stat, object_names.SNAPSHOT)
        except ObjectNotFound:
            self._generation = NO_OBJECT
            return None

    async def take_if_due(self, now: float) -> bool:
        """Take a snapshot some time after a change, later if snapshots are slow. Return True if one was taken."""
        if self.covers(self.checkpoint()):
            self._changed_at = None
            return False
        # A change in the future was seen before the clock was set back.
        if self._changed_at is None or self._changed_at > now:
            self._changed_at = now
        if now - self._changed_at < max(self._delay, self._seconds / BUSY_SHARE):
            return False
        await self.take()
        return True

    async def take(self) -> None:
        """Take a snapshot now.

        Raises:
            FencingTokenLost: Another backend writes the snapshots.
            BucketError: The snapshot could not be written. The earlier one is unchanged.
        """
        async with self._taking:
            checkpoint, began = self.checkpoint(), time.monotonic()
            data = await asyncio.to_thread(snapshot_of, self._file)
            await self._write(data)
            self._saved, self._changed_at = checkpoint, None
            self._seconds = time.monotonic() - began
        counts = await self._database.read(images.counts)
        text = f"{len(data) / 2**20:.2f} MiB for {sum(counts.values())} photos in {self._seconds:.1f} s"
        if self._seconds > NEAR_LIMIT_SECONDS:
            log.warning("snapshots of the database take too long: %s; set DATABASE_URL to a durable database", text)
        else:
            log.info("snapshot of the database: %s", text)

    async def _write(self, data: bytes) -> None:
        for _ in range(ATTEMPTS):
            await self._fencing_token.confirm()
            try:
                self._generation = await self._in_bucket(
                    self._bucket.write_if, object_names.SNAPSHOT, data, "application/gzip", self._generation
                )
                return
            except ObjectChanged:
                # This process holds the token: the change is a late snapshot of the previous instance, or was made
                # by hand. Both are overwritten.
                await self._fencing_token.confirm()
                await self._read_generation()
        raise BucketUnavailable(object_names.SNAPSHOT, f"another writer was first, {ATTEMPTS} times in a row")

    async def _read_generation(self) -> None:
        try:
            info: ObjectInfo = await self._in_bucket(self._bucket.stat, object_names.SNAPSHOT)
            self._generation = info.generation
        except ObjectNotFound:
            self._generation = NO_OBJECT
