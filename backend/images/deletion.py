"""Delete photos, and remove the objects that nothing references any more.

The tombstone is written to the bucket first, so that an acknowledged deletion survives every crash.
Then the rows are deleted, and their objects are scheduled for removal. The objects go last.
Each step can be repeated, and the periodic work finishes interrupted deletions.
The same photo can be uploaded again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from backend.database import Database, garbage, tombstones
from backend.durability.record_writer import RecordWriter
from contract import object_names
from contract.bucket.port import Bucket, BucketError, name_in

log = logging.getLogger(__name__)

BATCH_SIZE = 200


class Deletion:
    """Deletes photos and unreferenced objects."""

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        record_writer: RecordWriter,
    ) -> None:
        self._database = database
        self._bucket = bucket
        self._in_bucket = in_bucket
        self._record_writer = record_writer

    async def delete(self, image_id: str, now: float) -> bool:
        """Delete a photo. Return False if there is none. Once this returns, the deletion may be acknowledged."""
        if not await self._database.write(tombstones.add, image_id, now):
            return False
        await self._finish(image_id, now)
        await self.remove_garbage(now)
        return True

    async def finish_interrupted(self, now: float) -> int:
        """Finish the deletions that a crash or a failing bucket interrupted. Return the number of deletions."""
        interrupted = await self._database.read(tombstones.unfinished, BATCH_SIZE)
        for image_id in interrupted:
            await self._finish(image_id, now)
        return len(interrupted)

    async def _finish(self, image_id: str, now: float) -> None:
        await self._record_writer.save([image_id])
        await self._database.write(tombstones.remove_rows, image_id, self._bucket.url, now)

    async def remove_garbage(self, now: float) -> int:
        """Remove the objects that are due, and return the number removed. Retry a failed removal in an hour."""
        gone = []
        for uri in await self._database.read(garbage.due, now, BATCH_SIZE):
            try:
                name = name_in(self._bucket, uri)
                if await self._database.write(garbage.confirm_deletion, uri, object_names.image_of(name), now):
                    await self._in_bucket(self._bucket.delete, name)
                    gone.append(uri)
            except ValueError as error:
                log.warning("%s is not in our bucket and is not removed: %s", uri, error)
                await self._database.write(garbage.remove, [uri])
            except BucketError as error:
                log.warning("an object could not be removed; the next try follows in an hour: %s", error)
        if gone:
            await self._database.write(garbage.remove, gone)
        return len(gone)
