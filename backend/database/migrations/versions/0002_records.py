"""Revisions of images for their permanent records, and tombstones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    op.add_column("images", sa.Column("recorded", sa.Integer(), server_default="0", nullable=False))
    op.create_index(
        "ix_images_unrecorded",
        "images",
        ["id"],
        sqlite_where=sa.text("revision > recorded"),
        postgresql_where=sa.text("revision > recorded"),
    )
    op.create_table(
        "tombstones",
        sa.Column("image_id", sa.String(length=32), primary_key=True),
        sa.Column("deleted_at", sa.Float(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("done", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index(
        "ix_tombstones_undone",
        "tombstones",
        ["image_id"],
        sqlite_where=sa.text("NOT done"),
        postgresql_where=sa.text("NOT done"),
    )


def downgrade() -> None:
    op.drop_table("tombstones")
    op.drop_index("ix_images_unrecorded", "images")
    with op.batch_alter_table("images") as batch:
        batch.drop_column("recorded")
        batch.drop_column("revision")
