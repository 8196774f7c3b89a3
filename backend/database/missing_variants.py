"""The work to be rendered: the set of (image, device, recipe) without a current row.

An image is complete when every current device has a variant with the device's current recipe, or a variant
of the legacy system with the device's size. The legacy system ignored the EXIF orientation: its variant of a turned
photo lies on its side. It completes the photo for a legacy client, but our tasks render it again.
So an image is complete when the set contains no entry of the image; rows are never counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, exists, select, update

from backend.database.missing_pairs import lacks_split_screen_variants
from backend.database.tables import devices, images, processed_images

LEGACY = "legacy"
"""The recipe of variants that the legacy system's own processor rendered."""
RERENDER_RECIPE = ""
"""The recipe of variants that are to be rendered again. No device needs this recipe."""


def is_current() -> ColumnElement[bool]:
    """Return the condition that a row of `processed_images` is current for the row of `devices` in the same query."""
    return sa.and_(
        processed_images.c.device_size == devices.c.key,
        sa.or_(
            processed_images.c.recipe == devices.c.recipe,
            sa.and_(
                processed_images.c.recipe == LEGACY,
                processed_images.c.width == devices.c.width,
                processed_images.c.height == devices.c.height,
                devices.c.panel.is_(None),  # the legacy system renders JPEG only
            ),
        ),
    )


def _missing(*, upright: bool = False) -> ColumnElement[bool]:
    """Return the condition that the row of `images` has no current variant for the row of `devices`.

    With `upright`, a variant that lies on its side does not count.
    """
    current = select(processed_images.c.id).where(processed_images.c.image_id == images.c.id, is_current())
    if upright:
        current = current.where(sa.or_(processed_images.c.recipe != LEGACY, ~images.c.turned))
    return ~exists(current.correlate(images, devices))


def lacks_variants(*, upright: bool = False) -> ColumnElement[bool]:
    """Return the condition that at least one device has no current variant of the row of `images`.

    With `upright`, a variant that lies on its side does not count. The condition refers to the table `images` of the
    statement that uses it.
    """
    return exists(select(devices.c.id).where(_missing(upright=upright)).correlate(images))


def requeue_sideways(connection: Connection, limit: int, now: float) -> int:
    """Queue up to `limit` complete photos that the legacy system rendered lying on their side; return their number.

    Called for our own tasks only: a legacy client would render them in the same way again.
    """
    # In an expression, so that SQLite searches the few turned photos instead of all complete ones by their state.
    state = images.c.processing_status.concat("")
    chosen = (
        select(images.c.id)
        .where(images.c.turned, state == "complete", lacks_variants(upright=True))
        .order_by(images.c.ingested_at, images.c.id)
        .limit(limit)
    )
    return connection.execute(
        update(images).where(images.c.id.in_(chosen)).values(processing_status="pending", queued_at=now)
    ).rowcount


def missing_work(
    connection: Connection, image_ids: Sequence[str], *, upright: bool = False
) -> dict[str, list[sa.Row[*tuple[Any, ...]]]]:
    """Return the missing (device key, recipe, changed_at) of each image, sorted by key.

    With `upright`, a variant that lies on its side does not count.
    """
    query = (
        select(images.c.id, devices.c.key, devices.c.recipe, devices.c.changed_at)
        .select_from(images.join(devices, sa.true()))
        .where(images.c.id.in_(image_ids), _missing(upright=upright))
        .order_by(devices.c.key)
    )
    missing: dict[str, list[sa.Row[*tuple[Any, ...]]]] = {image_id: [] for image_id in image_ids}
    for row in connection.execute(query):
        missing[row.id].append(row)
    return missing


def reconcile_states(connection: Connection, now: float) -> None:
    """Update the states of images after devices have changed.

    Complete images with missing variants become pending, and pending images with all variants become complete.
    Failed images stay failed. Images in progress are updated by their task's report.
    """
    connection.execute(
        update(images)
        .where(images.c.processing_status == "complete", lacks_variants())
        .values(processing_status="pending", queued_at=now)
    )
    connection.execute(
        update(images)
        .where(images.c.processing_status == "pending", images.c.rendered_at.is_not(None))
        .where(~lacks_variants(), ~lacks_split_screen_variants())
        .values(processing_status="complete", attempt_open=False, suspect=False)
    )
