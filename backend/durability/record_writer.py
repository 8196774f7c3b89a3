"""Write the permanent records, so that every acknowledged change can be read from the bucket alone.

A change is committed, then its record is written, then the change is acknowledged.
A crash in between leaves a stale record, which `catch_up` finds by its revision.

Concurrent writers of one record lose no change.
Each reads the generation to overwrite before it reads the rows.
So the writer that succeeds last has read the last change.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from backend.database import Database, key_value, record_queries
from backend.durability.fencing import FencingToken
from contract import object_names
from contract.bucket.port import NO_OBJECT, Bucket, BucketUnavailable, ObjectChanged, ObjectInfo, ObjectNotFound
from contract.messages.records import DevicesRecord, ImageRecord

T = TypeVar("T")

JSON = "application/json"
ATTEMPTS = 8
"""Rounds against other writers of one record. At least one writer succeeds in each round."""
BACKOFF_SECONDS = 0.01
"""Longest random pause after the first round. It doubles after each further round."""
CACHED_GENERATIONS = 20_000
"""Number of records whose generation is cached, so that the next write need not read it first."""
BATCH_SIZE = 500


class RecordWriter:
    """Writes records."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        fencing_token: FencingToken | None = None,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Create a writer.

        Args:
            database: The source of the records.
            bucket: Where the records are stored.
            in_bucket: Runs a blocking call on a bounded pool of threads.
            fencing_token: Checked after each write, before the change is acknowledged. None if the database is durable.
            jitter: Returns a number from 0 to 1.
        """
        self._database = database
        self._bucket = bucket
        self._in_bucket = in_bucket
        self._fencing_token = fencing_token
        self._jitter = jitter
        self._written: dict[str, tuple[int, str]] = {}
        """Revision and generation of the records that this process wrote, oldest first."""
        self._devices: tuple[int, str] | None = None
        self._devices_lock = asyncio.Lock()

    async def save(self, image_ids: Iterable[str]) -> None:
        """Return once the records of these images are up to date with the database.

        Raises:
            BucketError: The bucket failed. The change must not be acknowledged.
            FencingTokenLost: Another backend has taken over. The change must not be acknowledged.
        """
        everything = sorted(set(image_ids))
        for first in range(0, len(everything), BATCH_SIZE):
            ids = everything[first : first + BATCH_SIZE]
            written = {image_id: self._written.get(image_id) for image_id in ids}  # before the rows are read
            records = await self._read(ids)
            await gather_all(self._write(record, written[record.image_id]) for record in records)
        await self._confirm()

    async def save_if_stale(self, image_id: str) -> None:
        """Like `save`, for an unchanged image: the write of its record may be under way, or have failed."""
        if self._revision(image_id) < await self._database.read(record_queries.image_due, image_id):
            await self.save([image_id])
        else:
            await self._confirm()

    async def save_new(self, record: ImageRecord) -> None:
        """Like `save`, for an image that was inserted just now: nothing has to be read."""
        await self._write(record, (0, NO_OBJECT))
        await self._confirm()

    async def save_devices(self) -> int:
        """Write the record of the devices, so that it matches the database. Return the record's revision."""
        async with self._devices_lock:
            for attempt in range(ATTEMPTS):
                generation = self._devices[1] if self._devices else await self._generation(object_names.DEVICES)
                record: DevicesRecord = await self._database.read(record_queries.read_devices)
                try:
                    written = await self._put(object_names.DEVICES, record, generation)
                except ObjectChanged:
                    self._devices = None
                    await self._back_off(attempt)
                    await self._confirm()
                    continue
                self._devices = (record.revision, written)
                await self._confirm()
                return record.revision
        raise _too_many_writers(object_names.DEVICES)

    async def catch_up(self) -> int:
        """Write the records that a crash or an error left stale. Return the number of written records."""
        due = await self._database.read(record_queries.images_due, BATCH_SIZE)
        stale = [image_id for image_id, revision in due.items() if self._revision(image_id) < revision]
        if stale:
            await self.save(stale)
        if due:
            await self._database.write(
                record_queries.mark_recorded, {image_id: self._revision(image_id) for image_id in due}
            )
        if await self._database.read(record_queries.devices_due):
            revision = await self.save_devices()
            await self._database.write(key_value.put, record_queries.DEVICES_RECORDED, str(revision))
        return len(stale)

    async def _confirm(self) -> None:
        """Raise FencingTokenLost unless this process may still acknowledge changes."""
        if self._fencing_token is not None:
            await self._fencing_token.confirm()

    async def _read(self, ids: Sequence[str]) -> list[ImageRecord]:
        return await self._database.read(record_queries.read_records, ids, self._bucket.url)

    def _revision(self, image_id: str) -> int:
        return self._written.get(image_id, (0, NO_OBJECT))[0]

    async def _write(self, record: ImageRecord, written: tuple[int, str] | None) -> None:
        if written is not None and written[0] >= record.revision:
            return
        if written is None or not await self._put_record(record, written[1]):
            await self._overwrite(record.image_id)

    async def _overwrite(self, image_id: str) -> None:
        """Write a record whose generation has to be read first."""
        name = object_names.record(image_id)
        for attempt in range(ATTEMPTS):
            generation = await self._generation(name)
            await self._confirm()  # a new token holder writes changes that this database does not contain
            records = await self._read([image_id])
            if not records or await self._put_record(records[0], generation):
                return
            await self._back_off(attempt)
        raise _too_many_writers(name)

    async def _back_off(self, attempt: int) -> None:
        """Wait for a random time, so that the same writer does not lose every round."""
        await asyncio.sleep(self._jitter() * BACKOFF_SECONDS * 2**attempt)

    async def _put_record(self, record: ImageRecord, generation: str) -> bool:
        """Write the record over this generation. Return False if the object has another one."""
        try:
            written = await self._put(object_names.record(record.image_id), record, generation)
        except ObjectChanged:
            self._written.pop(record.image_id, None)
            return False
        self._written.pop(record.image_id, None)  # inserted again below, as the newest entry
        self._written[record.image_id] = (record.revision, written)
        while len(self._written) > CACHED_GENERATIONS:
            del self._written[next(iter(self._written))]
        return True

    async def _put(self, name: str, record: ImageRecord | DevicesRecord, generation: str) -> str:
        data = msgspec.json.encode(record)
        written: str = await self._in_bucket(self._bucket.write_if, name, data, JSON, generation)
        return written

    async def _generation(self, name: str) -> str:
        try:
            info: ObjectInfo = await self._in_bucket(self._bucket.stat, name)
            return info.generation
        except ObjectNotFound:
            return NO_OBJECT


async def gather_all(calls: Iterable[Coroutine[object, object, T]]) -> list[T]:
    """Run calls concurrently and return their results. Raise the first error, but only after all calls ended."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _too_many_writers(name: str) -> BucketUnavailable:
    return BucketUnavailable(name, f"other writers were first, {ATTEMPTS} times in a row")
