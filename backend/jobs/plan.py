"""When to execute the job, and with how many tasks. Pure: facts in, decision out.

Work is counted in megapixels of the photos that wait, and turned into seconds of one task by the
rate that this installation has measured. Where tasks are billed, a task is started for each
minute that the work fills, since a shorter one costs as much; where they are not, or where
latency is preferred, for each further bit of work that is worth a start.
"""

from __future__ import annotations

import math

from msgspec import Struct

from backend.database.throughput import SECONDS_PER_MEGAPIXEL
from backend.jobs.runner import RunnerProfile

RESTART_BACKOFF_SECONDS = 5.0
"""Wait after a first failed execution; doubled for each further one."""

MAX_BACKOFF_SECONDS = 300.0

LAST_CLAIM_SECONDS = 45.0
"""So long before its deadline a task claims no more."""


class QueueFacts(Struct, frozen=True, kw_only=True):
    """What the database says: counts of images, their megapixels, and times in seconds since the epoch.

    `first_pending_at`: when the longest waiting image became pending. `running_task_seconds`: the
    sum over running tasks of the time in which they still claim; `live_tasks` counts these.
    `failures`: executions that failed in a row, the last of them at `last_failure_at`.
    `last_started_at`: when the newest execution was started, or None if there was none.
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
    there is worthwhile work for; with those that run at most `profile.max_tasks`.
    """
    if facts.pending == 0 or facts.first_pending_at is None:
        return _none("nothing is pending")
    waited = now - facts.first_pending_at
    # Far in the future: the clock has been set back, and waiting would have no end.
    fresh = -flush_delay < waited < flush_delay
    if not flush and fresh and facts.pending < batch_size:
        return _none(f"{facts.pending} of {batch_size} gathered, the first {max(waited, 0):.0f} s ago")
    if facts.failures:
        backoff = min(RESTART_BACKOFF_SECONDS * 2 ** (facts.failures - 1), MAX_BACKOFF_SECONDS)
        left = facts.last_failure_at + backoff - now
        if 0 < left <= backoff:  # beyond it the clock has been set back, and waiting would have no end
            return _none(f"the last {facts.failures} executions failed; next try in {left:.0f} s")
    cause = "on request" if flush else f"{facts.pending} pending, the first {max(waited, 0):.0f} s ago"
    if profile.prefers_latency:
        tasks = _tasks_for(facts.pending_megapixels + facts.in_work_megapixels, facts, profile) - facts.live_tasks
        if tasks <= 0 and facts.live_tasks:
            return _none(f"{facts.live_tasks} running tasks will take the {facts.pending} pending images")
        return Decision(tasks=max(1, min(tasks, facts.pending)), images=facts.pending, reason=cause)
    coming = max(0.0, facts.running_task_seconds / facts.seconds_per_megapixel - facts.in_work_megapixels)
    uncovered = facts.pending_megapixels - coming
    if uncovered <= 0 and facts.running_task_seconds > 0:
        return _none(f"running tasks will take the {facts.pending} pending images")
    room = profile.max_tasks - facts.live_tasks
    if room <= 0:
        return _none(f"{facts.live_tasks} tasks are running, as many as may")
    if not flush and fresh and _minute_is_paid(facts, now, profile, uncovered):
        return _none(f"{facts.pending} pending; a start is worth it when they have waited {flush_delay:.0f} s")
    share = 1.0 if facts.pending_megapixels <= 0 else min(1.0, uncovered / facts.pending_megapixels)
    images = max(1, math.ceil(facts.pending * share - 1e-9))
    return Decision(tasks=min(_tasks_for(uncovered, facts, profile), images, room), images=images, reason=cause)


def _none(reason: str) -> Decision:
    return Decision(tasks=0, images=0, reason=reason)


def _minute_is_paid(facts: QueueFacts, now: float, profile: RunnerProfile, uncovered: float) -> bool:
    """Whether a full batch had better wait for its delay, which holds in any case.

    An execution that was started less than its least billed time ago is being paid for; the next one would be
    paid for at once, unless its work fills that time anyway.
    """
    if facts.last_started_at is None or not 0 <= now - facts.last_started_at < profile.billed_seconds:
        return False
    return uncovered * facts.seconds_per_megapixel < profile.worthwhile_seconds


def _tasks_for(megapixels: float, facts: QueueFacts, profile: RunnerProfile) -> int:
    """As many tasks as there is worthwhile work for: at least one, at most the profile's most."""
    filled = megapixels * facts.seconds_per_megapixel / profile.worthwhile_seconds
    tasks = math.ceil(filled - 1e-9) if profile.prefers_latency else math.floor(filled + 1e-9)
    return max(1, min(tasks, profile.max_tasks))
