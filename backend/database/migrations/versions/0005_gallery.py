"""Colour families beside each photo, and an index that answers every filter of the gallery by itself."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from backend.colours.families import families_text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("colours", sa.Text(), nullable=False, server_default=""))
    connection = op.get_bind()
    found = connection.execute(sa.text("SELECT id, color_palette FROM images WHERE color_palette IS NOT NULL")).all()
    for image_id, kept in found:
        palette = json.loads(kept) if isinstance(kept, str) else kept
        connection.execute(
            sa.text("UPDATE images SET colours = :colours WHERE id = :id"),
            {"id": image_id, "colours": families_text(palette)},
        )
    op.drop_index("ix_images_ingested", "images")
    op.create_index(
        "ix_images_gallery",
        "images",
        ["ingested_at", "id", "processing_status", "orientation", "colours", "filename"],
    )


def downgrade() -> None:
    op.drop_index("ix_images_gallery", "images")
    op.create_index("ix_images_ingested", "images", ["ingested_at", "id"])
    op.drop_column("images", "colours")
