"""All timed work as one function that may be called at any time, by anybody, twice at once.

A local loop calls it each second and whenever something may be due; on Cloud Run, where a
service has no CPU between requests, a scheduler calls it over HTTP.
"""

from __future__ import annotations

import asyncio
import logging

from msgspec import Struct

from backend.database import claims, garbage, housekeeping
from backend.services import Services
from contract.bucket import BucketError, name_in

log = logging.getLogger(__name__)

GARBAGE_AT_ONCE = 200
SYNC_MARK = "last_sync"


class TickReport(Struct, frozen=True, kw_only=True):
    """What one tick did."""

    freed_leases: int = 0
    ended_executions: int = 0
    started: str | None = None
    reason: str = ""
    synced: int = 0
    removed_objects: int = 0


async def tick(services: Services) -> TickReport:
    """Free expired leases, follow executions, start what is due, sync sidecars, remove garbage."""
    now = services.clock()
    freed = await services.database.write(claims.free_expired, now)
    if freed:
        log.warning("[JobQueue] %d leases expired; their images are pending again", freed)
    ended = await services.queue.follow(now)
    started, reason = await services.queue.flush_if_due(now)
    synced = await _sync_if_due(services, now)
    removed = await _remove_garbage(services, now)
    return TickReport(
        freed_leases=freed,
        ended_executions=ended,
        started=started,
        reason=reason,
        synced=synced,
        removed_objects=removed,
    )


async def _sync_if_due(services: Services, now: float) -> int:
    mark = await services.database.read(housekeeping.get_fact, SYNC_MARK)
    last = float(mark or 0)
    # A mark in the future is from before the clock was set back.
    if last <= now < last + services.settings.sync_interval_seconds:
        return 0
    await services.database.write(housekeeping.set_fact, SYNC_MARK, str(now))
    report = await services.sync.run(now)
    return report.archived if report else 0


async def _remove_garbage(services: Services, now: float) -> int:
    uris = await services.database.write(garbage.due, now, GARBAGE_AT_ONCE)
    for uri in uris:
        try:
            name = name_in(services.bucket, uri)
        except ValueError as error:
            log.warning("%s is not ours to remove: %s", uri, error)
            continue
        await services.in_bucket(services.bucket.delete, name)
    if uris:
        await services.database.write(garbage.removed, uris)
    return len(uris)


async def loop(services: Services, seconds: float) -> None:
    """Tick every `seconds`, and at once when hinted, until cancelled. A failed tick is logged and retried."""
    while True:
        services.hint.clear()
        try:
            await asyncio.wait_for(tick(services), timeout=300)
        except (BucketError, TimeoutError, OSError) as error:
            services.last_error = f"{type(error).__name__}: {error}"
            log.error("the timed work failed and is tried again: %s", error)
        except Exception as error:  # the timer must survive what nobody foresaw
            services.last_error = f"{type(error).__name__}: {error}"
            log.exception("the timed work failed and is tried again")
        try:
            await asyncio.wait_for(services.hint.wait(), timeout=seconds)
        except TimeoutError:
            continue
