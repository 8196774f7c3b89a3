"""The current variants: which report of one is news, and storing those of a whole batch at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from backend.database.garbage import discard
from backend.database.missing_variants import LEGACY
from backend.database.tables import insert_into, processed_images
from contract.messages.processing import ProcessedImage

REPLACED_GRACE_SECONDS = 24 * 3600.0
"""A replaced object stays this long: a frame may still hold its address."""


def current_variants(connection: Connection, image_ids: Iterable[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """(file_path, recipe) of the current variants of these images, by (image, device key)."""
    columns = processed_images.c
    query = select(columns.image_id, columns.device_size, columns.file_path, columns.recipe)
    return {
        (row.image_id, row.device_size): (row.file_path, row.recipe)
        for row in connection.execute(query.where(columns.image_id.in_(image_ids)))
    }


def is_news(
    connection: Connection, row: ProcessedImage, uri: str, before: tuple[str, str] | None, todays: str, now: float
) -> bool:
    """Whether this is to be the current variant; False if it is that already, or a better one is.

    The object of one that it replaces is noted for removal.
    """
    if before is None:
        return True
    path, known = before
    recipe = row.recipe or LEGACY
    if (path, known) == (uri, recipe) or (recipe == LEGACY and known == todays):  # ours is current: theirs adds nothing
        return False
    if path != uri:
        discard(connection, [path], now + REPLACED_GRACE_SECONDS)
    return True


def variant_values(row: ProcessedImage, uri: str, now: float) -> dict[str, object]:
    """The row of `processed_images` for a reported variant that lies at `uri`."""
    palette = row.color_palette
    return {
        "image_id": row.image_id,
        "device_size": row.device_size,
        "width": row.width,
        "height": row.height,
        "file_path": uri,
        "color_primary": palette.primary,
        "color_secondary": palette.secondary,
        "color_tertiary": palette.tertiary,
        "color_source": palette.source_color,
        "color_palette": list(palette.all_colors),
        "processed_at": now,
        "recipe": row.recipe or LEGACY,
    }


def store_variants(connection: Connection, fresh: Sequence[dict[str, object]]) -> None:
    """Make these the current variants, all in one statement."""
    if fresh:
        statement = insert_into(connection, processed_images)
        given = {name: statement.excluded[name] for name in fresh[0]}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["image_id", "device_size"], set_=given), list(fresh)
        )
