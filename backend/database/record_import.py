"""Import permanent records into the database: a record replaces a row that has a lower revision.

The functions can be repeated and called in any order, because the revision decides.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from backend.colours.families import families_text
from backend.database import key_value, record_queries, shuffle_queues
from backend.database.images import shard_of
from backend.database.tables import devices, images, insert_into, metadata, processed_images, tombstones
from backend.database.tombstones import remove_rows
from backend.database.variants import variant_row
from contract.messages.records import DevicesRecord, ImageRecord, RecordedDevice
from contract.split_screen import split_key


def import_devices(connection: Connection, record: DevicesRecord) -> bool:
    """Replace the devices by the devices of `record` if the record is newer. Return True if they were replaced."""
    if record.revision <= record_queries.devices_revision(connection):
        return False
    keys = [key for device in record.devices for key in (device.key, split_key(device.key))]
    connection.execute(delete(processed_images).where(processed_images.c.device_size.not_in(keys)))
    connection.execute(delete(devices))
    if record.devices:
        connection.execute(insert(devices), [_device_row(device) for device in record.devices])
        for device in record.devices:
            shuffle_queues.begin_refilter(connection, device.id)
    for key in (record_queries.DEVICES_REVISION, record_queries.DEVICES_RECORDED):
        key_value.put(connection, key, str(record.revision))
    if record.picture_key:
        key_value.put(connection, record_queries.PICTURE_KEY, record.picture_key)
    return True


def _device_row(device: RecordedDevice) -> dict[str, Any]:
    filters = msgspec.to_builtins(device.filters) if device.filters else None
    panel = msgspec.to_builtins(device.panel) if device.panel else None
    return {**msgspec.structs.asdict(device), "filters": filters, "panel": panel}


def import_images(
    connection: Connection, records: Sequence[ImageRecord], bucket_url: str, present: Container[str], now: float
) -> int:
    """Import the records that are newer than the database's rows, and return the number of imported records.

    A variant is imported only if its device exists and its object is `present`, because a record can
    still contain the variant of a device that was removed since. The caller must update the states of
    the images afterwards (`missing_variants.reconcile_states`).
    """
    ids = [record.image_id for record in records]
    revisions: dict[str, int] = {}
    for table, key in ((images, images.c.id), (tombstones, tombstones.c.image_id)):
        for row in connection.execute(select(key.label("id"), table.c.revision).where(key.in_(ids))):
            revisions[row.id] = max(revisions.get(row.id, 0), row.revision)
    newer = [record for record in records if record.revision > revisions.get(record.image_id, 0)]
    for record in newer:
        if record.deleted_at is not None:
            _import_tombstone(connection, record, bucket_url, now)
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
    keys = {key for device in connection.scalars(select(devices.c.key)) for key in (device, split_key(device))}
    variants = [row for record in living for row in _variant_rows(record, bucket_url, present, keys)]
    if variants:
        connection.execute(insert(processed_images), variants)
        shuffle_queues.enqueue(connection, ids, now)
    return len(newer)


def _import_tombstone(connection: Connection, record: ImageRecord, bucket_url: str, now: float) -> None:
    values = {
        "image_id": record.image_id,
        "deleted_at": record.deleted_at,
        "revision": record.revision,
        "done": True,
    }
    statement = insert_into(connection, tombstones).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["image_id"], set_=values))
    remove_rows(connection, record.image_id, bucket_url, now)


def _uri(name: str, bucket_url: str) -> str:
    return name if "://" in name else f"{bucket_url}/{name}"


def _image_row(record: ImageRecord, bucket_url: str, present: Container[str]) -> dict[str, Any]:
    thumbnail = record.thumbnail_path if record.thumbnail_path in present else None
    palette = msgspec.to_builtins(record.palette) if record.palette else None
    return {
        "id": record.image_id,
        "file_path": _uri(record.file_path, bucket_url),
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
        "turned": record.turned,
        "queued_at": record.ingested_at,
        "shard": shard_of(record.image_id),
        "rendered_at": record.rendered_at,
        "attempts": record.attempts,
        "strikes": record.strikes,
        "suspect": record.strikes > 0,
        "color_palette": palette,
        "colours": families_text(palette),
        "histogram": record.histogram or None,
        "thumbnail_path": _uri(thumbnail, bucket_url) if thumbnail else None,
        "focus": list(record.focus) if record.focus else None,
        "found_focus": list(record.found_focus) if record.found_focus else None,
        "turn": record.turn,
        "processed_at": record.processed_at,
        "render_seconds": record.render_seconds,
        "stage_seconds": msgspec.to_builtins(record.stages) if record.stages else None,
        "revision": record.revision,
        "recorded": record.revision,
    }


def _variant_rows(
    record: ImageRecord, bucket_url: str, present: Container[str], keys: Container[str]
) -> list[dict[str, Any]]:
    return [
        variant_row(
            record.image_id,
            result.device,
            (result.width, result.height),
            _uri(result.file_path, bucket_url),
            palette,
            result.recipe,
            result.processed_at,
        )
        for result in record.results
        if (palette := result.palette or record.palette) is not None
        and result.device in keys
        and result.file_path in present
    ]


def clear(connection: Connection) -> None:
    """Delete all rows of all tables, before everything is imported again."""
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))


def device_and_tombstone_counts(connection: Connection) -> tuple[int, int]:
    """Return the number of devices and the number of tombstones."""
    counts = [connection.scalar(select(func.count()).select_from(table)) or 0 for table in (devices, tombstones)]
    return counts[0], counts[1]
