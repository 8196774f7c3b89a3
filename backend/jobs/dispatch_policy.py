"""Decide when to start an execution, and with how many tasks. Pure: facts in, decision out.

Work is measured in megapixels of waiting photos, and converted to seconds of one task by this installation's rate.
Where tasks are billed, one task is started per full minute of work, because a shorter task costs as much.
Where they are free, or where latency is preferred, a task is started for all work that is worth a start.
"""

from __future__ import annotations

import math

from msgspec import Struct

from backend.jobs.runner import RunnerProfile

SECONDS_PER_MEGAPIXEL = 0.02
"""Assumed rate of one task with two CPUs, until this installation has measured its own."""

RESTART_BACKOFF_SECONDS = 5.0
"""Delay after the first failed execution. It doubles after each further failure."""

MAX_BACKOFF_SECONDS = 300.0

LAST_CLAIM_SECONDS = 45.0
"""A task claims nothing more when its deadline is closer than this."""


class QueueFacts(Struct, frozen=True, kw_only=True):
    """The state of the queue. Times are in seconds since the Unix epoch.

    Attributes:
        pending: Number of pending images.
        pending_megapixels: Their size.
        in_work_megapixels: Size of the claimed images.
        first_pending_at: When the image that waits longest became pending.
        running_task_seconds: Time during which running tasks still claim, summed over the tasks.
        live_tasks: Number of these tasks.
        failures: Number of executions that failed in a row.
        last_failure_at: When the last of them failed.
        last_started_at: When the newest execution was started, or None if there was none.
        seconds_per_megapixel: The measured rate of one task.
    """

    pending: int
    pending_megapixels: float
    in_work_megapixels: float = 0.0
    first_pending_at: float | None
    running_task_seconds: float = 0.0
    live_tasks: int = 0
    failures: int = 0
    last_failure_at: float = 0.0
    last_started_at: float | None = None
    seconds_per_megapixel: float = SECONDS_PER_MEGAPIXEL


class Decision(Struct, frozen=True, kw_only=True):
    """The number of tasks to start (0: none), the number of images for them, and the reason."""

    tasks: int
    images: int
    reason: str


def decide(
    facts: QueueFacts, now: float, *, batch_size: int, flush_delay: float, profile: RunnerProfile, forced: bool = False
) -> Decision:
    """Return how many tasks to start now.

    An execution is due for a full batch, if the first image has waited `flush_delay` seconds, or if `forced`.
    Work that running tasks finish before their deadline is left to them.
    There are as many tasks as worthwhile work, and at most `profile.max_tasks` including the running ones.
    """
    if facts.pending == 0 or facts.first_pending_at is None:
        return _none("nothing is pending")
    waited = now - facts.first_pending_at
    # A first image far in the future was queued before the clock was set back, and would wait forever.
    within_delay = -flush_delay < waited < flush_delay
    if not forced and within_delay and facts.pending < batch_size:
        return _none(f"{facts.pending} of {batch_size} gathered, the first {max(waited, 0):.0f} s ago")
    if facts.failures:
        backoff = min(RESTART_BACKOFF_SECONDS * 2 ** (facts.failures - 1), MAX_BACKOFF_SECONDS)
        left = facts.last_failure_at + backoff - now
        if 0 < left <= backoff:  # a longer rest means that the clock was set back
            return _none(f"the last {facts.failures} executions failed; next try in {left:.0f} s")
    cause = "on request" if forced else f"{facts.pending} pending, the first {max(waited, 0):.0f} s ago"
    if profile.prefers_latency:
        tasks = _tasks_for(facts.pending_megapixels + facts.in_work_megapixels, facts, profile) - facts.live_tasks
        if tasks <= 0 and facts.live_tasks:
            return _none(f"{facts.live_tasks} running tasks will take the {facts.pending} pending images")
        return Decision(tasks=max(1, min(tasks, facts.pending)), images=facts.pending, reason=cause)
    covered = max(0.0, facts.running_task_seconds / facts.seconds_per_megapixel - facts.in_work_megapixels)
    uncovered = facts.pending_megapixels - covered
    if uncovered <= 0 and facts.running_task_seconds > 0:
        return _none(f"running tasks will take the {facts.pending} pending images")
    free_tasks = profile.max_tasks - facts.live_tasks
    if free_tasks <= 0:
        return _none(f"already running the maximum of {facts.live_tasks} tasks")
    if not forced and within_delay and _minute_is_paid(facts, now, profile, uncovered):
        return _none(f"{facts.pending} pending; they are started when they have waited {flush_delay:.0f} s")
    share = 1.0 if facts.pending_megapixels <= 0 else min(1.0, uncovered / facts.pending_megapixels)
    images = max(1, math.ceil(facts.pending * share - 1e-9))
    tasks = min(_tasks_for(uncovered, facts, profile), images, free_tasks)
    return Decision(tasks=tasks, images=images, reason=cause)


def _none(reason: str) -> Decision:
    return Decision(tasks=0, images=0, reason=reason)


def _minute_is_paid(facts: QueueFacts, now: float, profile: RunnerProfile, uncovered: float) -> bool:
    """Return True if a full batch should still wait. It never waits longer than its delay.

    The billed minimum of an execution that was just started is being paid for.
    A further execution would pay it again, unless its work fills that time anyway.
    """
    if facts.last_started_at is None or not 0 <= now - facts.last_started_at < profile.billed_seconds:
        return False
    return uncovered * facts.seconds_per_megapixel < profile.worthwhile_seconds


def _tasks_for(megapixels: float, facts: QueueFacts, profile: RunnerProfile) -> int:
    """Return the number of tasks that have worthwhile work, from 1 to the profile's maximum."""
    filled = megapixels * facts.seconds_per_megapixel / profile.worthwhile_seconds
    tasks = math.ceil(filled - 1e-9) if profile.prefers_latency else math.floor(filled + 1e-9)
    return max(1, min(tasks, profile.max_tasks))
