"""Keeps the permanent records in the bucket level with the database.

A change is committed, then its record is written, then it is acknowledged: what was acknowledged can
be read from the bucket alone. A crash in between leaves a record behind, which `catch_up` finds by its
revision. Writers of one record lose nothing: the generation to be written over is learnt before the
rows are read, so whoever wins, the last one has read the last change.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from backend.database import Database, key_value, record_queries
from contract import object_names
from contract.bucket.port import NO_OBJECT, Bucket, BucketUnavailable, ObjectChanged, ObjectInfo, ObjectNotFound
from contract.messages.records import DevicesRecord, ImageRecord

T = TypeVar("T")

JSON = "application/json"
ATTEMPTS = 8
"""Rounds against other writers of one record; each round at least one of them succeeds."""
GIVE_WAY_SECONDS = 0.01
"""How long to give way to other writers after the first round, at most; twice as long after each further one."""
REMEMBERED = 20_000
"""Records whose generation is remembered, so that the next writing need not ask for it."""
BATCH_SIZE = 500


class RecordWriter:
    """Writes records. `confirm` raises unless this process may still acknowledge changes."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        confirm: Callable[[], Awaitable[None]],
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`in_bucket` runs a blocking call of the bucket in a bounded pool of threads; `jitter` gives 0 to 1."""
        self._database = database
        self._bucket = bucket
        self._in_bucket = in_bucket
        self._confirm = confirm
        self._jitter = jitter
        self._known: dict[str, tuple[int, str]] = {}
        """The revision and the generation of records that this process wrote, oldest first."""
        self._devices: tuple[int, str] | None = None
        self._devices_lock = asyncio.Lock()

    async def keep(self, image_ids: Iterable[str]) -> None:
        """Return once the records of these images say what the database says.

        Raises BucketError if the bucket does not take them: the change must not be acknowledged then.
        """
        everything = sorted(set(image_ids))
        for first in range(0, len(everything), BATCH_SIZE):
            ids = everything[first : first + BATCH_SIZE]
            known = {image_id: self._known.get(image_id) for image_id in ids}  # before the rows are read
            records = await self._read(ids)
            await all_of(self._write(record, known[record.image_id]) for record in records)
        await self._confirm()

    async def keep_if_due(self, image_id: str) -> None:
        """As `keep`, for an image that was not changed: its record may be on its way, or have failed."""
        if self._revision(image_id) < await self._database.read(record_queries.image_due, image_id):
            await self.keep([image_id])
        else:
            await self._confirm()

    async def keep_new(self, record: ImageRecord) -> None:
        """As `keep`, for an image that was taken in just now: nothing has to be read."""
        await self._write(record, (0, NO_OBJECT))
        await self._confirm()

    async def keep_devices(self) -> int:
        """Return once the devices' record says what the database says; its revision."""
        async with self._devices_lock:
            for attempt in range(ATTEMPTS):
                known = self._devices[1] if self._devices else await self._generation(object_names.DEVICES)
                record: DevicesRecord = await self._database.read(record_queries.read_devices)
                try:
                    generation = await self._put(object_names.DEVICES, record, known)
                except ObjectChanged:
                    self._devices = None
                    await self._give_way(attempt)
                    await self._confirm()
                    continue
                self._devices = (record.revision, generation)
                await self._confirm()
                return record.revision
        raise _crowded(object_names.DEVICES)

    async def catch_up(self) -> int:
        """Write the records that a crash or a failure left behind; how many. Part of the timed work."""
        due = await self._database.read(record_queries.images_due, BATCH_SIZE)
        late = [image_id for image_id, revision in due.items() if self._revision(image_id) < revision]
        if late:
            await self.keep(late)
        await self._mark({image_id: self._revision(image_id) for image_id in due})
        if await self._database.read(record_queries.devices_due):
            revision = await self.keep_devices()
            await self._database.write(key_value.put, record_queries.DEVICES_RECORDED, str(revision))
        return len(late)

    async def _mark(self, revisions: dict[str, int]) -> None:
        if revisions:
            await self._database.write(record_queries.mark_recorded, revisions)

    async def _read(self, ids: Sequence[str]) -> list[ImageRecord]:
        return await self._database.read(record_queries.read_records, ids, self._bucket.url)

    def _revision(self, image_id: str) -> int:
        return self._known.get(image_id, (0, NO_OBJECT))[0]

    async def _write(self, record: ImageRecord, known: tuple[int, str] | None) -> None:
        if known is not None and known[0] >= record.revision:
            return
        if known is None or not await self._put_record(record, known[1]):
            await self._write_over(record.image_id)

    async def _write_over(self, image_id: str) -> None:
        """Write a record whose generation has to be asked for first."""
        name = object_names.record(image_id)
        for attempt in range(ATTEMPTS):
            generation = await self._generation(name)
            await self._confirm()  # whoever has taken over writes what we do not know of
            records = await self._read([image_id])
            if not records or await self._put_record(records[0], generation):
                return
            await self._give_way(attempt)
        raise _crowded(name)

    async def _give_way(self, attempt: int) -> None:
        """Wait for a time by chance, so that one of the writers is not the last one again and again."""
        await asyncio.sleep(self._jitter() * GIVE_WAY_SECONDS * 2**attempt)

    async def _put_record(self, record: ImageRecord, generation: str) -> bool:
        """Whether the record was written over this generation of it."""
        try:
            written = await self._put(object_names.record(record.image_id), record, generation)
        except ObjectChanged:
            self._known.pop(record.image_id, None)
            return False
        self._known.pop(record.image_id, None)
        self._known[record.image_id] = (record.revision, written)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return True

    async def _put(self, name: str, record: ImageRecord | DevicesRecord, generation: str) -> str:
        data = msgspec.json.encode(record)
        generation_now: str = await self._in_bucket(self._bucket.write_if, name, data, JSON, generation)
        return generation_now

    async def _generation(self, name: str) -> str:
        try:
            found: ObjectInfo = await self._in_bucket(self._bucket.stat, name)
            return found.generation
        except ObjectNotFound:
            return NO_OBJECT


def fresh_record(row: dict[str, Any], file_path: str, revision: int) -> ImageRecord:
    """The record of an image that was taken in as this row, its original under this object name."""
    told = {name: value for name, value in row.items() if name not in ("id", "file_path")}
    return ImageRecord(image_id=row["id"], file_path=file_path, revision=revision, **told)


async def all_of(calls: Iterable[Coroutine[object, object, T]]) -> list[T]:
    """The answers of calls made at once; with one of them failed, its error, once all have ended."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


def _crowded(name: str) -> BucketUnavailable:
    return BucketUnavailable(name, f"other writers were first {ATTEMPTS} times")
