"""Write a library of any size directly into the database."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import sqlite3

from backend.colours.families import families_text
from tests.support import server

PALETTES = tuple(
    {"primary": colour, "secondary": other, "tertiary": other, "sourceColor": colour, "allColors": [colour, other] * 4}
    for colour, other in (("#3366CC", "#2E7D32"), ("#E02020", "#777777"), ("#F2E03A", "#6A1B9A"))
)
STATES = ("complete",) * 17 + ("pending", "processing", "failed")
STAGES = json.dumps(
    {"fetching": 0.4, "announcing": 0.01, "decoding": 0.09, "colours": 0.01, "pictures": 0.1, "storing": 0.8}
)
SHAPES = ((4000, 3000, "landscape"), (3000, 4000, "portrait"), (3000, 3000, "square"))


def photo_id(number: int) -> str:
    """Return the id of photo `number`."""
    return hashlib.sha256(f"row {number}".encode()).hexdigest()[:32]


def fill(backend: server.BackendServer, number: int, *, devices: int = 2, thumbnail: bytes = b"") -> None:
    """Insert `number` photos, two with each upload time; the newest 200 have this thumbnail."""
    chance = random.Random(1)
    names = [f"frame {index}" for index in range(devices)]
    for name in names:
        backend.add_device(name)
    recipes = dict(backend.sql("SELECT key, recipe FROM devices"))
    histogram = {f"#{chance.randrange(1 << 24):06X}": chance.randrange(1, 900) for _ in range(128)}
    images, variants = [], []
    for index in range(number):
        image_id, state, palette = photo_id(index), STATES[index % len(STATES)], PALETTES[index % len(PALETTES)]
        width, height, orientation = SHAPES[index % 7 % 3]
        thumbnail_path = None
        if thumbnail:
            thumbnail_path = (
                backend.store(f"images/thumbnails/{image_id}-0123456789.jpg", thumbnail) if index > number - 200 else ""
            )
        moment = 1_700_000_000 + index // 2
        complete = state == "complete"
        images.append(
            (
                image_id,
                f"{backend.bucket.as_uri()}/images/originals/{image_id}.jpg",
                image_id * 2,
                f"holiday-{index:05}.jpg",
                3_000_000,
                width,
                height,
                orientation,
                state,
                f"holiday-{index:05}.jpg: the file is truncated" if state == "failed" else None,
                moment,
                moment,
                index,
                moment + 60 if complete else None,
                f"run-1/{index % 2}",
                moment + 5,
                json.dumps(palette) if complete else None,
                json.dumps(histogram) if complete else None,
                families_text(palette) if complete else "",
                thumbnail_path or None,
                moment + 60 if complete else None,
                1.5,
                STAGES if complete else None,
            )
        )
        if complete:
            for name in names:
                path = f"{backend.bucket.as_uri()}/processed/{name.replace(' ', '%20')}/{image_id}-{recipes[name]}.jpg"
                colours = [palette["primary"], palette["secondary"], palette["tertiary"], palette["sourceColor"]]
                variants.append(
                    (image_id, name, 80, 48, path, *colours, json.dumps(palette["allColors"]), moment, recipes[name])
                )
    with contextlib.closing(sqlite3.connect(backend.database, timeout=30)) as connection, connection:
        connection.executemany(
            "INSERT INTO images(id, file_path, file_hash, filename, byte_size, width, height, orientation, "
            "processing_status, processing_error, ingested_at, queued_at, shard, rendered_at, lease_owner, claimed_at, "
            "color_palette, histogram, colours, thumbnail_path, processed_at, render_seconds, stage_seconds) "
            f"VALUES ({', '.join('?' * 23)})",
            images,
        )
        connection.executemany(
            "INSERT INTO processed_images(image_id, device_size, width, height, file_path, color_primary, "
            "color_secondary, color_tertiary, color_source, color_palette, processed_at, recipe) "
            f"VALUES ({', '.join('?' * 12)})",
            variants,
        )
