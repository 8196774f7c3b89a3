"""The database out of the bucket alone: records, devices, sidecars that wait, originals that nothing tells of.

Only what nobody was promised is gone: sessions, leases, executions, what frames have shown. Tombstones stay dead.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable

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
    ASKED_ONE_BY_ONE,
    all_pictures,
    pictures_of,
    present_pictures,
    read_devices_record,
    read_records,
)
from backend.durability.sidecar_sync import SidecarSync
from backend.http.errors import HttpProblem
from backend.images.header import header_of, new_row
from backend.settings import Settings
from contract import object_names
from contract.bucket.port import Bucket, ObjectInfo, uri_of

log = logging.getLogger(__name__)

Tell = Callable[[str], None]


class RebuildReport(Struct, kw_only=True):
    """What was found in the bucket; `unreadable` names the objects that could not be understood."""

    images: int = 0
    variants: int = 0
    devices: int = 0
    deleted: int = 0
    adopted: int = 0
    imported_sidecars: int = 0
    unreadable: list[str] = field(default_factory=list)


async def rebuild(
    database: Database, bucket: Bucket, sync: SidecarSync | None, settings: Settings, now: float, tell: Tell
) -> RebuildReport:
    """Fill an empty, migrated database. `tell` is given a sentence from time to time.

    Raises BucketError if the bucket does not answer, UnreadableRecord if the devices' record is damaged.
    """
    report = RebuildReport()
    await database.write(key_value.put, "bucket_url", bucket.url)
    present = await asyncio.to_thread(all_pictures, bucket)
    await restore(database, bucket, now, present=present, unreadable=report.unreadable, tell=tell)
    report.adopted = await _adopt(database, bucket, settings, report.unreadable, now, tell)
    done = await sync.run(now) if sync else None  # without it, sidecars wait for the timed work
    report.imported_sidecars = done.imported if done else 0
    if done is not None and not report.unreadable:
        await _let_go(database, bucket, present, now)
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
    tell: Tell = lambda _: None,
) -> int:
    """Take over the records that are newer than the database and not older than `since`; how many.

    `present` are the pictures in the bucket, if that is known already.
    """
    devices = await asyncio.to_thread(read_devices_record, bucket)
    if devices is not None:
        await database.write(record_import.import_devices, devices)
    batches = read_records(bucket, since=since, unreadable=unreadable)
    seen = taken = 0
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        wanted = pictures_of(batch)
        if present is None and len(wanted) > ASKED_ONE_BY_ONE:
            present = await asyncio.to_thread(all_pictures, bucket)
        known = await asyncio.to_thread(present_pictures, bucket, wanted) if present is None else present
        taken += await database.write(record_import.import_images, batch, bucket.url, known, now)
        seen += len(batch)
        tell(f"{seen} records read")
    await database.write(missing_variants.reconcile_states, now)
    return taken


async def _let_go(database: Database, bucket: Bucket, present: set[str], now: float) -> None:
    """Note the pictures that nothing names: replaced ones, whose notes went with the former database."""
    known = await database.read(inventory.read_inventory, bucket.url)
    uris = [uri_of(bucket, name) for name in inventory.unreferenced_pictures(known, present, bucket.url)]
    await database.write(garbage.schedule_deletion, uris, now + REPLACED_GRACE_SECONDS)


async def _adopt(
    database: Database, bucket: Bucket, settings: Settings, unreadable: list[str], now: float, tell: Tell
) -> int:
    """Take in originals that no record tells of; let those of deleted photos go. How many were taken in."""
    adopted = 0
    for entry in await asyncio.to_thread(lambda: list(bucket.list(object_names.ORIGINALS))):
        image_id = object_names.image_of(entry.name)
        if image_id is None or await database.read(images.state_of, image_id) is not None:
            continue
        if await database.read(tombstones.is_deleted, image_id):
            await database.write(garbage.schedule_deletion, [uri_of(bucket, entry.name)], now)
        elif await take_in(database, bucket, settings, entry, image_id):
            adopted += 1
            tell(f"{entry.name} has no record and is taken in")
        else:
            unreadable.append(entry.name)
    return adopted


async def take_in(database: Database, bucket: Bucket, settings: Settings, entry: ObjectInfo, image_id: str) -> bool:
    """Make a pending image of an original; False if it is none, or not the one that its name says.

    Raises BucketError.
    """
    data = await asyncio.to_thread(bucket.read, entry.name)
    file_hash = hashlib.sha256(data).hexdigest()
    if file_hash[:32] != image_id:
        log.error("%s holds other bytes than its name says, and is left alone", entry.name)
        return False
    filename = entry.name.rpartition("/")[2]
    try:
        header = await asyncio.to_thread(header_of, data, filename, settings)
    except HttpProblem as refusal:
        log.error("%s cannot be taken in: %s", entry.name, refusal.detail)
        return False
    row = new_row(
        image_id,
        header,
        uri=uri_of(bucket, entry.name),
        file_hash=file_hash,
        filename=filename,
        size=len(data),
        ingested_at=entry.updated,
    )
    return bool(await database.write(images.add, row))
