"""The current variants: one row of `processed_images` per image and device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from backend.database.missing_variants import LEGACY
from backend.database.tables import insert_into, processed_images
from contract.messages.processing import Palette, ProcessedImage

REPLACED_GRACE_SECONDS = 24 * 3600.0
"""A replaced object is deleted after this time, because a frame may still use its address."""


class StoredVariant(NamedTuple):
    """A current variant: its address, its recipe, and its width and height in pixels."""

    file_path: str
    recipe: str
    width: int
    height: int

    @classmethod
    def of(cls, row: ProcessedImage, uri: str) -> StoredVariant:
        """Return a reported variant as it would be stored."""
        return cls(uri, row.recipe or LEGACY, row.width, row.height)


def current_variants(connection: Connection, image_ids: Iterable[str]) -> dict[tuple[str, str], StoredVariant]:
    """Return the current variants of these images, by (image, device key)."""
    columns = processed_images.c
    query = select(
        columns.image_id, columns.device_size, columns.file_path, columns.recipe, columns.width, columns.height
    )
    return {
        (row.image_id, row.device_size): StoredVariant(row.file_path, row.recipe, row.width, row.height)
        for row in connection.execute(query.where(columns.image_id.in_(image_ids)))
    }


def replaces_current(reported: StoredVariant, current: StoredVariant | None, device_recipe: str) -> bool:
    """Return True if a reported variant replaces the `current` one, or if there is none.

    False means that the variant is stored already, or that it comes from a legacy client while a variant
    with the device's recipe exists. A legacy client writes every size of a device under the same path, so the
    size is part of the comparison.
    """
    if current is None:
        return True
    return current != reported and not (reported.recipe == LEGACY and current.recipe == device_recipe)


def variant_row(
    image_id: str,
    device_key: str,
    size: tuple[int, int],
    uri: str,
    palette: Palette,
    recipe: str,
    processed_at: float,
) -> dict[str, object]:
    """Return the row of `processed_images` for a variant; `size` is (width, height) in pixels."""
    return {
        "image_id": image_id,
        "device_size": device_key,
        "width": size[0],
        "height": size[1],
        "file_path": uri,
        "color_primary": palette.primary,
        "color_secondary": palette.secondary,
        "color_tertiary": palette.tertiary,
        "color_source": palette.source_color,
        "color_palette": list(palette.all_colors),
        "processed_at": processed_at,
        "recipe": recipe,
    }


def store_variants(connection: Connection, rows: Sequence[dict[str, object]]) -> None:
    """Insert or replace variants in one statement."""
    if rows:
        statement = insert_into(connection, processed_images)
        columns = {name: statement.excluded[name] for name in rows[0]}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["image_id", "device_size"], set_=columns), list(rows)
        )
