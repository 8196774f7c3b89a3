"""What is to be rendered: the set of (image, device, recipe) that no current row covers.

An image is complete when every device of today has its variant of today's recipe, or the
model system's variant of the device's size. It is a set, never a count of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, exists, select, update

from backend.database.missing_pairs import lacks_halves
from backend.database.tables import devices, images, processed_images

LEGACY = "legacy"
"""The recipe of rows made by the model system's own processor."""
AGAIN = ""
"""The recipe of rows whose pictures are to be made again; no device asks for it."""


def covered() -> ColumnElement[bool]:
    """Whether a row of `processed_images` is what a row of `devices` asks for today."""
    return sa.and_(
        processed_images.c.device_size == devices.c.key,
        sa.or_(
            processed_images.c.recipe == devices.c.recipe,
            sa.and_(
                processed_images.c.recipe == LEGACY,
                processed_images.c.width == devices.c.width,
                processed_images.c.height == devices.c.height,
            ),
        ),
    )


def lacks_variants() -> ColumnElement[bool]:
    """Whether the row of `images` in the enclosing statement lacks any device's variant."""
    row = select(processed_images.c.id).where(processed_images.c.image_id == images.c.id, covered())
    missing = select(devices.c.id).where(~exists(row.correlate(images, devices)))
    return exists(missing.correlate(images))


def missing_work(connection: Connection, image_ids: Sequence[str]) -> dict[str, list[sa.Row[*tuple[Any, ...]]]]:
    """For each image the missing (device key, recipe, changed_at), in the order of the keys."""
    row = select(processed_images.c.id).where(processed_images.c.image_id == images.c.id, covered())
    query = (
        select(images.c.id, devices.c.key, devices.c.recipe, devices.c.changed_at)
        .select_from(images.join(devices, sa.true()))
        .where(images.c.id.in_(image_ids), ~exists(row.correlate(images, devices)))
        .order_by(devices.c.key)
    )
    found: dict[str, list[sa.Row[*tuple[Any, ...]]]] = {image_id: [] for image_id in image_ids}
    for line in connection.execute(query):
        found[line.id].append(line)
    return found


def settle(connection: Connection, now: float) -> None:
    """Bring the states in line after the devices changed: back-fill what lacks, complete what has all.

    Failed images stay failed, and images in work are settled by their result.
    """
    connection.execute(
        update(images)
        .where(images.c.processing_status == "complete", lacks_variants())
        .values(processing_status="pending", queued_at=now)
    )
    connection.execute(
        update(images)
        .where(images.c.processing_status == "pending", images.c.rendered_at.is_not(None))
        .where(~lacks_variants(), ~lacks_halves())
        .values(processing_status="complete", attempt_open=False, suspect=False)
    )
