"""What the activity page shows, gathered in one go; what was paid is worked out here. Pure but for `gather`."""

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
    """A photo in flight, and since when."""

    id: str
    filename: str
    about: str


class ShownTask(Struct, frozen=True, kw_only=True):
    """A task and what it holds."""

    name: str
    images: tuple[ShownImage, ...]


class CostSoFar(Struct, frozen=True, kw_only=True):
    """US dollars, and the sentence that says what they are."""

    dollars: float
    sentence: str


class Activity(Struct, frozen=True, kw_only=True):
    """All that the page shows."""

    counts: dict[ImageState, int]
    revision: str
    waiting: str
    last_error: str | None
    tasks: tuple[ShownTask, ...]
    stages: StageTimes
    failures: tuple[FailureReason, ...]
    executions: tuple[ExecutionInfo, ...]
    cost: CostSoFar


class Ran(Protocol):
    """What is known of an execution."""

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
    """Everything, from one consistent view of the database. `in_cloud`: tasks run as a Cloud Run job."""
    waiting = images.queue_load(connection)
    counts = images.counts(connection)
    return Activity(
        counts=counts,
        revision="-".join([activity.revision(connection), *map(str, counts.values())]),
        waiting=waiting_words(waiting, now),
        last_error=last_error,
        tasks=tuple(_task(task, now) for task in activity.in_flight(connection)),
        stages=stage_times.stage_times(connection),
        failures=activity.failures(connection),
        executions=executions.recent(connection, SHOWN_EXECUTIONS),
        cost=cost_so_far(activity.started_since(connection, now - COST_DAYS * 86_400), now, in_cloud=in_cloud),
    )


def waiting_words(waiting: images.QueueLoad, now: float) -> str:
    """What waits and for how long; empty if nothing does."""
    if not waiting.pending:
        return ""
    for_long = f", the first for {duration(now - waiting.first_at)}" if waiting.first_at is not None else ""
    return f"{counted(waiting.pending, 'photo')} of {waiting.megapixels:,.0f} megapixels in all{for_long}."


def cost_so_far(ran: Iterable[Ran], now: float, *, in_cloud: bool, task: Size = TASK) -> CostSoFar:
    """What the tasks were billed for; each for a minute at least, whatever it found to do.

    An execution that Cloud Run never took was not paid. Local ones cost nothing: told is what Cloud Run would bill.
    """
    seconds = 0.0
    number = 0
    for row in ran:
        if in_cloud and row.cloud_execution is None:
            continue
        seconds += row.tasks * billed_seconds(max(0.0, (row.finished_at or now) - row.started_at))
        number += 1
    dollars = seconds * task.second
    tasks = f"{counted(number, 'execution')} in the last {COST_DAYS} days, {seconds / 60:,.1f} minutes as billed"
    price = f"{task.cpus:g} vCPU and {task.memory_gib:g} GiB"
    if in_cloud:
        return CostSoFar(
            dollars=dollars, sentence=f"{tasks} for tasks of {price}, at list prices without the free allowance."
        )
    sentence = (
        f"{tasks} in the cloud, a minute a task at least; on this machine they cost nothing. "
        f"Cloud Run would have billed ${dollars:,.4f} for tasks of {price}."
    )
    return CostSoFar(dollars=0.0, sentence=sentence)


def _task(task: TaskInFlight, now: float) -> ShownTask:
    shown = tuple(
        ShownImage(
            id=image.id,
            filename=image.filename,
            about=("alone, after a death, " if image.suspect else "")
            + ("in work" if image.attempt_open else "claimed")
            + f" for {duration(now - image.claimed_at)}",
        )
        for image in task.images
    )
    return ShownTask(name=task.name or "the model system's processor", images=shown)
