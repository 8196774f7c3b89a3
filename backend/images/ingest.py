"""Store an uploaded photo. This module alone contains the order of the writes.

1. The object: the original, under its hash. A row never names a missing object.
2. The row: the photo is pending.
3. The record: the row in the bucket, from which the database can be rebuilt.
4. The fencing token: a backend that was replaced must not acknowledge the upload.
5. Dispatch: tasks are started if the upload made that due.

A crash after any step leaves a state from which the same upload continues.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable
from typing import Any

from PIL import Image

from backend.database import Database, images
from backend.durability.record_writer import RecordWriter
from backend.http.errors import ServiceUnavailable, UnsupportedMediaType
from backend.images.header import UploadHeader, read_upload_header
from backend.settings import Settings
from contract import object_names
from contract.bucket.port import Bucket, ObjectInfo, uri_of
from contract.messages.admin import RetryRequest, UploadedImage
from contract.messages.records import ImageRecord

TURNED_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
ORIENTATION, UPRIGHT = 0x0112, 1
"""EXIF tag of the orientation, and its value for a picture that is stored upright (CIPA DC-008)."""


class Ingest:
    """Stores uploaded photos."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        bucket: Bucket,
        in_bucket: Callable[..., Awaitable[Any]],
        record_writer: RecordWriter,
        *,
        clock: Callable[[], float],
        wake_up: Callable[[], object],
        dispatch_if_due: Callable[[float], Awaitable[object]],
    ) -> None:
        """Create an ingest.

        Args:
            settings: Pixel limits, and whether a timer runs.
            database: Receives the row.
            bucket: Receives the original.
            in_bucket: Runs a blocking call on a bounded pool of threads.
            record_writer: Writes the record, and confirms the fencing token.
            clock: Returns the time in seconds since the Unix epoch.
            wake_up: Makes the periodic work run soon.
            dispatch_if_due: Starts tasks if they are due at the given time.
        """
        self._settings = settings
        self._database = database
        self._bucket = bucket
        self._in_bucket = in_bucket
        self._record_writer = record_writer
        self._clock = clock
        self._wake_up = wake_up
        self._dispatch_if_due = dispatch_if_due

    async def store(self, data: bytes, filename: str) -> UploadedImage:
        """Store one photo. Once this returns, the upload may be acknowledged.

        Raises:
            UnsupportedMediaType: The file is not a photo.
            UnprocessableEntity: The photo has too many pixels.
            ServiceUnavailable: An earlier copy is being deleted, or this backend was replaced.
            BucketError: The bucket failed.
        """
        if not data:
            raise UnsupportedMediaType(f"{filename}: the file is empty")
        header, file_hash, turned = await asyncio.to_thread(_inspect, data, filename, self._settings)
        image_id = file_hash[:32]
        name = object_names.original(image_id, header.extension)
        uri = uri_of(self._bucket, name)
        state, being_deleted = await self._database.read(images.upload_state, image_id, uri)
        if state is None and being_deleted:
            self._wake_up()
            raise ServiceUnavailable(
                f"{filename}: this photo was deleted and its file is still being removed; try again in a few seconds"
            )
        created = await self._in_bucket(self._bucket.create, name, data, object_names.media_type(name))
        if state == "failed" and created:  # a missing original is a likely cause of the failure
            retry = RetryRequest(which="named", ids=(image_id,))
            await self._record_writer.save(await self._database.write(images.retry, retry, self._clock()))
        if state is not None and created:  # the photo may have been deleted since its state was read
            state = await self._database.read(images.state_of, image_id)
        revision = 0
        if state is None:
            row = _new_row(header, uri, file_hash, filename, len(data), self._clock(), turned=turned)
            revision = await self._database.write(images.add, row)
            if revision:
                await self._record_writer.save_new(_record_of(row, name, revision))
        if not revision:
            await self._record_writer.save_if_stale(image_id)
        return UploadedImage(
            id=image_id,
            filename=filename,
            width=header.width,
            height=header.height,
            orientation=header.orientation,
            processing_status=state or "pending",
            duplicate=not revision,
        )

    async def dispatch(self) -> None:
        """Start tasks if the stored photos made that due.

        A timer does this soon after it is woken up. Without a timer, the upload that fills a batch does it itself.
        """
        self._wake_up()
        if not self._settings.tick_seconds:
            await self._dispatch_if_due(self._clock())


def original_reader(settings: Settings, bucket: Bucket) -> Callable[[bytes, str, ObjectInfo], dict[str, Any]]:
    """Return the function with which `durability.rebuild` reads an original that has no record."""

    def row_of(data: bytes, file_hash: str, entry: ObjectInfo) -> dict[str, Any]:
        filename = entry.name.rpartition("/")[2]
        header = _read_header(data, filename, settings)
        uri = uri_of(bucket, entry.name)
        return _new_row(header, uri, file_hash, filename, len(data), entry.updated, turned=is_turned(data))

    return row_of


def _inspect(data: bytes, filename: str, settings: Settings) -> tuple[UploadHeader, str, bool]:
    """Return the header, the SHA-256 in hex, and True if EXIF turns the photo."""
    return _read_header(data, filename, settings), hashlib.sha256(data).hexdigest(), is_turned(data)


def is_turned(data: bytes) -> bool:
    """Return True if EXIF rotates or mirrors the photo, which the legacy system ignored.

    Containers such as HEIC have a rotation of their own, which every decoder applies.
    """
    try:
        with Image.open(io.BytesIO(data), formats=TURNED_FORMATS) as picture:
            return bool(picture.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT)
    except Exception:  # noqa: BLE001 - as in the header: Pillow raises many kinds of errors for broken EXIF data
        return False


def _read_header(data: bytes, filename: str, settings: Settings) -> UploadHeader:
    return read_upload_header(
        data,
        filename,
        max_pixels=settings.max_megapixels * 1_000_000,
        max_progressive_pixels=settings.max_progressive_megapixels * 1_000_000,
    )


def _new_row(
    header: UploadHeader, uri: str, file_hash: str, filename: str, size: int, ingested_at: float, *, turned: bool
) -> dict[str, Any]:
    """Return the row of a new image, as `database.images.add` expects it."""
    return {
        "id": file_hash[:32],
        "file_path": uri,
        "file_hash": file_hash,
        "filename": filename,
        "byte_size": size,
        "width": header.width,
        "height": header.height,
        "orientation": header.orientation,
        "ingested_at": ingested_at,
        "captured_at": header.captured_at,
        "turned": turned,
    }


def _record_of(row: dict[str, Any], name: str, revision: int) -> ImageRecord:
    """Return the record of a row that was inserted just now; `name` is the object of its original."""
    same = {field: value for field, value in row.items() if field not in ("id", "file_path")}
    return ImageRecord(image_id=row["id"], file_path=name, revision=revision, **same)
