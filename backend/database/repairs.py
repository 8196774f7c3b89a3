"""Corrections of rows whose objects `verify` found missing or damaged."""

from __future__ import annotations

from sqlalchemy import Connection, delete, update

from backend.database.tables import images, processed_images


def mark_original_lost(connection: Connection, image_id: str, error: str) -> None:
    """Fail an image because its original is missing or damaged."""
    values = {"processing_status": "failed", "processing_error": error, "attempt_open": False}
    connection.execute(update(images).where(images.c.id == image_id).values(**values))


def remove_variant(connection: Connection, image_id: str, uri: str) -> None:
    """Delete the row of a variant, so that it is rendered again."""
    of_image = (processed_images.c.image_id == image_id) & (processed_images.c.file_path == uri)
    connection.execute(delete(processed_images).where(of_image))


def remove_thumbnail(connection: Connection, image_id: str) -> None:
    """Clear the address of a thumbnail, so that it is rendered again."""
    connection.execute(update(images).where(images.c.id == image_id).values(thumbnail_path=None))
