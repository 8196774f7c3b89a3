"""Objects that nothing names any more, and when they may go."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, or_, select, update

from backend.database.tables import garbage, images, insert_into, processed_images

RETRY_SECONDS = 3600.0


def discard(connection: Connection, uris: Sequence[str], delete_after: float) -> None:
    """Note objects, by URI, for removal at `delete_after`; noted already keeps the earlier time."""
    for uri in uris:
        connection.execute(
            insert_into(connection, garbage).values(object_name=uri, delete_after=delete_after).on_conflict_do_nothing()
        )


def discard_now(connection: Connection, image_id: str, now: float) -> None:
    """Let the replaced pictures of an image go at once."""
    of_image = garbage.c.object_name.contains(f"/{image_id}-", autoescape=True)
    connection.execute(update(garbage).where(of_image, garbage.c.delete_after > now).values(delete_after=now))


def due(connection: Connection, now: float, limit: int) -> list[str]:
    """URIs whose time has come, longest overdue first."""
    query = select(garbage.c.object_name).where(garbage.c.delete_after <= now).order_by(garbage.c.delete_after)
    return list(connection.scalars(query.limit(limit)))


def take(connection: Connection, uri: str, image_id: str | None, now: float) -> bool:
    """Whether this object may be removed at this moment; one that is in use again, or spared, may not.

    The note stays, an hour later, until `removed`: a removal that fails or dies half-way is tried again then.
    """
    shown = exists().where(processed_images.c.image_id == image_id, processed_images.c.file_path == uri)
    owned = exists().where(images.c.id == image_id, or_(images.c.file_path == uri, images.c.thumbnail_path == uri))
    if image_id is not None and connection.scalar(select(or_(shown, owned))):
        removed(connection, [uri])
        return False
    later = update(garbage).where(garbage.c.object_name == uri).values(delete_after=now + RETRY_SECONDS)
    return connection.execute(later).rowcount == 1


def spare(connection: Connection, folder: str, recipe: str) -> None:
    """Take back what is noted of a device's folder and recipe: it is asked for again, under the same names.

    Without this, an object could go between a task's finding it there and its report.
    """
    of_folder = garbage.c.object_name.contains(f"/{folder}", autoescape=True)
    connection.execute(delete(garbage).where(of_folder, garbage.c.object_name.endswith(f"-{recipe}.jpg")))


def removed(connection: Connection, uris: Sequence[str]) -> None:
    """Forget objects that are gone."""
    connection.execute(delete(garbage).where(garbage.c.object_name.in_(uris)))
