"""Queries of the activity page: tasks in flight, reasons of failures, and executions to be paid for."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy import Connection, select

from backend.database import devices
from backend.database.rows import converted
from backend.database.tables import executions, images, processed_images

MAX_FAILURES = 1000
"""The newest failed photos that are grouped by reason."""
MAX_REASONS = 10
MAX_IN_FLIGHT = 500


class ImageInFlight(Struct, frozen=True, kw_only=True):
    """A photo under a lease. `attempt_open` is True from the start of decoding until the report."""

    id: str
    filename: str
    claimed_at: float
    attempt_open: bool
    suspect: bool


class TaskInFlight(Struct, frozen=True, kw_only=True):
    """A task and the photos that it holds. The legacy system's tasks share one entry with an empty name."""

    name: str
    images: tuple[ImageInFlight, ...]


class FailureReason(Struct, frozen=True, kw_only=True):
    """A reason, the number of photos that failed for it, and one of them."""

    reason: str
    photos: int
    image_id: str
    filename: str


def in_flight(connection: Connection) -> tuple[TaskInFlight, ...]:
    """Return the tasks that hold photos, sorted by name; at most `MAX_IN_FLIGHT` photos."""
    query = (
        select(
            images.c.id,
            images.c.filename,
            images.c.lease_owner,
            sa.func.coalesce(images.c.claimed_at, 0.0).label("claimed_at"),
            images.c.attempt_open,
            images.c.suspect,
        )
        .where(images.c.processing_status == "processing")
        .order_by(images.c.claimed_at, images.c.id)
        .limit(MAX_IN_FLIGHT)
    )
    held: dict[str, list[ImageInFlight]] = defaultdict(list)
    for row in connection.execute(query):
        held[row.lease_owner or ""] += converted([row], ImageInFlight)
    return tuple(TaskInFlight(name=name, images=tuple(held[name])) for name in sorted(held))


def failures(connection: Connection) -> tuple[FailureReason, ...]:
    """Return the reasons of the failed photos, the most frequent first."""
    query = (
        select(images.c.id, images.c.filename, images.c.processing_error)
        .where(images.c.processing_status == "failed")
        .order_by(images.c.ingested_at.desc())
        .limit(MAX_FAILURES)
    )
    return group_failures((row.id, row.filename, row.processing_error or "") for row in connection.execute(query))


def group_failures(failed: Iterable[tuple[str, str, str]]) -> tuple[FailureReason, ...]:
    """Group (image id, file name, error message) by the part of the message that is common to all photos."""
    count: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    for image_id, filename, message in failed:
        reason = reason_of(message, filename)
        count[reason] += 1
        first.setdefault(reason, (image_id, filename))
    return tuple(
        FailureReason(reason=reason, photos=photos, image_id=first[reason][0], filename=first[reason][1])
        for reason, photos in count.most_common(MAX_REASONS)
    )


def reason_of(message: str, filename: str) -> str:
    """Return an error message without the parts that differ between photos: file name, URLs, ids, long numbers."""
    text = message
    if filename:
        after = text.removeprefix(filename)
        text = (after.lstrip(": ") if after.startswith(":") else f"It{after}") if after != text else text
        text = text.replace(filename, "…")
    text = re.sub(r"[a-z]+://\S+|\b[0-9a-f]{16,}\b", "…", text)
    text = re.sub(r"\d[\d,.]*\d{2,}", "…", text)
    text = text.strip()
    return f"{text[:1].upper()}{text[1:200]}" or "The reason is not known"


def revision(connection: Connection) -> str:
    """Return a text that changes when variants are stored, replaced or removed, or a device changes."""
    of = processed_images.c
    variants = connection.execute(select(sa.func.count(), sa.func.sum(of.id), sa.func.sum(of.processed_at))).one()
    shown = [structs.replace(device, seen_at=None) for device in devices.read_all(connection)]
    return hashlib.sha256(repr((tuple(variants), shown)).encode()).hexdigest()[:16]


def started_since(connection: Connection, since: float) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """Return (tasks, started_at, finished_at, state, cloud_execution) of executions started at `since` or later."""
    columns = executions.c
    query = select(
        columns.tasks, columns.started_at, columns.finished_at, columns.state, columns.cloud_execution
    ).where(columns.started_at >= since)
    return connection.execute(query).all()
