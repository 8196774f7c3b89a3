"""What is going on, as a person asks: tasks and what they hold, why photos fail, which executions are to be paid."""

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
from backend.database.tables import executions, images, processed_images

FAILURES = 1000
REASONS = 10
IN_FLIGHT = 500


class ImageInFlight(Struct, frozen=True, kw_only=True):
    """A photo under a lease; `attempt_open` says that it is being decoded or later."""

    id: str
    filename: str
    claimed_at: float
    attempt_open: bool
    suspect: bool


class TaskInFlight(Struct, frozen=True, kw_only=True):
    """A task and the photos that it holds; without a name it is the model system's own."""

    name: str
    images: tuple[ImageInFlight, ...]


class FailureReason(Struct, frozen=True, kw_only=True):
    """A reason, how many photos it has befallen, and one of them."""

    reason: str
    photos: int
    image_id: str
    filename: str


def in_flight(connection: Connection) -> tuple[TaskInFlight, ...]:
    """The tasks that hold photos, by name."""
    query = (
        select(
            images.c.id,
            images.c.filename,
            images.c.lease_owner,
            images.c.claimed_at,
            images.c.attempt_open,
            images.c.suspect,
        )
        .where(images.c.processing_status == "processing")
        .order_by(images.c.claimed_at, images.c.id)
        .limit(IN_FLIGHT)
    )
    held: dict[str, list[ImageInFlight]] = defaultdict(list)
    for row in connection.execute(query):
        held[row.lease_owner or ""].append(
            ImageInFlight(
                id=row.id,
                filename=row.filename,
                claimed_at=row.claimed_at or 0.0,
                attempt_open=row.attempt_open,
                suspect=row.suspect,
            )
        )
    return tuple(TaskInFlight(name=name, images=tuple(held[name])) for name in sorted(held))


def failures(connection: Connection) -> tuple[FailureReason, ...]:
    """The reasons of the failed photos, the most frequent first."""
    query = (
        select(images.c.id, images.c.filename, images.c.processing_error)
        .where(images.c.processing_status == "failed")
        .order_by(images.c.ingested_at.desc())
        .limit(FAILURES)
    )
    return grouped((row.id, row.filename, row.processing_error or "") for row in connection.execute(query))


def grouped(failed: Iterable[tuple[str, str, str]]) -> tuple[FailureReason, ...]:
    """(image id, file name, sentence) of failed photos by what the sentences have in common."""
    count: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    for image_id, filename, sentence in failed:
        reason = reason_of(sentence, filename)
        count[reason] += 1
        first.setdefault(reason, (image_id, filename))
    return tuple(
        FailureReason(reason=reason, photos=photos, image_id=first[reason][0], filename=first[reason][1])
        for reason, photos in count.most_common(REASONS)
    )


def reason_of(sentence: str, filename: str) -> str:
    """A failure's sentence without what differs from photo to photo: its name, addresses, long numbers."""
    text = sentence
    if filename:
        after = text.removeprefix(filename)
        text = (after.lstrip(": ") if after.startswith(":") else f"It{after}") if after != text else text
        text = text.replace(filename, "…")
    text = re.sub(r"[a-z]+://\S+|\b[0-9a-f]{16,}\b", "…", text)
    text = re.sub(r"\d[\d,.]*\d{2,}", "…", text)
    text = text.strip()
    return f"{text[:1].upper()}{text[1:200]}" or "The reason is not known"


def revision(connection: Connection) -> str:
    """Another text once pictures were made, made anew or removed, or a device was changed."""
    of = processed_images.c
    pictures = connection.execute(select(sa.func.count(), sa.func.sum(of.id), sa.func.sum(of.processed_at))).one()
    shown = [structs.replace(device, seen_at=None) for device in devices.every(connection)]
    return hashlib.sha256(repr((tuple(pictures), shown)).encode()).hexdigest()[:16]


def ended_since(connection: Connection, since: float) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """(tasks, started_at, finished_at, state, cloud_execution) of the executions that began at `since` or later."""
    columns = executions.c
    query = select(
        columns.tasks, columns.started_at, columns.finished_at, columns.state, columns.cloud_execution
    ).where(columns.started_at >= since)
    return connection.execute(query).all()
