"""Whether originals and pictures hold what they should: every one of them is read."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

from backend.database import Database, inventory
from backend.database.record_queries import object_name
from backend.durability.record_reader import THREADS
from backend.durability.verify.compare import Difference
from contract.bucket.port import Bucket, ObjectNotFound
from contract.messages.records import ImageRecord


async def look_inside(database: Database, bucket: Bucket, tell: Callable[[str], None]) -> list[Difference]:
    """Differences in content; objects that are missing are not named again. Raises BucketError."""
    known = await database.read(inventory.read_inventory, bucket.url)
    living = [record for record in known.records.values() if record.deleted_at is None]

    def everything() -> list[Difference]:
        found = []
        with ThreadPoolExecutor(THREADS, "verify") as threads:
            answers: Iterator[Difference | None]
            for answers in (
                threads.map(lambda record: _original(bucket, record), living),
                threads.map(lambda row: _picture(bucket, row), known.variants),
            ):
                for number, difference in enumerate(answers, 1):
                    tell(f"{number} objects read")
                    found += [difference] if difference is not None else []
        return found

    return await asyncio.to_thread(everything)


def _original(bucket: Bucket, record: ImageRecord) -> Difference | None:
    try:
        told = hashlib.sha256(bucket.read(record.file_path)).hexdigest()
    except ObjectNotFound:
        return None
    if told == record.file_hash:
        return None
    detail = "its SHA-256 is not that of the upload"
    return Difference("original with other content", record.file_path, detail, record.image_id)


def _picture(bucket: Bucket, row: sa.Row[Any]) -> Difference | None:
    from PIL import Image, UnidentifiedImageError

    name = object_name(row.file_path, bucket.url)
    try:
        with Image.open(io.BytesIO(bucket.read(name)), formats=["JPEG"]) as picture:
            size = picture.size
    except ObjectNotFound:
        return None
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return Difference("picture of another size", name, "it is no JPEG", row.image_id)
    if size == (row.width, row.height):
        return None
    detail = f"it is {size[0]}x{size[1]}, the row says {row.width}x{row.height}"
    return Difference("picture of another size", name, detail, row.image_id)
