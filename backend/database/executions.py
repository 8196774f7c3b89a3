"""Executions of the processing job. At most one is being started at a time; each is followed to its end."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from backend.database.rows import converted
from backend.database.tables import executions, local_tasks
from contract.messages.admin import ExecutionInfo, ExecutionState

UNFINISHED = ("starting", "running")


def begin(connection: Connection, name: str, tasks: int, image_count: int, now: float, deadline: float) -> bool:
    """Insert an execution in the state `starting`; return False if another execution has that state."""
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


def mark_running(connection: Connection, name: str) -> None:
    """Record that the runner has started the execution."""
    connection.execute(
        update(executions).where(executions.c.name == name, executions.c.state == "starting").values(state="running")
    )


def set_cloud_execution(connection: Connection, name: str, execution: str, operation: str | None) -> None:
    """Store Cloud Run's names of the execution and of the operation that ends with it."""
    connection.execute(
        update(executions).where(executions.c.name == name).values(cloud_execution=execution, cloud_operation=operation)
    )


def row_of(connection: Connection, name: str) -> sa.Row[Any] | None:
    """Return the row of an execution, or None."""
    return connection.execute(select(executions).where(executions.c.name == name)).first()


def owner_of_tasks(row: sa.Row[Any]) -> str:
    """Return the name by which the tasks of an execution call it: on Cloud Run its short name there."""
    return str(row.cloud_execution or row.name).rpartition("/")[2]


def last_start(connection: Connection) -> float | None:
    """Return the start time of the newest execution that did not fail, or None."""
    newest: float | None = connection.scalar(
        select(sa.func.max(executions.c.started_at)).where(executions.c.state != "failed")
    )
    return newest


def finish(connection: Connection, /, name: str, state: ExecutionState, now: float, **figures: object) -> bool:
    """Record the end of an execution; return False if its end was recorded before.

    `figures` are further columns: retries, cpu_seconds, peak_rss_mb, error.
    """
    changed = connection.execute(
        update(executions)
        .where(executions.c.name == name, executions.c.state.in_(UNFINISHED))
        .values(state=state, finished_at=now, **figures)
    ).rowcount
    connection.execute(delete(local_tasks).where(local_tasks.c.execution == name))
    return changed > 0


def unfinished(connection: Connection) -> list[sa.Row[Any]]:
    """Return the executions that are starting or running, oldest first."""
    query = select(executions).where(executions.c.state.in_(UNFINISHED)).order_by(executions.c.started_at)
    return list(connection.execute(query))


def recent(connection: Connection, limit: int, since: float = 0.0) -> tuple[ExecutionInfo, ...]:
    """Return the newest executions that had not ended at the time `since`, newest first."""
    ended = sa.func.coalesce(executions.c.finished_at, sa.literal(1e18))
    query = select(executions).where(ended >= since).order_by(executions.c.started_at.desc()).limit(limit)
    return tuple(converted(connection.execute(query), ExecutionInfo))


def last_outcomes(connection: Connection, limit: int) -> list[sa.Row[Any]]:
    """Return (state, finished_at) of the executions that ended last, newest first."""
    query = (
        select(executions.c.state, executions.c.finished_at)
        .where(executions.c.finished_at.is_not(None))
        .order_by(executions.c.finished_at.desc())
        .limit(limit)
    )
    return list(connection.execute(query))


def task_started(connection: Connection, execution: str, task_index: int, pid: int, pid_started: str) -> None:
    """Store the process of a local task, so that a later backend can find out whether it is still alive."""
    connection.execute(
        delete(local_tasks).where(local_tasks.c.execution == execution, local_tasks.c.task_index == task_index)
    )
    connection.execute(
        insert(local_tasks).values(execution=execution, task_index=task_index, pid=pid, pid_started=pid_started)
    )


def tasks_of(connection: Connection, execution: str) -> list[sa.Row[Any]]:
    """Return (task_index, pid, pid_started) of an execution's local tasks."""
    return list(connection.execute(select(local_tasks).where(local_tasks.c.execution == execution)))
