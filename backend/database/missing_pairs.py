"""Split-screen variants that are missing. They never delay the completion of an image.

An image without its split-screen variants is complete. It is queued for them once, when a device begins
to show pairs or changes its shape. An image that is claimed for another reason gets them as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, exists, select, update

from backend.database.tables import devices, images, processed_images
from contract.messages.processing import Device, WorkItem
from contract.split_screen import HALF, split_key, split_size


def _needed() -> ColumnElement[bool]:
    """Select rows of `images` that can be part of a pair on the row of `devices`."""
    return sa.and_(
        devices.c.half_recipe.is_not(None),
        sa.or_(
            sa.and_(devices.c.width > devices.c.height, images.c.orientation == "portrait"),
            sa.and_(devices.c.width < devices.c.height, images.c.orientation == "landscape"),
        ),
    )


def _missing() -> ColumnElement[bool]:
    """Select rows of `images` without the split-screen variant that the row of `devices` needs."""
    current = select(processed_images.c.id).where(
        processed_images.c.image_id == images.c.id,
        processed_images.c.device_size == devices.c.key.concat(HALF),
        processed_images.c.recipe == devices.c.half_recipe,
    )
    return sa.and_(_needed(), ~exists(current.correlate(images, devices)))


def lacks_split_screen_variants() -> ColumnElement[bool]:
    """Select rows of `images`, of the enclosing statement, without the split-screen variant of any device."""
    return exists(select(devices.c.id).where(_missing()).correlate(images))


def missing_split_screen_work(connection: Connection, image_ids: Sequence[str]) -> dict[str, tuple[WorkItem, ...]]:
    """Return the missing split-screen variants by image, sorted by device key; images without any are left out."""
    query = (
        select(images.c.id, devices.c.key, devices.c.half_recipe)
        .select_from(images.join(devices, sa.true()))
        .where(images.c.id.in_(image_ids), _missing())
        .order_by(devices.c.key)
    )
    work: dict[str, tuple[WorkItem, ...]] = {}
    for row in connection.execute(query):
        work[row.id] = (*work.get(row.id, ()), WorkItem(device=split_key(row.key), recipe=row.half_recipe))
    return work


def queue_split_screen_variants(connection: Connection, key: str, now: float) -> None:
    """Queue the complete images without the split-screen variant of this device."""
    of_device = exists(select(devices.c.id).where(devices.c.key == key, _missing()).correlate(images))
    connection.execute(
        update(images)
        .where(images.c.processing_status == "complete", of_device)
        .values(processing_status="pending", queued_at=now)
    )


def split_screen_device(row: sa.Row[Any]) -> Device | None:
    """Return half of a device's split screen as a device for which tasks render; None if the device shows no pairs."""
    size = split_size(row.width, row.height, row.gap) if row.half_recipe else None
    if size is None:
        return None
    return Device(id=row.id, name=row.name, key=split_key(row.key), width=size[0], height=size[1])


def split_screen_devices(connection: Connection) -> tuple[Device, ...]:
    """Return `split_screen_device` of all devices that show pairs."""
    rows = connection.execute(select(devices).where(devices.c.half_recipe.is_not(None)).order_by(devices.c.key))
    return tuple(device for row in rows if (device := split_screen_device(row)) is not None)
