"""A database in memory with one device and one photo; each use rolls its changes back."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import sqlalchemy as sa

from backend.database import devices, images
from backend.database.tables import metadata
from contract.messages.devices import DeviceBody

IMAGE = "0123456789abcdef" * 2
BUCKET_URL = "gs://photos"
NOW = 1_700_000_000.0


class Everything:
    """A set that contains every object name."""

    def __contains__(self, _: object) -> bool:
        return True


class Addresses:
    """A bucket with an address and no operations."""

    url = BUCKET_URL


@functools.cache
def _engine() -> sa.Engine:
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    metadata.create_all(engine)
    row = {"id": IMAGE, "file_path": f"{BUCKET_URL}/images/originals/{IMAGE}.jpg", "file_hash": IMAGE * 2}
    row |= {"filename": "photo.jpg", "byte_size": 10, "width": 4, "height": 3, "orientation": "landscape"}
    with engine.begin() as connection:
        devices.save(connection, "frame", DeviceBody(name="frame", width=800, height=480), "", NOW)
        images.add(connection, {**row, "ingested_at": NOW})
    return engine


@contextlib.contextmanager
def connected() -> Iterator[sa.Connection]:
    """Yield a connection whose changes are rolled back."""
    with _engine().connect() as connection, connection.begin() as transaction:
        try:
            yield connection
        finally:
            transaction.rollback()
