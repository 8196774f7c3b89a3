"""Queries for writing permanent records to the bucket: which records are due, and their content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, select, update

from backend.database import key_value
from backend.database.images import focus_of
from backend.database.rows import palette_of, stages_of
from backend.database.tables import devices, images, processed_images, tombstones
from contract.messages.frames import FrameFilters
from contract.messages.processing import Palette
from contract.messages.records import DevicesRecord, ImageRecord, RecordedDevice, RecordedResult
from contract.panels import panel_from

DEVICES_REVISION = "devices_revision"
DEVICES_RECORDED = "devices_recorded"
PICTURE_KEY = "picture_key"


def increment_revisions(connection: Connection, image_ids: Sequence[str]) -> None:
    """Increment the revision of images whose record has changed."""
    connection.execute(update(images).where(images.c.id.in_(image_ids)).values(revision=images.c.revision + 1))


def increment_devices_revision(connection: Connection) -> None:
    """Increment the revision of the devices' record."""
    key_value.put(connection, DEVICES_REVISION, str(devices_revision(connection) + 1))


def devices_revision(connection: Connection) -> int:
    """Return the revision of the devices' record."""
    return int(key_value.get(connection, DEVICES_REVISION) or 0)


def devices_due(connection: Connection) -> bool:
    """Return True if the devices' record in the bucket is, or may be, out of date."""
    return key_value.get(connection, DEVICES_RECORDED) != str(devices_revision(connection))


def images_due(connection: Connection, limit: int) -> dict[str, int]:
    """Return the revisions of images whose record in the bucket is, or may be, out of date, by image id."""
    query = select(images.c.id, images.c.revision).where(images.c.revision > images.c.recorded).limit(limit)
    return {row.id: row.revision for row in connection.execute(query)}


def image_due(connection: Connection, image_id: str) -> int:
    """Return the revision of an image whose record is, or may be, out of date; 0 if the record is up to date."""
    due = (images.c.id == image_id) & (images.c.revision > images.c.recorded)
    return connection.scalar(select(images.c.revision).where(due)) or 0


def mark_recorded(connection: Connection, revisions: Mapping[str, int]) -> None:
    """Store the revision of each image's record that is known to be in the bucket."""
    if revisions:
        statement = (
            update(images)
            .where(images.c.id == sa.bindparam("image"), images.c.recorded < sa.bindparam("stored"))
            .values(recorded=sa.bindparam("stored"))
        )
        connection.execute(statement, [{"image": key, "stored": revision} for key, revision in revisions.items()])


def object_name(uri: str, bucket_url: str) -> str:
    """Return the object name of a URI in the bucket; return any other URI unchanged."""
    return uri.removeprefix(bucket_url + "/")


def read_records(connection: Connection, image_ids: Sequence[str], bucket_url: str) -> list[ImageRecord]:
    """Return the current records of these images, and the tombstones of deleted ones; unknown ids are left out."""
    results: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    query = select(processed_images).where(processed_images.c.image_id.in_(image_ids))
    for row in connection.execute(query.order_by(processed_images.c.device_size)):
        results[row.image_id].append(row)
    rows = connection.execute(select(images).where(images.c.id.in_(image_ids))).all()
    deletions = connection.execute(select(tombstones).where(tombstones.c.image_id.in_(image_ids))).all()
    deleted = {row.image_id for row in deletions}
    return [_image(row, results[row.id], bucket_url) for row in rows if row.id not in deleted] + [
        ImageRecord(image_id=row.image_id, revision=row.revision, deleted_at=row.deleted_at) for row in deletions
    ]


def _image(row: sa.Row[Any], results: Sequence[sa.Row[Any]], bucket_url: str) -> ImageRecord:
    palette = palette_of(row.color_palette)
    return ImageRecord(
        image_id=row.id,
        revision=row.revision,
        file_path=object_name(row.file_path, bucket_url),
        file_hash=row.file_hash,
        filename=row.filename,
        byte_size=row.byte_size,
        width=row.width,
        height=row.height,
        orientation=row.orientation,
        ingested_at=row.ingested_at,
        captured_at=row.captured_at,
        turned=row.turned,
        rendered_at=row.rendered_at,
        processed_at=row.processed_at,
        render_seconds=row.render_seconds,
        stages=stages_of(row.stage_seconds),
        attempts=row.attempts,
        strikes=row.strikes,
        error=row.processing_error or "" if row.processing_status == "failed" else None,
        palette=palette,
        histogram=row.histogram or {},
        thumbnail_path=object_name(row.thumbnail_path, bucket_url) if row.thumbnail_path else None,
        focus=focus_of(row.focus),
        found_focus=focus_of(row.found_focus),
        turn=row.turn,
        results=tuple(_result(result, palette, bucket_url) for result in results),
    )


def _result(row: sa.Row[Any], image_palette: Palette | None, bucket_url: str) -> RecordedResult:
    own = Palette(
        primary=row.color_primary,
        secondary=row.color_secondary,
        tertiary=row.color_tertiary,
        source_color=row.color_source,
        all_colors=tuple(row.color_palette),
        neutral=image_palette.neutral if image_palette else False,
    )
    return RecordedResult(
        device=row.device_size,
        width=row.width,
        height=row.height,
        file_path=object_name(row.file_path, bucket_url),
        recipe=row.recipe,
        processed_at=row.processed_at,
        palette=None if own == image_palette else own,
    )


def read_devices(connection: Connection) -> DevicesRecord:
    """Return the current record of the devices."""
    return DevicesRecord(
        revision=devices_revision(connection),
        picture_key=key_value.get(connection, PICTURE_KEY) or "",
        devices=tuple(
            RecordedDevice(
                **{
                    name: getattr(row, name)
                    for name in RecordedDevice.__struct_fields__
                    if name not in ("filters", "panel")
                },
                filters=msgspec.convert(row.filters, FrameFilters) if row.filters else None,
                panel=panel_from(row.panel),
            )
            for row in connection.execute(select(devices).order_by(devices.c.created_at, devices.c.id))
        ),
    )
