"""When to execute the job, and with how many tasks. Pure: facts in, decision out."""

from __future__ import annotations

import math

from msgspec import Struct

from backend.jobs.runner import RunnerProfile

SECONDS_PER_IMAGE = 0.5
"""Assumed seconds of one task per image until this installation has measured its own."""

RESTART_BACKOFF_SECONDS = 5.0
"""Wait after a first failed execution; doubled for each further one."""

LONGEST_BACKOFF_SECONDS = 300.0


class QueueFacts(Struct, frozen=True, kw_only=True):
    """What the database says: counts of images, and times in seconds since the epoch.

    `first_pending_at`: when the longest waiting image became pending. `running_task_seconds`: the
    sum over running tasks of the time in which they still claim; `live_tasks` counts these.
    `failures`: executions that failed in a row, the last of them at `last_failure_at`.
    """

    pending: int
    in_work: int
    first_pending_at: float | None
    running_task_seconds: float = 0.0
    live_tasks: int = 0
    failures: int = 0
    last_failure_at: float = 0.0
    seconds_per_image: float = SECONDS_PER_IMAGE


class Decision(Struct, frozen=True, kw_only=True):
    """How many tasks to start (0: none), for how many images, and why."""

    tasks: int
    images: int
    reason: str


def decide(
    facts: QueueFacts, now: float, *, batch_size: int, flush_delay: float, profile: RunnerProfile, flush: bool = False
) -> Decision:
    """Whether an execution is due, and its size.

    Due is a full batch, a first pending image that has waited `flush_delay` seconds, or a flush.
    Work that running tasks will take before their deadline is left to them. As many tasks as
    there is worthwhile work for, at most `profile.max_tasks`.
    """
    if facts.pending == 0 or facts.first_pending_at is None:
        return Decision(tasks=0, images=0, reason="nothing is pending")
    waited = now - facts.first_pending_at
    # Far in the future: the clock has been set back, and waiting would have no end.
    if not flush and facts.pending < batch_size and -flush_delay < waited < flush_delay:
        return Decision(
            tasks=0,
            images=0,
            reason=f"{facts.pending} of {batch_size} gathered, the first {max(waited, 0):.0f} s ago",
        )
    if facts.failures:
        backoff = min(RESTART_BACKOFF_SECONDS * 2 ** (facts.failures - 1), LONGEST_BACKOFF_SECONDS)
        left = facts.last_failure_at + backoff - now
        if 0 < left <= backoff:  # beyond it the clock has been set back, and waiting would have no end
            return Decision(
                tasks=0, images=0, reason=f"the last {facts.failures} executions failed; next try in {left:.0f} s"
            )
    cause = "on request" if flush else f"{facts.pending} pending, the first {max(waited, 0):.0f} s ago"
    if profile.prefers_latency:
        tasks = _tasks_for(facts.pending + facts.in_work, facts, profile) - facts.live_tasks
        if tasks <= 0 and facts.live_tasks:
            return Decision(
                tasks=0,
                images=0,
                reason=f"{facts.live_tasks} running tasks will take the {facts.pending} pending images",
            )
        return Decision(tasks=max(1, min(tasks, facts.pending)), images=facts.pending, reason=cause)
    coming = facts.running_task_seconds / facts.seconds_per_image - facts.in_work
    uncovered = facts.pending - max(0, math.floor(coming))
    if uncovered <= 0:
        return Decision(tasks=0, images=0, reason=f"running tasks will take the {facts.pending} pending images")
    return Decision(tasks=_tasks_for(uncovered, facts, profile), images=uncovered, reason=cause)


def _tasks_for(number: int, facts: QueueFacts, profile: RunnerProfile) -> int:
    """As many tasks as there is worthwhile work for in so many images: at least one, at most the profile's most."""
    worthwhile = math.ceil(number * facts.seconds_per_image / profile.worthwhile_seconds)
    return max(1, min(worthwhile, profile.max_tasks, number))
