"""Alembic's entry: migrates over the connection that `backend.database` hands in."""

from alembic import context

from backend.database.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transaction_per_migration=False
)
with context.begin_transaction():
    context.run_migrations()
