"""Check of the database: whether it is usable, up to date with the bucket, and was restored lately."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from slideshow.doctor.finding import Finding, odd, ok, wrong

if TYPE_CHECKING:
    from backend.settings import Settings

RECENT_SECONDS = 7 * 24 * 3600.0
"""For this time a restored database is reported."""
_RESTART = "restart the backend: it imports what is newer in the bucket before it answers requests"


def examine(settings: Settings, now: float) -> Finding:
    """Check the database that a backend with these settings uses. Nothing is changed."""
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    from backend.database import Database, reject_empty, sqlite_file
    from backend.durability.record_reader import UnreadableRecord
    from contract.bucket.port import BucketError

    if not settings.durable:
        return ok("database", "it does not outlive the backend, which loads it from the bucket at each start")
    try:
        file = sqlite_file(settings.database)
        if file is not None and not file.exists():
            return ok("database", "there is no file on this machine: a start fills it from the bucket")
        if file is not None:
            reject_empty(file)
        database = Database(settings.database)
    except (ArgumentError, ImportError, OSError) as error:
        return wrong("database", f"it cannot be opened: {error}", "check DATABASE_URL, or slideshow rebuild --replace")
    try:
        return asyncio.run(_compare(settings, database, now))
    except (SQLAlchemyError, OSError, BucketError, UnreadableRecord) as error:
        reason = getattr(error, "orig", None) or error  # without the address, which may contain a password
        return wrong("database", f"it cannot be compared with the bucket: {reason}", "slideshow rebuild --replace")
    finally:
        database.close()


async def _compare(settings: Settings, database: object, now: float) -> Finding:
    from backend.database import Database, key_value, record_queries
    from backend.durability.record_reader import read_devices_record
    from backend.startup import LAST_RESTORE, Restored
    from contract.bucket.open import open_bucket

    assert isinstance(database, Database)
    record = await asyncio.to_thread(read_devices_record, open_bucket(settings.bucket, connections=2))
    revision = await database.read(record_queries.devices_revision)
    if record is not None and record.revision > revision:
        return wrong(
            "database",
            f"it is older than the bucket: its devices have revision {revision}, and the record in the bucket has "
            f"revision {record.revision}. It was lost, or restored from a backup",
            _RESTART,
        )
    stored = await database.read(key_value.get, LAST_RESTORE)
    restored = msgspec.json.decode(stored, type=Restored) if stored else None
    if restored is not None and now - restored.at < RECENT_SECONDS:
        moment = datetime.fromtimestamp(restored.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        devices = " and the devices" if restored.devices else ""
        return odd(
            "database",
            f"at {moment} it was lost or older than the bucket: the backend imported {restored.photos} photos{devices}",
            "slideshow verify",
        )
    return ok("database", f"up to date with the bucket; its devices have revision {revision}")
