"""Permanent records into the database: whatever in them is newer than a row replaces it.

Every function may be repeated, and in any order: the revision decides.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from backend.colours.families import families_text
from backend.database import record_queries, sessions_and_locks
from backend.database.images import shard_of
from backend.database.tables import devices, images, insert_into, metadata, processed_images, tombstones
from backend.database.tombstones import remove_rows
from contract.messages.records import DevicesRecord, ImageRecord, RecordedDevice
from contract.split_screen import half_key


def import_devices(connection: Connection, record: DevicesRecord) -> bool:
    """Make the devices those of the record if it is newer; whether it was."""
    if record.revision <= record_queries.devices_revision(connection):
        return False
    keys = [key for device in record.devices for key in (device.key, half_key(device.key))]
    connection.execute(delete(processed_images).where(processed_images.c.device_size.not_in(keys)))
    connection.execute(delete(devices))
    if record.devices:
        connection.execute(insert(devices), [_device_row(device) for device in record.devices])
    for key in (record_queries.DEVICES_REVISION, record_queries.DEVICES_RECORDED):
        sessions_and_locks.set_fact(connection, key, str(record.revision))
    if record.picture_key:
        sessions_and_locks.set_fact(connection, record_queries.PICTURE_KEY, record.picture_key)
    return True


def _device_row(device: RecordedDevice) -> dict[str, Any]:
    filters = msgspec.to_builtins(device.filters) if device.filters else None
    return {**msgspec.structs.asdict(device), "filters": filters}


def import_images(
    connection: Connection, records: Sequence[ImageRecord], bucket_url: str, present: Container[str], now: float
) -> int:
    """Take over the records that are newer than what the database says; how many.

    A variant is taken over only if its device exists and its object is `present`: the picture of a device
    that was removed since is noted in the record still. States are to be brought in line afterwards
    (`work_set.settle`).
    """
    ids = [record.image_id for record in records]
    known: dict[str, int] = {}
    for table, key in ((images, images.c.id), (tombstones, tombstones.c.image_id)):
        for row in connection.execute(select(key.label("id"), table.c.revision).where(key.in_(ids))):
            known[row.id] = max(known.get(row.id, 0), row.revision)
    newer = [record for record in records if record.revision > known.get(record.image_id, 0)]
    for record in newer:
        if record.deleted_at is not None:
            _bury(connection, record, bucket_url, now)
    living = [record for record in newer if record.deleted_at is None]
    if not living:
        return len(newer)
    ids = [record.image_id for record in living]
    connection.execute(delete(tombstones).where(tombstones.c.image_id.in_(ids)))
    connection.execute(delete(processed_images).where(processed_images.c.image_id.in_(ids)))
    rows = [_image_row(record, bucket_url, present) for record in living]
    statement = insert_into(connection, images)
    updated = {name: statement.excluded[name] for name in rows[0] if name != "id"}
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=updated), rows)
    keys = {key for own in connection.scalars(select(devices.c.key)) for key in (own, half_key(own))}
    variants = [row for record in living for row in _variant_rows(record, bucket_url, present, keys)]
    if variants:
        connection.execute(insert(processed_images), variants)
    return len(newer)


def _bury(connection: Connection, record: ImageRecord, bucket_url: str, now: float) -> None:
    values = {
        "image_id": record.image_id,
        "deleted_at": record.deleted_at,
        "revision": record.revision,
        "done": True,
    }
    statement = insert_into(connection, tombstones).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["image_id"], set_=values))
    remove_rows(connection, record.image_id, bucket_url, now)


def _address(name: str, bucket_url: str) -> str:
    return name if "://" in name else f"{bucket_url}/{name}"


def _image_row(record: ImageRecord, bucket_url: str, present: Container[str]) -> dict[str, Any]:
    thumbnail = record.thumbnail_path if record.thumbnail_path in present else None
    return {
        "id": record.image_id,
        "file_path": _address(record.file_path, bucket_url),
        "file_hash": record.file_hash,
        "filename": record.filename,
        "byte_size": record.byte_size,
        "width": record.width,
        "height": record.height,
        "orientation": record.orientation,
        "processing_status": "pending" if record.error is None else "failed",
        "processing_error": record.error,
        "ingested_at": record.ingested_at,
        "captured_at": record.captured_at,
        "queued_at": record.ingested_at,
        "shard": shard_of(record.image_id),
        "rendered_at": record.rendered_at,
        "attempts": record.attempts,
        "strikes": record.strikes,
        "suspect": record.strikes > 0,
        "color_palette": msgspec.to_builtins(record.palette) if record.palette else None,
        "colours": families_text(msgspec.to_builtins(record.palette) if record.palette else None),
        "histogram": record.histogram or None,
        "thumbnail_path": _address(thumbnail, bucket_url) if thumbnail else None,
        "focus": list(record.focus) if record.focus else None,
        "found_focus": list(record.found_focus) if record.found_focus else None,
        "processed_at": record.processed_at,
        "render_seconds": record.render_seconds,
        "stage_seconds": msgspec.to_builtins(record.stages) if record.stages else None,
        "revision": record.revision,
        "recorded": record.revision,
    }


def _variant_rows(
    record: ImageRecord, bucket_url: str, present: Container[str], keys: Container[str]
) -> list[dict[str, Any]]:
    rows = []
    for result in record.results:
        palette = result.palette or record.palette
        if result.device not in keys or result.file_path not in present or palette is None:
            continue
        rows.append(
            {
                "image_id": record.image_id,
                "device_size": result.device,
                "width": result.width,
                "height": result.height,
                "file_path": _address(result.file_path, bucket_url),
                "color_primary": palette.primary,
                "color_secondary": palette.secondary,
                "color_tertiary": palette.tertiary,
                "color_source": palette.source_color,
                "color_palette": list(palette.all_colors),
                "processed_at": result.processed_at,
                "recipe": result.recipe,
            }
        )
    return rows


def clear(connection: Connection) -> None:
    """Empty every table, so that all of it can be made again."""
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))


def device_and_tombstone_counts(connection: Connection) -> tuple[int, int]:
    """How many devices and how many tombstones there are."""
    counts = [connection.scalar(select(func.count()).select_from(table)) or 0 for table in (devices, tombstones)]
    return counts[0], counts[1]
