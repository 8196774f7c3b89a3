"""Half pictures that are lacking: beside the work that completes an image, and never in the way of that.

An image that lacks a half is complete all the same. It is queued for its halves once, when a device begins to pair
or changes its shape, and what is claimed for another reason gets its halves on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, exists, select, update

from backend.database.garbage import discard
from backend.database.tables import devices, images, processed_images
from contract.messages.processing import Device, WorkItem
from contract.split_screen import HALF, half_key, half_size

_device_key: ColumnElement[str] = devices.c.key.concat(HALF)


def _wanted() -> ColumnElement[bool]:
    """Whether the row of `images` can be a half of the row of `devices`, which has halves."""
    return sa.and_(
        devices.c.half_recipe.is_not(None),
        sa.or_(
            sa.and_(devices.c.width > devices.c.height, images.c.orientation == "portrait"),
            sa.and_(devices.c.width < devices.c.height, images.c.orientation == "landscape"),
        ),
    )


def _lacking() -> ColumnElement[bool]:
    row = select(processed_images.c.id).where(
        processed_images.c.image_id == images.c.id,
        processed_images.c.device_size == _device_key,
        processed_images.c.recipe == devices.c.half_recipe,
    )
    return sa.and_(_wanted(), ~exists(row.correlate(images, devices)))


def lacks_halves() -> ColumnElement[bool]:
    """Whether the row of `images` in the enclosing statement lacks any device's half."""
    return exists(select(devices.c.id).where(_lacking()).correlate(images))


def missing_halves(connection: Connection, image_ids: Sequence[str]) -> dict[str, tuple[WorkItem, ...]]:
    """For each image the halves that it lacks, in the order of the devices' keys; others are left out."""
    query = (
        select(images.c.id, devices.c.key, devices.c.half_recipe)
        .select_from(images.join(devices, sa.true()))
        .where(images.c.id.in_(image_ids), _lacking())
        .order_by(devices.c.key)
    )
    found: dict[str, tuple[WorkItem, ...]] = {}
    for row in connection.execute(query):
        found[row.id] = (*found.get(row.id, ()), WorkItem(device=half_key(row.key), recipe=row.half_recipe))
    return found


def queue_halves(connection: Connection, key: str, now: float) -> None:
    """Queue the complete images that lack the half of this device."""
    of_device = exists(select(devices.c.id).where(devices.c.key == key, _lacking()).correlate(images))
    connection.execute(
        update(images)
        .where(images.c.processing_status == "complete", of_device)
        .values(processing_status="pending", queued_at=now)
    )


def drop_halves(connection: Connection, key: str, now: float) -> None:
    """Forget the halves of a device that pairs no longer, and note their objects for removal."""
    of_device = processed_images.c.device_size == half_key(key)
    discard(connection, list(connection.scalars(select(processed_images.c.file_path).where(of_device))), now)
    connection.execute(sa.delete(processed_images).where(of_device))


def half_of(row: sa.Row[Any]) -> Device | None:
    """The half of a device as the screen of its own that tasks take it for; None for a device without."""
    size = half_size(row.width, row.height, row.gap) if row.half_recipe else None
    if size is None:
        return None
    return Device(id=row.id, name=row.name, key=half_key(row.key), width=size[0], height=size[1])


def half_devices(connection: Connection) -> tuple[Device, ...]:
    """The halves of all devices that have some."""
    rows = connection.execute(select(devices).where(devices.c.half_recipe.is_not(None)).order_by(devices.c.key))
    return tuple(half for row in rows if (half := half_of(row)) is not None)
