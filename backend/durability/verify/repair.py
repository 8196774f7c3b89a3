"""Repair the differences that `verify` found.

The newer of record and row wins, missing pictures are rendered again, and unreferenced objects are deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from backend.database import (
    Database,
    garbage,
    missing_variants,
    record_import,
    record_queries,
    repairs,
    tombstones,
)
from backend.durability.rebuild import RowOfOriginal, import_original
from backend.durability.record_reader import pictures_of, present_pictures, read_devices_record, read_record
from backend.durability.record_writer import RecordWriter
from backend.durability.verify.compare import Difference
from contract import object_names
from contract.bucket.port import Bucket, ObjectNotFound, uri_of

DAMAGED = "images/damaged/"
"""Folder to which `repair` moves an original whose content differs from the upload."""
LOST = "its original is not in the bucket as it was uploaded; upload the photo again"


class Repair:
    """Repairs differences one by one. No backend may use this database meanwhile."""

    def __init__(self, database: Database, bucket: Bucket, row_of: RowOfOriginal, now: float) -> None:
        """Create a repair.

        Args:
            database: The database.
            bucket: The bucket.
            row_of: Reads an original that no photo references.
            now: The time in seconds since the Unix epoch.
        """
        self._database = database
        self._bucket = bucket
        self._row_of = row_of
        self._now = now
        self._record_writer = RecordWriter(database, bucket, asyncio.to_thread)

    async def repair(self, differences: Sequence[Difference]) -> list[Difference]:
        """Repair what can be repaired, and return the rest. Raises BucketError."""
        left = [difference for difference in differences if not await self._repair(difference)]
        await self._database.write(missing_variants.reconcile_states, self._now)
        return left

    async def _repair(self, difference: Difference) -> bool:
        image_id, name = difference.image_id, difference.subject
        match difference.kind:
            case "original missing" | "original of another size" | "original with other content":
                if difference.kind != "original missing":  # so that another upload of the photo can use the name
                    await asyncio.to_thread(self._quarantine, name)
                await self._change(image_id, repairs.mark_original_lost, LOST)
                return False  # only a new upload brings the photo back
            case "object unreadable":
                return False  # its content is unknown: it may be right
            case "picture missing" | "picture under a wrong name" | "picture of another size":
                await self._change(image_id, repairs.remove_variant, uri_of(self._bucket, name))
            case "thumbnail missing":
                await self._change(image_id, repairs.remove_thumbnail)
            case "picture unknown" | "sidecar unknown" | "still there though deleted":
                await asyncio.to_thread(self._bucket.delete, name)
                await self._database.write(garbage.remove, [uri_of(self._bucket, name)])
            case "original unknown":
                return await self._import_original(name, image_id)
            case "record missing" | "record unreadable":
                await self._change(image_id, _rewrite_record)
                return bool(await self._database.read(record_queries.read_records, [image_id], self._bucket.url))
            case "record unknown" | "record differs":
                await self._use_newer(image_id)
            case "devices differ":
                record = await asyncio.to_thread(read_devices_record, self._bucket)
                if record is None or not await self._database.write(record_import.import_devices, record):
                    await self._record_writer.save_devices()
        return True

    def _quarantine(self, name: str) -> None:
        with contextlib.suppress(ObjectNotFound):
            self._bucket.move(name, f"{DAMAGED}{name.rpartition('/')[2]}")

    async def _change(self, image_id: str, change: Callable[..., None], *arguments: object) -> None:
        """Change the rows of an image and increment its revision in one transaction, then write its record."""

        def change_and_count(connection: Connection) -> None:
            change(connection, image_id, *arguments)
            record_queries.increment_revisions(connection, [image_id])

        await self._database.write(change_and_count)
        await self._record_writer.save([image_id])

    async def _use_newer(self, image_id: str) -> None:
        """Import the record if it is newer than the row, else overwrite it."""
        record = await asyncio.to_thread(read_record, self._bucket, object_names.record(image_id))
        if record is not None:
            present = await asyncio.to_thread(present_pictures, self._bucket, pictures_of([record]))
            imported = await self._database.write(
                record_import.import_images, [record], self._bucket.url, present, self._now
            )
            if imported:
                return
        await self._change(image_id, _rewrite_record)

    async def _import_original(self, name: str, image_id: str) -> bool:
        entry = await asyncio.to_thread(self._bucket.stat, name)
        if not image_id or not await import_original(self._database, self._bucket, self._row_of, entry, image_id):
            return False
        await self._record_writer.save([image_id])
        return True


def _rewrite_record(connection: Connection, image_id: str) -> None:
    """Change nothing but the revision: the rows are right, and the record is written again."""
    if tombstones.is_deleted(connection, image_id):
        tombstones.increment_revision(connection, image_id)
