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

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from backend.database import Database, images, key_value, record_import, record_queries
from backend.durability.fencing import FencingTokenLost
from backend.durability.rebuild import rebuild, restore
from backend.durability.record_reader import UnreadableRecord
from backend.durability.sidecar_sync import LAST_SYNC
from backend.durability.snapshots import DamagedSnapshot, load_into
from backend.images.ingest import original_reader
from backend.services import Services
from backend.settings import Settings
from contract.bucket.port import Bucket, BucketError, BucketUnavailable, ObjectInfo

log = logging.getLogger(__name__)

MARGIN_SECONDS = 3600.0
"""Records are also read if they are older than the snapshot by up to this time.

A snapshot contains the state of its beginning, and the bucket's clock may differ from ours.
"""
LATE_SECONDS = 60.0
"""This long after acquiring the token, the bucket is read once more.

This finds records that the previous instance wrote but could not acknowledge any more.
"""
MAX_PAUSE_SECONDS = 30.0


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
    pause = 1.0
    while True:
        await asyncio.sleep(pause)
        try:
            await import_newer_records(services)
            break
        except (BucketError, SQLAlchemyError, UnreadableRecord, OSError) as error:
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
            services.last_error = f"the records of the bucket could not be read: {error}"
            log.error("%s; next try in %.0f s", services.last_error, pause)
    services.serving_state.become("writing")
    services.last_error = None
    services.wake_up.set()
    log.info("the records of the bucket are read: accepting changes")


async def start_serving(services: Services) -> None:
    """Load the database and start accepting changes. Retry while bucket or database fail."""
    pause = 1.0
    while True:
        try:
            await _load_and_acquire(services)
            break
        except FencingTokenLost:  # a third backend was faster. Retrying could make two of them alternate forever.
            return
        except (BucketError, SQLAlchemyError, UnreadableRecord, OSError) as error:
            services.last_error = f"the database could not be loaded: {error}"
            log.error("%s; next try in %.0f s", services.last_error, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
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
    snapshot = await snapshots.read()
    since = await load_database(services.database, services.bucket, services.settings, snapshot, services.clock())
    await services.read_database()
    services.serving_state.become("reading")
    number = await fencing_token.acquire(services.clock())
    # All acknowledged changes are in the bucket now. Other instances acknowledge nothing more.
    await restore(services.database, services.bucket, services.clock(), since=since)
    await services.read_database()
    await services.database.write(key_value.put, LAST_SYNC, "0")  # the next periodic run reads sidecars
    await snapshots.take()  # a late snapshot of the previous instance now fails, because the generation has changed
    services.serving_state.become("writing")
    services.last_error = None
    services.wake_up.set()
    log.info(
        "accepting changes with fencing token %d, %.1f s after the start of loading", number, time.monotonic() - began
    )


async def load_database(
    database: Database, bucket: Bucket, settings: Settings, snapshot: tuple[bytes, ObjectInfo] | None, now: float
) -> float:
    """Fill a database from a snapshot and newer records, or without a snapshot from the bucket alone.

    Returns:
        The time of the bucket's clock from which on records may be newer than the database.

    Raises:
        BucketError: The bucket failed.
        UnreadableRecord: The record of the devices is damaged.
    """
    assert database.file is not None
    if snapshot is not None:
        data, info = snapshot
        try:
            await asyncio.to_thread(load_into, database.file, data)
            await asyncio.to_thread(database.migrate)
            since = info.updated - MARGIN_SECONDS
            await restore(database, bucket, now, since=since)
            return since
        except (DamagedSnapshot, CommandError) as error:  # CommandError: a later version with unknown tables wrote it
            log.error("the snapshot cannot be used (%s): everything is read from the bucket", error)
            await asyncio.to_thread(database.recreate)
    else:
        log.info("there is no snapshot: everything is read from the bucket")
    await database.write(record_import.clear)
    await rebuild(database, bucket, None, original_reader(settings, bucket), now, log.debug)
    return 0.0
