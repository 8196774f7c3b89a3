"""Snapshots without a server: complete or rejected, fenced, and taken before sidecars are archived."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from backend.durability import snapshots as snapshot
from backend.durability.fencing import FencingToken, FencingTokenLost
from backend.durability.sidecar_sync import SidecarSync
from backend.durability.snapshots import DamagedSnapshot, Snapshots, load_into, snapshot_of
from contract import object_names
from contract.bucket.open import open_bucket
from contract.bucket.port import Bucket
from contract.messages.sidecars import Sidecar, SidecarResult
from contract.recipes import recipe
from tests.support.core_library import PALETTE, Library, image_id

# Snapshots are copies of a SQLite file; a database server has its own backups.
pytestmark = pytest.mark.parametrize("library", ["sqlite"], indirect=True)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return open_bucket((tmp_path / "bucket").as_uri())


def snapshots(library: Library, bucket: Bucket, holder: str = "one") -> tuple[FencingToken, Snapshots]:
    epoch = FencingToken(bucket, asyncio.to_thread, holder)
    return epoch, Snapshots(library.database, bucket, asyncio.to_thread, epoch, 30.0)


def test_load_into_damaged_snapshot_changes_nothing(library: Library, tmp_path: Path) -> None:
    library.add(1, 2)
    file = tmp_path / "slideshow.db"
    data = snapshot_of(file)
    library.add(3)
    for damaged in (b"", b"nonsense", data[:-20], data[: len(data) // 2], data[:-8] + b"sums" + data[-4:]):
        with pytest.raises(DamagedSnapshot):
            load_into(file, damaged)
    assert len(library.states()) == 3
    load_into(file, data)  # under the open connections of the library
    assert set(library.states()) == {image_id(1), image_id(2)}
    library.add(4)
    assert len(library.states()) == 3
    assert not list(tmp_path.glob("snapshot-*"))


def test_take_if_due_waits_for_the_delay(library: Library, bucket: Bucket) -> None:
    epoch, made = snapshots(library, bucket)
    library.run(epoch.acquire(0.0))
    library.run(made.take())
    assert not library.run(made.take_if_due(1000.0))  # nothing has changed
    library.add(1)
    mark = made.checkpoint()
    assert not made.covers(mark)
    taken = [now for now in (1000.0, 1029.0, 1030.0, 1031.0, 1100.0) if library.run(made.take_if_due(now))]
    assert taken == [1030.0]
    assert made.covers(mark)


def test_take_slowly_logs_the_remedy(
    library: Library, bucket: Bucket, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch, made = snapshots(library, bucket)
    library.add(1, 2)
    library.run(epoch.acquire(0.0))
    library.run(made.take())
    assert caplog.records == []
    monkeypatch.setattr(snapshot, "NEAR_LIMIT_SECONDS", 0.0)
    library.run(made.take())
    (line,) = caplog.messages
    assert "set DATABASE_URL" in line
    assert "for 2 photos" in line


def test_previous_instance_acknowledges_nothing_and_overwrites_nothing(library: Library, bucket: Bucket) -> None:
    epoch, older = snapshots(library, bucket)
    library.run(epoch.acquire(0.0))
    library.run(older.take())
    later, newer = snapshots(library, bucket, "two")
    library.run(newer.read())
    assert library.run(later.acquire(1.0)) == 2
    before = bucket.stat(object_names.SNAPSHOT)
    with pytest.raises(FencingTokenLost):
        library.run(older.take())
    with pytest.raises(FencingTokenLost):
        library.run(epoch.confirm())
    assert bucket.stat(object_names.SNAPSHOT) == before
    # A snapshot that the older one had already begun to write lands: the newer one writes over it.
    bucket.replace(object_names.SNAPSHOT, b"late", "application/gzip")
    library.run(newer.take())
    assert bucket.read(object_names.SNAPSHOT) != b"late"
    library.run(later.confirm())


def test_confirm_shares_only_requests_that_began_after_the_call(library: Library, bucket: Bucket) -> None:
    looks = []

    async def slow(call: object, *arguments: object) -> object:
        looks.append(arguments)
        await asyncio.sleep(0.02)
        return await asyncio.to_thread(call, *arguments)  # type: ignore[arg-type]

    epoch = FencingToken(bucket, slow, "one")

    async def ask() -> None:
        await epoch.acquire(0.0)
        looks.clear()
        first = asyncio.create_task(epoch.confirm())
        await asyncio.sleep(0.01)
        await asyncio.gather(first, *(epoch.confirm() for _ in range(20)))

    library.run(ask())
    assert len(looks) == 2


def test_sync_archives_after_the_snapshot_that_contains_the_rows(library: Library, bucket: Bucket) -> None:
    epoch, made = snapshots(library, bucket)
    library.run(epoch.acquire(0.0))
    library.run(made.take())
    library.device("small")
    (image,) = library.add(1)
    name = f"processed/small/{image}-{recipe(800, 480)}.jpg"
    bucket.replace(name, b"a picture", "image/jpeg")
    colours = {"primary": PALETTE.primary, "secondary": PALETTE.secondary, "tertiary": PALETTE.tertiary}
    result = SidecarResult(
        device_size="small", width=800, height=480, file_path=name, colors=(), recipe=recipe(800, 480), **colours
    )
    left = Sidecar(image_id=image, processed_at="2026-01-01T00:00:00Z", results=(result,))
    bucket.replace(object_names.sidecar(image), msgspec.json.encode(left), "application/json")
    sync = SidecarSync(library.database, bucket, "x", made)
    for imported in (1, 0):
        report = library.run(sync.run(500.0))
        assert (report.imported, report.archived) == (imported, 0)
    assert library.image(image)["processing_status"] == "complete"
    library.run(made.take())
    assert library.run(sync.run(600.0)).archived == 1
