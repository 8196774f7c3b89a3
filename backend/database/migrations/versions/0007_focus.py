"""The focal point of each photo: the one that the renderer found, and the one that its owner chose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("focus", sa.JSON(none_as_null=True)))
    op.add_column("images", sa.Column("found_focus", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    op.drop_column("images", "found_focus")
    op.drop_column("images", "focus")
