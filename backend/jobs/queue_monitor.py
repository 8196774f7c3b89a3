"""Tells the log how old the queue is, in lines that alerts are made of: nobody scrapes `/metrics` on Cloud Run."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, func, select

from backend.database import Database
from backend.database.tables import images

log = logging.getLogger(__name__)

PACE_SECONDS = 50.0
"""The timed work comes each minute, and with uploads; the queue is told of once in a while."""
STUCK_SECONDS = 900.0
"""So long nothing was completed while something waited: something is wrong."""


def look(connection: Connection) -> tuple[int, float | None, float | None]:
    """How many photos are pending or in work, since when the oldest of them waits, and when the last was completed."""
    unfinished = images.c.processing_status.in_(("pending", "processing"))
    count, oldest = connection.execute(select(func.count(), func.min(images.c.queued_at)).where(unfinished)).one()
    return count, oldest, connection.scalar(select(func.max(images.c.processed_at)))


class QueueMonitor:
    """Looks at the queue of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told_at: float | None = None

    async def tell(self, now: float) -> bool:
        """Say how long the oldest photo has waited, if one does; whether anything was said."""
        if self._told_at is not None and self._told_at <= now < self._told_at + PACE_SECONDS:
            return False
        count, oldest, completed = await self._database.read(look)
        if oldest is None:
            return False
        self._told_at = now
        age = max(0.0, now - oldest)
        log.info(
            "[JobQueue] queue age: the oldest of %d photos has waited %.0f s",
            count,
            age,
            extra={"fields": {"queue_age_seconds": round(age), "queued_images": count}},
        )
        still = now - max(oldest, completed or 0.0)
        if still >= STUCK_SECONDS:
            log.warning(
                "[JobQueue] images stuck: %d photos wait, and for %.0f min none was completed", count, still / 60
            )
        return True
