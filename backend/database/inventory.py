"""All that the database says about objects and records, as one consistent view."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Connection, select

from backend.database import record_queries
from backend.database.tables import devices, garbage, images, processed_images, tombstones
from contract import object_names
from contract.messages.records import DevicesRecord, ImageRecord
from contract.split_screen import HALF

BATCH_SIZE = 500
_WORKED_ON = ("pending", "processing")


class Inventory(Struct, kw_only=True):
    """Records as they should be, by image; rows that name objects; what is on its way out."""

    records: dict[str, ImageRecord]
    states: dict[str, str]
    variants: list[sa.Row[Any]]
    devices: DevicesRecord
    discarded: set[str]


def take(connection: Connection, bucket_url: str) -> Inventory:
    """Look at everything; names of objects, where they lie in our bucket."""
    query = select(images.c.id, images.c.processing_status)
    states = {row.id: row.processing_status for row in connection.execute(query)}
    known = sorted({*states, *connection.scalars(select(tombstones.c.image_id))})
    records: dict[str, ImageRecord] = {}
    for first in range(0, len(known), BATCH_SIZE):
        for record in record_queries.read_records(connection, known[first : first + BATCH_SIZE], bucket_url):
            records[record.image_id] = record
    variants = select(
        processed_images.c.id,
        processed_images.c.image_id,
        processed_images.c.device_size,
        processed_images.c.file_path,
        processed_images.c.recipe,
        processed_images.c.width,
        processed_images.c.height,
    ).where(
        processed_images.c.device_size.in_(select(devices.c.key))
        | processed_images.c.device_size.in_(select(devices.c.key.concat(HALF)))
    )
    return Inventory(
        records=records,
        states=states,
        variants=list(connection.execute(variants.order_by(processed_images.c.id))),
        devices=record_queries.read_devices(connection),
        discarded={record_queries.short(uri, bucket_url) for uri in connection.scalars(select(garbage.c.object_name))},
    )


def unnamed_pictures(known: Inventory, present: set[str], bucket_url: str) -> list[str]:
    """Pictures and thumbnails of the bucket that no row names, and no note for removal.

    What a task has written and not reported yet is nobody's mistake: the image is not done.
    """
    named = {record_queries.short(row.file_path, bucket_url) for row in known.variants}
    named |= {record.thumbnail_path for record in known.records.values() if record.thumbnail_path}
    unnamed = present - named - known.discarded
    return sorted(name for name in unnamed if known.states.get(object_names.image_of(name) or "") not in _WORKED_ON)
