"""Shuffle queues as one row for each photo and device instead of one value for each device."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RANK_BITS = 62
BATCH_SIZE = 1000

_entries = sa.table(
    "queue_entries",
    sa.column("variant_id", sa.Integer()),
    sa.column("device_key", sa.Text()),
    sa.column("image_id", sa.String()),
    sa.column("cycle", sa.Integer()),
    sa.column("rank", sa.BigInteger()),
    sa.column("excluded", sa.Boolean()),
)
_positions = sa.table(
    "queue_positions",
    sa.column("device_id", sa.Text()),
    sa.column("seed", sa.Text()),
    sa.column("cycle", sa.Integer()),
    sa.column("entry", sa.JSON()),
    sa.column("entry_cycle", sa.Integer()),
    sa.column("was_new", sa.Boolean()),
    sa.column("interval_seconds", sa.Integer()),
    sa.column("slot", sa.BigInteger()),
)
_facts = sa.table("facts", sa.column("key", sa.Text()), sa.column("value", sa.Text()))


def upgrade() -> None:
    op.create_table(
        "queue_entries",
        sa.Column("variant_id", sa.Integer(), nullable=False),
        sa.Column("device_key", sa.Text(), nullable=False),
        sa.Column("image_id", sa.String(length=32), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("excluded", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["variant_id"], ["processed_images.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("variant_id"),
    )
    op.create_index(
        "ix_queue_entries_order", "queue_entries", ["device_key", "excluded", "cycle", "rank", "variant_id"]
    )
    op.create_table(
        "queue_positions",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("entry", sa.JSON(), nullable=False),
        sa.Column("entry_cycle", sa.Integer(), nullable=False),
        sa.Column("was_new", sa.Boolean(), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id"),
    )
    connection = op.get_bind()
    bags = {row.device_id: row for row in connection.execute(sa.text("SELECT * FROM bags"))}
    for device in connection.execute(sa.text("SELECT id, key, filters FROM devices")).all():
        places = _places(connection, device.id, bags.get(device.id))
        _fill(connection, device.key, places, is_new=device.id in bags)
        if device.filters is not None:  # the first periodic run of the new version applies them
            connection.execute(sa.insert(_facts).values(key=f"refilter:{device.id}", value=""))
    op.drop_table("bags")


def _places(connection: sa.Connection, device_id: str, bag: Any) -> dict[str, tuple[int, int]]:
    """Store the position of a device, and return the place (cycle, rank) of each photo of its queue."""
    if bag is None:
        return {}
    entries, before = [json.loads(text) if isinstance(text, str) else text for text in (bag.entries, bag.before)]
    if bag.interval_seconds:
        slot = int(time.time() // bag.interval_seconds)
        index = min(max(0, slot - bag.first_slot), len(entries) - 1)
        shown = index + 1
    else:
        slot, shown = 0, bag.shown
    entry = entries[shown - 1] if 0 < shown <= len(entries) else before
    values = {
        "device_id": device_id,
        "seed": bag.seed,
        "cycle": bag.epoch,
        "entry": entry,
        "entry_cycle": bag.epoch,
        "was_new": False,
        "interval_seconds": bag.interval_seconds,
        "slot": slot,
    }
    connection.execute(sa.insert(_positions).values(**values))
    spacing = (1 << RANK_BITS) // (len(entries) + 1)
    return {
        photo: (bag.epoch + 1, secrets.randbits(RANK_BITS)) if number < shown else (bag.epoch, number * spacing)
        for number, photos in enumerate(entries)
        for photo in photos
    }


def _fill(connection: sa.Connection, key: str, places: dict[str, tuple[int, int]], *, is_new: bool) -> None:
    """Store the place of each variant of a device, page by page. Photos that are in no queue yet count as new."""
    page = sa.text(
        "SELECT id, image_id FROM processed_images WHERE device_size = :key AND image_id > :last ORDER BY image_id "
        f"LIMIT {BATCH_SIZE}"
    )
    last = ""
    while rows := connection.execute(page, {"key": key, "last": last}).all():
        last = rows[-1].image_id
        values = []
        for row in rows:
            cycle, rank = places.get(row.image_id, (0 if is_new else 1, secrets.randbits(RANK_BITS)))
            values.append(
                {
                    "variant_id": row.id,
                    "device_key": key,
                    "image_id": row.image_id,
                    "cycle": cycle,
                    "rank": rank,
                    "excluded": False,
                }
            )
        connection.execute(sa.insert(_entries), values)


def downgrade() -> None:
    op.drop_table("queue_positions")
    op.drop_index("ix_queue_entries_order", table_name="queue_entries")
    op.drop_table("queue_entries")
    op.create_table(
        "bags",
        sa.Column("device_id", sa.Text(), primary_key=True),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("first_slot", sa.BigInteger(), nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("halves", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )
