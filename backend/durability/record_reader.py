"""Read permanent records and list pictures in the bucket, many objects at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import msgspec

from contract import object_names
from contract.bucket.port import Bucket, BucketUnavailable, ObjectInfo, ObjectNotFound
from contract.messages import DECODE_ERRORS
from contract.messages.records import SCHEMA_VERSION, DevicesRecord, ImageRecord

log = logging.getLogger(__name__)

T = TypeVar("T")

THREADS = 12
"""Concurrent reads. The latency of the bucket dominates the time of a read."""
BATCH_SIZE = 200
RECORD_LIMIT_BYTES = 4 * 1024 * 1024
ATTEMPTS = 4
"""Attempts of a read. A start reads thousands of objects, and must not be repeated because one call failed."""
PAUSE_SECONDS = 0.05
"""Pause before the second attempt. It doubles before each further one."""
MAX_SINGLE_LOOKUPS = 200
"""Up to this many pictures are looked up one by one. For more, all objects are listed."""


class UnreadableRecord(Exception):
    """A record cannot be used. The message contains the object name and the reason."""


def _repeatedly(call: Callable[[], T]) -> T:
    """Return the result of a call to the bucket, which is repeated after a temporary error. Raises BucketError."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return call()
        except BucketUnavailable:
            time.sleep(PAUSE_SECONDS * 2**attempt)
    return call()


def parse_record(name: str, data: bytes) -> ImageRecord:
    """Return the record of a photo from the content of the object `name`. Raises UnreadableRecord."""
    try:
        record = msgspec.json.decode(data, type=ImageRecord)
    except DECODE_ERRORS as error:
        raise UnreadableRecord(f"{name} is not a valid record of a photo: {error}") from error
    if object_names.record(record.image_id) != name:
        raise UnreadableRecord(f"{name} contains the record of another photo, {record.image_id}")
    if record.deleted_at is None and record.file_hash[:32] != record.image_id:  # so a file has one record at most
        raise UnreadableRecord(f"{name} contains a file hash that does not match photo {record.image_id}")
    if _has_duplicates(result.device for result in record.results):
        raise UnreadableRecord(f"{name} contains two pictures for one device")
    if record.schema_version > SCHEMA_VERSION:
        raise UnreadableRecord(f"{name} was written by a later version of this program; install that version")
    return record


def read_record(bucket: Bucket, name: str) -> ImageRecord | None:
    """Return the record in the object `name`, or None without such an object. Raises UnreadableRecord, BucketError."""
    try:
        return parse_record(name, bucket.read(name, RECORD_LIMIT_BYTES))
    except ObjectNotFound:
        return None


def read_records(
    bucket: Bucket, *, since: float = 0.0, unreadable: list[str] | None = None
) -> Iterator[list[ImageRecord]]:
    """Yield the records in batches.

    Args:
        bucket: The bucket.
        since: Skips records that were written before this time of the bucket's clock.
        unreadable: Receives the names of unreadable records. With None they are logged.

    Raises:
        BucketError: The bucket failed.
    """

    def read_or_error(entry: ObjectInfo) -> ImageRecord | UnreadableRecord | None:
        try:
            return _repeatedly(lambda: read_record(bucket, entry.name))
        except UnreadableRecord as error:
            return error

    entries = (entry for entry in bucket.list(object_names.RECORDS) if entry.updated >= since)
    with ThreadPoolExecutor(THREADS, "records") as threads:
        while page := list(islice(entries, BATCH_SIZE)):
            records = []
            for entry, result in zip(page, threads.map(read_or_error, page), strict=True):  # in the listing's order
                if isinstance(result, ImageRecord):
                    records.append(result)
                elif result is not None:
                    if unreadable is None:
                        log.error("%s", result)
                    else:
                        unreadable.append(entry.name)
            yield records


def read_devices_record(bucket: Bucket) -> DevicesRecord | None:
    """Return the record of the devices, or None if there is none. Raises UnreadableRecord, BucketError."""
    try:
        return parse_devices(bucket.read(object_names.DEVICES, RECORD_LIMIT_BYTES))
    except ObjectNotFound:
        return None


def parse_devices(data: bytes) -> DevicesRecord:
    """Return the record of the devices from an object's content. Raises UnreadableRecord."""
    try:
        record = msgspec.json.decode(data, type=DevicesRecord)
    except DECODE_ERRORS as error:
        raise UnreadableRecord(f"{object_names.DEVICES} is not a valid record of devices: {error}") from error
    if _has_duplicates(device.id for device in record.devices) or _has_duplicates(
        device.key for device in record.devices
    ):
        raise UnreadableRecord(f"{object_names.DEVICES} contains a device twice")
    return record


def _has_duplicates(values: Iterable[str]) -> bool:
    listed = list(values)
    return len(set(listed)) < len(listed)


def pictures_of(records: Iterable[ImageRecord]) -> set[str]:
    """Return the object names of the variants and thumbnails in the records."""
    names = {result.file_path for record in records for result in record.results}
    return names | {record.thumbnail_path for record in records if record.thumbnail_path}


def present_pictures(bucket: Bucket, names: Iterable[str]) -> set[str]:
    """Return the names that exist in the bucket, looked up one by one. Raises BucketError."""

    def exists(name: str) -> bool:
        try:
            _repeatedly(lambda: bucket.stat(name))
        except ObjectNotFound:
            return False
        return True

    listed = list(names)
    with ThreadPoolExecutor(THREADS, "records") as threads:
        return {name for name, present in zip(listed, threads.map(exists, listed), strict=True) if present}


def all_pictures(bucket: Bucket) -> set[str]:
    """Return the object names of all variants and thumbnails in the bucket. Raises BucketError."""
    return {
        entry.name
        for prefix in (object_names.PROCESSED, object_names.THUMBNAILS)
        for entry in bucket.list(prefix, recursive=True)
    }
