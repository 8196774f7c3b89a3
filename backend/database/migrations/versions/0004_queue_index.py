"""An index that serves the claim: in its own order, and usable where the state is a bound value."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_images_unfinished", "images")
    op.create_index(
        "ix_images_queue",
        "images",
        ["processing_status", sa.text("(rendered_at IS NOT NULL)"), "ingested_at", "id"],
    )


def downgrade() -> None:
    op.drop_index("ix_images_queue", "images")
    unfinished = sa.text("processing_status IN ('pending', 'processing')")
    op.create_index(
        "ix_images_unfinished",
        "images",
        ["processing_status", "rendered_at", "ingested_at"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
