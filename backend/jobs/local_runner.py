"""The local runner: each task is a subprocess with the environment variables that Cloud Run sets.

A failed task is started again with a higher attempt number.
An overdue task gets SIGTERM, and SIGKILL ten seconds later.
A task whose parent process has died ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import logging
import os
import platform
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
PARENT = -1
"""The task index under which the process of the backend itself is stored."""
START_SECONDS = 4.0
"""Less work than this does not justify a further process, whose start takes about as long."""

# Secrets that a task does not need. The address of a database may contain a password.
_NOT_INHERITED = (*SECRETS, "database_url")

# ru_maxrss is in KiB on Linux and in bytes on macOS, see getrusage(2) of each.
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class TaskEnd(Struct, frozen=True):
    """The end of one attempt: exit code (negative: the signal), CPU seconds, peak memory in MB (10^6 bytes)."""

    code: int
    cpu_seconds: float
    peak_rss_mb: float


class LocalRunner:
    """Runs tasks as subprocesses."""

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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create a runner.

        Args:
            database: Stores the process ids of tasks.
            environment: Returns what every task needs: bucket, and address and token of the backend.
            max_tasks: Maximum number of tasks at a time.
            timeout_seconds: Time limit of one attempt.
            retries: How often a failed task is started again.
            ended: Called when an execution has ended, so that no one polls for it.
            command: The command line of a task.
            term_grace_seconds: Time between SIGTERM and SIGKILL. The default is that of Cloud Run.
            clock: Returns seconds since the epoch.
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
        self._clock = clock
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._closing = False

    async def start(self, execution: str, tasks: int) -> None:
        if self._closing:
            raise RunnerError("the backend is stopping and starts no more tasks")
        await self._record_parent(execution)
        running = asyncio.create_task(self._execute(execution, tasks), name=execution)
        running.add_done_callback(lambda _: self._ended())
        self._running[execution] = running

    async def _record_parent(self, execution: str) -> None:
        """Store this process, so that other backends know that the execution is not lost."""
        mark = start_mark(os.getpid())
        try:
            await self._database.write(
                executions.task_started, execution, PARENT, os.getpid(), f"{machine_id()} {mark}"
            )
        except SQLAlchemyError as error:  # the tasks cannot be stored either, and end with a message of their own
            log.error("[JobQueue] %s could not be recorded as started by this backend: %s", execution, error)

    async def outcome(self, execution: str) -> Outcome | None:
        running = self._running.get(execution)
        if running is None:
            return await self._orphaned(execution)
        if not running.done():
            return None
        del self._running[execution]
        return running.result()

    async def _orphaned(self, execution: str) -> Outcome | None:
        """Return the outcome of an execution of another backend process: lost, once this process and its tasks ended.

        Nothing is known about a process on another machine, so its execution is lost when its time is over.
        """
        tasks = await self._database.read(executions.tasks_of, execution)
        for task in tasks:
            machine, _, mark = task.pid_started.rpartition(" ")
            if machine not in ("", machine_id()):
                row = await self._database.read(executions.row_of, execution)
                if row is not None and self._clock() < row.deadline:
                    return None
            elif is_alive(task.pid, mark):
                return None
        return Outcome(state="lost", error="the backend that ran it has ended")

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
            error=f"task {failed[0]} ended with {_exit_text(ends[failed[0]][-1].code)}" if failed else None,
        )

    async def _task(self, execution: str, index: int, tasks: int) -> list[TaskEnd]:
        """Run one task until it succeeds or has no retry left. Return how each attempt ended."""
        ends: list[TaskEnd] = []
        for attempt in range(self._retries + 1):
            if attempt:
                log.warning(
                    "[JobQueue] task %d of %s ended with %s; starting it again with CLOUD_RUN_TASK_ATTEMPT=%d",
                    index,
                    execution,
                    _exit_text(ends[-1].code),
                    attempt,
                )
            ends.append(await self._attempt(execution, index, tasks, attempt))
            if ends[-1].code == 0 or self._closing:
                break
        return ends

    def _spawn(self, execution: str, index: int, tasks: int, attempt: int) -> subprocess.Popen[bytes]:
        """Start one attempt. Raises OSError if the process cannot be started."""
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in _NOT_INHERITED}
        environment = {
            # By default glibc creates an arena per thread, and each keeps freed memory. With two arenas a task is as
            # fast and its peak memory is 60 to 100 MB lower (54 photos, two tasks).
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
        # The folder of our packages: a task must run the same code as its backend.
        root = Path(__file__).resolve().parents[2]
        return subprocess.Popen(
            self._command, env=environment, cwd=root, stdin=subprocess.DEVNULL, stdout=STDERR_DESCRIPTOR
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
                await self._database.write(
                    executions.task_started, execution, index, process.pid, f"{machine_id()} {mark}"
                )
            return await self._follow(process, time.monotonic() + self._timeout)
        except (asyncio.CancelledError, SQLAlchemyError, OSError) as error:
            # The process must end in any case: without this coroutine it would have no time limit.
            if not isinstance(error, asyncio.CancelledError):
                log.error("[JobQueue] stopping task %d of %s, which cannot be followed: %s", index, execution, error)
            _send_signal(process, signal.SIGTERM)
            return await self._follow(process, time.monotonic(), terminated=True)

    async def _follow(self, process: subprocess.Popen[bytes], deadline: float, *, terminated: bool = False) -> TaskEnd:
        """Wait for the process. Send SIGTERM at the deadline, and SIGKILL after the grace period."""
        killed = False
        while (end := _reap(process)) is None:
            now = time.monotonic()
            if not terminated and now >= deadline:
                log.error("[JobQueue] process %d exceeded its time limit; terminating it", process.pid)
                _send_signal(process, signal.SIGTERM)
                terminated, deadline = True, now
            elif terminated and not killed and now >= deadline + self._term_grace:
                _send_signal(process, signal.SIGKILL)
                killed = True
            await asyncio.sleep(POLL_SECONDS)
        return end


def _send_signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal. `Popen.send_signal` would reap an ended process, and its CPU time and memory would be lost."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _reap(process: subprocess.Popen[bytes]) -> TaskEnd | None:
    """Return the end of the process, or None while it runs. Does not block."""
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not pid:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    return TaskEnd(process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS_UNIT / 1e6)


def _exit_text(code: int) -> str:
    """Return an exit code as text, with the name of a signal."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def start_mark(pid: int) -> str | None:
    """Return a text that distinguishes the process from a later one with the same pid, or None if there is none.

    On Linux it is the start time in clock ticks since boot (field 22 of proc(5) `stat`), else the output of `ps`.
    """
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The program name in parentheses may itself contain spaces and parentheses.
        fields = stat[stat.rindex(")") + 2 :].split()
        return None if fields[0] in "ZX" else fields[19]
    try:
        listed = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return listed.stdout.strip() or None


@functools.cache
def machine_id() -> str:
    """Return a text that differs between machines, their boots, and containers: within it a pid has one meaning."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):  # not Linux
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def is_alive(pid: int, mark: str) -> bool:
    """Return True if the process with this pid and start mark is running."""
    return start_mark(pid) == mark
