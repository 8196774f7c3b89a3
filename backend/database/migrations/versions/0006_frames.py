"""Tables and columns of frames: shuffle queue, interval, split screen and filters; capture times of photos."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("captured_at", sa.Float(), nullable=True))
    op.add_column("devices", sa.Column("interval_seconds", sa.Integer(), server_default="0", nullable=False))
    op.add_column("devices", sa.Column("gap", sa.Integer(), server_default="0", nullable=False))
    op.add_column("devices", sa.Column("pairing", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("devices", sa.Column("half_recipe", sa.String(length=10), nullable=True))
    op.add_column("devices", sa.Column("filters", sa.JSON(), nullable=True))
    op.add_column("devices", sa.Column("seen_at", sa.Float(), nullable=True))
    op.drop_column("devices", "shown_image_id")
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


def downgrade() -> None:
    op.drop_table("bags")
    with op.batch_alter_table("devices") as batch:
        for name in ("seen_at", "filters", "half_recipe", "pairing", "gap", "interval_seconds"):
            batch.drop_column(name)
        batch.add_column(sa.Column("shown_image_id", sa.String(length=32), nullable=True))
    with op.batch_alter_table("images") as batch:
        batch.drop_column("captured_at")
