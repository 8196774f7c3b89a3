"""The speed of this installation's tasks, measured from the photos that they rendered last."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, select

from backend.database.tables import images
from contract.messages.admin import WorkRate

LATEST_PHOTOS = 500
MIN_PHOTOS = 20
"""With fewer photos, other load on the machine influences the rate more than the photos do."""
MIN_PHOTOS_OF_A_TASK = 4
"""A task renders several photos at the same time, so it is measured only if it had several."""
SECONDS_PER_MEGAPIXEL = 0.02
"""Assumed seconds of one task with two CPUs per megapixel, until this installation has measured its own rate."""
ASSUMED = WorkRate(seconds_per_megapixel=SECONDS_PER_MEGAPIXEL, megapixels_per_photo=12.0)
"""The rate until `MIN_PHOTOS` photos have been measured."""


def work_rate(connection: Connection) -> WorkRate:
    """Return the seconds of one task per megapixel, including downloads and uploads, over the latest photos.

    A task renders several photos at the same time, so the sum of their times is more than the task took.
    Therefore the time from a task's first claim to its last result counts. A task that waited for photos in
    between worked for less than this time, and never for longer than the sum. So the smaller of both counts.
    """
    query = (
        select(
            images.c.lease_owner,
            images.c.claimed_at,
            images.c.processed_at,
            images.c.render_seconds,
            (images.c.width * images.c.height / 1e6).label("megapixels"),
        )
        .where(
            images.c.processed_at.is_not(None),
            images.c.render_seconds > 0,
            images.c.lease_owner.is_not(None),
            images.c.claimed_at <= images.c.processed_at,
        )
        .order_by(images.c.processed_at.desc())
        .limit(LATEST_PHOTOS)
    )
    tasks = defaultdict(list)
    for row in connection.execute(query):
        tasks[row.lease_owner].append(row)
    seconds = megapixels = 0.0
    photos = 0
    for rows in tasks.values():
        if len(rows) >= MIN_PHOTOS_OF_A_TASK:
            span = max(row.processed_at for row in rows) - min(row.claimed_at for row in rows)
            seconds += min(span, sum(row.render_seconds for row in rows))
            megapixels += sum(row.megapixels for row in rows)
            photos += len(rows)
    if photos < MIN_PHOTOS or seconds <= 0 or megapixels <= 0:
        return ASSUMED
    return WorkRate(seconds_per_megapixel=seconds / megapixels, megapixels_per_photo=megapixels / photos, photos=photos)
