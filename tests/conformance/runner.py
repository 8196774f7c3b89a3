"""The test suite that every implementation of `Runner` passes.

The test module of an implementation subclasses `RunnerPromises`, names the class `Test...`, and defines a fixture
`world` that runs a script as a task. In the script, `folder` is the folder of the test.
"""

# Tests poll, because processes set no event.
# ruff: noqa: ASYNC110

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from backend.database import Database, executions
from backend.jobs.runner import Outcome, Runner, RunnerError
from tests.support.core_library import migrated_file

NAME = "job-20250101000000-abcdef"
MAX_SECONDS = 40.0
T = TypeVar("T")


class RunnerWorld:
    """A database, and runners on it whose tasks run a script; a subclass opens the runner."""

    retries = 2
    timeout_seconds = 30.0
    grace_seconds = 10.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "slideshow.db").write_bytes(migrated_file())
        self.database = Database(f"sqlite:///{folder / 'slideshow.db'}")

    def command(self, script: str) -> list[str]:
        """Return the command of a task that runs `script`."""
        file = self.folder / "task.py"
        head = f"import os, sys, time, signal, json, pathlib\nfolder = pathlib.Path({str(self.folder)!r})\n"
        head += "index, attempt = (int(os.environ['CLOUD_RUN_TASK_' + name]) for name in ('INDEX', 'ATTEMPT'))\n"
        file.write_text(head + script)
        return [sys.executable, "-I", "-S", str(file)]

    def runner(self, script: str) -> contextlib.AbstractAsyncContextManager[Runner]:
        """Open a runner for the time of a block."""
        raise NotImplementedError

    def run(self, script: str, act: Callable[[Runner], Awaitable[T]]) -> T:
        """Return the result of `act` with a runner whose tasks run `script`."""

        async def body() -> T:
            async with asyncio.timeout(MAX_SECONDS), self.runner(script) as runner:
                return await act(runner)

        return asyncio.run(body())

    async def reserve(self, tasks: int, name: str = NAME) -> None:
        """Reserve an execution as the queue does before it starts one."""
        assert await self.database.write(executions.begin, name, tasks, 10, 100.0, 1000.0)

    async def begin(self, runner: Runner, tasks: int, name: str = NAME) -> None:
        """Start an execution as the queue does."""
        await self.reserve(tasks, name)
        await runner.start(name, tasks)
        await self.database.write(executions.mark_running, name)

    async def end(self, runner: Runner, name: str = NAME) -> Outcome:
        """Wait for the end of an execution; return its outcome."""
        while (outcome := await runner.outcome(name)) is None:
            await asyncio.sleep(0.03)
        return outcome

    def outcome(self, script: str, tasks: int = 1) -> Outcome:
        """Run an execution of `script`; return its outcome."""

        async def act(runner: Runner) -> Outcome:
            await self.begin(runner, tasks)
            return await self.end(runner)

        return self.run(script, act)

    async def row(self, name: str = NAME) -> sa.Row[Any]:
        """Return the row of an execution."""
        row = await self.database.read(executions.row_of, name)
        assert row is not None
        return row

    def files(self, pattern: str) -> list[str]:
        """Return the names of the files that tasks wrote."""
        return sorted(path.name for path in self.folder.glob(pattern))


@contextlib.asynccontextmanager
async def closing(runner: Runner) -> AsyncIterator[Runner]:
    """Yield a runner, and close it at the end of the block."""
    try:
        yield runner
    finally:
        await asyncio.wait_for(runner.close(), timeout=20)


class RunnerPromises:
    """Tests of each method of `backend.jobs.runner.Runner`."""

    def test_task_receives_its_index_and_count(self, world: RunnerWorld) -> None:
        script = "(folder / f'seen-{index}').write_text(json.dumps(dict(os.environ)))"

        async def act(runner: Runner) -> tuple[Outcome, str]:
            await world.begin(runner, 3)
            return await world.end(runner), executions.owner_of_tasks(await world.row())

        outcome, owner = world.run(script, act)
        assert (outcome.state, outcome.retries, outcome.error) == ("succeeded", 0, None)
        seen = [json.loads((world.folder / f"seen-{index}").read_text()) for index in range(3)]
        for index, environment in enumerate(seen):
            assert environment["CLOUD_RUN_TASK_INDEX"] == str(index)
            assert environment["CLOUD_RUN_TASK_COUNT"] == "3"
            assert environment["CLOUD_RUN_TASK_ATTEMPT"] == "0"
            assert environment["CLOUD_RUN_JOB"] == "slideshow-processor"
            assert environment["CLOUD_RUN_EXECUTION"] == owner, "the queue finds an execution's leases by this name"
            assert environment["BACKEND_AUTH_TOKEN"] == "the-token-of-tasks-of-32-characters"

    def test_running_execution_has_no_outcome(self, world: RunnerWorld) -> None:
        async def act(runner: Runner) -> None:
            await world.begin(runner, 1)
            assert await runner.outcome(NAME) is None
            assert await runner.outcome(NAME) is None
            (world.folder / "go").touch()
            assert (await world.end(runner)).state == "succeeded"

        world.run("while not (folder / 'go').exists(): time.sleep(0.01)", act)

    def test_failed_task_is_started_again_with_a_higher_attempt(self, world: RunnerWorld) -> None:
        outcome = world.outcome("(folder / f'try-{index}-{attempt}').touch()\nsys.exit(7 * (index != attempt))", 2)
        assert (outcome.state, outcome.error) == ("succeeded", None)
        assert outcome.retries >= 1
        assert world.files("try-*") == ["try-0-0", "try-1-0", "try-1-1"]

    def test_task_without_retries_left_fails_the_execution(self, world: RunnerWorld) -> None:
        outcome = world.outcome("(folder / f'try-{index}-{attempt}').touch()\nsys.exit(3 * index)", 2)
        assert outcome.state == "failed"
        assert outcome.error is not None
        assert "ask 1" in outcome.error
        assert "exit code 3" in outcome.error
        assert world.files("try-*") == ["try-0-0", "try-1-0", "try-1-1", "try-1-2"]

    def test_overdue_task_gets_sigterm_and_is_then_killed(self, world: RunnerWorld) -> None:
        world.retries, world.timeout_seconds, world.grace_seconds = 0, 1.0, 0.2
        script = "signal.signal(signal.SIGTERM, lambda *_: (folder / 'asked').touch())\n"
        started = time.monotonic()
        outcome = world.outcome(script + "(folder / 'ready').touch()\nwhile True: time.sleep(0.05)")
        assert 1.2 <= time.monotonic() - started < 10
        assert outcome.state == "failed"
        assert world.files("asked") == ["asked"]

    def test_execution_that_was_never_started_is_lost(self, world: RunnerWorld) -> None:
        async def act(runner: Runner) -> Outcome | None:
            await world.reserve(1)
            return await runner.outcome(NAME)

        outcome = world.run("", act)
        assert outcome is not None
        assert outcome.state == "lost"
        assert outcome.error

    def test_two_executions_have_separate_outcomes(self, world: RunnerWorld) -> None:
        async def act(runner: Runner) -> list[str]:
            await world.begin(runner, 1, "good")
            await world.begin(runner, 1, "bad")
            return [(await world.end(runner, name)).state for name in ("good", "bad")]

        world.retries = 0
        ours = "os.environ.get('SLIDESHOW_EXECUTION', os.environ['CLOUD_RUN_EXECUTION'])"
        assert world.run(f"sys.exit({ours} == 'bad')", act) == ["succeeded", "failed"]

    def test_closed_runner_rejects_a_start(self, world: RunnerWorld) -> None:
        async def act(runner: Runner) -> None:
            await runner.close()
            with pytest.raises(RunnerError, match="stopping"):
                await runner.start(NAME, 1)

        world.run("", act)
