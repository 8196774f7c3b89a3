"""Rebuild the database from the bucket: records, devices, waiting sidecars, and originals without a record.

Sessions, leases, executions and playback positions are not in the bucket and are lost.
Deleted photos are not restored.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from backend.database import (
    Database,
    garbage,
    images,
    inventory,
    key_value,
    missing_variants,
    record_import,
    tombstones,
)
from backend.database.variants import REPLACED_GRACE_SECONDS
from backend.durability.record_reader import (
    MAX_SINGLE_LOOKUPS,
    all_pictures,
    pictures_of,
    present_pictures,
    read_devices_record,
    read_records,
)
from backend.durability.sidecar_sync import LAST_SYNC, SidecarSync
from backend.http.errors import HttpProblem
from contract import object_names
from contract.bucket.port import Bucket, ObjectInfo, uri_of

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
"""Receives a sentence from time to time."""
RowOfOriginal = Callable[[bytes, str, ObjectInfo], dict[str, Any]]
"""Returns the row of a new image for an original, given its bytes, SHA-256 and object. Raises HttpProblem for others.

`images.ingest.original_reader` makes one.
"""


class RebuildReport(Struct, kw_only=True):
    """The result of a rebuild. `unreadable` contains the names of objects that could not be used."""

    images: int = 0
    variants: int = 0
    devices: int = 0
    deleted: int = 0
    imported_originals: int = 0
    imported_sidecars: int = 0
    unreadable: list[str] = field(default_factory=list)


async def rebuild(
    database: Database,
    bucket: Bucket,
    sync: SidecarSync | None,
    row_of: RowOfOriginal,
    now: float,
    progress: Progress,
) -> RebuildReport:
    """Fill an empty, migrated database.

    Args:
        database: The database.
        bucket: The bucket.
        sync: Imports the waiting sidecars. None leaves them to the periodic work.
        row_of: Reads an original that has no record.
        now: The time in seconds since the Unix epoch.
        progress: Receives progress messages.

    Raises:
        BucketError: The bucket failed.
        UnreadableRecord: The record of the devices is damaged.
    """
    report = RebuildReport()
    await database.write(key_value.put, "bucket_url", bucket.url)
    present = await asyncio.to_thread(all_pictures, bucket)
    await restore(database, bucket, now, present=present, unreadable=report.unreadable, progress=progress)
    report.imported_originals = await _import_originals(database, bucket, row_of, report.unreadable, now, progress)
    synced = await sync.run(now) if sync else None
    report.imported_sidecars = synced.imported if synced else 0
    if synced is not None:  # so that the next start reads only newer records
        await database.write(key_value.put, LAST_SYNC, str(now))
    if synced is not None and not report.unreadable:
        await _discard_unreferenced(database, bucket, present, now)
    report.images = sum((await database.read(images.counts)).values())
    report.variants = (await database.read(images.variant_counts, 0.0))[0]
    report.devices, report.deleted = await database.read(record_import.device_and_tombstone_counts)
    return report


async def restore(
    database: Database,
    bucket: Bucket,
    now: float,
    *,
    since: float = 0.0,
    present: set[str] | None = None,
    unreadable: list[str] | None = None,
    progress: Progress = lambda _: None,
) -> int:
    """Import the records that are newer than the database. Return the number of imported records.

    Args:
        database: The database.
        bucket: The bucket.
        now: The time in seconds since the Unix epoch.
        since: Skips records that were written before this time of the bucket's clock.
        present: The pictures in the bucket, if they are listed already.
        unreadable: Receives the names of unreadable records. With None they are logged.
        progress: Receives progress messages.
    """
    devices = await asyncio.to_thread(read_devices_record, bucket)
    changed = devices is not None and await database.write(record_import.import_devices, devices)
    batches = read_records(bucket, since=since, unreadable=unreadable)
    read = imported = 0
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        named = pictures_of(batch)
        if present is None and len(named) > MAX_SINGLE_LOOKUPS:
            present = await asyncio.to_thread(all_pictures, bucket)
        existing = await asyncio.to_thread(present_pictures, bucket, named) if present is None else present
        imported += await database.write(record_import.import_images, batch, bucket.url, existing, now)
        read += len(batch)
        progress(f"{read} records read")
    if imported or changed:
        await database.write(missing_variants.reconcile_states, now)
    return imported


async def _discard_unreferenced(database: Database, bucket: Bucket, present: set[str], now: float) -> None:
    """Schedule the deletion of unreferenced pictures: replaced ones, which the lost database had scheduled."""
    known = await database.read(inventory.read_inventory, bucket.url)
    uris = [uri_of(bucket, name) for name in inventory.unreferenced_pictures(known, present, bucket.url)]
    await database.write(garbage.schedule_deletion, uris, now + REPLACED_GRACE_SECONDS)


async def _import_originals(
    database: Database,
    bucket: Bucket,
    row_of: RowOfOriginal,
    unreadable: list[str],
    now: float,
    progress: Progress,
) -> int:
    """Import originals without a record, and delete originals of deleted photos. Return the number of imports."""
    imported = 0
    for entry in await asyncio.to_thread(lambda: list(bucket.list(object_names.ORIGINALS))):
        image_id = object_names.image_of(entry.name)
        if image_id is None or await database.read(images.state_of, image_id) is not None:
            continue
        if await database.read(tombstones.is_deleted, image_id):
            await database.write(garbage.schedule_deletion, [uri_of(bucket, entry.name)], now)
        elif await import_original(database, bucket, row_of, entry, image_id):
            imported += 1
            progress(f"{entry.name} has no record and is imported")
        else:
            unreadable.append(entry.name)
    return imported


async def import_original(
    database: Database, bucket: Bucket, row_of: RowOfOriginal, entry: ObjectInfo, image_id: str
) -> bool:
    """Insert a pending image for an original. Return False if it is not a photo, or has another hash than its name.

    Raises:
        BucketError: The original could not be read.
    """
    data = await asyncio.to_thread(bucket.read, entry.name)
    file_hash = hashlib.sha256(data).hexdigest()
    if file_hash[:32] != image_id:
        log.error("%s does not contain the photo of its name and is not imported", entry.name)
        return False
    try:
        row = await asyncio.to_thread(row_of, data, file_hash, entry)
    except HttpProblem as error:
        log.error("%s cannot be imported: %s", entry.name, error.detail)
        return False
    return bool(await database.write(images.add, row))
