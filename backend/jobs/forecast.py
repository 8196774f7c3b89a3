"""What the plan will do, and what it will cost: the plan itself, run against an imagined clock. Pure.

Imagined are the things around it: photos of one size that arrive, a scheduler that ticks, uploads that look
whether they filled a batch, and tasks that begin a while after their start and work at a steady rate.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from backend.jobs.bill import MODEL_TASK, MODEL_TASKS, TASK, Size, billed_seconds
from backend.jobs.plan import LAST_CLAIM_SECONDS, QueueFacts, decide
from backend.jobs.runner import RunnerProfile
from contract.messages.admin import WorkRate

STEP_SECONDS = 0.5
MAX_SECONDS = 7 * 86_400.0
MODEL_BATCH = 50
MODEL_DELAY_SECONDS = 30.0


class Assumptions(Struct, frozen=True, kw_only=True):
    """What else is assumed. `start_seconds` pass, billed, between a start and a task's first photo."""

    batch_size: int = 50
    flush_delay: float = 30.0
    tick_every: float = 60.0
    task_timeout: float = 900.0
    start_seconds: float = 10.0
    task: Size = TASK


class Forecast(Struct, frozen=True, kw_only=True):
    """Executions and tasks started, tasks at once at most, seconds until all photos are done, and the bill.

    `billed_seconds` sum over the tasks; `dollars` and `model_dollars` are US dollars, the latter for ten
    tasks a batch.
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
    surroundings: Assumptions | None = None,
) -> Forecast:
    """The course of things when so many photos arrive at these times (seconds, rising; those at 0 wait already)."""
    around = surroundings or Assumptions()
    coming = deque(arrivals)
    photos = sum(number for _, number in coming)
    of_model = model_batches(coming) * MODEL_TASKS * billed_seconds(0.0) * MODEL_TASK.second
    waiting: deque[tuple[float, float]] = deque()  # when it arrived, and its megapixels that are left
    running: list[_Execution] = []
    executions = tasks = most = 0
    billed = now = done_at = 0.0
    last_start: float | None = None
    next_tick = 0.0
    while now < MAX_SECONDS:
        uploaded = False
        while coming and coming[0][0] <= now:
            moment, number = coming.popleft()
            waiting.extend((moment, rate.megapixels_per_photo) for _ in range(number))
            uploaded = moment > 0
        if uploaded or now >= next_tick:
            if now >= next_tick:
                next_tick += around.tick_every
            facts = _facts(waiting, running, rate, now, last_start, around)
            decision = decide(facts, now, batch_size=around.batch_size, flush_delay=around.flush_delay, profile=profile)
            if decision.tasks:
                running.append(_Execution(decision.tasks, now))
                executions, tasks, last_start = executions + 1, tasks + decision.tasks, now
                most = max(most, sum(execution.tasks for execution in running))
        if not waiting and not running:
            if not coming:
                break
            now = max(now, math.floor(coming[0][0] / STEP_SECONDS) * STEP_SECONDS)
            next_tick = max(next_tick, math.ceil(now / around.tick_every) * around.tick_every)
        billed += _step(waiting, running, rate, now, around)
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
        dollars=billed * around.task.second,
        model_dollars=of_model,
    )


def _facts(
    waiting: deque[tuple[float, float]],
    running: list[_Execution],
    rate: WorkRate,
    now: float,
    last_start: float | None,
    around: Assumptions,
) -> QueueFacts:
    left = [execution.started_at + around.task_timeout - now - LAST_CLAIM_SECONDS for execution in running]
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
    waiting: deque[tuple[float, float]], running: list[_Execution], rate: WorkRate, now: float, around: Assumptions
) -> float:
    """Let the tasks work for a step; the seconds billed for those that have ended."""
    able = [
        execution
        for execution in running
        if around.start_seconds <= now - execution.started_at < around.task_timeout - LAST_CLAIM_SECONDS
    ]
    work = sum(execution.tasks for execution in able) * STEP_SECONDS / rate.seconds_per_megapixel
    while waiting and work > 0:
        moment, megapixels = waiting.popleft()
        if megapixels > work:
            waiting.appendleft((moment, megapixels - work))
        work -= megapixels
    billed = 0.0
    for execution in list(running):
        age = now - execution.started_at + STEP_SECONDS
        idle = not waiting and age > around.start_seconds
        if idle or age >= around.task_timeout - LAST_CLAIM_SECONDS:
            running.remove(execution)
            billed += execution.tasks * billed_seconds(age)
    return billed


def model_batches(arrivals: Iterable[tuple[float, int]]) -> int:
    """How many batches the system makes that this one re-creates: full ones, and what a delay after its first holds.

    It starts ten tasks for each; a tenth of a batch takes a task a few seconds, so each is billed for its minute.
    """
    batches = gathered = 0
    first_at = 0.0
    for moment, number in arrivals:
        if gathered and moment >= first_at + MODEL_DELAY_SECONDS:
            batches, gathered = batches + 1, 0
        if not gathered:
            first_at = moment
        gathered += number
        batches, gathered = batches + gathered // MODEL_BATCH, gathered % MODEL_BATCH
    return batches + (gathered > 0)


def pending_at_once(photos: int) -> list[tuple[float, int]]:
    """So many photos that wait already."""
    return [(0.0, photos)]


def spread(photos: int, seconds: float) -> list[tuple[float, int]]:
    """So many photos one by one, evenly over this time."""
    return [((number + 1) * seconds / photos, 1) for number in range(photos)]


def scaled(one: Forecast, times: float) -> Forecast:
    """The same course so many times over, one after the other; `seconds` and `most_tasks` stay those of one."""
    return msgspec.structs.replace(
        one,
        photos=round(one.photos * times),
        executions=round(one.executions * times),
        tasks=round(one.tasks * times),
        billed_seconds=one.billed_seconds * times,
        dollars=one.dollars * times,
        model_dollars=one.model_dollars * times,
    )
