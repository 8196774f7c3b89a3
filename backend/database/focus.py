"""The focal point that an owner chooses for a photo, and what that makes of its pictures."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection, select, update

from backend.database.tables import images, processed_images
from backend.database.work_set import AGAIN
from contract.messages.processing import Focus


def focus_of(value: object) -> Focus | None:
    """What a column holds, as messages have it."""
    return (float(value[0]), float(value[1])) if isinstance(value, list | tuple) and len(value) == 2 else None


def set_focus(connection: Connection, image_id: str, focus: Focus | None, now: float) -> bool | None:
    """Frame a photo's pictures around `focus`, or with None around the point that is found.

    Its pictures are made anew behind new photos; a failed photo stays failed. Returns whether anything changed,
    None for an unknown image. What a task has in work under the old point is void.
    """
    found = connection.execute(select(images.c.focus).where(images.c.id == image_id).with_for_update()).first()
    if found is None:
        return None
    if focus_of(found.focus) == focus:
        return False
    connection.execute(
        update(images)
        .where(images.c.id == image_id)
        .values(
            focus=list(focus) if focus else None,
            processing_status=sa.case((images.c.processing_status == "failed", "failed"), else_="pending"),
            queued_at=now,
            lease_token=None,
            attempt_open=False,
            revision=images.c.revision + 1,
        )
    )
    connection.execute(update(processed_images).where(processed_images.c.image_id == image_id).values(recipe=AGAIN))
    return True
