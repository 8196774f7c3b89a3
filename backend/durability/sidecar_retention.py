"""Imported sidecars are kept for thirty days: once a day the bucket is asked to remove older ones."""

from __future__ import annotations

import logging

from backend.database import key_value
from backend.services import Services
from contract import object_names
from contract.bucket.port import BucketDenied

log = logging.getLogger(__name__)

ARCHIVE_DAYS = 30
MARK = "archive_age"
DAY_SECONDS = 24 * 3600.0
AGAIN_SECONDS = 3600.0
"""The time to the next try when the bucket did not answer."""


async def expire_if_due(services: Services, now: float) -> bool:
    """Ask the bucket, unless that was done within a day; whether that changed anything.

    A missing permission is told and does no harm: the archive only grows. Raises BucketUnavailable.
    """
    mark = await services.database.read(key_value.get, MARK)
    last = float(mark or 0)
    if last <= now < last + DAY_SECONDS:  # a mark in the future is from before the clock was set back
        return False
    await services.database.write(key_value.put, MARK, str(now - DAY_SECONDS + AGAIN_SECONDS))
    changed = False
    try:
        changed = await services.in_bucket(services.bucket.expire, object_names.ARCHIVE, ARCHIVE_DAYS)
    except BucketDenied as error:
        log.warning(
            "%s is not emptied by itself: %s. Let somebody who may change the bucket add the rule once, or grant "
            "storage.buckets.get and storage.buckets.update",
            object_names.ARCHIVE,
            error,
        )
    await services.database.write(key_value.put, MARK, str(now))
    if changed:
        log.info("archived sidecars are removed after %d days", ARCHIVE_DAYS)
    return changed
