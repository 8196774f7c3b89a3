"""Simulate the plan against a simulated clock, to forecast its duration and its cost. Pure.

Simulated are photos of one size that arrive, the scheduler's requests, uploads that check whether they filled a batch,
and tasks that begin a while after their start and work at a constant rate.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from backend.jobs.bill import LEGACY_TASK, LEGACY_TASKS, TASK, Size, billed_seconds
from backend.jobs.dispatch_policy import LAST_CLAIM_SECONDS, QueueFacts, decide
from backend.jobs.runner import RunnerProfile
from contract.messages.admin import WorkRate

STEP_SECONDS = 0.5
MAX_SECONDS = 7 * 86_400.0
LEGACY_BATCH = 50
"""Batch size of the legacy system."""
LEGACY_DELAY_SECONDS = 30.0
"""Flush delay of the legacy system."""


class Assumptions(Struct, frozen=True, kw_only=True):
    """Further assumptions. `start_seconds` is the billed time between the start of a task and its first photo."""

    batch_size: int = 50
    flush_delay: float = 30.0
    run_every: float = 60.0
    task_timeout: float = 900.0
    start_seconds: float = 10.0
    task: Size = TASK


class Forecast(Struct, frozen=True, kw_only=True):
    """The result of a simulation.

    Attributes:
        photos: Number of photos.
        executions: Number of executions started.
        tasks: Number of tasks started.
        most_tasks: Maximum number of tasks at a time.
        seconds: Time until all photos are done.
        billed_seconds: Billed time, summed over the tasks.
        dollars: Cost in US dollars.
        model_dollars: Cost in US dollars of the legacy system, which starts ten tasks per batch.
    """

    photos: int
    executions: int
    tasks: int
    most_tasks: int
    seconds: float
    billed_seconds: float
    dollars: float
    model_dollars: float


class _Execution(Struct):
    tasks: int
    started_at: float


def forecast(
    arrivals: Iterable[tuple[float, int]],
    rate: WorkRate,
    profile: RunnerProfile,
    assumptions: Assumptions | None = None,
) -> Forecast:
    """Simulate the processing of photos.

    Args:
        arrivals: (time in seconds, number of photos), by rising time. Photos at time 0 wait already.
        rate: Speed of a task, and size of a photo.
        profile: The runner.
        assumptions: Further assumptions.
    """
    assumed = assumptions or Assumptions()
    coming = deque(arrivals)
    photos = sum(number for _, number in coming)
    model_dollars = legacy_batches(coming) * LEGACY_TASKS * billed_seconds(0.0) * LEGACY_TASK.second
    waiting: deque[tuple[float, float]] = deque()  # (arrival, megapixels that are left)
    running: list[_Execution] = []
    executions = tasks = most = 0
    billed = now = done_at = 0.0
    last_start: float | None = None
    next_run = 0.0
    while now < MAX_SECONDS:
        uploaded = False
        while coming and coming[0][0] <= now:
            moment, number = coming.popleft()
            waiting.extend((moment, rate.megapixels_per_photo) for _ in range(number))
            uploaded = moment > 0
        if uploaded or now >= next_run:
            if now >= next_run:
                next_run += assumed.run_every
            facts = _facts(waiting, running, rate, now, last_start, assumed)
            decision = decide(
                facts, now, batch_size=assumed.batch_size, flush_delay=assumed.flush_delay, profile=profile
            )
            if decision.tasks:
                running.append(_Execution(decision.tasks, now))
                executions, tasks, last_start = executions + 1, tasks + decision.tasks, now
                most = max(most, sum(execution.tasks for execution in running))
        if not waiting and not running:
            if not coming:
                break
            now = max(now, math.floor(coming[0][0] / STEP_SECONDS) * STEP_SECONDS)
            next_run = max(next_run, math.ceil(now / assumed.run_every) * assumed.run_every)
        billed += _step(waiting, running, rate, now, assumed)
        now += STEP_SECONDS
        if not waiting and not done_at and not coming:
            done_at = now
    return Forecast(
        photos=photos,
        executions=executions,
        tasks=tasks,
        most_tasks=most,
        seconds=done_at,
        billed_seconds=billed,
        dollars=billed * assumed.task.second,
        model_dollars=model_dollars,
    )


def _facts(
    waiting: deque[tuple[float, float]],
    running: list[_Execution],
    rate: WorkRate,
    now: float,
    last_start: float | None,
    assumed: Assumptions,
) -> QueueFacts:
    left = [execution.started_at + assumed.task_timeout - now - LAST_CLAIM_SECONDS for execution in running]
    return QueueFacts(
        pending=len(waiting),
        pending_megapixels=sum(megapixels for _, megapixels in waiting),
        first_pending_at=waiting[0][0] if waiting else None,
        running_task_seconds=sum(e.tasks * max(0.0, seconds) for e, seconds in zip(running, left, strict=True)),
        live_tasks=sum(execution.tasks for execution in running),
        last_started_at=last_start,
        seconds_per_megapixel=rate.seconds_per_megapixel,
    )


def _step(
    waiting: deque[tuple[float, float]], running: list[_Execution], rate: WorkRate, now: float, assumed: Assumptions
) -> float:
    """Let the tasks work for one step. Return the billed seconds of the tasks that ended."""
    working = [
        execution
        for execution in running
        if assumed.start_seconds <= now - execution.started_at < assumed.task_timeout - LAST_CLAIM_SECONDS
    ]
    work = sum(execution.tasks for execution in working) * STEP_SECONDS / rate.seconds_per_megapixel
    while waiting and work > 0:
        moment, megapixels = waiting.popleft()
        if megapixels > work:
            waiting.appendleft((moment, megapixels - work))
        work -= megapixels
    billed = 0.0
    for execution in list(running):
        age = now - execution.started_at + STEP_SECONDS
        idle = not waiting and age > assumed.start_seconds
        if idle or age >= assumed.task_timeout - LAST_CLAIM_SECONDS:
            running.remove(execution)
            billed += execution.tasks * billed_seconds(age)
    return billed


def legacy_batches(arrivals: Iterable[tuple[float, int]]) -> int:
    """Return the number of batches of the legacy system: full ones, and photos within a delay after the first one.

    It starts ten tasks per batch. A tenth of a batch takes a few seconds, so each task is billed for the minimum.
    """
    batches = gathered = 0
    first_at = 0.0
    for moment, number in arrivals:
        if gathered and moment >= first_at + LEGACY_DELAY_SECONDS:
            batches, gathered = batches + 1, 0
        if not gathered:
            first_at = moment
        gathered += number
        batches, gathered = batches + gathered // LEGACY_BATCH, gathered % LEGACY_BATCH
    return batches + (gathered > 0)


def pending_now(photos: int) -> list[tuple[float, int]]:
    """Return the arrivals of photos that wait already."""
    return [(0.0, photos)]


def spread(photos: int, seconds: float) -> list[tuple[float, int]]:
    """Return the arrivals of photos that come one by one, evenly over `seconds`."""
    return [((number + 1) * seconds / photos, 1) for number in range(photos)]


def scaled(single: Forecast, times: float) -> Forecast:
    """Return the sum of `times` such forecasts in a row. `seconds` and `most_tasks` keep their values."""
    return msgspec.structs.replace(
        single,
        photos=round(single.photos * times),
        executions=round(single.executions * times),
        tasks=round(single.tasks * times),
        billed_seconds=single.billed_seconds * times,
        dollars=single.dollars * times,
        model_dollars=single.model_dollars * times,
    )
