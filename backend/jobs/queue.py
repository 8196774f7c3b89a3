"""The job queue: dispatch pending images into executions, and follow these to their end.

The database is the queue. This module decides when to start an execution, and starts it.
Each function may run in two processes concurrently, and may run again after a crash.
An execution is reserved in the database before it is started, and only one execution is being started at a time.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Any

from sqlalchemy import Connection, Row

from backend.database import Database, claims, executions, images
from backend.database.throughput import work_rate
from backend.jobs.dispatch_policy import LAST_CLAIM_SECONDS, Decision, QueueFacts, decide
from backend.jobs.runner import Outcome, Runner, RunnerError
from backend.jobs.tick_scheduler import TickScheduler, WaitingPhoto
from backend.settings import Settings

log = logging.getLogger(__name__)

TICK_MARGIN_SECONDS = 1.0
"""Time by which a scheduled tick is delayed.

The scheduler's clock may run ahead of ours. Without the margin, its tick could arrive before the photos are due.
"""


def gather_facts(connection: Connection, now: float, start_up_seconds: float) -> QueueFacts:
    """Return the state of the queue. All queries of one call see the same version of the database."""
    waiting = images.queue_load(connection)
    if not waiting.pending:
        return QueueFacts(pending=0, pending_megapixels=0.0, first_pending_at=None)
    failures, last_failure = 0, 0.0
    for row in executions.last_outcomes(connection, 10):
        if row.state != "failed":
            break
        failures += 1
        last_failure = max(last_failure, row.finished_at)
    owners = claims.working_owners(connection)
    live, seconds = 0, 0.0
    for row in executions.unfinished(connection):
        # A task without a lease has ended, or is still starting.
        working = sum(owner.startswith(f"{executions.owner_of_tasks(row)}/") for owner in owners)
        tasks = row.tasks if abs(now - row.started_at) < start_up_seconds else working
        live += tasks
        seconds += tasks * max(0.0, row.deadline - now - LAST_CLAIM_SECONDS)
    return QueueFacts(
        pending=waiting.pending,
        pending_megapixels=waiting.megapixels,
        in_work_megapixels=waiting.in_work_megapixels,
        first_pending_at=waiting.first_at,
        running_task_seconds=seconds,
        live_tasks=live,
        failures=failures,
        last_failure_at=last_failure,
        last_started_at=executions.last_start(connection),
        seconds_per_megapixel=work_rate(connection).seconds_per_megapixel,
    )


class JobQueue:
    """Dispatches pending images, and follows executions."""

    def __init__(
        self, database: Database, runner: Runner, settings: Settings, tick_scheduler: TickScheduler | None = None
    ) -> None:
        """`tick_scheduler` calls the periodic work when a batch becomes due. If it is None, a timer calls the work."""
        self._database = database
        self._runner = runner
        self._settings = settings
        self._tick_scheduler = tick_scheduler
        self._starting: set[str] = set()
        self._following = asyncio.Lock()
        log.info("Job queue manager initialized")

    async def dispatch_if_due(self, now: float, *, forced: bool = False) -> tuple[str | None, str]:
        """Start an execution if one is due or `forced`. Return the execution's name or None, and the reason."""
        facts = await self._database.read(gather_facts, now, self._runner.profile.start_up_seconds)
        decision = self._decide(facts, now, forced=forced)
        if decision.tasks == 0:
            await self._schedule_tick(now)
            return None, decision.reason
        return await self._start(now, forced=forced)

    async def _schedule_tick(self, now: float) -> None:
        """Schedule a tick for the moment at which the oldest pending photo is due. Do nothing if it is already due."""
        if self._tick_scheduler is None:
            return
        oldest = await self._database.read(images.oldest_pending)
        if oldest is None:
            return
        due = oldest[1] + self._settings.flush_delay_seconds + TICK_MARGIN_SECONDS
        if due > now:
            await self._tick_scheduler.schedule(WaitingPhoto(*oldest), due)

    def _decide(self, facts: QueueFacts, now: float, *, forced: bool) -> Decision:
        return decide(
            facts,
            now,
            batch_size=self._settings.batch_size,
            flush_delay=self._settings.flush_delay_seconds,
            profile=self._runner.profile,
            forced=forced,
        )

    def _reserve(self, connection: Connection, name: str, now: float, *, forced: bool) -> Decision:
        """Decide again, and reserve the execution in the same transaction.

        Another process may have started an execution since the first decision.
        """
        facts = gather_facts(connection, now, self._runner.profile.start_up_seconds)
        decision = self._decide(facts, now, forced=forced)
        deadline = now + self._settings.task_timeout_seconds
        if decision.tasks and not executions.begin(connection, name, decision.tasks, decision.images, now, deadline):
            return Decision(tasks=0, images=0, reason="another execution is being started")
        return decision

    async def _start(self, now: float, *, forced: bool) -> tuple[str | None, str]:
        moment = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
        name = f"{self._settings.processor_job_name}-{moment}-{secrets.token_hex(3)}"
        self._starting.add(name)
        try:
            decision = await self._database.write(self._reserve, name, now, forced=forced)
            if decision.tasks == 0:
                return None, decision.reason
            await self._runner.start(name, decision.tasks)
            await self._database.write(executions.mark_running, name)
        except RunnerError as error:
            log.error("[JobQueue] %s could not be started, its images stay pending: %s", name, error)
            await self._database.write(executions.finish, name, "failed", now, error=str(error))
            return None, str(error)
        finally:
            self._starting.discard(name)
        log.info(
            "[JobQueue] started %s: %d tasks for %d images (%s)", name, decision.tasks, decision.images, decision.reason
        )
        return name, decision.reason

    async def follow(self, now: float) -> int:
        """Record the ended executions, free the images of their tasks, and return the number of these executions."""
        async with self._following:  # concurrent callers log each end only once
            return await self._follow(now)

    async def _follow(self, now: float) -> int:
        ended = 0
        errors: list[RunnerError] = []
        for row in await self._database.read(executions.unfinished):
            age = abs(now - row.started_at)
            is_starting = row.state == "starting" and age < self._runner.profile.start_limit_seconds
            if row.name in self._starting or is_starting:
                continue
            try:
                outcome = await self._runner.outcome(row.name)
            except RunnerError as error:
                if age < self._runner.profile.follow_limit_seconds:
                    errors.append(error)
                    continue
                outcome = Outcome(state="lost", error=f"its outcome is unknown: {error}")
            if outcome is None:
                if row.state == "starting":  # the backend that started it died before it recorded the start
                    await self._database.write(executions.mark_running, row.name)
                continue
            await self._record_end(row, outcome, now)
            ended += 1
        if errors:
            raise errors[0]
        return ended

    async def _record_end(self, row: Row[Any], outcome: Outcome, now: float) -> None:
        figures = {
            "retries": outcome.retries,
            "cpu_seconds": outcome.cpu_seconds,
            "peak_rss_mb": outcome.peak_rss_mb,
            "error": outcome.error,
        }
        # Read the row again: Cloud Run's name for the execution may have been stored after the first read.
        latest = await self._database.read(executions.row_of, row.name) or row
        owners = [f"{executions.owner_of_tasks(latest)}/{index}" for index in range(row.tasks)]
        freed = await self._database.write(claims.free_owners, owners)
        await self._database.write(executions.finish, row.name, outcome.state, now, **figures)
        level = logging.INFO if outcome.state == "succeeded" else logging.WARNING
        log.log(
            level,
            "[JobQueue] %s %s after %.1f s, %d retries%s%s",
            row.name,
            outcome.state,
            now - row.started_at,
            outcome.retries,
            f", {freed} images back in the queue" if freed else "",
            f": {outcome.error}" if outcome.error else "",
        )
