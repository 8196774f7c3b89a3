"""Read every original and variant, and compare the content with the database."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from sqlalchemy import Row

from backend.database import Database, inventory
from backend.database.record_queries import object_name
from backend.durability.record_reader import THREADS
from backend.durability.verify.compare import Difference
from contract.bucket.port import Bucket, BucketError, ObjectNotFound
from contract.messages.records import ImageRecord

MAX_UNREADABLE = 20
"""Number of unreadable objects in a row that ends the check. Each has been retried for up to a minute."""


async def check_content(database: Database, bucket: Bucket, progress: Callable[[str], None]) -> list[Difference]:
    """Return the objects with wrong content, and those that cannot be read.

    Missing objects are left out: `compare` reports them.

    Raises:
        BucketError: `MAX_UNREADABLE` objects in a row cannot be read, so the bucket has failed and not an object.
    """
    known = await database.read(inventory.read_inventory, bucket.url)
    living = [record for record in known.records.values() if record.deleted_at is None]

    def check_all() -> list[Difference]:
        differences = []
        with ThreadPoolExecutor(THREADS, "verify") as threads:
            checks: Iterator[Difference | _Unreadable | None]
            in_a_row = 0
            for checks in (
                threads.map(lambda record: _readable(_check_original, bucket, record), living),
                threads.map(lambda row: _readable(_check_picture, bucket, row), known.variants),
            ):
                for number, found in enumerate(checks, 1):
                    progress(f"{number} objects read")
                    in_a_row = in_a_row + 1 if isinstance(found, _Unreadable) else 0
                    if isinstance(found, _Unreadable):
                        if in_a_row == MAX_UNREADABLE:
                            threads.shutdown(wait=False, cancel_futures=True)
                            raise found.error
                        differences.append(found.difference)
                    elif found is not None:
                        differences.append(found)
        return differences

    return await asyncio.to_thread(check_all)


class _Unreadable(NamedTuple):
    difference: Difference
    error: BucketError


def _readable(
    check: Callable[[Bucket, Any], Difference | None], bucket: Bucket, item: Any
) -> Difference | _Unreadable | None:
    """Return the result of a check, or the reason why the object cannot be read."""
    try:
        return check(bucket, item)
    except BucketError as error:
        name = error.name or str(item)
        reason = str(error).removeprefix(f"{error.name}: ")
        return _Unreadable(Difference("object unreadable", name, reason), error)


def _check_original(bucket: Bucket, record: ImageRecord) -> Difference | None:
    try:
        file_hash = hashlib.sha256(bucket.read(record.file_path)).hexdigest()
    except ObjectNotFound:
        return None
    if file_hash == record.file_hash:
        return None
    detail = "its SHA-256 is not that of the upload"
    return Difference("original with other content", record.file_path, detail, record.image_id)


def _check_picture(bucket: Bucket, row: Row[Any]) -> Difference | None:
    from PIL import Image, UnidentifiedImageError

    name = object_name(row.file_path, bucket.url)
    try:
        with Image.open(io.BytesIO(bucket.read(name)), formats=["JPEG"]) as picture:
            size = picture.size
    except ObjectNotFound:
        return None
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return Difference("picture of another size", name, "it is not a JPEG", row.image_id)
    if size == (row.width, row.height):
        return None
    detail = f"it has {size[0]}x{size[1]} pixels, its row says {row.width}x{row.height}"
    return Difference("picture of another size", name, detail, row.image_id)
