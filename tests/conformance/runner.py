"""The promises that every runner keeps, whatever executes its tasks.

A test module of one form subclasses `RunnerPromises`, names the class `Test...` and gives it a
fixture `world`, which runs a script as a task: with `folder` as the folder of the test.
"""

# Tests wait for processes, which set no event.

# ruff: noqa: ASYNC110

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from backend.database import Database, executions
from backend.jobs.runner import Outcome, Runner, RunnerError

NAME = "job-20250101000000-abcdef"
MAX_SECONDS = 40.0
T = TypeVar("T")


@functools.cache
def migrated() -> bytes:
    """A database with all its tables: migrating takes longer than most of these tests."""
    with tempfile.TemporaryDirectory() as folder:
        made = Database(f"sqlite:///{folder}/new.db")
        made.migrate()
        made.close()
        return Path(folder, "new.db").read_bytes()


class RunnerWorld:
    """A database, and runners on it whose tasks run a script; each form says how one is made."""

    retries = 2
    timeout_seconds = 30.0
    grace_seconds = 10.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "slideshow.db").write_bytes(migrated())
        self.database = Database(f"sqlite:///{folder / 'slideshow.db'}")

    def command(self, script: str) -> list[str]:
        """The command of a task that runs `script`."""
        file = self.folder / "task.py"
        head = f"import os, sys, time, signal, json, pathlib\nfolder = pathlib.Path({str(self.folder)!r})\n"
        head += "index, attempt = (int(os.environ['CLOUD_RUN_TASK_' + name]) for name in ('INDEX', 'ATTEMPT'))\n"
        file.write_text(head + script)
        return [sys.executable, "-I", "-S", str(file)]

    def runner(self, script: str) -> contextlib.AbstractAsyncContextManager[Runner]:
        """A runner for the time of a block."""
        raise NotImplementedError

    def run(self, script: str, act: Callable[[Runner], Awaitable[T]]) -> T:
        """What `act` gives with a runner whose tasks run `script`."""

        async def body() -> T:
            async with asyncio.timeout(MAX_SECONDS), self.runner(script) as runner:
                return await act(runner)

        return asyncio.run(body())

    async def reserve(self, tasks: int, name: str = NAME) -> None:
        """What the queue does before it starts an execution."""
        assert await self.database.write(executions.begin, name, tasks, 10, 100.0, 1000.0)

    async def begin(self, runner: Runner, tasks: int, name: str = NAME) -> None:
        """Start an execution as the queue does."""
        await self.reserve(tasks, name)
        await runner.start(name, tasks)
        await self.database.write(executions.mark_running, name)

    async def end(self, runner: Runner, name: str = NAME) -> Outcome:
        """Wait for the end of an execution."""
        while (found := await runner.outcome(name)) is None:
            await asyncio.sleep(0.03)
        return found

    def outcome(self, script: str, tasks: int = 1) -> Outcome:
        """How an execution of `script` ends."""

        async def act(runner: Runner) -> Outcome:
            await self.begin(runner, tasks)
            return await self.end(runner)

        return self.run(script, act)

    async def row(self, name: str = NAME) -> sa.Row[Any]:
        """The row of the execution."""
        found = await self.database.read(executions.row_of, name)
        assert found is not None
        return found

    def made(self, pattern: str) -> list[str]:
        """The names of the files that tasks made."""
        return sorted(path.name for path in self.folder.glob(pattern))


@contextlib.asynccontextmanager
async def closing(runner: Runner) -> AsyncIterator[Runner]:
    """A runner that is closed at the end of a block."""
    try:
        yield runner
    finally:
        await asyncio.wait_for(runner.close(), timeout=20)


class RunnerPromises:
    """What `backend.jobs.runner.Runner` says of each method, put to the proof."""

    def test_each_task_is_told_which_it_is(self, world: RunnerWorld) -> None:
        script = "(folder / f'seen-{index}').write_text(json.dumps(dict(os.environ)))"

        async def act(runner: Runner) -> tuple[Outcome, str]:
            await world.begin(runner, 3)
            return await world.end(runner), executions.owner_of_tasks(await world.row())

        found, owner = world.run(script, act)
        assert (found.state, found.retries, found.error) == ("succeeded", 0, None)
        seen = [json.loads((world.folder / f"seen-{index}").read_text()) for index in range(3)]
        for index, environment in enumerate(seen):
            assert environment["CLOUD_RUN_TASK_INDEX"] == str(index)
            assert environment["CLOUD_RUN_TASK_COUNT"] == "3"
            assert environment["CLOUD_RUN_TASK_ATTEMPT"] == "0"
            assert environment["CLOUD_RUN_JOB"] == "slideshow-processor"
            assert environment["CLOUD_RUN_EXECUTION"] == owner, "by this name the queue knows whose leases are whose"
            assert environment["BACKEND_AUTH_TOKEN"] == "the-token-of-tasks"

    def test_an_execution_has_no_outcome_while_it_runs(self, world: RunnerWorld) -> None:
        async def act(runner: Runner) -> None:
            await world.begin(runner, 1)
            assert await runner.outcome(NAME) is None
            assert await runner.outcome(NAME) is None
            (world.folder / "go").touch()
            assert (await world.end(runner)).state == "succeeded"

        world.run("while not (folder / 'go').exists(): time.sleep(0.01)", act)

    def test_a_failed_task_is_started_again_with_a_higher_attempt(self, world: RunnerWorld) -> None:
        found = world.outcome("(folder / f'try-{index}-{attempt}').touch()\nsys.exit(7 * (index != attempt))", 2)
        assert (found.state, found.error) == ("succeeded", None)
        assert found.retries >= 1
        assert world.made("try-*") == ["try-0-0", "try-1-0", "try-1-1"]

    def test_used_up_retries_fail_the_execution(self, world: RunnerWorld) -> None:
        found = world.outcome("(folder / f'try-{index}-{attempt}').touch()\nsys.exit(3 * index)", 2)
        assert found.state == "failed"
        assert found.error is not None
        assert "ask 1" in found.error
        assert "exit code 3" in found.error
        assert world.made("try-*") == ["try-0-0", "try-1-0", "try-1-1", "try-1-2"]

    def test_an_overdue_task_is_asked_to_end_and_then_made_to(self, world: RunnerWorld) -> None:
        world.retries, world.timeout_seconds, world.grace_seconds = 0, 0.5, 0.2
        script = "signal.signal(signal.SIGTERM, lambda *_: (folder / 'asked').touch())\n"
        started = time.monotonic()
        found = world.outcome(script + "(folder / 'ready').touch()\nwhile True: time.sleep(0.05)")
        assert 0.7 <= time.monotonic() - started < 10
        assert found.state == "failed"
        assert world.made("asked") == ["asked"]

    def test_an_execution_that_nobody_knows_is_lost(self, world: RunnerWorld) -> None:
        async def act(runner: Runner) -> Outcome | None:
            await world.reserve(1)
            return await runner.outcome(NAME)

        found = world.run("", act)
        assert found is not None
        assert found.state == "lost"
        assert found.error

    def test_two_executions_are_told_apart(self, world: RunnerWorld) -> None:
        async def act(runner: Runner) -> list[str]:
            await world.begin(runner, 1, "good")
            await world.begin(runner, 1, "bad")
            return [(await world.end(runner, name)).state for name in ("good", "bad")]

        world.retries = 0
        ours = "os.environ.get('SLIDESHOW_EXECUTION', os.environ['CLOUD_RUN_EXECUTION'])"
        assert world.run(f"sys.exit({ours} == 'bad')", act) == ["succeeded", "failed"]

    def test_a_closed_runner_starts_nothing(self, world: RunnerWorld) -> None:
        async def act(runner: Runner) -> None:
            await runner.close()
            with pytest.raises(RunnerError, match="stopping"):
                await runner.start(NAME, 1)

        world.run("", act)
