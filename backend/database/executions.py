"""Executions of the job: one is being started at a time, each is followed to its end."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from backend.database.tables import executions, local_tasks
from contract.messages.admin import ExecutionInfo, ExecutionState

UNFINISHED = ("starting", "running")


def begin(connection: Connection, name: str, tasks: int, image_count: int, now: float, deadline: float) -> bool:
    """Reserve the start of an execution; False while another one is being started."""
    try:
        with connection.begin_nested():
            connection.execute(
                insert(executions).values(
                    name=name, state="starting", tasks=tasks, images=image_count, started_at=now, deadline=deadline
                )
            )
    except IntegrityError:
        return False
    return True


def started(connection: Connection, name: str) -> None:
    """The runner has taken it over."""
    connection.execute(
        update(executions).where(executions.c.name == name, executions.c.state == "starting").values(state="running")
    )


def known_in_cloud(connection: Connection, name: str, execution: str, operation: str | None) -> None:
    """Remember what Cloud Run calls this execution, and the operation that ends with it."""
    connection.execute(
        update(executions).where(executions.c.name == name).values(cloud_execution=execution, cloud_operation=operation)
    )


def row_of(connection: Connection, name: str) -> sa.Row[Any] | None:
    """The row of an execution, or None."""
    return connection.execute(select(executions).where(executions.c.name == name)).first()


def owner_of_tasks(row: sa.Row[Any]) -> str:
    """What the tasks of this execution call it: Cloud Run's own short name where it runs there."""
    return str(row.cloud_execution or row.name).rpartition("/")[2]


def last_start(connection: Connection) -> float | None:
    """When the newest execution was started, or None if there was none; failed ones, paid for or not, do not count."""
    newest = select(sa.func.max(executions.c.started_at)).where(executions.c.state != "failed")
    found: float | None = connection.scalar(newest)
    return found


def finish(connection: Connection, /, name: str, state: ExecutionState, now: float, **figures: object) -> bool:
    """Record the end; False if it had been recorded. `figures`: retries, cpu_seconds, peak_rss_mb, error."""
    changed = connection.execute(
        update(executions)
        .where(executions.c.name == name, executions.c.state.in_(UNFINISHED))
        .values(state=state, finished_at=now, **figures)
    ).rowcount
    connection.execute(delete(local_tasks).where(local_tasks.c.execution == name))
    return changed > 0


def unfinished(connection: Connection) -> list[sa.Row[Any]]:
    """Executions that are starting or running, oldest first."""
    query = select(executions).where(executions.c.state.in_(UNFINISHED)).order_by(executions.c.started_at)
    return list(connection.execute(query))


def recent(connection: Connection, limit: int, since: float = 0.0) -> tuple[ExecutionInfo, ...]:
    """The newest executions, newest first; those that ended before `since` left out."""
    ended = sa.func.coalesce(executions.c.finished_at, sa.literal(1e18))
    query = select(executions).where(ended >= since).order_by(executions.c.started_at.desc()).limit(limit)
    return tuple(
        ExecutionInfo(
            name=row.name,
            state=row.state,
            tasks=row.tasks,
            images=row.images,
            started_at=row.started_at,
            finished_at=row.finished_at,
            retries=row.retries,
            cpu_seconds=row.cpu_seconds,
            peak_rss_mb=row.peak_rss_mb,
            error=row.error,
            cloud_execution=row.cloud_execution,
        )
        for row in connection.execute(query)
    )


def last_outcomes(connection: Connection, limit: int) -> list[sa.Row[Any]]:
    """(state, finished_at) of the executions that ended last, newest first."""
    query = (
        select(executions.c.state, executions.c.finished_at)
        .where(executions.c.finished_at.is_not(None))
        .order_by(executions.c.finished_at.desc())
        .limit(limit)
    )
    return list(connection.execute(query))


def task_started(connection: Connection, execution: str, task_index: int, pid: int, pid_started: str) -> None:
    """Remember a local task's process, so that a later backend can tell whether it lives."""
    connection.execute(
        delete(local_tasks).where(local_tasks.c.execution == execution, local_tasks.c.task_index == task_index)
    )
    connection.execute(
        insert(local_tasks).values(execution=execution, task_index=task_index, pid=pid, pid_started=pid_started)
    )


def tasks_of(connection: Connection, execution: str) -> list[sa.Row[Any]]:
    """(task_index, pid, pid_started) of an execution's local tasks."""
    return list(connection.execute(select(local_tasks).where(local_tasks.c.execution == execution)))
