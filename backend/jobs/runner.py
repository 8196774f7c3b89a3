"""The runner: what executes the tasks of a job. Local subprocesses and Cloud Run are its forms."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from contract.messages.admin import ExecutionState


class RunnerProfile(Struct, frozen=True, kw_only=True):
    """What a plan must know of a runner.

    `worthwhile_seconds`: the work, in seconds of one task, that justifies a further task: what fills the
    minute that Cloud Run bills at least, or else the time that a start takes.
    `start_limit_seconds`: a start that another backend process began this long ago has died with it.
    `start_up_seconds`: so long after its start an execution counts with all its tasks, claims or not.
    `follow_limit_seconds`: an execution whose end cannot be seen is given up so long after its start.
    `billed_seconds`: what a task is billed for at least; 0 where tasks cost nothing.
    `prefers_latency`: start further tasks as long as they are worthwhile, though running ones would take the
    work in their time; else that work is left to these, which costs less where tasks are billed.
    """

    worthwhile_seconds: float
    max_tasks: int
    start_limit_seconds: float = 120.0
    start_up_seconds: float = 20.0
    follow_limit_seconds: float = 4 * 3600.0
    billed_seconds: float = 0.0
    prefers_latency: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """How an execution ended; CPU and memory as far as the runner can know them."""

    state: ExecutionState
    retries: int = 0
    cpu_seconds: float = 0.0
    peak_rss_mb: float = 0.0
    error: str | None = None


class StartedExecution(Struct, frozen=True):
    """What Cloud Run calls an execution, and the operation that ends with it, both as full names."""

    execution: str
    operation: str | None


class RunnerError(Exception):
    """An execution could not be started or followed; the message says why and what to do."""


class Runner(Protocol):
    """Starts executions and tells how they end. `execution` names are given by the caller."""

    profile: RunnerProfile

    async def start(self, execution: str, tasks: int) -> None:
        """Have the tasks executed; returns once that is under way. Raises RunnerError."""
        ...

    async def outcome(self, execution: str) -> Outcome | None:
        """How the execution ended, or None while it runs. Raises RunnerError where that cannot be seen now."""
        ...

    async def close(self) -> None:
        """End what would not outlive this process."""
        ...
