"""An emulated Cloud Run job and runners that start it, for tests of behaviour that only Cloud Run has."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from backend.jobs.cloud_run.api import CloudRunApi
from backend.jobs.cloud_run.runner import CloudRunRunner
from backend.jobs.runner import Runner
from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.model import Fault
from emulators.cloud_run.server import JobsServer, running_jobs_server
from tests.conformance.runner import RunnerWorld, closing

JOB = "projects/a-project/locations/a-region/jobs/slideshow-processor"


class CloudWorld(RunnerWorld):
    """Tasks are subprocesses of an emulated Cloud Run, which is called over gRPC or REST."""

    retry_seconds = 5.0

    def __init__(self, folder: Path, transport: str = "grpc") -> None:
        super().__init__(folder)
        self.transport = transport
        self.server: JobsServer

    @contextlib.asynccontextmanager
    async def runner(self, script: str) -> AsyncIterator[Runner]:
        definition = JobDefinition(
            command=self.command(script),
            environment={"PATH": "/usr/bin:/bin"},
            secrets={"BACKEND_AUTH_TOKEN": "the-token-of-tasks-of-32-characters"},
            timeout_seconds=self.timeout_seconds,
            retries=self.retries,
            term_grace_seconds=self.grace_seconds,
        )
        with running_jobs_server(JOB, definition) as self.server:
            async with self.another() as runner:
                yield runner

    @contextlib.asynccontextmanager
    async def another(self) -> AsyncIterator[Runner]:
        """Open one more runner on the same database and server, as another backend process does."""
        url = self.server.grpc_url if self.transport == "grpc" else self.server.rest_url
        runner = CloudRunRunner(
            self.database,
            lambda: CloudRunApi("a-project", "a-region", "slideshow-processor", url, retry_seconds=self.retry_seconds),
            max_tasks=10,
            timeout_seconds=self.timeout_seconds,
            retries=self.retries,
            prefers_latency=False,
        )
        async with closing(runner):
            yield runner

    def expect(self, method: str, *statuses: str) -> None:
        """Let the next calls of a method fail with these statuses."""
        self.server.model.faults.extend(Fault(method, status) for status in statuses)
