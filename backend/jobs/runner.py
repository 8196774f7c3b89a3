"""The runner: what executes the tasks of a job. Local subprocesses and Cloud Run are its forms."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from contract.admin_messages import ExecutionState


class RunnerProfile(Struct, frozen=True, kw_only=True):
    """What a plan must know of a runner.

    `worthwhile_seconds`: the least work, in seconds of one task, that justifies a further task
    (Cloud Run bills a minute at least; locally it is the time that a process needs to start).
    `start_limit_seconds`: a start that another backend process began this long ago has died with it.
    `prefers_latency`: start further tasks as long as they are worthwhile, though running ones would take the
    work in their time; else that work is left to these, which costs less where tasks are billed.
    """

    worthwhile_seconds: float
    max_tasks: int
    start_limit_seconds: float = 120.0
    prefers_latency: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """How an execution ended; CPU and memory as far as the runner can know them."""

    state: ExecutionState
    retries: int = 0
    cpu_seconds: float = 0.0
    peak_rss_mb: float = 0.0
    error: str | None = None


class RunnerError(Exception):
    """An execution could not be started; the message says why and what to do."""


class Runner(Protocol):
    """Starts executions and tells how they end. `execution` names are given by the caller."""

    profile: RunnerProfile

    async def start(self, execution: str, tasks: int) -> None:
        """Have the tasks executed; returns once that is under way. Raises RunnerError."""
        ...

    async def outcome(self, execution: str) -> Outcome | None:
        """How the execution ended, or None while it runs."""
        ...

    async def close(self) -> None:
        """End what would not outlive this process."""
        ...
