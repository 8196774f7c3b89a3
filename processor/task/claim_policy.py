"""Decide the next step of a task: claim images, wait, or stop. Pure."""

from __future__ import annotations

from msgspec import Struct

DRY_SECONDS = 0.3
"""Pause after a claim that returned no image."""
MAX_WAIT_SECONDS = 1.0
MAX_TRANSIENT_ERRORS = 6
MAX_CLAIM = 50
"""The backend's limit for one claim."""


class TaskState(Struct, frozen=True, kw_only=True):
    """Everything that the next step depends on.

    Attributes:
        ending: Whether a stop was requested, or an error ends the task.
        seconds_left: Seconds to the time limit of the task.
        timeout_seconds: The time limit itself.
        threads: Render threads.
        under_way: Images in progress, without those that only wait for the response to their report.
        idle: Whether no image is in progress, not even one that waits for that response.
        finished: Images that this task has finished, with any outcome.
        transient_errors: Images in a row that were returned because of a transient error.
        quiet_seconds: Seconds in which the task should not claim; 0 or less if it may.
        dry: Whether the last claim returned no image.
        empty_idle_claims: Claims in a row that returned no image while the task was idle.
    """

    seconds_left: float
    timeout_seconds: float
    threads: int
    ending: bool = False
    under_way: int = 0
    idle: bool = True
    finished: int = 0
    transient_errors: int = 0
    quiet_seconds: float = 0.0
    dry: bool = False
    empty_idle_claims: int = 0


class Claim(Struct, frozen=True):
    """Claim up to `limit` images."""

    limit: int


class Wait(Struct, frozen=True):
    """Wait for a change, at most `seconds`."""

    seconds: float


class Stop(Struct, frozen=True):
    """Claim no more; `reason` is for the log."""

    reason: str


def next_step(state: TaskState) -> Claim | Wait | Stop:
    """Return the next step.

    The cases, in their order:

    1. The task is ending, or its time is nearly up: stop.
    2. The backend has no images left: stop. One empty claim of an idle task proves it, if the task has worked and met
       no transient error. Otherwise it takes two, because images may just be on their way to the queue.
    3. More images are needed: claim. The pause after an empty claim is skipped once, when the last image has ended.
    4. Otherwise wait.
    """
    if state.ending:
        return Stop("the task is ending")
    if state.seconds_left <= seconds_to_finish(state.timeout_seconds):
        return Stop("time is nearly up (TASK_TIMEOUT_SECONDS)")
    worked = state.finished > 0 and state.transient_errors == 0
    if state.empty_idle_claims >= (1 if worked else 2):
        return Stop("no images are left")
    limit = claim_limit(state.under_way, state.threads)
    last_claim = state.idle and state.dry and state.empty_idle_claims == 0 and state.transient_errors == 0
    if limit and (state.quiet_seconds <= 0 or last_claim):
        return Claim(limit)
    return Wait(min(MAX_WAIT_SECONDS, state.quiet_seconds) if limit else MAX_WAIT_SECONDS)


def claim_limit(under_way: int, threads: int) -> int:
    """Return how many images to claim: 0 while enough are in progress, otherwise a small batch.

    Batches are small, because other tasks cannot claim what this task holds.
    """
    free = 2 * threads + 4 - under_way
    return min(free, 2 * threads, MAX_CLAIM) if free >= min(threads, 4) else 0


def seconds_to_finish(timeout_seconds: float) -> float:
    """Return how long before its time limit a task stops claiming, to finish the images that it has."""
    return min(45.0, timeout_seconds / 3)


def pause_after(transient_errors: int) -> float:
    """Return the seconds without a claim after this many transient errors in a row."""
    return min(5.0, 0.1 * 2.0**transient_errors) if transient_errors else 0.0
