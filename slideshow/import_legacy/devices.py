"""Import of the legacy devices, and the report of the whole import."""

from __future__ import annotations

import secrets

import msgspec
from msgspec import Struct, field

from contract import object_names
from contract.bucket.port import NO_OBJECT, Bucket, ObjectNotFound
from contract.messages.processing import orientation_of
from contract.messages.records import DevicesRecord, RecordedDevice
from contract.recipes import recipe
from slideshow.import_legacy.reader import Row

JSON = "application/json"


class ImportReport(Struct):
    """The result of an import.

    Attributes:
        devices: Imported devices.
        images: Imported photos.
        pictures: Imported variants of these photos.
        known: Photos and devices that were already there.
        copied: Originals that got a copy under another name.
        left_out: A sentence for each row that was not imported.
    """

    devices: int = 0
    images: int = 0
    pictures: int = 0
    known: int = 0
    copied: int = 0
    left_out: list[str] = field(default_factory=list)


class LeftOut(Exception):
    """A row cannot be imported. The message names the row and the reason."""


def import_devices(bucket: Bucket, rows: list[Row], now: float, report: ImportReport, *, dry_run: bool) -> set[str]:
    """Add the devices that are missing, and return the keys of all devices."""
    from backend.durability.record_reader import read_devices_record

    record = read_devices_record(bucket)
    try:
        generation = bucket.stat(object_names.DEVICES).generation
    except ObjectNotFound:
        generation = NO_OBJECT
    known = record.devices if record else ()
    taken = {device.id for device in known} | {device.key for device in known}
    new = []
    for row in rows:
        if {str(row["id"]), str(row["name"])} & taken:
            report.known += 1
            continue
        try:
            device = _device(row, now)
        except LeftOut as error:
            report.left_out.append(str(error))
            continue
        new.append(device)
        taken |= {device.id, device.key}
    if new and not dry_run:
        changed = DevicesRecord(
            revision=(record.revision if record else 0) + 1,
            devices=(*known, *new),
            picture_key=(record.picture_key if record else "") or secrets.token_hex(32),
        )
        bucket.write_if(object_names.DEVICES, msgspec.json.encode(changed), JSON, generation)
    report.devices = len(new)
    return {device.key for device in (*known, *new)}


def _device(row: Row, now: float) -> RecordedDevice:
    """Return the device of a row. Raises LeftOut."""
    try:
        width, height = int(row["width"]), int(row["height"])
        device = RecordedDevice(
            id=str(row["id"]),
            name=str(row["name"]),
            key=str(row["name"]),
            width=width,
            height=height,
            orientation=row["orientation"] or orientation_of(width, height),
            recipe=recipe(width, height),
            created_at=now,
            changed_at=now,
        )
        object_names.device_folder(device.key)
        return msgspec.json.decode(msgspec.json.encode(device), type=RecordedDevice)  # validates all fields
    except (TypeError, ValueError, ArithmeticError) as error:
        raise LeftOut(f"device {row['id']!r}: {error}") from error
