"""Index of turned photos, so that a claim does not read all complete ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_images_turned",
        "images",
        ["turned", "ingested_at", "id"],
        sqlite_where=sa.text("turned = 1"),
        postgresql_where=sa.text("turned"),
    )


def downgrade() -> None:
    op.drop_index("ix_images_turned", table_name="images")
