"""Check of the records: whether a database is up to date with the bucket, and was restored lately."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from slideshow.doctor.finding import Finding, odd, ok, wrong

if TYPE_CHECKING:
    from backend.database import Database
    from backend.settings import Settings

RECENT_SECONDS = 7 * 24 * 3600.0
"""For this time a restored database is reported."""
_REBUILD = "slideshow rebuild --replace"
_RESTART = "restart the backend: it imports what is newer in the bucket before it answers requests"


def examine(settings: Settings, now: float) -> Iterator[Finding]:
    """Compare a database that outlives the backend with the records in the bucket. Nothing is changed."""
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    from backend.database import Database, DatabaseFileError, reject_empty, sqlite_file
    from backend.durability.record_reader import UnreadableRecord
    from contract.bucket.port import BucketError

    database = None
    try:
        file = sqlite_file(settings.database)
        if not settings.durable or (file is not None and not file.exists()):
            return
        if file is not None:
            reject_empty(file)
        database = Database(settings.database)
        yield asyncio.run(_compare(settings, database, now))
    except (ArgumentError, ImportError):  # `database` reports them
        return
    except DatabaseFileError as error:
        yield wrong("records", str(error), _REBUILD)
    except (SQLAlchemyError, OSError, BucketError, UnreadableRecord) as error:
        reason = getattr(error, "orig", None) or error  # without the address, which may contain a password
        yield wrong("records", f"the database cannot be compared with the bucket: {reason}", _REBUILD)
    finally:
        if database is not None:
            database.close()


async def _compare(settings: Settings, database: Database, now: float) -> Finding:
    from backend.database import key_value, record_queries
    from backend.durability.record_reader import read_devices_record
    from backend.startup import LAST_RESTORE, Restored
    from contract.bucket.open import open_bucket

    record = await asyncio.to_thread(read_devices_record, open_bucket(settings.bucket, connections=2))
    revision = await database.read(record_queries.devices_revision)
    if record is not None and record.revision > revision:
        return wrong(
            "records",
            f"the database is older than the bucket: its devices have revision {revision}, and the record in the "
            f"bucket has revision {record.revision}. It was lost, or restored from a backup",
            _RESTART,
        )
    stored = await database.read(key_value.get, LAST_RESTORE)
    restored = msgspec.json.decode(stored, type=Restored) if stored else None
    if restored is not None and now - restored.at < RECENT_SECONDS:
        moment = datetime.fromtimestamp(restored.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        devices = " and the devices" if restored.devices else ""
        return odd(
            "records",
            f"at {moment} the database was lost or older than the bucket: the backend imported "
            f"{restored.photos} photos{devices}",
            "slideshow verify",
        )
    return ok("records", f"the database is up to date with the bucket: its devices have revision {revision}")
