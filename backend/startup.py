"""The start of a backend whose database does not outlive the process: load, take over, then take changes.

It answers from the first moment: health at once, reads when the latest snapshot and what is newer are
loaded, changes when it has raised the epoch and read what its predecessor acknowledged until then.
"""

from __future__ import annotations

import asyncio
import logging
import time

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from backend.database import Database, key_value, record_import
from backend.durability.fencing import FencingTokenLost
from backend.durability.rebuild import rebuild, restore
from backend.durability.record_reader import UnreadableRecord
from backend.durability.snapshots import DamagedSnapshot, load_into
from backend.periodic import SYNC_MARK
from backend.services import Services
from backend.settings import Settings
from contract.bucket.port import Bucket, BucketError, ObjectInfo

log = logging.getLogger(__name__)

MARGIN_SECONDS = 3600.0
"""Records so much older than the snapshot are read as well: it says what was true when it was begun."""
LATE_SECONDS = 60.0
"""So long after the takeover the bucket is read once more, for what the predecessor wrote too late to acknowledge."""
MAX_PAUSE_SECONDS = 30.0


async def take_over(services: Services) -> None:
    """Load and take over; if the bucket fails, again and again. Ends when changes may be taken."""
    pause = 1.0
    while True:
        try:
            await _load_and_take_over(services)
            break
        except FencingTokenLost:  # a third one was quicker; two that take over from each other would never end
            services.serving_state.lose()
            return
        except (BucketError, SQLAlchemyError, UnreadableRecord, OSError) as error:
            services.last_error = f"the database could not be loaded: {error}"
            log.error("%s; tried again in %.0f s", services.last_error, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
    await asyncio.sleep(LATE_SECONDS)
    try:
        taken = await restore(services.database, services.bucket, services.clock(), since=_recently())
        if taken:
            log.warning("%d records that the backend before this one wrote at its end are taken over", taken)
    except (BucketError, SQLAlchemyError, UnreadableRecord) as error:
        log.error("the last records of the backend before this one could not be read: %s", error)


def _recently() -> float:
    # The bucket's clock may differ from this one's.
    return time.time() - MARGIN_SECONDS


async def _load_and_take_over(services: Services) -> None:
    snapshots = services.snapshots
    epoch = services.fencing_token
    assert snapshots is not None
    assert epoch is not None
    began = time.monotonic()
    found = await snapshots.read()
    since = await load(services.database, services.bucket, services.settings, found, services.clock())
    await services.read_database()
    services.serving_state.become("reading")
    number = await epoch.take(services.clock())
    # What was acknowledged until then is in the bucket; nothing is any more by anybody else.
    await restore(services.database, services.bucket, services.clock(), since=since)
    await services.read_database()
    await services.database.write(key_value.put, SYNC_MARK, "0")  # sidecars are read at the next tick
    await snapshots.take()  # over the generation that was loaded: a late one of the predecessor finds it changed
    services.serving_state.become("writing")
    services.last_error = None
    services.wake_up.set()
    log.info("took over as epoch %d, %.1f s after the start of loading", number, time.monotonic() - began)


async def load(
    database: Database, bucket: Bucket, settings: Settings, found: tuple[bytes, ObjectInfo] | None, now: float
) -> float:
    """Fill a database from a snapshot and newer records, or without one from the bucket alone.

    From which time on records may be newer, by the bucket's clock. Raises BucketError, UnreadableRecord.
    """
    assert database.file is not None
    if found is not None:
        data, info = found
        try:
            await asyncio.to_thread(load_into, database.file, data)
            await asyncio.to_thread(database.migrate)
            since = info.updated - MARGIN_SECONDS
            await restore(database, bucket, now, since=since)
            return since
        except (DamagedSnapshot, CommandError) as error:  # or one of a later version, whose tables we do not know
            log.error("the snapshot cannot be used (%s): everything is read from the bucket", error)
            await asyncio.to_thread(database.recreate)
    else:
        log.info("there is no snapshot: everything is read from the bucket")
    await database.write(record_import.clear)
    await rebuild(database, bucket, None, settings, now, log.debug)
    return 0.0
