"""The runner of a cloud deployment: executions of a Cloud Run job.

Everything that is needed to follow an execution is in its database row, so a restarted backend continues to follow it.
Cloud Run chooses the names of its executions. Our name is passed as an environment override, which contains no secret.
With it, an execution is found whose start was accepted while the response was lost.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from backend.database import Database, executions
from backend.jobs.runner import Outcome, RunnerError, RunnerProfile, StartedExecution

if TYPE_CHECKING:
    from backend.jobs.cloud_run.api import CloudRunApi

log = logging.getLogger(__name__)

T = TypeVar("T")

BILLED_SECONDS = 60.0
"""Minimum time that Cloud Run bills a task for (https://cloud.google.com/run/pricing)."""
START_SECONDS = 15.0
"""Less work than this does not justify a further task, even if latency is preferred: its start takes about as long."""
START_UP_SECONDS = 60.0
MAX_CALL_SECONDS = 90.0
THREADS = 2


def cloud_profile(
    *, max_tasks: int = 10, timeout_seconds: float = 900.0, retries: int = 3, prefers_latency: bool = False
) -> RunnerProfile:
    """Return the profile of Cloud Run."""
    return RunnerProfile(
        worthwhile_seconds=START_SECONDS if prefers_latency else BILLED_SECONDS,
        max_tasks=max_tasks,
        start_up_seconds=START_UP_SECONDS,
        follow_limit_seconds=(retries + 1) * timeout_seconds + 600.0,
        billed_seconds=BILLED_SECONDS,
        prefers_latency=prefers_latency,
    )


class CloudRunRunner:
    """Runs tasks as executions of a Cloud Run job."""

    def __init__(
        self,
        database: Database,
        open_api: Callable[[], CloudRunApi],
        *,
        max_tasks: int,
        timeout_seconds: float,
        retries: int,
        prefers_latency: bool,
    ) -> None:
        """Create a runner.

        Args:
            database: Stores Cloud Run's names of executions.
            open_api: Opens the client. It is called once, on a thread, before the first call.
            max_tasks: Maximum number of tasks at a time.
            timeout_seconds: The task timeout of the job.
            retries: The retry limit of the job.
            prefers_latency: True starts more tasks, to finish sooner.
        """
        self.profile = cloud_profile(
            max_tasks=max_tasks, timeout_seconds=timeout_seconds, retries=retries, prefers_latency=prefers_latency
        )
        self._database = database
        self._open_api = open_api
        self._api: CloudRunApi | None = None
        self._opening = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, "cloud-run")
        self._closing = False

    async def start(self, execution: str, tasks: int) -> None:
        started = await self._call(lambda api: api.start(execution, tasks))
        await self._save_names(execution, started)

    async def outcome(self, execution: str) -> Outcome | None:
        row = await self._database.read(executions.row_of, execution)
        if row is None:
            return Outcome(state="lost", error="the database does not contain it")
        if row.cloud_execution is None:  # the backend ended between the start and the response
            started = await self._call(lambda api: api.find(execution))
            if started is None:
                return Outcome(state="lost", error="Cloud Run has no execution with this name")
            await self._save_names(execution, started)
            return None
        saved = StartedExecution(row.cloud_execution, row.cloud_operation)
        return await self._call(lambda api: api.outcome(saved))

    async def close(self) -> None:
        self._closing = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._api is not None:
            self._api.close()

    async def _save_names(self, execution: str, started: StartedExecution) -> None:
        await self._database.write(executions.set_cloud_execution, execution, started.execution, started.operation)
        log.info("[JobQueue] %s is %s", execution, started.execution)

    async def _call(self, call: Callable[[CloudRunApi], T]) -> T:
        """Run a blocking call on a thread. Raises RunnerError."""
        if self._closing:
            raise RunnerError("the backend is stopping and makes no more calls to Cloud Run")
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._call_blocking, call)
        try:
            async with asyncio.timeout(MAX_CALL_SECONDS):
                return await running
        except TimeoutError:
            raise RunnerError(f"Cloud Run did not respond within {MAX_CALL_SECONDS:.0f} s") from None

    def _call_blocking(self, call: Callable[[CloudRunApi], T]) -> T:
        from google.auth.exceptions import GoogleAuthError

        with self._opening:
            if self._api is None:
                try:
                    self._api = self._open_api()
                except GoogleAuthError as error:
                    raise RunnerError(f"the backend has no credentials for Cloud Run: {error}") from error
        return call(self._api)
