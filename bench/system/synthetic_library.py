"""A library of any size without photos: rows of images, variants and queues, stored as if tasks had reported them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa

from backend.auth.access import digest
from backend.database import Database, devices, shuffle_queues
from backend.database.images import shard_of
from backend.database.tables import images, processed_images, queue_entries
from backend.database.variants import variant_row
from contract.messages.devices import DeviceBody
from contract.messages.processing import Palette, orientation_of
from contract.recipes import recipe

PAGE = 2000
"""Photos stored in one transaction."""
STARTED_AT = 1_700_000_000.0
WIDTH, HEIGHT = 800, 480
PALETTE = Palette(
    primary="#3C6E71",
    secondary="#4A6363",
    tertiary="#4B607C",
    source_color="#3C6E71",
    all_colors=("#3C6E71", "#284B63", "#D9D9D9", "#353535", "#FFFFFF", "#7F5539", "#B08968", "#DDB892"),
)


def image_id(number: int) -> str:
    """Return the id of the synthetic photo with this number."""
    return hashlib.sha256(b"synthetic %d" % number).hexdigest()[:32]


def token_of(device: str) -> str:
    """Return the token of a synthetic device."""
    return f"token-of-the-synthetic-device-{device}"


async def fill(
    database: Database,
    bucket_url: str,
    photos: int,
    frames: Sequence[DeviceBody],
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Store devices and complete photos. `progress` is called with the number of photos stored."""
    for body in frames:
        await database.write(devices.save, body.name, body, digest(token_of(body.name)), STARTED_AT)
    for first in range(0, photos, PAGE):
        numbers = range(first, min(photos, first + PAGE))
        await database.write(_store, numbers, [body.name for body in frames], bucket_url)
        progress(numbers.stop)


def _store(connection: sa.Connection, numbers: range, keys: Sequence[str], bucket_url: str) -> None:
    palette = msgspec.to_builtins(PALETTE)
    rows, variants = [], []
    for number in numbers:
        name, moment = image_id(number), STARTED_AT + number
        rows.append(
            {
                "id": name,
                "file_path": f"{bucket_url}/images/originals/{name}.jpg",
                "file_hash": name * 2,
                "filename": f"photo-{number}.jpg",
                "byte_size": 3_000_000,
                "width": 4000,
                "height": 3000,
                "orientation": orientation_of(4000, 3000),
                "processing_status": "complete",
                "ingested_at": moment,
                "captured_at": moment,
                "queued_at": moment,
                "shard": shard_of(name),
                "rendered_at": moment,
                "processed_at": moment,
                "color_palette": palette,
                "histogram": dict.fromkeys(PALETTE.all_colors, 1000),
                "thumbnail_path": f"{bucket_url}/processed/thumbnails/{name}.jpg",
                "colours": ",blue,",
                "revision": 1,
                "recorded": 1,
            }
        )
        for key in keys:
            uri = f"{bucket_url}/processed/{key}/{name}-{recipe(WIDTH, HEIGHT)}.jpg"
            variants.append(variant_row(name, key, (WIDTH, HEIGHT), uri, PALETTE, recipe(WIDTH, HEIGHT), moment))
    connection.execute(sa.insert(images), rows)
    if variants:
        connection.execute(sa.insert(processed_images), variants)
        names = [row["id"] for row in rows]
        entries = queue_entries.c
        stored = sa.select(processed_images.c.id, processed_images.c.device_size, processed_images.c.image_id).where(
            processed_images.c.image_id.in_(names)
        )
        connection.execute(
            sa.insert(queue_entries),
            [
                {
                    entries.variant_id.name: row.id,
                    entries.device_key.name: row.device_size,
                    entries.image_id.name: row.image_id,
                    entries.cycle.name: 1,
                    entries.rank.name: shuffle_queues.random_rank(),
                    entries.excluded.name: False,
                }
                for row in connection.execute(stored)
            ],
        )
