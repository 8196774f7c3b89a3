"""Every runner's promises, kept by local processes and by a Cloud Run job, over gRPC and over REST."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backend.jobs.local_runner import LocalRunner
from backend.jobs.runner import Runner
from tests.conformance.runner import RunnerPromises, RunnerWorld, closing
from tests.support.cloud_world import CloudWorld

pytestmark = pytest.mark.server


class LocalWorld(RunnerWorld):
    """Tasks are children of this process."""

    @contextlib.asynccontextmanager
    async def runner(self, script: str) -> AsyncIterator[Runner]:
        made = LocalRunner(
            self.database,
            lambda: {"BACKEND_AUTH_TOKEN": "the-token-of-tasks-of-32-characters"},
            max_tasks=4,
            timeout_seconds=self.timeout_seconds,
            retries=self.retries,
            ended=lambda: None,
            command=self.command(script),
            term_grace_seconds=self.grace_seconds,
        )
        async with closing(made):
            yield made


class TestLocal(RunnerPromises):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[RunnerWorld]:
        made = LocalWorld(tmp_path)
        yield made
        made.database.close()


class TestCloudRunOverGrpc(RunnerPromises):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[RunnerWorld]:
        made = CloudWorld(tmp_path, "grpc")
        yield made
        made.database.close()


class TestCloudRunOverRest(RunnerPromises):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[RunnerWorld]:
        made = CloudWorld(tmp_path, "http")
        yield made
        made.database.close()
