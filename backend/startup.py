"""Bring the database up to date with the bucket at start, before changes are accepted.

A database that outlives the process may still be lost, empty or restored from an older backup. The bucket's records
outrank it: `import_newer_records` imports what it does not contain, before the first request.

A database that does not outlive the process is loaded in three steps:

1. `loading`: health is answered from the first moment, while the latest snapshot and newer records are loaded.
2. `reading`: reads are answered. The fencing token is acquired, and the previous instance's last changes are read.
3. `writing`: changes are accepted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import msgspec
from alembic.util import CommandError
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from backend.database import Database, images, key_value, record_import, record_queries
from backend.durability.fencing import FencingTokenLost
from backend.durability.rebuild import rebuild, restore
from backend.durability.record_reader import UnreadableRecord
from backend.durability.sidecar_sync import LAST_SYNC
from backend.durability.snapshots import DamagedSnapshot, SnapshotLoader
from backend.images.ingest import original_reader
from backend.services import Services
from backend.settings import Settings
from contract.bucket.port import Bucket, BucketError, BucketUnavailable

log = logging.getLogger(__name__)

MARGIN_SECONDS = 3600.0
"""Records are also read if they are older than the snapshot by up to this time.

A snapshot contains the state of its beginning, and the bucket's clock may differ from ours.
"""
LATE_SECONDS = 60.0
"""This long after acquiring the token, the bucket is read once more.

This finds records that the previous instance wrote but could not acknowledge any more.
"""
LAST_RESTORE = "last_restore"
"""Key of the latest `Restored`."""
FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0


class Restored(Struct, frozen=True, kw_only=True):
    """Describes what a start imported into a database that was lost or older than the bucket, for the doctor."""

    at: float
    photos: int
    devices: bool


async def import_newer_records(services: Services) -> int:
    """Import the records that are newer than a durable database, and return the number of imported records.

    Only records written since the last sync of sidecars are read, with a margin. An empty database has no such time,
    so all records are imported.

    Raises:
        BucketError: The bucket failed.
        UnreadableRecord: The record of the devices is damaged, and the database has no devices either.
    """
    now = services.clock()
    last_sync = await services.database.read(key_value.get, LAST_SYNC)
    since = max(0.0, min(float(last_sync or 0), now) - MARGIN_SECONDS)
    devices = await services.database.read(record_queries.devices_revision)
    try:
        imported = await restore(services.database, services.bucket, now, since=since)
    except UnreadableRecord as error:
        if not devices:
            raise
        log.error("%s; it is written again from this database", error)
        await services.database.write(key_value.put, record_queries.DEVICES_RECORDED, "")
        return 0
    newer_devices = await services.database.read(record_queries.devices_revision) > devices
    if imported or newer_devices:
        log.warning(
            "the bucket contains newer records than this database, which was lost or restored from a backup: "
            "imported %d photos%s. Sessions and playback positions may be older; `slideshow verify` compares both",
            imported,
            " and the devices" if newer_devices else "",
        )
        restored = Restored(at=now, photos=imported, devices=newer_devices)
        await services.database.write(key_value.put, LAST_RESTORE, msgspec.json.encode(restored).decode())
        await services.read_database()  # the key of picture addresses may have changed
    return imported


async def start_durable(services: Services) -> bool:
    """Import newer records into a durable database. Return False if that has to be repeated by `finish_start`.

    While the bucket is unavailable, a database that is not empty serves reads, and changes are rejected.

    Raises:
        BucketError: The bucket failed, and the database is empty or another attempt cannot help.
        UnreadableRecord: The record of the devices is damaged, and the database has no devices either.
    """
    try:
        await import_newer_records(services)
    except BucketUnavailable as error:
        photos = sum((await services.database.read(images.counts)).values())
        if not photos and not await services.database.read(record_queries.devices_revision):
            raise
        log.error("%s: reads are answered, and changes are rejected until its records are read", error)
        services.serving_state.become("reading")
        return False
    return True


async def finish_start(services: Services) -> None:
    """Repeat the import until the bucket answers, then accept changes."""
    await asyncio.sleep(FIRST_PAUSE_SECONDS)
    await _until_it_succeeds(
        services,
        import_newer_records,
        "the records of the bucket could not be read",
        pause=2 * FIRST_PAUSE_SECONDS,
    )
    services.serving_state.become("writing")
    services.last_error = None
    services.wake_up.set()
    log.info("the records of the bucket are read: accepting changes")


async def _until_it_succeeds(
    services: Services,
    step: Callable[[Services], Awaitable[object]],
    failure: str,
    *,
    pause: float = FIRST_PAUSE_SECONDS,
) -> None:
    """Repeat a step of the start while bucket or database fail, with growing pauses."""
    while True:
        try:
            await step(services)
            return
        except (BucketError, SQLAlchemyError, UnreadableRecord, OSError) as error:
            services.last_error = f"{failure}: {error}"
            log.error("%s; next try in %.0f s", services.last_error, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)


async def start_serving(services: Services) -> None:
    """Load the database and start accepting changes. Retry while bucket or database fail."""
    try:
        await _until_it_succeeds(services, _load_and_acquire, "the database could not be loaded")
    except FencingTokenLost:  # a third backend was faster, and this one ends
        return
    await asyncio.sleep(LATE_SECONDS)
    try:
        since = time.time() - MARGIN_SECONDS
        imported = await restore(services.database, services.bucket, services.clock(), since=since)
        if imported:
            log.warning("imported %d records written by the previous instance during shutdown", imported)
    except (BucketError, SQLAlchemyError, UnreadableRecord) as error:
        log.error("the last records of the previous instance could not be read: %s", error)


async def _load_and_acquire(services: Services) -> None:
    snapshots = services.snapshots
    fencing_token = services.fencing_token
    assert snapshots is not None
    assert fencing_token is not None
    began = time.monotonic()
    since = await load_database(services.database, services.bucket, services.settings, snapshots, services.clock())
    await services.read_database()
    services.serving_state.become("reading")
    number = await fencing_token.acquire(services.clock())
    # All acknowledged changes are in the bucket now. Other instances acknowledge nothing more.
    await restore(services.database, services.bucket, services.clock(), since=since)
    await services.read_database()
    await services.database.write(key_value.put, LAST_SYNC, "0")  # the next periodic run reads sidecars
    await asyncio.to_thread(services.database.truncate_wal)  # it contains all rows that were restored
    await snapshots.take()  # a late snapshot of the previous instance now fails, because the generation has changed
    services.serving_state.become("writing")
    services.last_error = None
    services.wake_up.set()
    log.info(
        "accepting changes with fencing token %d, %.1f s after the start of loading", number, time.monotonic() - began
    )


async def load_database(
    database: Database, bucket: Bucket, settings: Settings, snapshots: SnapshotLoader, now: float
) -> float:
    """Fill a database from the newest usable snapshot and newer records, or without one from the bucket alone.

    Returns:
        The time of the bucket's clock from which on records may be newer than the database.

    Raises:
        BucketError: The bucket failed.
        UnreadableRecord: The record of the devices is damaged.
    """
    found = await snapshots.find()
    for snapshot in found:
        try:
            await snapshots.load(snapshot)
            await asyncio.to_thread(database.migrate)
        except (DamagedSnapshot, CommandError) as error:  # CommandError: a later version with unknown tables wrote it
            log.error("the snapshot in %s cannot be used: %s", snapshot.bucket.url, error)
            if isinstance(error, CommandError):
                await asyncio.to_thread(database.recreate)
            continue
        since = snapshot.info.updated - MARGIN_SECONDS
        await restore(database, bucket, now, since=since)
        return since
    log.info("there is no %s: everything is read from the bucket", "usable snapshot" if found else "snapshot")
    await database.write(record_import.clear)
    await rebuild(database, bucket, None, original_reader(settings, bucket), now, log.debug)
    return 0.0
