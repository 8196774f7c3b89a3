"""Images: taking them in, listing them, putting them back into the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, delete, func, select, update

from backend.database.missing_variants import AGAIN
from backend.database.tables import devices, garbage, images, insert_into, processed_images, tombstones
from contract.messages.admin import ImageInfo, RetryRequest, VariantInfo
from contract.messages.processing import Focus, ImageState, Palette, PendingImage
from contract.split_screen import HALF


def shard_of(image_id: str) -> int:
    """A stable, evenly spread number from the first 28 bits of the id."""
    return int(image_id[:7], 16)


def add(connection: Connection, values: dict[str, Any]) -> int:
    """Take in an uploaded image as pending; the revision of its record, or 0 if it was here before.

    `values` holds id, file_path, file_hash, filename, byte_size, width, height, orientation, ingested_at.
    One that was deleted lives again, and its record outranks the tombstone.
    """
    of_image = tombstones.c.image_id == values["id"]
    revision = 1 + (connection.scalar(select(tombstones.c.revision).where(of_image)) or 0)
    row = {**values, "shard": shard_of(values["id"]), "queued_at": values["ingested_at"], "revision": revision}
    result = connection.execute(insert_into(connection, images).values(row).on_conflict_do_nothing())
    if result.rowcount != 1:
        return 0
    if revision > 1:
        connection.execute(delete(tombstones).where(of_image))
    return revision


def counts(connection: Connection) -> dict[ImageState, int]:
    """How many images are in each state."""
    found: dict[ImageState, int] = {"pending": 0, "processing": 0, "complete": 0, "failed": 0}
    query = select(images.c.processing_status, func.count()).group_by(images.c.processing_status)
    for state, number in connection.execute(query):
        found[state] = number
    return found


def variant_counts(connection: Connection, since: float) -> tuple[int, int]:
    """(all current variants, those made at `since` or later); half pictures do not count."""
    newer = func.count(processed_images.c.id).filter(processed_images.c.processed_at >= since)
    whole = ~processed_images.c.device_size.endswith(HALF)
    total, recent = connection.execute(select(func.count(processed_images.c.id), newer).where(whole)).one()
    return total, recent


def pending(connection: Connection, limit: int) -> tuple[PendingImage, ...]:
    """Pending images for the legacy client: never-rendered first, then oldest first."""
    query = (
        select(images.c.id, images.c.file_path, images.c.width, images.c.height, images.c.orientation)
        .where(images.c.processing_status == "pending")
        .order_by(images.c.rendered_at.is_not(None), images.c.ingested_at, images.c.id)
        .limit(limit)
    )
    return tuple(
        PendingImage(
            id=row.id, file_path=row.file_path, width=row.width, height=row.height, orientation=row.orientation
        )
        for row in connection.execute(query)
    )


def _info(row: sa.Row[Any], variants: Sequence[VariantInfo] = (), *, whole: bool = False) -> ImageInfo:
    return ImageInfo(
        id=row.id,
        filename=row.filename,
        file_path=row.file_path,
        width=row.width,
        height=row.height,
        orientation=row.orientation,
        processing_status=row.processing_status,
        ingested_at=row.ingested_at,
        processing_error=row.processing_error,
        color_palette=msgspec.convert(row.color_palette, Palette) if row.color_palette else None,
        thumbnail_path=row.thumbnail_path,
        attempts=row.attempts,
        strikes=row.strikes,
        suspect=row.suspect,
        variants=tuple(variants),
        histogram=(row.histogram or {}) if whole else {},
        focus=focus_of(row.focus),
        found_focus=focus_of(row.found_focus),
    )


def page(
    connection: Connection, state: ImageState | None, after: str | None, limit: int
) -> tuple[list[ImageInfo], bool]:
    """Images in the order of their arrival, after the image `after`; and whether more follow."""
    query = select(images).order_by(images.c.ingested_at, images.c.id).limit(limit + 1)
    if state is not None:
        query = query.where(images.c.processing_status == state)
    if after is not None:
        place = select(images.c.ingested_at, images.c.id).where(images.c.id == after)
        query = query.where(sa.tuple_(images.c.ingested_at, images.c.id) > place.scalar_subquery())
    rows = connection.execute(query).all()
    return [_info(row) for row in rows[:limit]], len(rows) > limit


def one(connection: Connection, image_id: str) -> ImageInfo | None:
    """An image with its current variants, or None."""
    row = connection.execute(select(images).where(images.c.id == image_id)).first()
    if row is None:
        return None
    query = (
        select(processed_images).where(processed_images.c.image_id == image_id).order_by(processed_images.c.device_size)
    )
    variants = [
        VariantInfo(
            device_size=found.device_size,
            width=found.width,
            height=found.height,
            file_path=found.file_path,
            recipe=found.recipe,
            processed_at=found.processed_at,
        )
        for found in connection.execute(query)
    ]
    return _info(row, variants, whole=True)


def retry(connection: Connection, request: RetryRequest, now: float) -> list[str]:
    """Put images back into the queue; their ids. Their leases, if any, are void.

    A named one that is complete is rendered again, all of its pictures.
    """
    if request.which == "failed":
        where = images.c.processing_status == "failed"
    elif request.which == "stuck":
        where = images.c.processing_status == "processing"
    else:
        where = images.c.id.in_(request.ids) & (images.c.processing_status != "pending")
    values = {
        "processing_status": "pending",
        "processing_error": None,
        "queued_at": now,
        "strikes": 0,
        "suspect": False,
        "attempt_open": False,
        "lease_token": None,
        "revision": images.c.revision + 1,
    }
    if request.which == "named":
        _make_again(connection, request.ids)
    return list(connection.scalars(update(images).where(where).values(**values).returning(images.c.id)))


def _make_again(connection: Connection, image_ids: Sequence[str]) -> None:
    """Let complete images lack all their pictures; the present ones are shown until the new ones are there."""
    complete = select(images.c.id).where(images.c.id.in_(image_ids), images.c.processing_status == "complete")
    connection.execute(update(processed_images).where(processed_images.c.image_id.in_(complete)).values(recipe=AGAIN))


class Waiting(NamedTuple):
    """What is to be done: pending images, when the first became so, their megapixels, and those in work."""

    pending: int
    first_at: float | None
    megapixels: float
    in_work_megapixels: float


def waiting(connection: Connection) -> Waiting:
    """What waits and what is in work."""
    pixels = func.coalesce(func.sum(images.c.width * images.c.height / 1e6), 0.0)
    counted = connection.execute(
        select(func.count(), func.min(images.c.queued_at), pixels).where(images.c.processing_status == "pending")
    ).one()
    in_work = connection.scalar(select(pixels).where(images.c.processing_status == "processing"))
    return Waiting(counted[0], counted[1], float(counted[2]), float(in_work or 0))


def state_of(connection: Connection, image_id: str) -> ImageState | None:
    """The state of an image, or None for an unknown one."""
    state: ImageState | None = connection.scalar(select(images.c.processing_status).where(images.c.id == image_id))
    return state


def known(connection: Connection, image_id: str, uri: str) -> tuple[ImageState | None, bool]:
    """The state of an image, None for an unknown one; and whether its original is on its way out."""
    noted = sa.exists().where(garbage.c.object_name == uri)
    state = select(images.c.processing_status).where(images.c.id == image_id).scalar_subquery()
    row = connection.execute(select(state, noted)).one()
    return row[0], bool(row[1])


def move_bucket(connection: Connection, old_url: str, new_url: str) -> None:
    """Follow a bucket that has another address now, such as a data folder that was moved."""
    for column in (images.c.file_path, images.c.thumbnail_path, processed_images.c.file_path, garbage.c.object_name):
        connection.execute(
            update(column.table)
            .where(column.startswith(old_url + "/", autoescape=True))
            .values({column.name: sa.literal(new_url) + func.substr(column, len(old_url) + 1)})
        )


def ready_counts(connection: Connection) -> dict[str, int]:
    """For each device key, how many images have a picture of its size."""
    query = (
        select(devices.c.key, func.count(processed_images.c.id))
        .join(processed_images, processed_images.c.device_size == devices.c.key)
        .group_by(devices.c.key)
    )
    return dict(connection.execute(query).tuples().all())


def focus_of(value: object) -> Focus | None:
    """What a column holds, as messages have it."""
    return (float(value[0]), float(value[1])) if isinstance(value, list | tuple) and len(value) == 2 else None


def set_focus(connection: Connection, image_id: str, focus: Focus | None, now: float) -> bool | None:
    """Frame a photo's pictures around `focus`, or with None around the point that is found.

    Its pictures are made anew behind new photos; a failed photo stays failed. Returns whether anything changed,
    None for an unknown image. What a task has in work under the old point is void.
    """
    found = connection.execute(select(images.c.focus).where(images.c.id == image_id).with_for_update()).first()
    if found is None:
        return None
    if focus_of(found.focus) == focus:
        return False
    connection.execute(
        update(images)
        .where(images.c.id == image_id)
        .values(
            focus=list(focus) if focus else None,
            processing_status=sa.case((images.c.processing_status == "failed", "failed"), else_="pending"),
            queued_at=now,
            lease_token=None,
            attempt_open=False,
            revision=images.c.revision + 1,
        )
    )
    connection.execute(update(processed_images).where(processed_images.c.image_id == image_id).values(recipe=AGAIN))
    return True


def work_state(connection: Connection, image_id: str) -> sa.Row[Any] | None:
    """Return (processing_status, lease_until, focus) of an image, or None for an unknown one."""
    query: sa.Select[Any] = select(images.c.processing_status, images.c.lease_until, images.c.focus)
    return connection.execute(query.where(images.c.id == image_id)).first()


class QueueAge(NamedTuple):
    """Number of unfinished images, when the oldest was queued, and when an image was last completed."""

    unfinished: int
    oldest_queued_at: float | None
    last_completed_at: float | None


def queue_age(connection: Connection) -> QueueAge:
    """Return how long the queue has waited."""
    unfinished = images.c.processing_status.in_(("pending", "processing"))
    count, oldest = connection.execute(select(func.count(), func.min(images.c.queued_at)).where(unfinished)).one()
    return QueueAge(count, oldest, connection.scalar(select(func.max(images.c.processed_at))))
