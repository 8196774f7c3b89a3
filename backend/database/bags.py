"""What devices may show, and the bags that say in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, bindparam, delete, select, update

from backend.database.tables import images, insert_into, metadata, processed_images
from backend.playlist.bag import Bag
from backend.playlist.filters import PhotoFacts, passes
from backend.playlist.pairs import Entry, HalfFacts
from contract.messages.frames import FrameFilters
from contract.split_screen import half_key

# What each device shows, in order: written when a round begins or photos change.
bags = sa.Table(
    "bags",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("seed", sa.Text, nullable=False),
    # The number of the round.
    sa.Column("epoch", sa.Integer, nullable=False),
    # With an interval, the slot of time in which the first entry is shown.
    sa.Column("interval_seconds", sa.Integer, nullable=False),
    sa.Column("first_slot", sa.BigInteger, nullable=False),
    # Without one, how many entries were given.
    sa.Column("shown", sa.Integer, nullable=False),
    sa.Column("entries", sa.JSON, nullable=False),
    # The last entry of the round before.
    sa.Column("before", sa.JSON, nullable=False),
    # How many photos could be halves when the entries were chosen.
    sa.Column("halves", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)

BATCH_SIZE = 500
_variants = processed_images.c


class DeviceVersion(NamedTuple):
    """What changes when the pictures of a device do, and the version of its bag (0: none)."""

    pictures: tuple[float, ...]
    version: int


class Photos(NamedTuple):
    """The photos that a device may show, in the order of their arrival, and those of them that it has a half of."""

    photos: tuple[str, ...]
    halves: frozenset[str]


def mark(connection: Connection, device_id: str, key: str) -> DeviceVersion:
    """A look that costs little, to see whether a longer one is due."""
    query = select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(_variants.id), 0), sa.func.sum(_variants.processed_at)
    ).where(_variants.device_size.in_((key, half_key(key))))
    found = connection.execute(query).one()
    version = connection.scalar(select(bags.c.version).where(bags.c.device_id == device_id))
    return DeviceVersion(tuple(float(value or 0) for value in found), version or 0)


def photos(
    connection: Connection, key: str, half: tuple[int, int] | None, filters: FrameFilters | None, now: float
) -> Photos:
    """What the device may show at this moment; `half` is the size of its halves in pixels, None for none."""
    columns: list[Any] = [_variants.image_id]
    if filters is not None:
        columns += [images.c.orientation, images.c.filename, images.c.ingested_at, images.c.color_palette]
    query = (
        select(*columns)
        .join(images, images.c.id == _variants.image_id)
        .where(_variants.device_size == key, images.c.color_palette.is_not(None))
        .order_by(images.c.ingested_at, images.c.id)
    )
    rows = connection.execute(query).all()
    if filters is not None:
        rows = [row for row in rows if passes(_facts(row), filters, now)]
    found = tuple(row.image_id for row in rows)
    if half is None:
        return Photos(found, frozenset())
    fits = (_variants.width == half[0]) & (_variants.height == half[1])
    made = select(_variants.image_id).where(_variants.device_size == half_key(key), fits)
    return Photos(found, frozenset(connection.scalars(made)).intersection(found))


def _facts(row: sa.Row[Any]) -> PhotoFacts:
    return PhotoFacts(row.orientation, row.filename, row.ingested_at, row.color_palette["allColors"])


def half_facts(connection: Connection, image_ids: Sequence[str]) -> dict[str, HalfFacts]:
    """What pairing needs to know of these photos; the histograms stay JSON, as thousands are read at once."""
    text = sa.type_coerce(images.c.histogram, sa.Text).label("histogram")
    found: dict[str, HalfFacts] = {}
    for first in range(0, len(image_ids), BATCH_SIZE):
        some = images.c.id.in_(image_ids[first : first + BATCH_SIZE])
        for row in connection.execute(select(images.c.id, images.c.captured_at, text).where(some)):
            told = row.histogram
            kept = told.encode() if isinstance(told, str) else msgspec.json.encode(told) if told else None
            found[row.id] = HalfFacts(kept, row.captured_at)
    return found


def pictures(
    connection: Connection, key: str, image_ids: Sequence[str]
) -> dict[tuple[str, str], sa.Row[*tuple[Any, ...]]]:
    """The pictures of these photos, whole and half, with what is told of the photo; by photo and key."""
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
        )
        .join(images, images.c.id == _variants.image_id)
        .where(_variants.device_size.in_((key, half_key(key))), _variants.image_id.in_(image_ids))
        .where(images.c.color_palette.is_not(None))
    )
    return {(row.image_id, row.device_size): row for row in connection.execute(query)}


def read(connection: Connection, device_id: str) -> Bag | None:
    """The bag of a device, or None if it has none yet."""
    row = connection.execute(select(bags).where(bags.c.device_id == device_id)).first()
    if row is None:
        return None
    return Bag(
        seed=row.seed,
        epoch=row.epoch,
        interval=row.interval_seconds,
        first_slot=row.first_slot,
        shown=row.shown,
        entries=msgspec.convert(row.entries, tuple[Entry, ...]),
        before=tuple(row.before),
        halves=row.halves,
        version=row.version,
    )


_KEEP = (  # built once: frames without an interval begin many rounds
    update(bags)
    .where(bags.c.device_id == bindparam("of_device"), bags.c.version == bindparam("known"))
    .values({column.name: bindparam(column.name) for column in bags.columns if column.name != "device_id"})
)


def keep(connection: Connection, device_id: str, bag: Bag, known: int) -> bool:
    """Keep a bag that was made of version `known` (0: of none); False if another one was kept meanwhile."""
    values = {
        "seed": bag.seed,
        "epoch": bag.epoch,
        "interval_seconds": bag.interval,
        "first_slot": bag.first_slot,
        "shown": bag.shown,
        "entries": bag.entries,
        "before": bag.before,
        "halves": bag.halves,
        "version": bag.version,
    }
    if not known:
        statement = insert_into(connection, bags).values(device_id=device_id, **values).on_conflict_do_nothing()
        return connection.execute(statement).rowcount == 1
    return connection.execute(_KEEP, {**values, "of_device": device_id, "known": known}).rowcount == 1


_MOVE = (  # built once: frames without an interval write it at each question
    update(bags)
    .where(bags.c.device_id == bindparam("of_device"), bags.c.version == bindparam("of_version"))
    .where(bags.c.shown < bindparam("now_shown"))
    .values(shown=bindparam("now_shown"))
)


def move(connection: Connection, device_id: str, version: int, shown: int) -> None:
    """Note how many entries of this bag were given, so that the device goes on from there after a restart."""
    connection.execute(_MOVE, {"of_device": device_id, "of_version": version, "now_shown": shown})


def move_back(connection: Connection, device_id: str, version: int, shown: int, noted: int) -> None:
    """Note that fewer entries of this bag were given than was noted ahead of time, unless others have given more."""
    same = (bags.c.device_id == device_id) & (bags.c.version == version)
    ours = bags.c.shown.between(shown + 1, noted)
    connection.execute(update(bags).where(same, ours).values(shown=shown))


def forget(connection: Connection, device_id: str) -> None:
    """Remove the bag of a device."""
    connection.execute(delete(bags).where(bags.c.device_id == device_id))
