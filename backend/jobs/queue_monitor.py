"""Log the age of the queue, in lines on which alerts are based: on Cloud Run nothing scrapes `/metrics`."""

from __future__ import annotations

import logging

from backend.database import Database, images

log = logging.getLogger(__name__)

LOG_INTERVAL_SECONDS = 50.0
"""Minimum time between two lines. The periodic work runs each minute, and after uploads."""
STUCK_SECONDS = 900.0
"""If images wait and none was completed for this long, something is wrong."""


class QueueMonitor:
    """Monitors the queue of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logged_at: float | None = None

    async def log_age(self, now: float) -> bool:
        """Log how long the oldest unfinished photo has waited. Return False if nothing was logged."""
        if self._logged_at is not None and self._logged_at <= now < self._logged_at + LOG_INTERVAL_SECONDS:
            return False
        count, oldest, completed = await self._database.read(images.queue_age)
        if oldest is None:
            return False
        self._logged_at = now
        age = max(0.0, now - oldest)
        log.info(
            "[JobQueue] queue age: the oldest of %d photos has waited %.0f s",
            count,
            age,
            extra={"fields": {"queue_age_seconds": round(age), "queued_images": count}},
        )
        idle = now - max(oldest, completed or 0.0)
        if idle >= STUCK_SECONDS:
            log.warning(
                "[JobQueue] images stuck: %d photos wait, and none was completed for %.0f min", count, idle / 60
            )
        return True
