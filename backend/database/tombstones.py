"""Deleted images: the tombstone first, then the rows, and the objects last of all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Connection, delete, insert, select, update

from backend.database.garbage import discard, discard_now
from backend.database.tables import images, processed_images, tombstones
from contract import object_names

ORDER_SECONDS = 0.001
"""Objects go in the order of their times: pictures, then what tells of them, the original last."""


def bury(connection: Connection, image_id: str, now: float) -> bool:
    """Begin to delete an image; False if there is none. One that is being deleted already stays so."""
    revision = connection.scalar(select(images.c.revision).where(images.c.id == image_id))
    if revision is None:
        return False
    if not is_dead(connection, image_id):
        values = {"image_id": image_id, "deleted_at": now, "revision": revision + 1, "done": False}
        connection.execute(insert(tombstones).values(**values))
    return True


def outrank(connection: Connection, image_id: str) -> None:
    """Raise the revision of a tombstone whose record says something else."""
    of_image = tombstones.c.image_id == image_id
    connection.execute(update(tombstones).where(of_image).values(revision=tombstones.c.revision + 1))


def is_dead(connection: Connection, image_id: str) -> bool:
    """Whether this image was deleted, or is being deleted."""
    return bool(connection.scalar(select(sa.exists().where(tombstones.c.image_id == image_id))))


def dead_of(connection: Connection, image_ids: Iterable[str]) -> set[str]:
    """Those of the images that were deleted."""
    return set(connection.scalars(select(tombstones.c.image_id).where(tombstones.c.image_id.in_(list(image_ids)))))


def undone(connection: Connection, limit: int) -> list[str]:
    """Images whose deletion was begun and not ended."""
    return list(connection.scalars(select(tombstones.c.image_id).where(~tombstones.c.done).limit(limit)))


def remove_rows(connection: Connection, image_id: str, bucket_url: str, now: float) -> None:
    """Remove an image's rows and note its objects for removal, in their order; done already changes nothing."""
    row = connection.execute(select(images).where(images.c.id == image_id)).first()
    if row is not None:
        of_image = processed_images.c.image_id == image_id
        pictures = list(connection.scalars(select(processed_images.c.file_path).where(of_image)))
        if row.thumbnail_path:
            pictures.append(row.thumbnail_path)
        told = [f"{bucket_url}/{object_names.sidecar(image_id)}"]
        if row.processed_at is not None:
            moment = datetime.fromtimestamp(row.processed_at, UTC)
            told.append(f"{bucket_url}/{object_names.archived_sidecar(image_id, moment)}")
        for place, uris in enumerate((pictures, told, [row.file_path])):
            discard(connection, uris, now - ORDER_SECONDS * (3 - place))
        connection.execute(delete(processed_images).where(of_image))
        connection.execute(delete(images).where(images.c.id == image_id))
    discard_now(connection, image_id, now)
    connection.execute(update(tombstones).where(tombstones.c.image_id == image_id).values(done=True))
