"""Queries of the shuffle queues (table `bags`), and of the photos that a device can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, bindparam, delete, select, update

from backend.database.tables import devices, images, insert_if_absent, processed_images, shuffle_queues
from backend.playlist.filters import PhotoFacts, matches
from backend.playlist.pairs import Entry, PairingFacts
from backend.playlist.shuffle_queue import ShuffleQueue
from contract.messages.frames import FrameFilters
from contract.split_screen import split_key

BATCH_SIZE = 500
_queues = shuffle_queues.c
_variants = processed_images.c
_FACTS: list[Any] = [
    images.c.orientation,
    images.c.filename,
    images.c.ingested_at,
    images.c.color_palette,
    images.c.captured_at,
]
"""The columns of `PhotoFacts`."""


class DeviceVersion(NamedTuple):
    """Numbers that change when a device's variants do, and the version of its shuffle queue (0: none)."""

    variants: tuple[float, ...]
    version: int


class AvailablePhotos(NamedTuple):
    """The photos that a device can show, oldest upload first, and those with a split-screen variant."""

    photos: tuple[str, ...]
    pairable: frozenset[str]


def device_version(connection: Connection, device_id: str, key: str) -> DeviceVersion:
    """Return the version of a device's variants and queue, at a lower cost than `available_photos`."""
    query = select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(_variants.id), 0), sa.func.sum(_variants.processed_at)
    ).where(_variants.device_size.in_((key, split_key(key))))
    row = connection.execute(query).one()
    version = connection.scalar(select(_queues.version).where(_queues.device_id == device_id))
    return DeviceVersion(tuple(float(value or 0) for value in row), version or 0)


def available_photos(
    connection: Connection, key: str, half: tuple[int, int] | None, filters: FrameFilters | None, now: float
) -> AvailablePhotos:
    """Return the photos that a device can show.

    `half` is the size of the device's split-screen variants in pixels; None if it shows no pairs.
    """
    columns: list[Any] = [_variants.image_id]
    if filters is not None:
        columns += _FACTS
        columns.append(images.c.color_palette)
    query = (
        select(*columns)
        .join(images, images.c.id == _variants.image_id)
        .where(_variants.device_size == key, images.c.color_palette.is_not(None))
        .order_by(images.c.ingested_at, images.c.id)
    )
    rows = connection.execute(query).all()
    if filters is not None:
        rows = [row for row in rows if matches(_facts(row), filters, now)]
    photos = tuple(row.image_id for row in rows)
    if half is None:
        return AvailablePhotos(photos, frozenset())
    has_size = (_variants.width == half[0]) & (_variants.height == half[1])
    split_screen = select(_variants.image_id).where(_variants.device_size == split_key(key), has_size)
    return AvailablePhotos(photos, frozenset(connection.scalars(split_screen)).intersection(photos))


def shows(connection: Connection, image_id: str, filters: FrameFilters, now: float) -> bool:
    """Return True if a photo passes these filters of a device."""
    row = connection.execute(select(*_FACTS).where(images.c.id == image_id)).first()
    return row is not None and bool(row.color_palette) and matches(_facts(row), filters, now)


def _facts(row: sa.Row[Any]) -> PhotoFacts:
    colours = row.color_palette.get("allColors") or ()
    return PhotoFacts(row.orientation, row.filename, row.ingested_at, colours, row.captured_at)


def pairing_facts(connection: Connection, image_ids: Sequence[str]) -> dict[str, PairingFacts]:
    """Return the pairing facts of these photos; histograms stay JSON, because thousands are read at the same time."""
    text = sa.type_coerce(images.c.histogram, sa.Text).label("histogram")
    facts: dict[str, PairingFacts] = {}
    for first in range(0, len(image_ids), BATCH_SIZE):
        batch = images.c.id.in_(image_ids[first : first + BATCH_SIZE])
        for row in connection.execute(select(images.c.id, images.c.captured_at, text).where(batch)):
            value = row.histogram
            histogram = value.encode() if isinstance(value, str) else msgspec.json.encode(value) if value else None
            facts[row.id] = PairingFacts(histogram, row.captured_at)
    return facts


def variants(
    connection: Connection, key: str, image_ids: Sequence[str]
) -> dict[tuple[str, str], sa.Row[*tuple[Any, ...]]]:
    """Return the full-screen and split-screen variants of these photos with the photos' fields, by (photo, key)."""
    query = (
        select(
            _variants.image_id,
            _variants.device_size,
            _variants.file_path,
            _variants.width,
            _variants.height,
            images.c.color_palette,
            images.c.histogram,
            images.c.filename,
            images.c.ingested_at,
            images.c.captured_at,
            select(devices.c.picture_salt).where(devices.c.key == key).scalar_subquery().label("picture_salt"),
        )
        .join(images, images.c.id == _variants.image_id)
        .where(_variants.device_size.in_((key, split_key(key))), _variants.image_id.in_(image_ids))
        .where(images.c.color_palette.is_not(None))
    )
    return {(row.image_id, row.device_size): row for row in connection.execute(query)}


def read(connection: Connection, device_id: str) -> ShuffleQueue | None:
    """Return the shuffle queue of a device, or None if it has none yet."""
    row = connection.execute(select(shuffle_queues).where(_queues.device_id == device_id)).first()
    if row is None:
        return None
    return ShuffleQueue(
        seed=row.seed,
        cycle=row.epoch,
        interval=row.interval_seconds,
        first_slot=row.first_slot,
        shown=row.shown,
        entries=msgspec.convert(row.entries, tuple[Entry, ...]),
        before=tuple(row.before),
        pairable=row.halves,
        version=row.version,
    )


_SAVE = (  # built once, because devices without an interval begin many cycles
    update(shuffle_queues)
    .where(_queues.device_id == bindparam("of_device"), _queues.version == bindparam("read_version"))
    .values({column.name: bindparam(column.name) for column in shuffle_queues.columns if column.name != "device_id"})
)


def save(connection: Connection, device_id: str, queue: ShuffleQueue, read_version: int) -> bool:
    """Store a queue derived from the stored version `read_version` (0: none was stored).

    Returns:
        False if another process stored a different version in the meantime; nothing is changed then.
    """
    values = {
        "seed": queue.seed,
        "epoch": queue.cycle,
        "interval_seconds": queue.interval,
        "first_slot": queue.first_slot,
        "shown": queue.shown,
        "entries": queue.entries,
        "before": queue.before,
        "halves": queue.pairable,
        "version": queue.version,
    }
    if not read_version:
        return insert_if_absent(connection, shuffle_queues, {"device_id": device_id, **values})
    parameters = {**values, "of_device": device_id, "read_version": read_version}
    return connection.execute(_SAVE, parameters).rowcount == 1


_SAVE_POSITION = (  # built once, because devices without an interval write it at each request
    update(shuffle_queues)
    .where(_queues.device_id == bindparam("of_device"), _queues.version == bindparam("of_version"))
    .where(_queues.shown < bindparam("new_shown"))
    .values(shown=bindparam("new_shown"))
)


def save_position(connection: Connection, device_id: str, version: int, shown: int) -> None:
    """Store the number of entries that were returned, so that the device continues there after a restart."""
    connection.execute(_SAVE_POSITION, {"of_device": device_id, "of_version": version, "new_shown": shown})


def return_reserved(connection: Connection, device_id: str, version: int, shown: int, reserved: int) -> None:
    """Lower the position from `reserved` to `shown` entries, unless another process has returned more."""
    same = (_queues.device_id == device_id) & (_queues.version == version)
    ours = _queues.shown.between(shown + 1, reserved)
    connection.execute(update(shuffle_queues).where(same, ours).values(shown=shown))


def remove(connection: Connection, device_id: str) -> None:
    """Delete the shuffle queue of a device."""
    connection.execute(delete(shuffle_queues).where(_queues.device_id == device_id))
