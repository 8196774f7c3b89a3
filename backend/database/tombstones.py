"""Deleted images: the tombstone is created first, then the rows are deleted, the objects last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select, update

from backend.database.garbage import delete_replaced_now, schedule_deletion
from backend.database.tables import images, processed_images, tombstones
from contract import object_names

ORDER_SECONDS = 0.001
"""Objects are deleted in the order of their scheduled times: variants, sidecars, original."""


def add(connection: Connection, image_id: str, now: float) -> bool:
    """Create the tombstone of an image, if it has none; return False if there is no such image."""
    revision = connection.scalar(select(images.c.revision).where(images.c.id == image_id))
    if revision is None:
        return False
    if not is_deleted(connection, image_id):
        values = {"image_id": image_id, "deleted_at": now, "revision": revision + 1, "done": False}
        connection.execute(insert(tombstones).values(**values))
    return True


def increment_revision(connection: Connection, image_id: str) -> None:
    """Increment the revision of a tombstone, so that it replaces a record in the bucket that differs from it."""
    of_image = tombstones.c.image_id == image_id
    connection.execute(update(tombstones).where(of_image).values(revision=tombstones.c.revision + 1))


def is_deleted(connection: Connection, image_id: str) -> bool:
    """Return True if the image is deleted, or its deletion has begun."""
    return bool(deleted_among(connection, [image_id]))


def deleted_among(connection: Connection, image_ids: Iterable[str]) -> set[str]:
    """Return the ids, among `image_ids`, of deleted images."""
    return set(connection.scalars(select(tombstones.c.image_id).where(tombstones.c.image_id.in_(list(image_ids)))))


def unfinished(connection: Connection, limit: int) -> list[str]:
    """Return images whose deletion has begun and is not finished."""
    return list(connection.scalars(select(tombstones.c.image_id).where(~tombstones.c.done).limit(limit)))


def remove_rows(connection: Connection, image_id: str, bucket_url: str, now: float) -> None:
    """Delete an image's rows and schedule the deletion of its objects. A repeated call changes nothing."""
    row = connection.execute(select(images).where(images.c.id == image_id)).first()
    if row is not None:
        of_image = processed_images.c.image_id == image_id
        variants = list(connection.scalars(select(processed_images.c.file_path).where(of_image)))
        if row.thumbnail_path:
            variants.append(row.thumbnail_path)
        sidecars = [f"{bucket_url}/{object_names.sidecar(image_id)}"]
        if row.processed_at is not None:
            moment = datetime.fromtimestamp(row.processed_at, UTC)
            sidecars.append(f"{bucket_url}/{object_names.archived_sidecar(image_id, moment)}")
        for index, uris in enumerate((variants, sidecars, [row.file_path])):
            schedule_deletion(connection, uris, now - ORDER_SECONDS * (3 - index))
        connection.execute(delete(processed_images).where(of_image))
        connection.execute(delete(images).where(images.c.id == image_id))
    delete_replaced_now(connection, image_id, now)
    connection.execute(update(tombstones).where(tombstones.c.image_id == image_id).values(done=True))
