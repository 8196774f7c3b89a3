"""The local runner: each task is a subprocess with the variables that Cloud Run sets.

A failed task is started again with a higher attempt, an overdue one is asked to end (SIGTERM)
and after ten seconds made to (SIGKILL). A task whose parent is gone ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from backend.database import Database, executions
from backend.jobs.runner import Outcome, RunnerError, RunnerProfile
from backend.settings import SECRETS
from contract.machine import usable_cpus

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05
TERM_GRACE_SECONDS = 10.0
STDERR_DESCRIPTOR = 2
START_SECONDS = 4.0
"""Work below this is not worth a further process: about what its start costs."""

# Secrets of the backend that a task has no use for; a database's address may hold a password.
_STAYS_HERE = (*SECRETS, "database_url")

# ru_maxrss is in KiB on Linux and in bytes on macOS, see getrusage(2) of each.
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class TaskEnd(Struct, frozen=True):
    """How one attempt ended: exit code (negative: the signal), CPU seconds, peak memory in MB (10^6 bytes)."""

    code: int
    cpu_seconds: float
    peak_rss_mb: float


class LocalRunner:
    """The form of `backend.jobs.runner.Runner` for a laptop."""

    def __init__(
        self,
        database: Database,
        environment: Callable[[], Mapping[str, str]],
        *,
        max_tasks: int,
        timeout_seconds: float,
        retries: int,
        ended: Callable[[], None],
        command: Sequence[str] = (sys.executable, "-m", "processor"),
        term_grace_seconds: float = TERM_GRACE_SECONDS,
    ) -> None:
        """`environment()` gives what every task needs: bucket, address and token of the backend.

        `ended()` is called when an execution has ended, so that nobody has to poll for it.
        `term_grace_seconds` pass between SIGTERM and SIGKILL; the default is that of Cloud Run.
        """
        self.profile = RunnerProfile(
            worthwhile_seconds=START_SECONDS, max_tasks=max_tasks, start_limit_seconds=5.0, prefers_latency=True
        )
        self._database = database
        self._environment = environment
        self._timeout = timeout_seconds
        self._retries = retries
        self._ended = ended
        self._command = list(command)
        self._term_grace = term_grace_seconds
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._closing = False

    async def start(self, execution: str, tasks: int) -> None:
        if self._closing:
            raise RunnerError("the backend is stopping and starts no tasks")
        running = asyncio.create_task(self._execute(execution, tasks), name=execution)
        running.add_done_callback(lambda _: self._ended())
        self._running[execution] = running

    async def outcome(self, execution: str) -> Outcome | None:
        running = self._running.get(execution)
        if running is None:
            return await self._orphaned(execution)
        if not running.done():
            return None
        del self._running[execution]
        return running.result()

    async def _orphaned(self, execution: str) -> Outcome | None:
        """An execution of an earlier backend process: its tasks end by themselves; it is lost once they have."""
        tasks = await self._database.read(executions.tasks_of, execution)
        if any(lives(task.pid, task.pid_started) for task in tasks):
            return None
        return Outcome(state="lost", error="the backend was restarted while it ran")

    async def close(self) -> None:
        self._closing = True
        for running in self._running.values():
            running.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _execute(self, execution: str, tasks: int) -> Outcome:
        ends = await asyncio.gather(*(self._task(execution, index, tasks) for index in range(tasks)))
        attempts = [end for task in ends for end in task]
        failed = [index for index, task in enumerate(ends) if task[-1].code != 0]
        return Outcome(
            state="failed" if failed else "succeeded",
            retries=len(attempts) - tasks,
            cpu_seconds=round(sum(end.cpu_seconds for end in attempts), 3),
            peak_rss_mb=round(max(end.peak_rss_mb for end in attempts), 1),
            error=f"task {failed[0]} ended with {_meaning(ends[failed[0]][-1].code)}" if failed else None,
        )

    async def _task(self, execution: str, index: int, tasks: int) -> list[TaskEnd]:
        """One task until it succeeds or its retries are used up; how each attempt ended."""
        ends: list[TaskEnd] = []
        for attempt in range(self._retries + 1):
            if attempt:
                log.warning(
                    "[JobQueue] task %d of %s ended with %s; starting it again with CLOUD_RUN_TASK_ATTEMPT=%d",
                    index,
                    execution,
                    _meaning(ends[-1].code),
                    attempt,
                )
            ends.append(await self._attempt(execution, index, tasks, attempt))
            if ends[-1].code == 0 or self._closing:
                break
        return ends

    def _spawn(self, execution: str, index: int, tasks: int, attempt: int) -> subprocess.Popen[bytes]:
        """Start one attempt. Raises OSError if the operating system refuses."""
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in _STAYS_HERE}
        environment = {
            # glibc keeps freed memory for each arena, one a thread unless told; two cost a task no time and
            # 60 to 100 MB less at its peak (54 photos, two tasks).
            "MALLOC_ARENA_MAX": "2",
            **inherited,
            **self._environment(),
            "CLOUD_RUN_JOB": "slideshow-processor",
            "CLOUD_RUN_EXECUTION": execution,
            "CLOUD_RUN_TASK_INDEX": str(index),
            "CLOUD_RUN_TASK_COUNT": str(tasks),
            "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
            "SLIDESHOW_LOCAL_TASK": "1",
            "SLIDESHOW_PARENT_PID": str(os.getpid()),
            "TASK_TIMEOUT_SECONDS": str(self._timeout),
            "RENDER_THREADS": str(max(1, usable_cpus() // tasks)),
        }
        # The folder that holds our packages: a task must be the same code as its backend.
        here = Path(__file__).resolve().parents[2]
        return subprocess.Popen(
            self._command, env=environment, cwd=here, stdin=subprocess.DEVNULL, stdout=STDERR_DESCRIPTOR
        )

    async def _attempt(self, execution: str, index: int, tasks: int, attempt: int) -> TaskEnd:
        try:
            process = self._spawn(execution, index, tasks, attempt)
        except OSError as error:
            log.error("[JobQueue] task %d of %s could not be started: %s", index, execution, error)
            return TaskEnd(127, 0.0, 0.0)
        try:
            mark = start_mark(process.pid)
            if mark is not None:
                await self._database.write(executions.task_started, execution, index, process.pid, mark)
            return await self._follow(process, time.monotonic() + self._timeout)
        except (asyncio.CancelledError, SQLAlchemyError, OSError) as error:
            # Whatever happened: a process that nobody follows would have no time limit and no end.
            if not isinstance(error, asyncio.CancelledError):
                log.error("[JobQueue] task %d of %s is ended, it cannot be followed: %s", index, execution, error)
            _signal(process, signal.SIGTERM)
            return await self._follow(process, time.monotonic(), asked=True)

    async def _follow(self, process: subprocess.Popen[bytes], deadline: float, *, asked: bool = False) -> TaskEnd:
        """Wait for the process; past the deadline ask it to end, and after the grace make it."""
        killed = False
        while (end := _reap(process)) is None:
            now = time.monotonic()
            if not asked and now >= deadline:
                log.error("[JobQueue] process %d is overdue; ending it", process.pid)
                _signal(process, signal.SIGTERM)
                asked, deadline = True, now
            elif asked and not killed and now >= deadline + self._term_grace:
                _signal(process, signal.SIGKILL)
                killed = True
            await asyncio.sleep(POLL_SECONDS)
        return end


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process not reaped yet. Popen's own way would reap it, and its figures would be lost."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _reap(process: subprocess.Popen[bytes]) -> TaskEnd | None:
    """How the process ended, or None while it runs. Never waits."""
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not pid:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    return TaskEnd(process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS_UNIT / 1e6)


def _meaning(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def start_mark(pid: int) -> str | None:
    """Something that tells the process of this pid from a later one of the same number, or None if none lives.

    Linux: the start time in clock ticks since boot (field 22 of proc(5) `stat`); elsewhere `ps`.
    """
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The name in parentheses may itself hold spaces and parentheses.
        fields = stat[stat.rindex(")") + 2 :].split()
        return None if fields[0] in "ZX" else fields[19]
    try:
        shown = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return shown.stdout.strip() or None


def lives(pid: int, mark: str) -> bool:
    """Whether the process that had this pid and mark still runs."""
    return start_mark(pid) == mark
