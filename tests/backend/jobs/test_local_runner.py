"""The local runner alone: measured figures, the environment of tasks, and their end with the backend."""

# Tests look at files and at processes while nothing else runs in their loop, one of them on purpose.

# ruff: noqa: ASYNC110, ASYNC222, ASYNC240, ASYNC251

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from backend.database import Database, executions
from backend.jobs.local_runner import PARENT, LocalRunner, is_alive, machine_id, start_mark
from backend.jobs.runner import Outcome, RunnerError
from contract.machine import usable_cpus

pytestmark = pytest.mark.server

NAME = "job-20250101000000-abcdef"


def scripted(file: Path, script: str) -> list[str]:
    """The command of a task that runs `script` with `folder` as the folder of the test."""
    file.write_text(
        f"import os, sys, time, signal, json, pathlib\nfolder = pathlib.Path({str(file.parent)!r})\n{script}"
    )
    return [sys.executable, str(file)]


def run(
    tmp_path: Path,
    script: str,
    act: Callable[[LocalRunner, Database, asyncio.Event], Awaitable[object]],
    *,
    retries: int = 3,
    timeout: float = 30.0,
    command: list[str] | None = None,
) -> object:
    """Return the result of `act` with a runner whose tasks run `script`. The runner is closed afterwards."""

    async def body() -> object:
        database = Database(f"sqlite:///{tmp_path / 'slideshow.db'}")
        database.migrate()
        await database.write(executions.begin, NAME, 2, 10, 100.0, 1000.0)
        ended = asyncio.Event()
        runner = LocalRunner(
            database,
            lambda: {"BACKEND_AUTH_TOKEN": "the-token-of-tasks-of-32-characters", "BUCKET_URL": "file:///b"},
            max_tasks=4,
            timeout_seconds=timeout,
            retries=retries,
            ended=ended.set,
            command=command or scripted(tmp_path / "task.py", script),
        )
        try:
            async with asyncio.timeout(40):
                return await act(runner, database, ended)
        finally:
            await asyncio.wait_for(runner.close(), timeout=20)
            database.close()

    return asyncio.run(body())


async def to_the_end(runner: LocalRunner, ended: asyncio.Event, tasks: int) -> Outcome:
    """Start an execution and wait for its end."""
    await runner.start(NAME, tasks)
    assert await runner.outcome(NAME) is None
    await ended.wait()
    found = await runner.outcome(NAME)
    assert found is not None
    return found


def outcome(tmp_path: Path, script: str, *, tasks: int = 1, **more: object) -> Outcome:
    """Return the outcome of an execution of `script`."""
    found = run(tmp_path, script, lambda runner, _, ended: to_the_end(runner, ended, tasks), **more)  # type: ignore[arg-type]
    assert isinstance(found, Outcome)
    return found


def test_task_environment_contains_cloud_run_variables_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ADMIN_PASSWORD", "admin_password", "PROCESSOR_AUTH_TOKEN", "PROCESSOR_AUTH_TOKEN_PREVIOUS"):
        monkeypatch.setenv(name, "hidden-from-tasks")
    monkeypatch.setenv("METRICS_TOKEN", "hidden-from-tasks")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:hidden-from-tasks@host/db")
    monkeypatch.setenv("SEEN_BY_TASKS", "yes")
    script = """
seen = dict(os.environ, argv=sys.argv, cwd=os.getcwd())
(folder / f"seen-{os.environ['CLOUD_RUN_TASK_INDEX']}").write_text(json.dumps(seen))
"""
    found = outcome(tmp_path, script, tasks=2)
    assert (found.state, found.retries, found.error) == ("succeeded", 0, None)
    for index in range(2):
        text = (tmp_path / f"seen-{index}").read_text()
        assert "hidden-from-tasks" not in text
        seen = json.loads(text)
        assert seen["CLOUD_RUN_EXECUTION"] == NAME
        assert seen["CLOUD_RUN_JOB"] == "slideshow-processor"
        assert seen["CLOUD_RUN_TASK_INDEX"] == str(index)
        assert seen["CLOUD_RUN_TASK_COUNT"] == "2"
        assert seen["CLOUD_RUN_TASK_ATTEMPT"] == "0"
        assert seen["BACKEND_AUTH_TOKEN"] == "the-token-of-tasks-of-32-characters"
        assert seen["SLIDESHOW_PARENT_PID"] == str(os.getpid())
        assert seen["SEEN_BY_TASKS"] == "yes"
        assert int(seen["RENDER_THREADS"]) >= 1
        assert "the-token-of-tasks-of-32-characters" not in " ".join(seen["argv"])
        assert Path(seen["cwd"], "contract").is_dir()


def test_failed_task_is_started_again_with_a_higher_attempt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = """
attempt = int(os.environ["CLOUD_RUN_TASK_ATTEMPT"])
(folder / f"attempt-{attempt}").touch()
sys.exit(0 if attempt == 2 else 7)
"""
    found = outcome(tmp_path, script)
    assert (found.state, found.retries, found.error) == ("succeeded", 2, None)
    assert sorted(path.name for path in tmp_path.glob("attempt-*")) == ["attempt-0", "attempt-1", "attempt-2"]
    lines = [record.getMessage() for record in caplog.records]
    assert any("[JobQueue]" in line and "CLOUD_RUN_TASK_ATTEMPT=2" in line and "exit code 7" in line for line in lines)


def test_outcome_of_a_killed_task_names_the_signal(tmp_path: Path) -> None:
    found = outcome(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)", retries=0)
    assert (found.state, found.error) == ("failed", "task 0 ended with signal SIGKILL")


def test_outcome_contains_cpu_time_and_memory(tmp_path: Path) -> None:
    script = """
block = bytearray(150_000_000)
block[::4096] = b"x" * len(block[::4096])
end = time.process_time() + 0.4
while time.process_time() < end:
    pass
sys.exit(1 - int(os.environ["CLOUD_RUN_TASK_ATTEMPT"]))
"""
    found = outcome(tmp_path, script, retries=1)
    assert (found.state, found.retries) == ("succeeded", 1)
    assert 0.8 <= found.cpu_seconds < 5, "both attempts count"
    # A child begins as a copy of its parent, which here is a whole run of tests.
    assert 150 <= found.peak_rss_mb < 1000


def test_outcome_of_a_missing_command_is_failed(tmp_path: Path) -> None:
    found = outcome(tmp_path, "", retries=1, command=[str(tmp_path / "nowhere")])
    assert (found.state, found.retries) == ("failed", 1)
    assert found.error == "task 0 ended with exit code 127"


def test_close_ends_tasks_and_starts_no_more(tmp_path: Path) -> None:
    script = """
index, attempt = os.environ["CLOUD_RUN_TASK_INDEX"], os.environ["CLOUD_RUN_TASK_ATTEMPT"]
(folder / f"pid-{index}-{attempt}").write_text(str(os.getpid()))
time.sleep(60)
"""

    async def act(runner: LocalRunner, database: Database, ended: asyncio.Event) -> list[int]:
        await runner.start(NAME, 2)
        async with asyncio.timeout(20):
            while len(found := [p for p in tmp_path.glob("pid-*") if p.read_text()]) < 2:
                await asyncio.sleep(0.02)
        assert len(await database.read(executions.tasks_of, NAME)) == 3, "the backend itself and two tasks"
        started = time.monotonic()
        await runner.close()
        assert time.monotonic() - started < 5
        with pytest.raises(RunnerError, match="stopping"):
            await runner.start("another", 1)
        return [int(path.read_text()) for path in found]

    pids = run(tmp_path, script, act)
    assert isinstance(pids, list)
    assert len(pids) == 2
    assert [start_mark(pid) for pid in pids] == [None, None]
    assert sorted(path.name for path in tmp_path.glob("pid-*")) == ["pid-0-0", "pid-1-0"]


def test_close_after_a_task_has_ended_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(runner: LocalRunner, database: Database, ended: asyncio.Event) -> None:
        await runner.start(NAME, 1)
        async with asyncio.timeout(20):
            while len(await database.read(executions.tasks_of, NAME)) < 2:
                await asyncio.sleep(0.01)
        task = next(row for row in await database.read(executions.tasks_of, NAME) if row.task_index == 0)
        deadline = time.monotonic() + 10
        while is_alive(
            task.pid, task.pid_started.rpartition(" ")[2]
        ):  # the loop is blocked, so nothing has reaped it yet
            assert time.monotonic() < deadline
            time.sleep(0.01)
        await runner.close()
        with pytest.raises(ChildProcessError):
            os.waitpid(task.pid, os.WNOHANG)

    run(tmp_path, "time.sleep(0.3)", act)
    assert not [record for record in caplog.records if record.exc_info]


def test_outcome_of_another_machine_is_lost_only_after_its_deadline(tmp_path: Path) -> None:
    async def act(runner: LocalRunner, database: Database, ended: asyncio.Event) -> None:
        row = await database.read(executions.row_of, NAME)
        assert row is not None
        await database.write(executions.task_started, NAME, PARENT, 1, "another-machine 12345")
        runner._clock = lambda: row.deadline - 1.0
        assert await runner.outcome(NAME) is None
        runner._clock = lambda: row.deadline + 1.0
        found = await runner.outcome(NAME)
        assert found is not None
        assert found.state == "lost"

    run(tmp_path, "", act)


def test_outcome_of_an_orphaned_execution_is_lost_once_its_tasks_ended(tmp_path: Path) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    async def act(runner: LocalRunner, database: Database, ended: asyncio.Event) -> None:
        mark = start_mark(sleeper.pid)
        assert mark is not None
        await database.write(executions.task_started, NAME, PARENT, sleeper.pid, f"{machine_id()} {mark}")
        await database.write(executions.task_started, NAME, 1, sleeper.pid, f"{machine_id()} another-start")
        assert await runner.outcome(NAME) is None
        sleeper.kill()
        sleeper.wait(timeout=10)
        found = await runner.outcome(NAME)
        assert found is not None
        assert found.state == "lost"
        assert found.error is not None
        assert "the backend that ran it has ended" in found.error

    try:
        run(tmp_path, "", act)
    finally:
        sleeper.kill()
        sleeper.wait(timeout=10)


def test_start_mark_distinguishes_processes_with_the_same_pid() -> None:
    mark = start_mark(os.getpid())
    assert mark is not None
    assert is_alive(os.getpid(), mark)
    assert not is_alive(os.getpid(), mark + "0")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    time_limit = time.monotonic() + 10
    while start_mark(ended.pid) is not None:  # a zombie does not count, although its pid is still taken
        assert time.monotonic() < time_limit
        time.sleep(0.01)
    ended.wait(timeout=10)
    assert start_mark(ended.pid) is None


def test_usable_cpus_are_those_of_this_process() -> None:
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)


def test_task_that_cannot_be_registered_is_terminated(tmp_path: Path) -> None:
    async def act(runner: LocalRunner, database: Database, ended: asyncio.Event) -> Outcome:
        database.close()
        (tmp_path / "slideshow.db").unlink()
        runner._database = Database(f"sqlite:///{tmp_path / 'slideshow.db'}")  # without any table
        try:
            return await to_the_end(runner, ended, 1)
        finally:
            runner._database.close()

    script = "(folder / 'pid').write_text(str(os.getpid()))\ntime.sleep(60)"
    began = time.monotonic()
    found = run(tmp_path, script, act, retries=0)
    assert isinstance(found, Outcome)
    assert found.state == "failed"
    assert time.monotonic() - began < 20
    pid = tmp_path / "pid"
    assert not pid.exists() or start_mark(int(pid.read_text())) is None
