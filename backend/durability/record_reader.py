"""Permanent records out of the bucket, many at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import msgspec

from contract import object_names
from contract.bucket.port import Bucket, ObjectInfo, ObjectNotFound
from contract.messages import DECODE_ERRORS
from contract.messages.records import SCHEMA_VERSION, DevicesRecord, ImageRecord

log = logging.getLogger(__name__)

THREADS = 12
"""Objects read at a time: what takes long is the way to the bucket."""
BATCH = 200
RECORD_LIMIT_BYTES = 4 * 1024 * 1024
ASKED_ONE_BY_ONE = 200
"""So many pictures are looked for one by one; for more of them everything is listed."""


class UnreadableRecord(Exception):
    """A record cannot be understood; the message names the object and says what is wrong with it."""


def parse_record(name: str, data: bytes) -> ImageRecord:
    """The record of a photo in the object `name`. Raises UnreadableRecord."""
    try:
        record = msgspec.json.decode(data, type=ImageRecord)
    except DECODE_ERRORS as error:
        raise UnreadableRecord(f"{name} is no record of a photo: {error}") from error
    if object_names.record(record.image_id) != name:
        raise UnreadableRecord(f"{name} speaks of another photo, {record.image_id}")
    if record.deleted_at is None and record.file_hash[:32] != record.image_id:  # so that no two are of the same file
        raise UnreadableRecord(f"{name} tells of a file whose hash is not that of photo {record.image_id}")
    if _twice(result.device for result in record.results):
        raise UnreadableRecord(f"{name} tells of two pictures for one device")
    if record.schema_version > SCHEMA_VERSION:
        raise UnreadableRecord(f"{name} was written by a later version of this program; use that one")
    return record


def read_record(bucket: Bucket, name: str) -> ImageRecord | None:
    """The record under this name, or None if there is none (any more). Raises UnreadableRecord, BucketError."""
    try:
        return parse_record(name, bucket.read(name, RECORD_LIMIT_BYTES))
    except ObjectNotFound:
        return None


def read_records(
    bucket: Bucket, *, since: float = 0.0, unreadable: list[str] | None = None
) -> Iterator[list[ImageRecord]]:
    """The records that were written at `since` or later by the bucket's clock, in batches.

    One that cannot be understood is added to `unreadable`, or else named in the log. Raises BucketError.
    """

    def one(entry: ObjectInfo) -> ImageRecord | UnreadableRecord | None:
        try:
            return read_record(bucket, entry.name)
        except UnreadableRecord as error:
            return error

    wanted = (entry for entry in bucket.list(object_names.RECORDS) if entry.updated >= since)
    with ThreadPoolExecutor(THREADS, "records") as threads:
        while page := list(islice(wanted, BATCH)):
            understood = []
            for entry, found in zip(page, threads.map(one, page), strict=True):  # named in the listing's order
                if isinstance(found, ImageRecord):
                    understood.append(found)
                elif found is not None:
                    if unreadable is None:
                        log.error("%s", found)
                    else:
                        unreadable.append(entry.name)
            yield understood


def read_devices_record(bucket: Bucket) -> DevicesRecord | None:
    """The devices' record, or None if there is none. Raises UnreadableRecord, BucketError."""
    try:
        return parse_devices(bucket.read(object_names.DEVICES, RECORD_LIMIT_BYTES))
    except ObjectNotFound:
        return None


def parse_devices(data: bytes) -> DevicesRecord:
    """The devices' record. Raises UnreadableRecord."""
    try:
        record = msgspec.json.decode(data, type=DevicesRecord)
    except DECODE_ERRORS as error:
        raise UnreadableRecord(f"{object_names.DEVICES} is no record of devices: {error}") from error
    if _twice(device.id for device in record.devices) or _twice(device.key for device in record.devices):
        raise UnreadableRecord(f"{object_names.DEVICES} tells of one device twice")
    return record


def _twice(names: Iterable[str]) -> bool:
    told = list(names)
    return len(set(told)) < len(told)


def pictures_of(records: Iterable[ImageRecord]) -> set[str]:
    """The names of the variants and thumbnails that the records tell of."""
    names = {result.file_path for record in records for result in record.results}
    return names | {record.thumbnail_path for record in records if record.thumbnail_path}


def present_pictures(bucket: Bucket, wanted: Iterable[str]) -> set[str]:
    """Those of the wanted pictures that are there, asked for one by one. Raises BucketError."""

    def one(name: str) -> str | None:
        try:
            return bucket.stat(name).name
        except ObjectNotFound:
            return None

    with ThreadPoolExecutor(THREADS, "records") as threads:
        return {name for name in threads.map(one, wanted) if name is not None}


def all_pictures(bucket: Bucket) -> set[str]:
    """The names of all variants and thumbnails in the bucket. Raises BucketError."""
    return {
        entry.name
        for prefix in (object_names.PROCESSED, object_names.THUMBNAILS)
        for entry in bucket.list(prefix, recursive=True)
    }
