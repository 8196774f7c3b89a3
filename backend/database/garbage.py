"""The deletion schedule (table `garbage`): objects that no row refers to, and when they may be deleted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, or_, select, update

from backend.database.tables import garbage, images, insert_into, processed_images

RETRY_SECONDS = 3600.0
"""After this time a deletion that was begun and not confirmed is tried again."""


def schedule_deletion(connection: Connection, uris: Sequence[str], delete_after: float) -> None:
    """Schedule objects, by URI, for deletion at `delete_after`. An object scheduled before keeps its earlier time."""
    for uri in uris:
        connection.execute(
            insert_into(connection, garbage).values(object_name=uri, delete_after=delete_after).on_conflict_do_nothing()
        )


def delete_variants(connection: Connection, device_keys: Sequence[str], now: float) -> None:
    """Delete the variants of these device keys and schedule the deletion of their objects."""
    of_devices = processed_images.c.device_size.in_(device_keys)
    schedule_deletion(connection, list(connection.scalars(select(processed_images.c.file_path).where(of_devices))), now)
    connection.execute(delete(processed_images).where(of_devices))


def delete_replaced_now(connection: Connection, image_id: str, now: float) -> None:
    """End the grace period of the image's replaced variants."""
    of_image = garbage.c.object_name.contains(f"/{image_id}-", autoescape=True)
    connection.execute(update(garbage).where(of_image, garbage.c.delete_after > now).values(delete_after=now))


def postpone_deletions(connection: Connection, image_id: str, until: float) -> None:
    """Keep the replaced objects of an image at least `until` then, because a task may need their names again."""
    of_image = garbage.c.object_name.contains(f"/{image_id}-", autoescape=True)
    connection.execute(update(garbage).where(of_image, garbage.c.delete_after < until).values(delete_after=until))


def due(connection: Connection, now: float, limit: int) -> list[str]:
    """Return the URIs of objects that are due for deletion, longest overdue first."""
    query = select(garbage.c.object_name).where(garbage.c.delete_after <= now).order_by(garbage.c.delete_after)
    return list(connection.scalars(query.limit(limit)))


def confirm_deletion(connection: Connection, uri: str, image_id: str | None, now: float) -> bool:
    """Return True if the object may be deleted at this moment.

    An object that a row refers to again, or whose deletion was cancelled, may not be deleted. The deletion is
    postponed by an hour instead of being removed from the schedule. So it is tried again if it fails, until
    `remove` is called.
    """
    shown = exists().where(processed_images.c.file_path == uri)
    owned = exists().where(or_(images.c.file_path == uri, images.c.thumbnail_path == uri))
    if image_id is not None:  # only rows of this image can refer to it; without an id, a legacy client chose the name
        shown = shown.where(processed_images.c.image_id == image_id)
        owned = owned.where(images.c.id == image_id)
    if connection.scalar(select(or_(shown, owned))):
        remove(connection, [uri])
        return False
    later = update(garbage).where(garbage.c.object_name == uri).values(delete_after=now + RETRY_SECONDS)
    return connection.execute(later).rowcount == 1


def cancel_deletion(connection: Connection, folder: str, recipe: str) -> None:
    """Cancel the scheduled deletions in a device's folder for one recipe, because the device needs it again.

    The new variants have the same object names. Otherwise an object could be deleted between the moment
    when a task finds it in the bucket and the task's report.
    """
    of_folder = garbage.c.object_name.contains(f"/{folder}", autoescape=True)
    connection.execute(delete(garbage).where(of_folder, garbage.c.object_name.like(f"%-{recipe}.%")))


def remove(connection: Connection, uris: Sequence[str]) -> None:
    """Remove objects from the schedule, for instance because they are deleted."""
    connection.execute(delete(garbage).where(garbage.c.object_name.in_(uris)))
