"""A salt of each device's picture addresses, and a mark for tokens that were created but not handed out yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Devices of earlier versions have no salt: their addresses stay valid until their token is renewed.
    op.add_column("devices", sa.Column("picture_salt", sa.Text, nullable=False, server_default=""))
    op.add_column("devices", sa.Column("token_pending", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("devices", "token_pending")
    op.drop_column("devices", "picture_salt")
