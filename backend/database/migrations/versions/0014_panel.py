"""The e-paper panel of a device."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("devices", sa.Column("panel", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    op.drop_column("devices", "panel")
