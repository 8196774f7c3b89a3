"""Gather the contents of the activity page in one query, and compute the cost. Pure except for `gather`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct
from sqlalchemy import Connection

from backend.database import activity, executions, images, stage_times
from backend.database.activity import FailureReason, TaskInFlight
from backend.database.stage_times import StageTimes
from backend.jobs.bill import TASK, Size, billed_seconds
from backend.pages.formatting import counted, duration
from contract.messages.admin import ExecutionInfo
from contract.messages.processing import ImageState

SHOWN_EXECUTIONS = 20
COST_DAYS = 30


class ShownImage(Struct, frozen=True, kw_only=True):
    """A photo in progress; `about` says in which phase, and for how long."""

    id: str
    filename: str
    about: str


class ShownTask(Struct, frozen=True, kw_only=True):
    """A task and the photos that it has claimed."""

    name: str
    images: tuple[ShownImage, ...]


class CostSoFar(Struct, frozen=True, kw_only=True):
    """Cost in US dollars, and the sentence that explains it."""

    dollars: float
    sentence: str


class Activity(Struct, frozen=True, kw_only=True):
    """Everything that the page shows."""

    counts: dict[ImageState, int]
    revision: str
    waiting: str
    last_error: str | None
    tasks: tuple[ShownTask, ...]
    stages: StageTimes
    failures: tuple[FailureReason, ...]
    executions: tuple[ExecutionInfo, ...]
    cost: CostSoFar


class BilledExecution(Protocol):
    """The columns of an execution that decide its cost."""

    @property
    def tasks(self) -> int: ...
    @property
    def started_at(self) -> float: ...
    @property
    def finished_at(self) -> float | None: ...
    @property
    def state(self) -> str: ...
    @property
    def cloud_execution(self) -> str | None: ...


def gather(connection: Connection, now: float, in_cloud: bool, last_error: str | None) -> Activity:
    """Return the page's contents from one consistent view of the database.

    `in_cloud`: tasks run as a Cloud Run job.
    """
    waiting = images.queue_load(connection)
    counts = images.counts(connection)
    return Activity(
        counts=counts,
        revision="-".join([activity.revision(connection), *map(str, counts.values())]),
        waiting=waiting_sentence(waiting, now),
        last_error=last_error,
        tasks=tuple(_task(task, now) for task in activity.in_flight(connection)),
        stages=stage_times.stage_times(connection),
        failures=activity.failures(connection),
        executions=executions.recent(connection, SHOWN_EXECUTIONS),
        cost=cost_so_far(activity.started_since(connection, now - COST_DAYS * 86_400), now, in_cloud=in_cloud),
    )


def waiting_sentence(waiting: images.QueueLoad, now: float) -> str:
    """Return a text with the number of waiting photos and their waiting time; empty if no photo waits."""
    if not waiting.pending:
        return ""
    age = f", the first for {duration(now - waiting.first_at)}" if waiting.first_at is not None else ""
    return f"{counted(waiting.pending, 'photo')} of {waiting.megapixels:,.0f} megapixels in all{age}."


def cost_so_far(executions: Iterable[BilledExecution], now: float, *, in_cloud: bool, task: Size = TASK) -> CostSoFar:
    """Return what the tasks were billed. Each is billed for at least a minute, even if it found no work.

    An execution that Cloud Run never accepted costs nothing. Local ones cost nothing either: the sentence then says
    what Cloud Run would have billed.
    """
    seconds = 0.0
    count = 0
    for execution in executions:
        if in_cloud and execution.cloud_execution is None:
            continue
        seconds += execution.tasks * billed_seconds(max(0.0, (execution.finished_at or now) - execution.started_at))
        count += 1
    dollars = seconds * task.second
    tasks = f"{counted(count, 'execution')} in the last {COST_DAYS} days"
    minutes = f"{seconds / 60:,.1f}"
    price = f"{task.cpus:g} vCPU and {task.memory_gib:g} GiB"
    if in_cloud:
        sentence = f"{tasks}, {minutes} billed minutes for tasks of {price}, at list prices, free tier not deducted."
        return CostSoFar(dollars=dollars, sentence=sentence)
    sentence = (
        f"{tasks}; on this machine they cost nothing. Cloud Run would have billed ${dollars:,.4f} for {minutes} "
        f"minutes of tasks with {price}, at least one minute per task."
    )
    return CostSoFar(dollars=0.0, sentence=sentence)


def _task(task: TaskInFlight, now: float) -> ShownTask:
    images = tuple(
        ShownImage(
            id=image.id,
            filename=image.filename,
            about=("alone, after a crash, " if image.suspect else "")
            + ("in progress" if image.attempt_open else "claimed")
            + f" for {duration(now - image.claimed_at)}",
        )
        for image in task.images
    )
    return ShownTask(name=task.name or "legacy processor", images=images)
