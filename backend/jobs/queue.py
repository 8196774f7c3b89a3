"""The job queue: the database is the queue, this decides and acts on it.

Everything here may run twice at once and again after a crash: an execution is reserved in the
database before it is started, and at most one is being started at a time.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

from sqlalchemy import Connection

from backend.database import Database, claims, executions, images
from backend.jobs.plan import Decision, QueueFacts, decide
from backend.jobs.runner import Runner, RunnerError
from backend.settings import Settings

log = logging.getLogger(__name__)

START_UP_SECONDS = 20.0
"""So long after its start an execution is counted with all its tasks, whether they have claimed or not."""
LAST_CLAIM_SECONDS = 45.0
"""So long before its deadline a task claims no more."""


def gather_facts(connection: Connection, now: float) -> QueueFacts:
    """What the database says about the queue."""
    pending, first, in_work = images.waiting(connection)
    failures, last_failure = 0, 0.0
    for row in executions.last_outcomes(connection, 10):
        if row.state != "failed":
            break
        failures += 1
        last_failure = max(last_failure, row.finished_at)
    owners = claims.working_owners(connection)
    live, seconds = 0, 0.0
    for row in executions.unfinished(connection):
        # A task without any lease has ended, unless it is only just starting.
        at_work = sum(owner.startswith(f"{row.name}/") for owner in owners)
        tasks = row.tasks if abs(now - row.started_at) < START_UP_SECONDS else at_work
        live += tasks
        seconds += tasks * max(0.0, row.deadline - now - LAST_CLAIM_SECONDS)
    return QueueFacts(
        pending=pending,
        in_work=in_work,
        first_pending_at=first,
        running_task_seconds=seconds,
        live_tasks=live,
        failures=failures,
        last_failure_at=last_failure,
    )


class JobQueue:
    """Flushes pending images into executions and follows these to their end."""

    def __init__(self, database: Database, runner: Runner, settings: Settings) -> None:
        self._database = database
        self._runner = runner
        self._settings = settings
        self._being_started: set[str] = set()
        self._following = asyncio.Lock()
        log.info("Job queue manager initialized")

    async def flush_if_due(self, now: float, *, flush: bool = False) -> tuple[str | None, str]:
        """Start an execution if one is due (or asked for): its name or None, and the reason."""
        decision = self._decide(await self._database.read(gather_facts, now), now, flush=flush)
        if decision.tasks == 0:
            return None, decision.reason
        return await self._start(now, flush=flush)

    def _decide(self, facts: QueueFacts, now: float, *, flush: bool) -> Decision:
        return decide(
            facts,
            now,
            batch_size=self._settings.batch_size,
            flush_delay=self._settings.flush_delay_seconds,
            profile=self._runner.profile,
            flush=flush,
        )

    def _reserve(self, connection: Connection, name: str, now: float, *, flush: bool) -> Decision:
        """Decide again in the transaction that reserves: since the first look, another may have started one."""
        decision = self._decide(gather_facts(connection, now), now, flush=flush)
        deadline = now + self._settings.task_timeout_seconds
        if decision.tasks and not executions.begin(connection, name, decision.tasks, decision.images, now, deadline):
            return Decision(tasks=0, images=0, reason="another execution is being started")
        return decision

    async def _start(self, now: float, *, flush: bool) -> tuple[str | None, str]:
        moment = time.strftime("%Y%m%d%H%M%S", time.gmtime(now))
        name = f"{self._settings.processor_job_name}-{moment}-{secrets.token_hex(3)}"
        self._being_started.add(name)
        try:
            decision = await self._database.write(self._reserve, name, now, flush=flush)
            if decision.tasks == 0:
                return None, decision.reason
            await self._runner.start(name, decision.tasks)
            await self._database.write(executions.started, name)
        except RunnerError as error:
            log.error("[JobQueue] %s could not be started, its images stay pending: %s", name, error)
            await self._database.write(executions.finish, name, "failed", now, error=str(error))
            return None, str(error)
        finally:
            self._being_started.discard(name)
        log.info(
            "[JobQueue] started %s: %d tasks for %d images (%s)", name, decision.tasks, decision.images, decision.reason
        )
        return name, decision.reason

    async def follow(self, now: float) -> int:
        """Record executions that have ended and free what their tasks held; how many ended."""
        async with self._following:  # the end of each is told once, also when two ticks ask at once
            return await self._follow(now)

    async def _follow(self, now: float) -> int:
        ended = 0
        for row in await self._database.read(executions.unfinished):
            begun_elsewhere = (
                row.state == "starting" and abs(now - row.started_at) < self._runner.profile.start_limit_seconds
            )
            if row.name in self._being_started or begun_elsewhere:
                continue
            outcome = await self._runner.outcome(row.name)
            if outcome is None:
                continue
            figures = {
                "retries": outcome.retries,
                "cpu_seconds": outcome.cpu_seconds,
                "peak_rss_mb": outcome.peak_rss_mb,
                "error": outcome.error,
            }
            owners = [f"{row.name}/{index}" for index in range(row.tasks)]
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
            ended += 1
        return ended
