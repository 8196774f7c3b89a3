"""A consistent view of all records and object references in the database, for comparison with the bucket."""

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
_UNFINISHED = ("pending", "processing")


class Inventory(Struct, kw_only=True):
    """The database's content: expected records by image id, states by image id, variants and scheduled deletions."""

    records: dict[str, ImageRecord]
    states: dict[str, str]
    variants: list[sa.Row[Any]]
    devices: DevicesRecord
    discarded: set[str]


def read_inventory(connection: Connection, bucket_url: str) -> Inventory:
    """Read the inventory. URIs in the bucket are shortened to object names."""
    query = select(images.c.id, images.c.processing_status)
    states = {row.id: row.processing_status for row in connection.execute(query)}
    image_ids = sorted({*states, *connection.scalars(select(tombstones.c.image_id))})
    records: dict[str, ImageRecord] = {}
    for first in range(0, len(image_ids), BATCH_SIZE):
        for record in record_queries.read_records(connection, image_ids[first : first + BATCH_SIZE], bucket_url):
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
        discarded={
            record_queries.object_name(uri, bucket_url) for uri in connection.scalars(select(garbage.c.object_name))
        },
    )


def unreferenced_pictures(known: Inventory, present: set[str], bucket_url: str) -> list[str]:
    """Return the variants and thumbnails in the bucket that no row refers to and that are not scheduled for deletion.

    Objects of unfinished images are left out: a task may have stored them and not reported them yet.
    """
    referenced = {record_queries.object_name(row.file_path, bucket_url) for row in known.variants}
    referenced |= {record.thumbnail_path for record in known.records.values() if record.thumbnail_path}
    candidates = present - referenced - known.discarded
    return sorted(name for name in candidates if known.states.get(object_names.image_of(name) or "") not in _UNFINISHED)
