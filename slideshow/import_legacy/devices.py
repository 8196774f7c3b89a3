"""The model system's devices become the devices' record; and what both halves of the take-over report with."""

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
    """How many were taken over, and a sentence for each row that was left out; `known` are photos and devices."""

    devices: int = 0
    images: int = 0
    pictures: int = 0
    known: int = 0
    copied: int = 0
    left_out: list[str] = field(default_factory=list)


class LeftOut(Exception):
    """A row cannot be taken over; the message says which and why."""


def take_devices(bucket: Bucket, rows: list[Row], now: float, report: ImportReport, *, dry_run: bool) -> set[str]:
    """Add the devices that are not known; the keys of all that are then there."""
    from backend.durability.record_reader import read_devices_record

    there = read_devices_record(bucket)
    try:
        generation = bucket.stat(object_names.DEVICES).generation
    except ObjectNotFound:
        generation = NO_OBJECT
    known = there.devices if there else ()
    taken = {device.id for device in known} | {device.key for device in known}
    new = []
    for row in rows:
        if {str(row["id"]), str(row["name"])} & taken:
            report.known += 1
            continue
        try:
            device = _device(row, now)
        except LeftOut as fault:
            report.left_out.append(str(fault))
            continue
        new.append(device)
        taken |= {device.id, device.key}
    if new and not dry_run:
        record = DevicesRecord(
            revision=(there.revision if there else 0) + 1,
            devices=(*known, *new),
            picture_key=(there.picture_key if there else "") or secrets.token_hex(32),
        )
        bucket.write_if(object_names.DEVICES, msgspec.json.encode(record), JSON, generation)
    report.devices = len(new)
    return {device.key for device in (*known, *new)}


def _device(row: Row, now: float) -> RecordedDevice:
    try:
        width, height = int(row["width"]), int(row["height"])
        made = RecordedDevice(
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
        object_names.device_folder(made.key)
        return msgspec.json.decode(msgspec.json.encode(made), type=RecordedDevice)  # checks what was put in
    except (TypeError, ValueError, ArithmeticError) as error:
        raise LeftOut(f"device {row['id']!r}: {error}") from error
