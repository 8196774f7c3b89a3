"""Mends what `verify` found: the newer of record and row wins, what is lost is rendered again, orphans go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, delete, update

from backend.database import Database, garbage, missing_variants, record_import, record_queries, tombstones
from backend.database.tables import images, processed_images
from backend.durability.rebuild import take_in
from backend.durability.record_reader import pictures_of, present_pictures, read_devices_record, read_record
from backend.durability.record_writer import RecordWriter
from backend.durability.verify.compare import Difference
from backend.settings import Settings
from contract import object_names
from contract.bucket.port import Bucket, ObjectNotFound, uri_of

DAMAGED = "images/damaged/"
"""Where an original goes that is not as it was uploaded."""
GONE = "its original is not in the bucket as it was uploaded; upload the photo again"


class Repair:
    """Mends differences one by one. No backend may be working on this database."""

    def __init__(self, database: Database, bucket: Bucket, settings: Settings, now: float) -> None:
        async def confirm() -> None:
            return

        self._database = database
        self._bucket = bucket
        self._settings = settings
        self._now = now
        self._records = RecordWriter(database, bucket, asyncio.to_thread, confirm)

    async def mend(self, found: Sequence[Difference]) -> list[Difference]:
        """Mend what can be mended; what could not be is given back. Raises BucketError."""
        left = [difference for difference in found if not await self._one(difference)]
        await self._database.write(missing_variants.reconcile_states, self._now)
        return left

    async def _one(self, difference: Difference) -> bool:
        image_id, name = difference.image_id, difference.subject
        match difference.kind:
            case "original missing" | "original of another size" | "original with other content":
                if difference.kind != "original missing":  # the same photo uploaded again must find its name free
                    await asyncio.to_thread(self._put_aside, name)
                await self._change(image_id, _fail)
                return False  # nobody but its owner has it
            case "picture missing" | "picture under a wrong name" | "picture of another size":
                await self._change(image_id, _forget_picture, uri_of(self._bucket, name))
            case "thumbnail missing":
                await self._change(image_id, _forget_thumbnail)
            case "picture unknown" | "sidecar unknown" | "still there though deleted":
                await asyncio.to_thread(self._bucket.delete, name)
                await self._database.write(garbage.remove, [uri_of(self._bucket, name)])
            case "original unknown":
                return await self._adopt(name, image_id)
            case "record missing" | "record unreadable":
                await self._change(image_id, _nothing)
                return bool(await self._database.read(record_queries.read_records, [image_id], self._bucket.url))
            case "record unknown" | "record differs":
                await self._newer_wins(image_id)
            case "devices differ":
                record = await asyncio.to_thread(read_devices_record, self._bucket)
                if record is None or not await self._database.write(record_import.import_devices, record):
                    await self._records.keep_devices()
        return True

    def _put_aside(self, name: str) -> None:
        with contextlib.suppress(ObjectNotFound):
            self._bucket.move(name, f"{DAMAGED}{name.rpartition('/')[2]}")

    async def _change(self, image_id: str, change: Callable[..., None], *arguments: object) -> None:
        def both(connection: Connection) -> None:
            change(connection, image_id, *arguments)
            record_queries.increment_revisions(connection, [image_id])

        await self._database.write(both)
        await self._records.keep([image_id])

    async def _newer_wins(self, image_id: str) -> None:
        record = await asyncio.to_thread(read_record, self._bucket, object_names.record(image_id))
        if record is not None:
            present = await asyncio.to_thread(present_pictures, self._bucket, pictures_of([record]))
            taken = await self._database.write(
                record_import.import_images, [record], self._bucket.url, present, self._now
            )
            if taken:
                return
        await self._change(image_id, _nothing)

    async def _adopt(self, name: str, image_id: str) -> bool:
        entry = await asyncio.to_thread(self._bucket.stat, name)
        if not image_id or not await take_in(self._database, self._bucket, self._settings, entry, image_id):
            return False
        await self._records.keep([image_id])
        return True


def _nothing(connection: Connection, image_id: str) -> None:
    """The row is right; its record is written anew."""
    if tombstones.is_deleted(connection, image_id):
        tombstones.increment_revision(connection, image_id)


def _fail(connection: Connection, image_id: str) -> None:
    values = {"processing_status": "failed", "processing_error": GONE, "attempt_open": False}
    connection.execute(update(images).where(images.c.id == image_id).values(**values))


def _forget_picture(connection: Connection, image_id: str, uri: str) -> None:
    of_image = (processed_images.c.image_id == image_id) & (processed_images.c.file_path == uri)
    connection.execute(delete(processed_images).where(of_image))


def _forget_thumbnail(connection: Connection, image_id: str) -> None:
    connection.execute(update(images).where(images.c.id == image_id).values(thumbnail_path=None))
