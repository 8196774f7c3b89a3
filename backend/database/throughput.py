"""How fast the tasks of this installation are, from the photos that they rendered last."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, select

from backend.database.tables import images
from backend.jobs.plan import SECONDS_PER_MEGAPIXEL
from contract.messages.admin import WorkRate

LATEST_PHOTOS = 500
MIN_PHOTOS = 20
"""Fewer say more about what else went on at the time than about the photos."""
MIN_PHOTOS_OF_A_TASK = 4
"""A task that renders several at once is measured only when it had several."""
ASSUMED = WorkRate(seconds_per_megapixel=SECONDS_PER_MEGAPIXEL, megapixels_per_photo=12.0)
"""Until then."""


def work_rate(connection: Connection) -> WorkRate:
    """Seconds of one task per megapixel, downloads and uploads included, over the latest photos.

    A task works on several photos at once, so the sum of their times is more than it took: counted is the time
    from a task's first claim to its last result. A task that waited for photos in between took less than that,
    and never more than its photos' times one after the other; so the smaller of both counts.
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
