"""Compare bucket and database in both directions, and name each difference.

`compare` reads both. `differences` is pure.
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
from backend.durability.record_reader import all_pictures, read_devices_record, read_records
from contract import object_names
from contract.bucket.port import Bucket, ObjectInfo
from contract.messages.records import DevicesRecord, ImageRecord
from contract.recipes import recipe
from contract.split_screen import split_key

Kind = Literal[
    "original missing",
    "original of another size",
    "original with other content",
    "object unreadable",
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
    """One difference: its kind, the object or image that it concerns, and a sentence."""

    kind: Kind
    subject: str
    detail: str = ""
    image_id: str = ""


class BucketListing(Struct, kw_only=True):
    """The content of the bucket, by kind."""

    originals: dict[str, ObjectInfo]
    pictures: set[str]
    sidecars: list[str]
    records: dict[str, ImageRecord]
    unreadable: list[str]
    devices: DevicesRecord | None


def list_bucket(bucket: Bucket) -> BucketListing:
    """Return the content of the bucket. Raises BucketError, UnreadableRecord."""
    unreadable: list[str] = []
    records = {record.image_id: record for batch in read_records(bucket, unreadable=unreadable) for record in batch}
    return BucketListing(
        originals={entry.name: entry for entry in bucket.list(object_names.ORIGINALS)},
        pictures=all_pictures(bucket),
        sidecars=[entry.name for entry in bucket.list(object_names.METADATA)],
        records=records,
        unreadable=unreadable,
        devices=read_devices_record(bucket),
    )


async def compare(database: Database, bucket: Bucket) -> list[Difference]:
    """Return the present differences between bucket and database. Raises BucketError, UnreadableRecord."""
    listing = await asyncio.to_thread(list_bucket, bucket)
    known = await database.read(inventory.read_inventory, bucket.url)
    return sorted(differences(listing, known, bucket.url))


def differences(listing: BucketListing, known: Inventory, bucket_url: str) -> Iterator[Difference]:
    """Yield the differences between the content of the bucket and the database."""
    living = {key: record for key, record in known.records.items() if record.deleted_at is None}
    yield from _originals(listing, known, living)
    yield from _pictures(listing, known, living, bucket_url)
    yield from _records(listing, known)
    for name in listing.sidecars:
        image_id = object_names.image_of_sidecar(name)
        if image_id is not None and image_id not in living and name not in known.discarded:
            yield Difference("sidecar unknown", name, "its photo is not in the database", image_id)


def _originals(listing: BucketListing, known: Inventory, living: dict[str, ImageRecord]) -> Iterator[Difference]:
    for record in living.values():
        entry = listing.originals.get(record.file_path)
        if entry is None:
            yield Difference("original missing", record.file_path, f"of {record.filename!r}", record.image_id)
        elif record.byte_size and entry.size != record.byte_size:
            detail = f"{entry.size:,} bytes; {record.byte_size:,} bytes were uploaded"
            yield Difference("original of another size", record.file_path, detail, record.image_id)
    owned = {record.file_path for record in living.values()}
    deleted = known.records.keys() - living.keys()
    for name in listing.originals.keys() - owned - known.discarded:
        image_id = object_names.image_of(name) or ""
        kind: Kind = "still there though deleted" if image_id in deleted else "original unknown"
        yield Difference(kind, name, "no photo of the database references it", image_id)


def _pictures(
    listing: BucketListing, known: Inventory, living: dict[str, ImageRecord], bucket_url: str
) -> Iterator[Difference]:
    panels = {device.key: device.panel for device in known.devices.devices}
    for row in known.variants:
        name = object_name(row.file_path, bucket_url)
        if name not in listing.pictures:
            yield Difference("picture missing", name, f"for {row.device_size!r}", row.image_id)
        parsed = object_names.device_of_variant(name)
        record = living.get(row.image_id)
        own = record is not None and bool(record.focus or record.turn)  # a name of its own, by the owner's choices
        rendered_as = row.recipe
        if record is not None and own:
            panel = panels.get(row.device_size)
            rendered_as = recipe(row.width, row.height, focus=record.focus, turn=record.turn, panel=panel)
        wrong = parsed != (row.device_size, row.image_id) or f"/{row.image_id}-{rendered_as}" not in name
        if row.recipe not in (LEGACY, RERENDER_RECIPE) and wrong:
            detail = f"the row is for {row.device_size!r}, recipe {row.recipe}"
            yield Difference("picture under a wrong name", name, detail, row.image_id)
    for record in living.values():
        if record.thumbnail_path and record.thumbnail_path not in listing.pictures:
            yield Difference("thumbnail missing", record.thumbnail_path, image_id=record.image_id)
    for name in unreferenced_pictures(known, listing.pictures, bucket_url):
        detail = "no row references it, and it is not scheduled for deletion"
        yield Difference("picture unknown", name, detail, object_names.image_of(name) or "")


def _records(listing: BucketListing, known: Inventory) -> Iterator[Difference]:
    keys = {key for device in known.devices.devices for key in (device.key, split_key(device.key))}
    for name in listing.unreadable:
        yield Difference("record unreadable", name, image_id=object_names.image_of(name) or "")
    for image_id, row in known.records.items():
        name = object_names.record(image_id)
        record = listing.records.get(image_id)
        if record is None:
            if name not in listing.unreadable:
                yield Difference("record missing", name, image_id=image_id)
        elif fields := _differing_fields(record, row, keys):
            detail = f"record and row differ in {', '.join(fields)}"
            yield Difference("record differs", name, detail, image_id)
    for image_id in listing.records.keys() - known.records.keys():
        yield Difference("record unknown", object_names.record(image_id), "there is no row for it", image_id)
    if listing.devices is None or listing.devices.devices != known.devices.devices:
        yield Difference("devices differ", object_names.DEVICES, "its devices are not those of the database")


def _differing_fields(record: ImageRecord, row: ImageRecord, keys: set[str]) -> list[str]:
    """Return the fields that differ, without counters and results of removed devices: those are not durable."""
    first, second = _durable_part(record, keys), _durable_part(row, keys)
    return [name for name in ImageRecord.__struct_fields__ if getattr(first, name) != getattr(second, name)]


def _durable_part(record: ImageRecord, keys: set[str]) -> ImageRecord:
    results = sorted((result for result in record.results if result.device in keys), key=lambda result: result.device)
    return msgspec.structs.replace(record, revision=0, attempts=0, results=tuple(results))
