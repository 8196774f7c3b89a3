"""Executions know what Cloud Run calls them; the latest rendered photos are found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("executions", sa.Column("cloud_execution", sa.Text(), nullable=True))
    op.add_column("executions", sa.Column("cloud_operation", sa.Text(), nullable=True))
    op.create_index("ix_images_processed", "images", ["processed_at"])


def downgrade() -> None:
    op.drop_index("ix_images_processed", "images")
    op.drop_column("executions", "cloud_operation")
    op.drop_column("executions", "cloud_execution")
