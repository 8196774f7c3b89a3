"""Snapshots of a SQLite database that does not outlive the process: online copies, compressed, in the bucket.

Where such a database is used, the disk is memory. So a snapshot is compressed while it is sent and decompressed while
it is received: neither its compressed nor its plain bytes are in the memory of the process.

Snapshots can be in a bucket of their own, without soft delete. A start reads the newest one of both buckets.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from backend.database import Database, images
from backend.durability.fencing import FencingToken
from contract import object_names
from contract.bucket.open import open_bucket
from contract.bucket.port import NO_OBJECT, Bucket, BucketUnavailable, ObjectChanged, ObjectInfo, ObjectNotFound

log = logging.getLogger(__name__)

COMPRESSION = 1
"""gzip level. Level 6 saves 10 % but takes 2.5 times as long, and SIGKILL follows soon after SIGTERM."""
GZIP_BITS = 16 + zlib.MAX_WBITS
"""Makes zlib write and read the gzip format."""
PIECE_BYTES = 1024 * 1024
BUSY_SHARE = 0.05
"""Largest share of the time spent on snapshots: one that took 3 s is followed by the next after 60 s or later."""
NEAR_LIMIT_SECONDS = 3.0
"""A slower snapshot is logged as a warning: SIGKILL follows 10 s after SIGTERM, and open requests need some of them."""
ATTEMPTS = 5
"""Rounds against other writers of the snapshot object."""
PROCESS_BYTES = 100 * 2**20
"""Memory of a backend without requests."""


class DamagedSnapshot(Exception):
    """The snapshot is not a database that this version can read."""


class CompressedFile:
    """A file as gzip, compressed while it is read. `size` counts the bytes that were returned."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packer = zlib.compressobj(COMPRESSION, zlib.DEFLATED, GZIP_BITS)
        self._ready = bytearray()
        self._ended = False
        self.size = 0

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""
        while len(self._ready) < size and not self._ended:
            piece = self._file.read(PIECE_BYTES)
            self._ready += self._packer.compress(piece) if piece else self._packer.flush()
            self._ended = not piece
        data = bytes(self._ready[:size])
        del self._ready[:size]
        self.size += len(data)
        return data


class DecompressingWriter:
    """Writes gzip data into a file, decompressed while they arrive."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zlib.decompressobj(GZIP_BITS)

    def write(self, data: bytes) -> None:
        """Accept the next bytes. Raises DamagedSnapshot."""
        try:
            while data and not self._unpacker.eof:
                self._file.write(self._unpacker.decompress(data, PIECE_BYTES))
                data = self._unpacker.unconsumed_tail
        except zlib.error as error:
            raise DamagedSnapshot(str(error)) from error

    def finish(self) -> None:
        """Check that the data were complete. Raises DamagedSnapshot."""
        if not self._unpacker.eof:
            raise DamagedSnapshot("it ends too early")


def copy_database(file: Path, copy: Path) -> None:
    """Make a consistent copy of the SQLite database in `file`. Writers continue meanwhile."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file without a WAL


def check_database(file: Path, bucket_url: str | None = None) -> None:
    """Check a loaded snapshot, which no other code uses yet.

    Args:
        file: The decompressed snapshot.
        bucket_url: The bucket that it must belong to; None accepts any.

    Raises:
        DamagedSnapshot: It is damaged, or belongs to another bucket.
    """
    try:
        with closing(sqlite3.connect(file)) as loaded:
            (result,) = loaded.execute("PRAGMA quick_check(1)").fetchone()
            if result != "ok":
                raise DamagedSnapshot(str(result))
            loaded.execute("SELECT version_num FROM alembic_version").fetchone()  # SQLite opens an empty file, too
            (stored,) = loaded.execute("SELECT max(value) FROM facts WHERE key = 'bucket_url'").fetchone()
    except sqlite3.DatabaseError as error:
        raise DamagedSnapshot(str(error)) from error
    if bucket_url is not None and stored != bucket_url:
        raise DamagedSnapshot(f"it belongs to the bucket {stored}")


class FoundSnapshot:
    """A snapshot in one of the buckets."""

    def __init__(self, bucket: Bucket, info: ObjectInfo, *, is_shared: bool) -> None:
        self.bucket = bucket
        self.info = info
        self.is_shared = is_shared
        """True in a bucket of its own, which other backends might use by mistake."""


def open_own_bucket(url: str, bucket: Bucket, connections: int) -> Bucket | None:
    """Open the bucket of the snapshots by SNAPSHOT_BUCKET_URL. Return None if it is that of the photos."""
    url = url.rstrip("/")
    return open_bucket(url, connections=connections) if url not in ("", bucket.url) else None


class SnapshotLoader:
    """Finds the snapshots of a database, and loads one into it."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        own_bucket: Bucket | None = None,
    ) -> None:
        """Create a loader.

        Args:
            database: The database.
            bucket: The bucket of photos and records.
            in_bucket: Runs a blocking call on a pool of threads.
            own_bucket: Where snapshots are written. None: in `bucket`.
        """
        assert database.file is not None, "snapshots need a SQLite database"
        self._database = database
        self._file = database.file
        self._records_bucket = bucket
        self._bucket = own_bucket or bucket
        self._in_bucket = in_bucket
        self._generation = NO_OBJECT

    async def find(self) -> list[FoundSnapshot]:
        """Return the snapshots in the buckets, the newest first. Raises BucketError."""
        found = []
        for bucket in dict.fromkeys((self._bucket, self._records_bucket)):
            try:
                info: ObjectInfo = await self._in_bucket(bucket.stat, object_names.SNAPSHOT)
            except ObjectNotFound:
                continue
            found.append(FoundSnapshot(bucket, info, is_shared=bucket is not self._records_bucket))
            if bucket is self._bucket:
                self._generation = info.generation
        return sorted(found, key=lambda snapshot: snapshot.info.updated, reverse=True)

    async def load(self, snapshot: FoundSnapshot) -> None:
        """Replace the database by a snapshot. Queries that are under way end first.

        Raises:
            DamagedSnapshot: It cannot be used. The database is unchanged.
            BucketError: The bucket failed. The database is unchanged.
        """
        with tempfile.TemporaryDirectory(dir=self._file.parent, prefix="snapshot-") as folder:
            new = Path(folder) / "new.db"
            await self._in_bucket(self._download, snapshot, new)
            expected = self._records_bucket.url if snapshot.is_shared else None
            await asyncio.to_thread(check_database, new, expected)
            await self._database.replace_file(new)

    def _download(self, snapshot: FoundSnapshot, new: Path) -> None:
        with new.open("wb") as file:
            writer = DecompressingWriter(file)
            snapshot.bucket.download_to(object_names.SNAPSHOT, writer)
            writer.finish()


class Snapshots(SnapshotLoader):
    """Takes snapshots when they are due, and reports what the latest one contains."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        fencing_token: FencingToken,
        delay_seconds: float,
        *,
        own_bucket: Bucket | None = None,
        memory_limit: int | None = None,
        uploads_bytes: int = 0,
    ) -> None:
        """Create the snapshots of a database.

        Args:
            database: The database.
            bucket: The bucket of photos and records.
            in_bucket: Runs a blocking call on a pool of threads.
            fencing_token: Checked before each write.
            delay_seconds: Time between a change and its snapshot.
            own_bucket: Where snapshots are written. None: in `bucket`.
            memory_limit: Memory limit in bytes of process and disk together. None: no warning.
            uploads_bytes: Memory that concurrent uploads can need, for the warning.
        """
        super().__init__(database, bucket, in_bucket, own_bucket)
        self._fencing_token = fencing_token
        self._delay = delay_seconds
        self._memory_limit = memory_limit
        self._uploads_bytes = uploads_bytes
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
            with tempfile.TemporaryDirectory(dir=self._file.parent, prefix="snapshot-") as folder:
                copy = Path(folder) / "copy.db"
                await asyncio.to_thread(copy_database, self._file, copy)
                plain_bytes = copy.stat().st_size
                sent_bytes = await self._write(copy)
            self._saved, self._changed_at = checkpoint, None
            self._seconds = time.monotonic() - began
        counts = await self._database.read(images.counts)
        text = f"{sent_bytes / 2**20:.2f} MiB for {sum(counts.values())} photos in {self._seconds:.1f} s"
        if self._seconds > NEAR_LIMIT_SECONDS:
            log.warning("snapshots of the database take too long: %s; set DATABASE_URL to a durable database", text)
        else:
            log.info("snapshot of the database: %s", text)
        self._check_memory(plain_bytes)

    def _check_memory(self, database_bytes: int) -> None:
        """Log a warning if database, its copy, uploads and process may together exceed the memory limit."""
        needed = PROCESS_BYTES + self._uploads_bytes + 2 * database_bytes
        if self._memory_limit is not None and needed > self._memory_limit:
            log.warning(
                "the database of %d MiB needs %d MiB of memory during a snapshot with concurrent uploads, and the "
                "limit is %d MiB; raise the memory limit, or set DATABASE_URL to a durable database",
                database_bytes / 2**20,
                needed / 2**20,
                self._memory_limit / 2**20,
            )

    async def _write(self, copy: Path) -> int:
        """Send a copy of the database, and return the number of sent bytes."""
        for _ in range(ATTEMPTS):
            await self._fencing_token.confirm()
            try:
                self._generation, sent_bytes = await self._in_bucket(self._send, copy, self._generation)
                return int(sent_bytes)
            except ObjectChanged:
                # This process holds the token: the change is a late snapshot of the previous instance, or was made
                # by hand. Both are overwritten.
                await self._fencing_token.confirm()
                await self._read_generation()
        raise BucketUnavailable(object_names.SNAPSHOT, f"another writer was first, {ATTEMPTS} times in a row")

    def _send(self, copy: Path, generation: str) -> tuple[str, int]:
        with copy.open("rb") as file:
            source = CompressedFile(file)
            written = self._bucket.write_stream_if(object_names.SNAPSHOT, source, "application/gzip", generation)
            return written, source.size

    async def _read_generation(self) -> None:
        try:
            info: ObjectInfo = await self._in_bucket(self._bucket.stat, object_names.SNAPSHOT)
            self._generation = info.generation
        except ObjectNotFound:
            self._generation = NO_OBJECT
