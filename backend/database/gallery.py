"""Queries of the pages over many photos: filtered, newest first, in pages, with a fixed number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, select

from backend.colours.families import Family
from backend.database.images import counts
from backend.database.missing_variants import missing_work
from backend.database.rows import palette_of
from backend.database.tables import devices, images, processed_images
from contract.messages.processing import Histogram, ImageState, Orientation, Palette

MAX_IDS = 200
"""The maximum number of photos in one call of `tiles`."""


class Filters(Struct, frozen=True, kw_only=True):
    """The filters of the gallery. A filter that is None or empty excludes nothing."""

    state: ImageState | None = None
    orientation: Orientation | None = None
    colour: Family | None = None
    name: str = ""


class Cursor(Struct, frozen=True):
    """A position in the gallery. It stays valid if the photo at this position is deleted."""

    ingested_at: float
    image_id: str


class Tile(Struct, frozen=True, kw_only=True):
    """A photo of the gallery; `ingested_at` in seconds since the epoch, `dominant` as `#RRGGBB`."""

    id: str
    filename: str
    width: int
    height: int
    orientation: Orientation
    state: ImageState
    ingested_at: float
    error: str | None
    palette: Palette | None
    thumbnail_path: str | None
    dominant: str | None


_COLUMNS = (
    images.c.id,
    images.c.filename,
    images.c.width,
    images.c.height,
    images.c.orientation,
    images.c.processing_status,
    images.c.ingested_at,
    images.c.processing_error,
    images.c.color_palette,
    images.c.thumbnail_path,
    images.c.histogram,
)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.state is not None:
        conditions.append(images.c.processing_status == filters.state)
    if filters.orientation is not None:
        conditions.append(images.c.orientation == filters.orientation)
    if filters.colour is not None:
        conditions.append(images.c.colours.contains(f",{filters.colour},", autoescape=True))
    if filters.name:
        conditions.append(images.c.filename.icontains(filters.name, autoescape=True))
    return conditions


def page(connection: Connection, filters: Filters, after: Cursor | None, limit: int) -> tuple[list[Tile], bool]:
    """Return up to `limit` matching photos after the position `after`, newest first, and True if more follow.

    The first statement finds the ids in the index alone. The second statement reads the rows of this page.
    """
    query = select(images.c.id).where(*_conditions(filters))
    if after is not None:
        position = sa.tuple_(sa.literal(after.ingested_at), sa.literal(after.image_id))
        query = query.where(sa.tuple_(images.c.ingested_at, images.c.id) < position)
    ids = list(connection.scalars(query.order_by(images.c.ingested_at.desc(), images.c.id.desc()).limit(limit + 1)))
    return tiles(connection, ids[:limit]), len(ids) > limit


def page_and_counts(
    connection: Connection, filters: Filters, after: Cursor | None, limit: int
) -> tuple[list[Tile], bool, dict[ImageState, int]]:
    """Return a page as `page` does, and the number of photos of the whole library in each state."""
    return *page(connection, filters, after, limit), counts(connection)


def tiles(connection: Connection, image_ids: Sequence[str]) -> list[Tile]:
    """Return the photos with these ids, newest first, without unknown ids; at most `MAX_IDS`."""
    query = select(*_COLUMNS).where(images.c.id.in_(image_ids[:MAX_IDS]))
    return [_tile(row) for row in connection.execute(query.order_by(images.c.ingested_at.desc(), images.c.id.desc()))]


def _tile(row: sa.Row[*tuple[Any, ...]]) -> Tile:
    return Tile(
        id=row.id,
        filename=row.filename,
        width=row.width,
        height=row.height,
        orientation=row.orientation,
        state=row.processing_status,
        ingested_at=row.ingested_at,
        error=row.processing_error,
        palette=palette_of(row.color_palette),
        thumbnail_path=row.thumbnail_path,
        dominant=dominant(row.histogram),
    )


def dominant(histogram: Histogram | None) -> str | None:
    """Return the most frequent colour of a photo as `#RRGGBB`, or None without a histogram."""
    return max(histogram, key=lambda colour: histogram[colour]) if histogram else None


def newest_palette(connection: Connection) -> Palette | None:
    """Return the palette of the newest complete photo, or None."""
    query = (
        select(images.c.color_palette)
        .where(images.c.processing_status == "complete", images.c.rendered_at.is_not(None))
        .order_by(images.c.ingested_at.desc(), images.c.id.desc())
        .limit(1)
    )
    return palette_of(connection.scalar(query))


class DevicePicture(Struct, frozen=True, kw_only=True):
    """A device and its variant of one photo.

    `file_path` is None if the variant is not rendered yet. `current` is True if it has the device's current recipe.
    """

    name: str
    width: int
    height: int
    file_path: str | None
    current: bool


def file_facts(connection: Connection, image_id: str) -> sa.Row[*tuple[Any, ...]] | None:
    """Return (byte_size, processed_at, render_seconds) of a photo; `processed_at` in seconds since the epoch."""
    query = select(images.c.byte_size, images.c.processed_at, images.c.render_seconds).where(images.c.id == image_id)
    return connection.execute(query).first()


def device_pictures(connection: Connection, image_id: str) -> list[DevicePicture]:
    """Return the variants of a photo for every device, in the order of the devices' creation."""
    missing = {work.key for work in missing_work(connection, [image_id])[image_id]}
    of_photo = sa.and_(processed_images.c.device_size == devices.c.key, processed_images.c.image_id == image_id)
    query = (
        select(
            devices.c.name,
            devices.c.key,
            devices.c.width,
            devices.c.height,
            processed_images.c.file_path,
            processed_images.c.width.label("rendered_width"),
            processed_images.c.height.label("rendered_height"),
        )
        .select_from(devices.outerjoin(processed_images, of_photo))
        .order_by(devices.c.created_at, devices.c.id)
    )
    return [
        DevicePicture(
            name=row.name,
            width=row.rendered_width or row.width,
            height=row.rendered_height or row.height,
            file_path=row.file_path,
            current=row.key not in missing,
        )
        for row in connection.execute(query)
    ]
