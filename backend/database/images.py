"""Images: inserting uploads, listing images and returning images to the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, delete, func, select, update

from backend.database.garbage import postpone_deletions, schedule_deletion
from backend.database.missing_variants import RERENDER_RECIPE
from backend.database.rows import converted
from backend.database.tables import devices, garbage, images, insert_if_absent, processed_images, tombstones
from backend.database.variants import REPLACED_GRACE_SECONDS
from contract.messages.admin import ImageInfo, RetryRequest, VariantInfo
from contract.messages.processing import Focus, ImageState, PendingImage, orientation_of
from contract.split_screen import HALF

_JSON_COLUMNS = ("color_palette", "focus", "found_focus")
_INFO_COLUMNS = [column for column in images.columns if column.name != "histogram"]
"""The columns of `ImageInfo` without the histogram. Only `get`, which returns a single image, reads the histogram."""


def shard_of(image_id: str) -> int:
    """Return a stable, evenly distributed number: the first 28 bits of the id."""
    return int(image_id[:7], 16)


def add(connection: Connection, values: dict[str, Any]) -> int:
    """Insert an uploaded image as pending.

    A deleted image is restored: its tombstone is removed, and its record gets a higher revision than the tombstone.
    `values` has the keys id, file_path, file_hash, filename, byte_size, width, height, orientation, ingested_at.

    Returns:
        The revision of the image's record, or 0 if the image exists already.
    """
    of_image = tombstones.c.image_id == values["id"]
    revision = 1 + (connection.scalar(select(tombstones.c.revision).where(of_image)) or 0)
    row = {**values, "shard": shard_of(values["id"]), "queued_at": values["ingested_at"], "revision": revision}
    if not insert_if_absent(connection, images, row):
        return 0
    if revision > 1:
        connection.execute(delete(tombstones).where(of_image))
    return revision


def counts(connection: Connection) -> dict[ImageState, int]:
    """Return the number of images in each state."""
    by_state: dict[ImageState, int] = {"pending": 0, "processing": 0, "complete": 0, "failed": 0}
    query = select(images.c.processing_status, func.count()).group_by(images.c.processing_status)
    for state, number in connection.execute(query):
        by_state[state] = number
    return by_state


def variant_counts(connection: Connection, since: float) -> tuple[int, int]:
    """Return two numbers: all current variants, and the current variants that were stored at `since` or later.

    Split-screen variants are not counted.
    """
    newer = func.count(processed_images.c.id).filter(processed_images.c.processed_at >= since)
    full_screen = ~processed_images.c.device_size.endswith(HALF)
    total, recent = connection.execute(select(func.count(processed_images.c.id), newer).where(full_screen)).one()
    return total, recent


def pending(connection: Connection, limit: int) -> tuple[PendingImage, ...]:
    """Return pending images for the legacy client: never-rendered first, then oldest first."""
    query = (
        select(images.c.id, images.c.file_path, images.c.width, images.c.height, images.c.orientation)
        .where(images.c.processing_status == "pending")
        .order_by(images.c.rendered_at.is_not(None), images.c.ingested_at, images.c.id)
        .limit(limit)
    )
    return tuple(converted(connection.execute(query), PendingImage))


def page(
    connection: Connection, state: ImageState | None, after: str | None, limit: int
) -> tuple[list[ImageInfo], str | None]:
    """Return up to `limit` images uploaded after the image `after`, oldest first, and the last id if more follow."""
    query = select(*_INFO_COLUMNS).order_by(images.c.ingested_at, images.c.id).limit(limit + 1)
    if state is not None:
        query = query.where(images.c.processing_status == state)
    if after is not None:
        position = select(images.c.ingested_at, images.c.id).where(images.c.id == after)
        query = query.where(sa.tuple_(images.c.ingested_at, images.c.id) > position.scalar_subquery())
    rows = connection.execute(query).all()
    return converted(rows[:limit], ImageInfo, _JSON_COLUMNS), rows[limit - 1].id if len(rows) > limit else None


def get(connection: Connection, image_id: str) -> ImageInfo | None:
    """Return an image with its current variants and its histogram, or None."""
    columns = (*_INFO_COLUMNS, images.c.histogram.label("stored_histogram"))
    row = connection.execute(select(*columns).where(images.c.id == image_id)).first()
    infos = [] if row is None else converted([row], ImageInfo, _JSON_COLUMNS)
    if row is None or not infos:
        return None
    variants = connection.execute(
        select(processed_images).where(processed_images.c.image_id == image_id).order_by(processed_images.c.device_size)
    ).all()
    return msgspec.structs.replace(
        infos[0],
        variants=tuple(converted(variants, VariantInfo)),
        histogram=row.stored_histogram or {},
    )


def retry(connection: Connection, request: RetryRequest, now: float) -> list[str]:
    """Put images back into the queue, and return the ids of these images. Their leases become invalid.

    A complete image that the request names is rendered again, with all its variants.
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
        complete = select(images.c.id).where(images.c.id.in_(request.ids), images.c.processing_status == "complete")
        _invalidate_variants(connection, processed_images.c.image_id.in_(complete))
    return list(connection.scalars(update(images).where(where).values(**values).returning(images.c.id)))


def _invalidate_variants(connection: Connection, where: sa.ColumnElement[bool]) -> None:
    """Mark variants to be rendered again. They stay in use until the new ones are stored."""
    connection.execute(update(processed_images).where(where).values(recipe=RERENDER_RECIPE))


class QueueLoad(NamedTuple):
    """The work that is queued and in progress. `first_at`: when the first pending image became pending."""

    pending: int
    first_at: float | None
    megapixels: float
    in_work_megapixels: float


def queue_load(connection: Connection) -> QueueLoad:
    """Return the number and size of the images that are pending and in progress."""
    pixels = func.coalesce(func.sum(images.c.width * images.c.height / 1e6), 0.0)
    counted = connection.execute(
        select(func.count(), func.min(images.c.queued_at), pixels).where(images.c.processing_status == "pending")
    ).one()
    in_work = connection.scalar(select(pixels).where(images.c.processing_status == "processing"))
    return QueueLoad(counted[0], counted[1], float(counted[2]), float(in_work or 0))


def oldest_pending(connection: Connection) -> tuple[str, float] | None:
    """Return the id of the image that has been pending for longest, and since when; None if no image is pending."""
    query = select(images.c.id, images.c.queued_at).where(images.c.processing_status == "pending")
    row = connection.execute(query.order_by(images.c.queued_at, images.c.id).limit(1)).first()
    return (row.id, row.queued_at) if row else None


def state_of(connection: Connection, image_id: str) -> ImageState | None:
    """Return the state of an image, or None for an unknown image."""
    state: ImageState | None = connection.scalar(select(images.c.processing_status).where(images.c.id == image_id))
    return state


def upload_state(connection: Connection, image_id: str, uri: str) -> tuple[ImageState | None, bool]:
    """Return the state of an image (None if unknown), and True if its original is scheduled for deletion."""
    scheduled = sa.exists().where(garbage.c.object_name == uri)
    state = select(images.c.processing_status).where(images.c.id == image_id).scalar_subquery()
    row = connection.execute(select(state, scheduled)).one()
    return row[0], bool(row[1])


def move_bucket(connection: Connection, old_url: str, new_url: str) -> None:
    """Change the URIs of all objects after the bucket's URL has changed, for example because its folder was moved."""
    for column in (images.c.file_path, images.c.thumbnail_path, processed_images.c.file_path, garbage.c.object_name):
        connection.execute(
            update(column.table)
            .where(column.startswith(old_url + "/", autoescape=True))
            .values({column.name: sa.literal(new_url) + func.substr(column, len(old_url) + 1)})
        )


def ready_counts(connection: Connection) -> dict[str, int]:
    """Return, for each device key, the number of images that have a variant for it."""
    query = (
        select(devices.c.key, func.count(processed_images.c.id))
        .join(processed_images, processed_images.c.device_size == devices.c.key)
        .group_by(devices.c.key)
    )
    return dict(connection.execute(query).tuples().all())


def focus_of(value: object) -> Focus | None:
    """Convert the JSON value of a column to the type that messages use; an invalid one becomes None."""
    try:
        focus: Focus | None = msgspec.convert(value, Focus | None)
    except msgspec.ValidationError:  # edited by hand
        return None
    return focus


def set_focus(connection: Connection, image_id: str, focus: Focus | None, now: float) -> bool | None:
    """Store the point around which a photo's variants are cropped; None selects the detected point.

    The photo's variants are rendered again, later than photos that were never rendered. A failed photo stays failed.
    If a task is rendering the photo with the old point, its lease becomes invalid.

    Returns:
        True if the focus changed, None for an unknown image.
    """
    row = connection.execute(select(images.c.focus).where(images.c.id == image_id).with_for_update()).first()
    if row is None:
        return None
    if focus_of(row.focus) == focus:
        return False
    connection.execute(
        update(images).where(images.c.id == image_id).values(focus=list(focus) if focus else None, **_render_again(now))
    )
    _invalidate_variants(connection, processed_images.c.image_id == image_id)
    return True


def _render_again(now: float) -> dict[str, Any]:
    """Return the values that queue an image again after its owner's choice; a failed one stays failed."""
    return {
        "processing_status": sa.case((images.c.processing_status == "failed", "failed"), else_="pending"),
        "queued_at": now,
        "lease_token": None,
        "attempt_open": False,
        "revision": images.c.revision + 1,
    }


def set_turn(connection: Connection, image_id: str, turn: int, now: float) -> bool | None:
    """Store the quarter turns clockwise that a photo gets after its EXIF orientation, from 0 to 3.

    Size, orientation and focal points are turned with it. The photo's variants are rendered again, as `set_focus`
    describes; the old ones are shown until then. Split-screen variants are removed if the photo's orientation changes,
    because they belong to the other pairs.

    Returns:
        True if the turn changed, None for an unknown image.
    """
    columns = (images.c.turn, images.c.width, images.c.height, images.c.focus, images.c.found_focus)
    row = connection.execute(select(*columns).where(images.c.id == image_id).with_for_update()).first()
    if row is None:
        return None
    quarters = (turn - row.turn) % 4
    if not quarters:
        return False
    width, height = (row.height, row.width) if quarters % 2 else (row.width, row.height)
    points = {name: _turned_point(focus_of(getattr(row, name)), quarters) for name in ("focus", "found_focus")}
    connection.execute(
        update(images)
        .where(images.c.id == image_id)
        .values(
            turn=turn,
            width=width,
            height=height,
            orientation=orientation_of(width, height),
            **points,
            **_render_again(now),
        )
    )
    of_image = processed_images.c.image_id == image_id
    if orientation_of(width, height) != orientation_of(row.width, row.height):
        halves = of_image & processed_images.c.device_size.endswith(HALF)
        objects = connection.scalars(delete(processed_images).where(halves).returning(processed_images.c.file_path))
        schedule_deletion(connection, list(objects), now + REPLACED_GRACE_SECONDS)
    postpone_deletions(connection, image_id, now + REPLACED_GRACE_SECONDS)  # of the turn that is chosen again
    _invalidate_variants(connection, of_image)
    return True


def turn_by(connection: Connection, image_ids: Sequence[str], quarters: int, now: float) -> list[str]:
    """Turn each photo by this number of quarter turns clockwise, and return the ids of the photos that exist."""
    unique = sorted(set(image_ids))
    rows = connection.execute(select(images.c.id, images.c.turn).where(images.c.id.in_(unique)).with_for_update()).all()
    for row in rows:
        set_turn(connection, row.id, (row.turn + quarters) % 4, now)
    return [row.id for row in rows]


def _turned_point(point: Focus | None, quarters: int) -> list[float] | None:
    """Return the same point of the photo after quarter turns clockwise. Four decimal places stay exact."""
    if point is None:
        return None
    x, y = point
    for _ in range(quarters):
        x, y = round(1 - y, 4), x
    return [x, y]


def work_state(connection: Connection, image_id: str) -> sa.Row[Any] | None:
    """Return state, lease_owner, lease_until, focus and turn of an image, or None for an unknown one."""
    c = images.c
    query: sa.Select[Any] = select(c.processing_status, c.lease_owner, c.lease_until, c.focus, c.turn)
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
