"""The periodic work as one function, which may be called at any time, by several callers, and concurrently.

A local loop calls it each second, and sooner when it is woken up.
On Cloud Run, where a service has no CPU between requests, Cloud Scheduler calls it over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from backend.database import claims
from backend.durability.fencing import FencingToken, FencingTokenLost
from backend.durability.snapshots import Snapshots
from backend.jobs.runner import RunnerError
from backend.services import Services
from contract.bucket.port import BucketError

log = logging.getLogger(__name__)

SYNC_SECONDS = 10.0
"""Time limit of the metadata sync in one run, so that leases and the queue do not wait longer."""
RUN_LIMIT_SECONDS = 300
WOKEN_SHARE = 0.1
"""Largest share of the time for runs that a wake-up event caused: every upload and every report sets one."""

T = TypeVar("T")


class TickReport(Struct, frozen=True, kw_only=True):
    """The results of one run, and a sentence for each part that failed."""

    freed_leases: int = 0
    ended_executions: int = 0
    started: str | None = None
    reason: str = ""
    synced: int = 0
    recorded: int = 0
    removed_objects: int = 0
    errors: tuple[str, ...] = ()


async def run_periodic_work(services: Services) -> TickReport:
    """Free expired leases, follow executions, dispatch, sync sidecars, write records, and remove garbage.

    A part that fails is logged. The other parts still run.
    """
    if not services.serving_state.writing:
        return _not_writing(services)
    now = services.clock()
    errors: list[str] = []

    async def part(name: str, work: Callable[[], Awaitable[T]], default: T) -> T:
        try:
            return await work()
        except (BucketError, RunnerError, SQLAlchemyError, OSError) as error:
            errors.append(f"{name}: {error}")
            log.error("periodic work, %s, failed and is tried again: %s", name, error)
        except Exception as error:  # an unexpected error must not end the loop
            errors.append(f"{name}: {type(error).__name__}: {error}")
            log.exception("periodic work, %s, failed and is tried again", name)
        return default

    if (token := services.fencing_token) is not None and not await part(
        "the fencing token", lambda: _holds(token), True
    ):
        return _not_writing(services)
    settings = services.settings
    freed = await part(
        "expired leases", lambda: services.database.write(claims.free_expired, now, settings.lease_seconds), 0
    )
    if freed:
        log.warning("[JobQueue] %d leases expired; their images are pending again", freed)
    ended = await part("following executions", lambda: services.queue.follow(now), 0)
    failed: tuple[str | None, str] = (None, "failed")
    started, reason = await part("the queue", lambda: services.queue.dispatch_if_due(now), failed)
    interval = settings.sync_interval_seconds
    synced = await part(
        "metadata sync", lambda: services.sidecar_sync.run_if_due(now, interval, within=SYNC_SECONDS), 0
    )
    await part("deletions", lambda: services.deletion.finish_interrupted(now), 0)
    recorded = await part("records", services.record_writer.catch_up, 0)
    await part("filters of frames", services.frames.refilter, None)
    removed = await part("removing objects", lambda: services.deletion.remove_garbage(now), 0)
    await part("the sidecar archive", lambda: services.sidecar_sync.expire_archive_if_due(now), False)
    await part("the age of the queue", lambda: services.queue_monitor.log_age(now), False)
    if (snapshots := services.snapshots) is not None:
        await part("the snapshot", lambda: _snapshot_if_due(snapshots, now), None)
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


def _not_writing(services: Services) -> TickReport:
    return TickReport(reason=f"this backend accepts no changes: it is {services.serving_state.state}")


async def _holds(token: FencingToken) -> bool:
    try:
        await token.confirm()
    except FencingTokenLost:
        return False
    return True


async def _snapshot_if_due(snapshots: Snapshots, now: float) -> None:
    with contextlib.suppress(FencingTokenLost):
        await snapshots.take_if_due(now)


async def run_periodically(services: Services, seconds: float) -> None:
    """Run the periodic work every `seconds`, and soon after a wake-up event, until cancelled."""
    monotonic = asyncio.get_running_loop().time
    while True:
        began = monotonic()
        services.wake_up.clear()
        try:
            await asyncio.wait_for(run_periodic_work(services), timeout=RUN_LIMIT_SECONDS)
        except TimeoutError:
            services.last_error = f"the periodic work did not end within {RUN_LIMIT_SECONDS} s"
            log.error("%s and is tried again", services.last_error)
        ended = monotonic()
        try:
            await asyncio.wait_for(services.wake_up.wait(), timeout=seconds)
        except TimeoutError:
            continue
        await asyncio.sleep(min(seconds, began + (ended - began) / WOKEN_SHARE - monotonic()))
