"""Records, fencing token and snapshots over Google's client and a strict emulator of its service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.database import record_import, record_queries, tombstones
from backend.durability.fencing import FencingToken, FencingTokenLost
from backend.durability.rebuild import restore
from backend.durability.record_writer import RecordWriter
from backend.durability.snapshots import Snapshots
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket
from emulators.cloud_storage.server import GcsServer
from tests.support.core_library import Library

pytestmark = pytest.mark.server


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with GcsServer("photos") as emulator:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        yield open_bucket("gs://photos", connections=8)


def test_restore_from_cloud_storage_returns_snapshot_and_newer_records(bucket: Bucket, tmp_path: Path) -> None:
    library = Library(tmp_path / "slideshow.db")
    other = Library(tmp_path / "other.db")
    try:
        epoch = FencingToken(bucket, asyncio.to_thread, "one")
        library.run(epoch.acquire(0.0))
        records = RecordWriter(library.database, bucket, asyncio.to_thread, epoch)
        made = Snapshots(library.database, bucket, asyncio.to_thread, epoch, 30.0)
        library.device("small")
        one, two, three = library.add(1, 2, 3)
        library.run(records.save([one, two, three]))
        library.run(records.save_devices())
        library.run(made.take())
        library.write(record_queries.increment_revisions, [one])
        assert library.write(tombstones.add, two, 5.0)
        library.run(records.save([one, two]))
        library.run(records.save([one, two]))  # known, and not written again
        library.run(made.take())
        loaded = Snapshots(other.database, bucket, asyncio.to_thread, epoch, 30.0)
        (found,) = other.run(loaded.find())
        other.run(loaded.load(found))
        other.write(record_import.clear)
        other.run(restore(other.database, bucket, 9.0))
        assert set(other.states()) == {one, three}
        assert other.image(one)["revision"] == 2
        assert other.read(tombstones.is_deleted, two)
        assert other.read(record_queries.read_devices) == library.read(record_queries.read_devices)
        second = FencingToken(bucket, asyncio.to_thread, "two")
        other.run(second.acquire(1.0))
        library.write(record_queries.increment_revisions, [three])
        with pytest.raises(FencingTokenLost):
            library.run(records.save([three]))
    finally:
        library.close()
        other.close()
