"""Deleting photos, and removing the objects that nothing names any more.

The tombstone is in the bucket first, so that a photo that was told to be gone stays gone whatever dies
afterwards; then its rows go, with a note for each object, and then the objects. Each step may be
repeated, and the timed work ends what was begun. The same photo uploaded again lives again.
"""

from __future__ import annotations

import logging

from backend.database import garbage, tombstones
from backend.services import Services
from contract import object_names
from contract.bucket.port import BucketError, name_in

log = logging.getLogger(__name__)

BATCH_SIZE = 200


async def delete_image(services: Services, image_id: str) -> bool:
    """Delete an image; False if there is none. Once this returns its deletion is acknowledged and permanent."""
    now = services.clock()
    if not await services.database.write(tombstones.add, image_id, now):
        return False
    await _finish(services, image_id, now)
    await remove_garbage(services, now)
    return True


async def finish_deletions(services: Services, now: float) -> int:
    """End the deletions that a crash or a failing bucket has interrupted; how many."""
    begun = await services.database.read(tombstones.unfinished, BATCH_SIZE)
    for image_id in begun:
        await _finish(services, image_id, now)
    return len(begun)


async def _finish(services: Services, image_id: str, now: float) -> None:
    await services.record_writer.keep([image_id])
    await services.database.write(tombstones.remove_rows, image_id, services.bucket.url, now)


async def remove_garbage(services: Services, now: float) -> int:
    """Remove objects whose time has come; how many. What the bucket refuses is tried again in an hour."""
    gone = []
    for uri in await services.database.read(garbage.due, now, BATCH_SIZE):
        try:
            name = name_in(services.bucket, uri)
            if await services.database.write(garbage.confirm_deletion, uri, object_names.image_of(name), now):
                await services.in_bucket(services.bucket.delete, name)
                gone.append(uri)
        except ValueError as error:
            log.warning("%s is not ours to remove: %s", uri, error)
            await services.database.write(garbage.remove, [uri])
        except BucketError as error:
            log.warning("an object could not be removed and is tried again in an hour: %s", error)
    if gone:
        await services.database.write(garbage.remove, gone)
    return len(gone)
