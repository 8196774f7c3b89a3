"""What the page of one photo shows beside `images.one`, and what the page of the devices shows of each."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Connection, select

from backend.database.tables import devices, images, processed_images
from backend.database.work_set import missing_work


class DevicePicture(Struct, frozen=True, kw_only=True):
    """A device and its picture of one photo: no address where there is none yet; `current` if it is today's."""

    name: str
    width: int
    height: int
    file_path: str | None
    current: bool


def file_facts(connection: Connection, image_id: str) -> sa.Row[*tuple[Any, ...]] | None:
    """(byte_size, processed_at, render_seconds) of a photo; times in seconds since the epoch, and seconds."""
    query = select(images.c.byte_size, images.c.processed_at, images.c.render_seconds).where(images.c.id == image_id)
    return connection.execute(query).first()


def device_pictures(connection: Connection, image_id: str) -> list[DevicePicture]:
    """The photo on every device, in the order of their creation."""
    lacking = {work.key for work in missing_work(connection, [image_id])[image_id]}
    of_photo = sa.and_(processed_images.c.device_size == devices.c.key, processed_images.c.image_id == image_id)
    query = (
        select(
            devices.c.name,
            devices.c.key,
            devices.c.width,
            devices.c.height,
            processed_images.c.file_path,
            processed_images.c.width.label("made_width"),
            processed_images.c.height.label("made_height"),
        )
        .select_from(devices.outerjoin(processed_images, of_photo))
        .order_by(devices.c.created_at, devices.c.id)
    )
    return [
        DevicePicture(
            name=row.name,
            width=row.made_width or row.width,
            height=row.made_height or row.height,
            file_path=row.file_path,
            current=row.key not in lacking,
        )
        for row in connection.execute(query)
    ]
