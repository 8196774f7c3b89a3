"""Whether bucket and database say the same, both ways; each difference is named.

`look` reads both, `differences` compares and is pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from backend.database import Database, inventory
from backend.database.inventory import Inventory, unreferenced_pictures
from backend.database.missing_variants import LEGACY, RERENDER_RECIPE
from backend.database.record_queries import object_name
from backend.durability.record_reader import read_devices_record, read_records
from contract import object_names
from contract.bucket.port import Bucket, ObjectInfo
from contract.messages.records import DevicesRecord, ImageRecord
from contract.recipes import recipe
from contract.split_screen import half_key

Kind = Literal[
    "original missing",
    "original of another size",
    "original with other content",
    "original unknown",
    "picture missing",
    "picture under a wrong name",
    "picture of another size",
    "picture unknown",
    "thumbnail missing",
    "sidecar unknown",
    "record missing",
    "record unknown",
    "record differs",
    "record unreadable",
    "devices differ",
    "still there though deleted",
]


class Difference(Struct, frozen=True, order=True):
    """One difference: what it is, the object or image it is about, and a sentence."""

    kind: Kind
    subject: str
    detail: str = ""
    image_id: str = ""


class BucketListing(Struct, kw_only=True):
    """What lies in the bucket, by kind."""

    originals: dict[str, ObjectInfo]
    pictures: set[str]
    sidecars: list[str]
    records: dict[str, ImageRecord]
    unreadable: list[str]
    devices: DevicesRecord | None


def look_at_bucket(bucket: Bucket) -> BucketListing:
    """Everything that the bucket holds. Raises BucketError, UnreadableRecord."""
    unreadable: list[str] = []
    records = {record.image_id: record for batch in read_records(bucket, unreadable=unreadable) for record in batch}
    return BucketListing(
        originals={entry.name: entry for entry in bucket.list(object_names.ORIGINALS)},
        pictures={
            entry.name
            for prefix in (object_names.PROCESSED, object_names.THUMBNAILS)
            for entry in bucket.list(prefix, recursive=True)
        },
        sidecars=[entry.name for entry in bucket.list(object_names.METADATA)],
        records=records,
        unreadable=unreadable,
        devices=read_devices_record(bucket),
    )


async def look(database: Database, bucket: Bucket) -> list[Difference]:
    """The differences of this moment. Raises BucketError, UnreadableRecord."""
    sight = await asyncio.to_thread(look_at_bucket, bucket)
    known = await database.read(inventory.read_inventory, bucket.url)
    return sorted(differences(sight, known, bucket.url))


def differences(sight: BucketListing, known: Inventory, bucket_url: str) -> Iterator[Difference]:
    """What bucket and database do not agree on."""
    living = {key: record for key, record in known.records.items() if record.deleted_at is None}
    yield from _originals(sight, known, living)
    yield from _pictures(sight, known, living, bucket_url)
    yield from _records(sight, known)
    for name in sight.sidecars:
        image_id = object_names.image_of_sidecar(name)
        if image_id is not None and image_id not in living and name not in known.discarded:
            yield Difference("sidecar unknown", name, "it tells of a photo that is not in the database", image_id)


def _originals(sight: BucketListing, known: Inventory, living: dict[str, ImageRecord]) -> Iterator[Difference]:
    for record in living.values():
        found = sight.originals.get(record.file_path)
        if found is None:
            yield Difference("original missing", record.file_path, f"of {record.filename!r}", record.image_id)
        elif record.byte_size and found.size != record.byte_size:
            told = f"{found.size:,} bytes, and {record.byte_size:,} were uploaded"
            yield Difference("original of another size", record.file_path, told, record.image_id)
    owned = {record.file_path for record in living.values()}
    dead = known.records.keys() - living.keys()
    for name in sight.originals.keys() - owned - known.discarded:
        image_id = object_names.image_of(name) or ""
        kind: Kind = "still there though deleted" if image_id in dead else "original unknown"
        yield Difference(kind, name, "no photo of the database names it", image_id)


def _pictures(
    sight: BucketListing, known: Inventory, living: dict[str, ImageRecord], bucket_url: str
) -> Iterator[Difference]:
    for row in known.variants:
        name = object_name(row.file_path, bucket_url)
        if name not in sight.pictures:
            yield Difference("picture missing", name, f"for {row.device_size!r}", row.image_id)
        parsed = object_names.device_of_variant(name)
        chosen = living[row.image_id].focus if row.image_id in living else None
        made_as = recipe(row.width, row.height, focus=chosen) if chosen else row.recipe
        wrong = parsed != (row.device_size, row.image_id) or f"/{row.image_id}-{made_as}" not in name
        if row.recipe not in (LEGACY, RERENDER_RECIPE) and wrong:
            told = f"the row is of {row.device_size!r}, recipe {row.recipe}"
            yield Difference("picture under a wrong name", name, told, row.image_id)
    for record in living.values():
        if record.thumbnail_path and record.thumbnail_path not in sight.pictures:
            yield Difference("thumbnail missing", record.thumbnail_path, image_id=record.image_id)
    for name in unreferenced_pictures(known, sight.pictures, bucket_url):
        told = "no row names it, and it is not noted for removal"
        yield Difference("picture unknown", name, told, object_names.image_of(name) or "")


def _records(sight: BucketListing, known: Inventory) -> Iterator[Difference]:
    keys = {key for device in known.devices.devices for key in (device.key, half_key(device.key))}
    for name in sight.unreadable:
        yield Difference("record unreadable", name, image_id=object_names.image_of(name) or "")
    for image_id, record in known.records.items():
        name = object_names.record(image_id)
        found = sight.records.get(image_id)
        if found is None:
            if name not in sight.unreadable:
                yield Difference("record missing", name, image_id=image_id)
        elif essence(found, keys) != essence(record, keys):
            yield Difference("record differs", name, _difference_of(found, record, keys), image_id)
    for image_id in sight.records.keys() - known.records.keys():
        yield Difference("record unknown", object_names.record(image_id), "there is no row for it", image_id)
    if sight.devices is None or sight.devices.devices != known.devices.devices:
        yield Difference("devices differ", object_names.DEVICES, "it tells of other devices than the database")


def essence(record: ImageRecord, keys: set[str]) -> ImageRecord:
    """A record without what is not promised: counters, and results of devices that there are no more."""
    results = tuple(sorted((result for result in record.results if result.device in keys), key=lambda one: one.device))
    return msgspec.structs.replace(record, revision=0, attempts=0, results=results)


def _difference_of(found: ImageRecord, row: ImageRecord, keys: set[str]) -> str:
    one, other = essence(found, keys), essence(row, keys)
    fields = [name for name in ImageRecord.__struct_fields__ if getattr(one, name) != getattr(other, name)]
    return f"record and row disagree about {', '.join(fields)}"
