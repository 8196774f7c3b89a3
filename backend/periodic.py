"""All timed work as one function that may be called at any time, by anybody, twice at once.

A local loop calls it each second and whenever something may be due; on Cloud Run, where a
service has no CPU between requests, a scheduler calls it over HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from backend.database import claims, key_value
from backend.durability.fencing import FencingTokenLost
from backend.durability.sidecar_retention import expire_if_due
from backend.http.errors import ServiceUnavailable
from backend.images.deletion import finish_deletions, remove_garbage
from backend.jobs.runner import RunnerError
from backend.services import Services
from contract.bucket.port import BucketError

log = logging.getLogger(__name__)

SYNC_MARK = "last_sync"
SYNC_SECONDS = 10.0
"""What a sync may take of one tick: leases and the queue do not wait longer; the next pass goes on."""
TICK_LIMIT_SECONDS = 300
HINTED_SHARE = 0.1
"""Hints come with every upload and every report: following them takes at most this part of the time."""

T = TypeVar("T")


class TickReport(Struct, frozen=True, kw_only=True):
    """What one tick did, and a sentence for each part of it that failed."""

    freed_leases: int = 0
    ended_executions: int = 0
    started: str | None = None
    reason: str = ""
    synced: int = 0
    recorded: int = 0
    removed_objects: int = 0
    errors: tuple[str, ...] = ()


async def tick(services: Services) -> TickReport:
    """Free expired leases, follow executions, start what is due, sync sidecars, remove garbage.

    A part that fails is logged and does not keep the others from their work.
    """
    if not services.serving_state.writing:
        return TickReport(reason=f"this backend takes no changes: it is {services.serving_state.state}")
    now = services.clock()
    errors: list[str] = []

    async def part(name: str, work: Callable[[], Awaitable[T]], otherwise: T) -> T:
        try:
            return await work()
        except (BucketError, RunnerError, SQLAlchemyError, OSError) as error:
            errors.append(f"{name}: {error}")
            log.error("timed work, %s, failed and is tried again: %s", name, error)
        except Exception as error:  # the timer must survive what nobody foresaw
            errors.append(f"{name}: {type(error).__name__}: {error}")
            log.exception("timed work, %s, failed and is tried again", name)
        return otherwise

    if not await part("the epoch", lambda: _may_work(services), True):
        return TickReport(reason=f"this backend takes no changes: it is {services.serving_state.state}")
    seconds = services.settings.lease_seconds
    freed = await part("expired leases", lambda: services.database.write(claims.free_expired, now, seconds), 0)
    if freed:
        log.warning("[JobQueue] %d leases expired; their images are pending again", freed)
    ended = await part("following executions", lambda: services.queue.follow(now), 0)
    nothing: tuple[str | None, str] = (None, "failed")
    started, reason = await part("the queue", lambda: services.queue.flush_if_due(now), nothing)
    synced = await part("metadata sync", lambda: _sync_if_due(services, now), 0)
    await part("deletions", lambda: finish_deletions(services, now), 0)
    recorded = await part("records", services.record_writer.catch_up, 0)
    removed = await part("removing objects", lambda: remove_garbage(services, now), 0)
    await part("the age of archived sidecars", lambda: expire_if_due(services, now), False)
    await part("the age of the queue", lambda: services.queue_monitor.tell(now), False)
    if services.snapshots is not None:
        await part("the snapshot", lambda: _snapshot_if_due(services, now), False)
    services.last_error = errors[0] if errors else None
    return TickReport(
        freed_leases=freed,
        ended_executions=ended,
        started=started,
        reason=reason,
        synced=synced,
        recorded=recorded,
        removed_objects=removed,
        errors=tuple(errors),
    )


async def _sync_if_due(services: Services, now: float) -> int:
    mark = await services.database.read(key_value.get, SYNC_MARK)
    last = float(mark or 0)
    # A mark in the future is from before the clock was set back.
    if last <= now < last + services.settings.sync_interval_seconds:
        return 0
    await services.database.write(key_value.put, SYNC_MARK, str(now))
    report = await services.sidecar_sync.run(now, within=SYNC_SECONDS)
    return report.archived if report else 0


async def _may_work(services: Services) -> bool:
    try:
        await services.confirm()
    except ServiceUnavailable:
        return False
    return True


async def _snapshot_if_due(services: Services, now: float) -> bool:
    assert services.snapshots is not None
    try:
        return await services.snapshots.take_if_due(now)
    except FencingTokenLost:
        services.serving_state.lose()
        return False


async def loop(services: Services, seconds: float) -> None:
    """Tick every `seconds`, and soon when hinted, until cancelled."""
    monotonic = asyncio.get_running_loop().time
    while True:
        began = monotonic()
        services.wake_up.clear()
        try:
            await asyncio.wait_for(tick(services), timeout=TICK_LIMIT_SECONDS)
        except TimeoutError:
            services.last_error = f"the timed work did not end within {TICK_LIMIT_SECONDS} s"
            log.error("%s and is tried again", services.last_error)
        ended = monotonic()
        try:
            await asyncio.wait_for(services.wake_up.wait(), timeout=seconds)
        except TimeoutError:
            continue
        await asyncio.sleep(min(seconds, began + (ended - began) / HINTED_SHARE - monotonic()))
