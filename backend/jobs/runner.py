"""The port of runners: what executes the tasks of a job. The forms are local subprocesses and a Cloud Run job."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from contract.messages.admin import ExecutionState


class RunnerProfile(Struct, frozen=True, kw_only=True):
    """The properties of a runner on which the plan depends.

    Attributes:
        worthwhile_seconds: Work, in seconds of one task, that justifies a further task. For Cloud Run it is the billed
            minimum of a minute, else the time that a start takes.
        max_tasks: Maximum number of tasks at a time.
        start_limit_seconds: A start by another backend process that is older than this has died with that process.
        start_up_seconds: An execution younger than this counts with all its tasks, even without any claim.
        follow_limit_seconds: An execution of unknown outcome is given up when it is older than this.
        billed_seconds: Minimum time that a task is billed for; 0 if tasks are free.
        prefers_latency: True starts further tasks as long as they are worthwhile. False leaves work to running tasks
            that finish it before their deadline, which costs less where tasks are billed.
    """

    worthwhile_seconds: float
    max_tasks: int
    start_limit_seconds: float = 120.0
    start_up_seconds: float = 20.0
    follow_limit_seconds: float = 4 * 3600.0
    billed_seconds: float = 0.0
    prefers_latency: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """The end of an execution. CPU time and memory are 0 where the runner cannot measure them."""

    state: ExecutionState
    retries: int = 0
    cpu_seconds: float = 0.0
    peak_rss_mb: float = 0.0
    error: str | None = None


class StartedExecution(Struct, frozen=True):
    """Cloud Run's full names of an execution and of the operation that ends with it."""

    execution: str
    operation: str | None


class RunnerError(Exception):
    """An execution could not be started or followed. The message contains the reason and the remedy."""


class Runner(Protocol):
    """Starts executions and reports their outcome. The caller chooses the name of an execution."""

    profile: RunnerProfile

    async def start(self, execution: str, tasks: int) -> None:
        """Start the tasks, and return once they are starting. Raises RunnerError."""
        ...

    async def outcome(self, execution: str) -> Outcome | None:
        """Return the outcome, or None while the execution runs. Raises RunnerError if it is unknown at the moment."""
        ...

    async def close(self) -> None:
        """End the tasks that cannot outlive this process."""
        ...
