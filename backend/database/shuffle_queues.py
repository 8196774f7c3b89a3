"""Queries of the shuffle queues: the order of each device's photos, its position, and the variants of an entry."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from backend.database import key_value
from backend.database.tables import (
    devices,
    images,
    insert_if_absent,
    insert_into,
    processed_images,
    queue_entries,
    queue_positions,
)
from backend.playlist.filters import PhotoFacts, matches
from backend.playlist.pairs import PairingFacts
from backend.playlist.shuffle_queue import NEW, RANK_BITS, Place, Position, QueuedPhoto
from contract.messages.frames import FrameFilters
from contract.split_screen import split_key

BATCH_SIZE = 500
REFILTER = "refilter:"
"""Prefix of the keys (table `facts`) of devices whose filters are being applied to their photos page by page."""
_entries = queue_entries.c
_positions = queue_positions.c
_variants = processed_images.c
_half = processed_images.alias("half")
NewRank = Callable[[], int]
"""Returns a random rank of `RANK_BITS` bits."""


def random_rank() -> int:
    """Return the rank of a photo that a device has not shown yet."""
    return secrets.randbits(RANK_BITS)


def random_seed() -> str:
    """Return a new seed for the order of a device."""
    return secrets.token_hex(8)


# Statements of `next` are built once: building one takes longer than SQLite takes to run it.
_READ_POSITION = select(queue_positions).where(_positions.device_id == bindparam("of_device"))
_LOCK_POSITION = _READ_POSITION.with_for_update()


def read_position(connection: Connection, device_id: str) -> Position | None:
    """Return the position of a device; None if it has shown nothing yet."""
    return _position(connection.execute(_READ_POSITION, {"of_device": device_id}).first())


def lock_position(connection: Connection, device_id: str) -> Position | None:
    """Return what `read_position` does, and let no other transaction change it until this one ends."""
    return _position(connection.execute(_LOCK_POSITION, {"of_device": device_id}).first())


def create_position(connection: Connection, device_id: str, new_seed: Callable[[], str] = random_seed) -> Position:
    """Store a first position unless another process has, and return it locked as `lock_position` does."""
    values = {"device_id": device_id, **_position_values(Position(seed=new_seed()))}
    insert_if_absent(connection, queue_positions, values)
    locked = lock_position(connection, device_id)
    assert locked is not None
    return locked


def _position(row: sa.Row[Any] | None) -> Position | None:
    if row is None:
        return None
    return Position(
        seed=row.seed,
        cycle=row.cycle,
        entry=tuple(row.entry),
        entry_cycle=row.entry_cycle,
        was_new=row.was_new,
        interval=row.interval_seconds,
        slot=row.slot,
    )


def _position_values(position: Position) -> dict[str, Any]:
    return {
        "seed": position.seed,
        "cycle": position.cycle,
        "entry": list(position.entry),
        "entry_cycle": position.entry_cycle,
        "was_new": position.was_new,
        "interval_seconds": position.interval,
        "slot": position.slot,
    }


_SAVE = (  # built once, because every call of `next` without an interval runs it
    update(queue_positions)
    .where(_positions.device_id == bindparam("of_device"))
    .values({name: bindparam(name) for name in _position_values(Position())})
)
_MOVE = (
    update(queue_entries)
    .where(_entries.variant_id == bindparam("of_variant"))
    .values(cycle=bindparam("new_cycle"), rank=bindparam("new_rank"))
)


def save_position(connection: Connection, device_id: str, position: Position, moves: Sequence[Place]) -> None:
    """Store the position of a device, and the new places of the photos that it has shown."""
    connection.execute(_SAVE, {"of_device": device_id, **_position_values(position)})
    if moves:
        connection.execute(
            _MOVE,
            [{"of_variant": move.variant, "new_cycle": move.cycle, "new_rank": move.rank} for move in moves],
        )


def queued_photos(
    connection: Connection,
    key: str,
    half: tuple[int, int] | None,
    limit: int,
    *,
    after: Place | None = None,
    before: Place | None = None,
    first_cycle: int,
    last_cycle: int,
) -> list[QueuedPhoto]:
    """Return up to `limit` photos of a device in the order in which they are shown.

    Args:
        connection: A connection.
        key: The device's key.
        half: The size of its split-screen variants in pixels; None if it shows no pairs.
        limit: The maximum number of photos.
        after: Return photos behind this place.
        before: Return the photos in front of this place that are nearest to it.
        first_cycle: The first cycle whose photos are returned.
        last_cycle: The last one.
    """
    statement = _queued_statement(half is not None, after is not None, before is not None)
    parameters: dict[str, Any] = {
        "of_key": key,
        "limit": limit,
        "first_cycle": first_cycle,
        "last_cycle": last_cycle,
    }
    if half is not None:
        parameters |= {"half_key": split_key(key), "half_width": half[0], "half_height": half[1]}
    if (bound := after or before) is not None:
        parameters |= {"place_cycle": bound.cycle, "place_rank": bound.rank, "place_variant": bound.variant}
    rows = connection.execute(statement, parameters).all()
    photos = [QueuedPhoto(row[0], Place(row[1], row[2], row[3]), half is not None and bool(row[4])) for row in rows]
    return photos[::-1] if before is not None else photos


@functools.cache
def _queued_statement(has_half: bool, has_after: bool, has_before: bool) -> sa.Select[Any]:
    place = (_entries.cycle, _entries.rank, _entries.variant_id)
    columns: list[Any] = [_entries.image_id, *place]
    # Rows of variants that were deleted by hand, without the foreign key, are left out.
    of_variant = (_variants.id == _entries.variant_id) & (_variants.image_id == _entries.image_id)
    joined = queue_entries.join(processed_images, of_variant)
    if has_half:
        of_half = (_half.c.image_id == _entries.image_id) & (_half.c.device_size == bindparam("half_key"))
        has_size = (_half.c.width == bindparam("half_width")) & (_half.c.height == bindparam("half_height"))
        joined = joined.outerjoin(_half, of_half & has_size)
        columns.append(_half.c.id.is_not(None).label("is_pairable"))
    query = (
        select(*columns)
        .select_from(joined)
        .where(_entries.device_key == bindparam("of_key"), _entries.excluded == sa.false())
        .where(_entries.cycle.between(bindparam("first_cycle"), bindparam("last_cycle")))
    )
    bound = tuple_(bindparam("place_cycle"), bindparam("place_rank"), bindparam("place_variant"))
    if has_after:
        query = query.where(tuple_(*place) > bound)
    if has_before:
        query = query.where(tuple_(*place) < bound)
    order = [column.desc() for column in place] if has_before else list(place)
    return query.order_by(*order).limit(bindparam("limit"))


def find_photo(connection: Connection, key: str, image: str) -> Place | None:
    """Return the place of the photo whose id begins with `image`; None if the device does not show it."""
    query = (
        select(_entries.cycle, _entries.rank, _entries.variant_id)
        .join(processed_images, _variants.id == _entries.variant_id)
        .where(_variants.device_size == key, _variants.image_id.between(image, image + "g"))
        .where(_entries.excluded == sa.false())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else Place(*row)


def is_selected(connection: Connection, key: str, image_id: str) -> bool:
    """Return True if a device has a variant of this photo, and its filters select the photo."""
    query = select(_entries.variant_id).join(processed_images, _variants.id == _entries.variant_id)
    of_photo = (_variants.device_size == key) & (_variants.image_id == image_id) & (_entries.excluded == sa.false())
    return connection.execute(query.where(of_photo)).first() is not None


def pairing_facts(connection: Connection, image_ids: Sequence[str]) -> dict[str, PairingFacts]:
    """Return the pairing facts of these photos; histograms stay JSON, because hundreds are read at the same time."""
    text = sa.type_coerce(images.c.histogram, sa.Text).label("histogram")
    facts: dict[str, PairingFacts] = {}
    for first in range(0, len(image_ids), BATCH_SIZE):
        batch = images.c.id.in_(image_ids[first : first + BATCH_SIZE])
        for row in connection.execute(select(images.c.id, images.c.captured_at, text).where(batch)):
            value = row.histogram
            histogram = value.encode() if isinstance(value, str) else msgspec.json.encode(value) if value else None
            facts[row.id] = PairingFacts(histogram, row.captured_at)
    return facts


_VARIANTS = (
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
        select(devices.c.picture_salt)
        .where(devices.c.key == bindparam("of_key"))
        .scalar_subquery()
        .label("picture_salt"),
    )
    .join(images, images.c.id == _variants.image_id)
    .where(_variants.device_size.in_(bindparam("keys", expanding=True)))
    .where(_variants.image_id.in_(bindparam("photos", expanding=True)))
    .where(images.c.color_palette.is_not(None))
)


def variants(
    connection: Connection, key: str, image_ids: Iterable[str]
) -> dict[tuple[str, str], sa.Row[*tuple[Any, ...]]]:
    """Return the full-screen and split-screen variants of these photos with the photos' fields, by (photo, key)."""
    parameters = {"of_key": key, "keys": [key, split_key(key)], "photos": list(image_ids)}
    return {(row.image_id, row.device_size): row for row in connection.execute(_VARIANTS, parameters)}


_FACTS = (
    _variants.id,
    _variants.image_id,
    images.c.orientation,
    images.c.filename,
    images.c.ingested_at,
    images.c.captured_at,
    images.c.color_palette,
)


def _facts(row: Any) -> PhotoFacts:
    colours = row.color_palette.get("allColors") or ()
    return PhotoFacts(row.orientation, row.filename, row.ingested_at, colours, row.captured_at)


def _is_excluded(row: Any, filters: FrameFilters | None, now: float) -> bool:
    if not row.color_palette:  # not rendered yet, or only its variants were imported
        return True
    if filters is None:
        return False
    return not matches(_facts(row), filters, now)


def enqueue(connection: Connection, image_ids: Collection[str], now: float, new_rank: NewRank = random_rank) -> None:
    """Add the variants of these images to the queues of their devices, and apply the devices' filters to them.

    Call it in each transaction that stores variants or changes what filters use. It can be repeated.
    """
    ids = sorted(image_ids)
    query = (
        select(*_FACTS, devices.c.filters, devices.c.key, _positions.cycle, _entries.excluded)
        .select_from(processed_images)
        .join(images, images.c.id == _variants.image_id)
        .join(devices, devices.c.key == _variants.device_size)
        .outerjoin(queue_positions, _positions.device_id == devices.c.id)
        .outerjoin(queue_entries, (_entries.variant_id == _variants.id) & (_entries.image_id == _variants.image_id))
    )
    for first in range(0, len(ids), BATCH_SIZE):
        added: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        batch = query.where(_variants.image_id.in_(ids[first : first + BATCH_SIZE]))
        for row in connection.execute(batch):
            filters = msgspec.convert(row.filters, FrameFilters) if row.filters else None
            excluded = _is_excluded(row, filters, now)
            if row.excluded is None:
                added.append(
                    {
                        "variant_id": row.id,
                        "device_key": row.key,
                        "image_id": row.image_id,
                        "cycle": 1 if row.cycle is None else NEW,
                        "rank": new_rank(),
                        "excluded": excluded,
                    }
                )
            elif row.excluded != excluded:
                changed.append({"of_variant": row.id, "now_excluded": excluded})
        if added:
            statement = insert_into(connection, queue_entries)
            columns = {column.name: statement.excluded[column.name] for column in queue_entries.columns}
            connection.execute(statement.on_conflict_do_update(index_elements=["variant_id"], set_=columns), added)
        if changed:
            connection.execute(_EXCLUDE, changed)


_EXCLUDE = (
    update(queue_entries)
    .where(_entries.variant_id == bindparam("of_variant"))
    .values(excluded=bindparam("now_excluded"))
)


def exclude(connection: Connection, key: str, image_ids: Collection[str]) -> None:
    """Exclude photos from a device's queue until their variants or facts are stored again, or its filters change."""
    of_photos = select(_variants.id).where(_variants.device_size == key, _variants.image_id.in_(image_ids))
    connection.execute(update(queue_entries).where(_entries.variant_id.in_(of_photos)).values(excluded=True))


def photo_facts(connection: Connection, photos: Sequence[QueuedPhoto]) -> dict[str, PhotoFacts]:
    """Return what filters use of these photos."""
    query = select(*_FACTS).join(images, images.c.id == _variants.image_id)
    rows = connection.execute(query.where(_variants.id.in_([photo.place.variant for photo in photos])))
    return {row.image_id: _facts(row) for row in rows if row.color_palette}


def begin_refilter(connection: Connection, device_id: str) -> None:
    """Store that the filters of a device must be applied to all its photos, which `refilter` does."""
    key_value.put(connection, REFILTER + device_id, "")


def devices_to_refilter(connection: Connection) -> list[str]:
    """Return the ids of the devices for which `refilter` has not finished."""
    return key_value.keys(connection, REFILTER)


def refilter(connection: Connection, device_id: str, now: float) -> bool:
    """Apply the filters of a device to its next `BATCH_SIZE` photos; return True if photos are left."""
    cursor = key_value.get(connection, REFILTER + device_id)
    device = connection.execute(select(devices.c.key, devices.c.filters).where(devices.c.id == device_id)).first()
    if cursor is None or device is None:
        key_value.remove(connection, REFILTER + device_id)
        return False
    filters = msgspec.convert(device.filters, FrameFilters) if device.filters else None
    query = (
        select(*_FACTS, _entries.excluded)
        .join(images, images.c.id == _variants.image_id)
        .join(queue_entries, _entries.variant_id == _variants.id)
        .where(_variants.device_size == device.key, _variants.image_id > cursor)
        .order_by(_variants.image_id)
        .limit(BATCH_SIZE)
    )
    rows = connection.execute(query).all()
    changed = [
        {"of_variant": row.id, "now_excluded": excluded}
        for row in rows
        if (excluded := _is_excluded(row, filters, now)) != row.excluded
    ]
    if changed:
        connection.execute(_EXCLUDE, changed)
    if len(rows) < BATCH_SIZE:
        key_value.remove(connection, REFILTER + device_id)
        return False
    key_value.put(connection, REFILTER + device_id, rows[-1].image_id)
    return True


def remove(connection: Connection, device_id: str) -> None:
    """Delete the position of a device. The rows of its photos are deleted together with its variants."""
    connection.execute(delete(queue_positions).where(_positions.device_id == device_id))
    key_value.remove(connection, REFILTER + device_id)
