"""What the pages read of many photos at once: filtered, newest first, page by page, in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, select

from backend.colours.families import Family
from backend.database.images import counts
from backend.database.missing_variants import missing_work
from backend.database.tables import devices, images, processed_images
from contract.messages.processing import Histogram, ImageState, Orientation, Palette

MATCHES = 200
"""No more photos are named in one statement."""


class Filters(Struct, frozen=True, kw_only=True):
    """What of the library is shown; each that is None or empty leaves nothing out."""

    state: ImageState | None = None
    orientation: Orientation | None = None
    colour: Family | None = None
    name: str = ""


class Cursor(Struct, frozen=True):
    """The place of a photo in the gallery. It holds although the photo be deleted."""

    ingested_at: float
    image_id: str


class Tile(Struct, frozen=True, kw_only=True):
    """A photo as the gallery shows it; `ingested_at` in seconds since the epoch, `dominant` as `#RRGGBB`."""

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
    found: list[ColumnElement[bool]] = []
    if filters.state is not None:
        found.append(images.c.processing_status == filters.state)
    if filters.orientation is not None:
        found.append(images.c.orientation == filters.orientation)
    if filters.colour is not None:
        found.append(images.c.colours.contains(f",{filters.colour},", autoescape=True))
    if filters.name:
        found.append(images.c.filename.icontains(filters.name, autoescape=True))
    return found


def page(connection: Connection, filters: Filters, after: Cursor | None, limit: int) -> tuple[list[Tile], bool]:
    """The photos that pass, newest first, from behind `after`; and whether more follow.

    The first statement finds their ids in the index alone, the second reads the rows of this page.
    """
    query = select(images.c.id).where(*_conditions(filters))
    if after is not None:
        place = sa.tuple_(sa.literal(after.ingested_at), sa.literal(after.image_id))
        query = query.where(sa.tuple_(images.c.ingested_at, images.c.id) < place)
    ids = list(connection.scalars(query.order_by(images.c.ingested_at.desc(), images.c.id.desc()).limit(limit + 1)))
    return these(connection, ids[:limit]), len(ids) > limit


def screen(
    connection: Connection, filters: Filters, after: Cursor | None, limit: int
) -> tuple[list[Tile], bool, dict[ImageState, int]]:
    """A page, whether more follow, and how many photos of the whole library are in each state."""
    tiles, more = page(connection, filters, after, limit)
    return tiles, more, counts(connection)


def these(connection: Connection, image_ids: Sequence[str]) -> list[Tile]:
    """The photos of these ids, newest first; unknown ones are left out."""
    query = select(*_COLUMNS).where(images.c.id.in_(image_ids[:MATCHES]))
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
        palette=msgspec.convert(row.color_palette, Palette) if row.color_palette else None,
        thumbnail_path=row.thumbnail_path,
        dominant=dominant(row.histogram),
    )


def dominant(histogram: Histogram | None) -> str | None:
    """The colour that most of a photo has, or None while that is not known."""
    return max(histogram, key=lambda colour: histogram[colour]) if histogram else None


def newest_palette(connection: Connection) -> Palette | None:
    """The palette of the newest photo that is complete, or None."""
    query = (
        select(images.c.color_palette)
        .where(images.c.processing_status == "complete", images.c.rendered_at.is_not(None))
        .order_by(images.c.ingested_at.desc(), images.c.id.desc())
        .limit(1)
    )
    found = connection.scalar(query)
    return msgspec.convert(found, Palette) if found else None


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
