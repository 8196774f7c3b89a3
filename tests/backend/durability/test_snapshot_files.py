"""Snapshots without a server: complete or rejected, fenced, and taken before sidecars are archived."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from backend.database import key_value
from backend.durability import snapshots as snapshot
from backend.durability.fencing import FencingToken, FencingTokenLost
from backend.durability.sidecar_sync import SidecarSync
from backend.durability.snapshots import PROCESS_BYTES, DamagedSnapshot, Snapshots
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


def load_newest(library: Library, made: Snapshots) -> None:
    library.run(made.load(library.run(made.find())[0]))


def test_load_damaged_snapshot_changes_nothing(library: Library, bucket: Bucket, tmp_path: Path) -> None:
    epoch, made = snapshots(library, bucket)
    library.run(epoch.acquire(0.0))
    library.add(1, 2)
    library.run(made.take())
    data = bucket.read(object_names.SNAPSHOT)
    library.add(3)
    for damaged in (b"", b"nonsense", data[:-20], data[: len(data) // 2], data[:-8] + b"sums" + data[-4:]):
        bucket.replace(object_names.SNAPSHOT, damaged, "application/gzip")
        with pytest.raises(DamagedSnapshot):
            load_newest(library, made)
    assert len(library.states()) == 3
    bucket.replace(object_names.SNAPSHOT, data, "application/gzip")
    load_newest(library, made)  # under the open connections of the library
    assert set(library.states()) == {image_id(1), image_id(2)}
    library.add(4)
    assert len(library.states()) == 3
    assert not list(tmp_path.glob("snapshot-*"))


def test_load_waits_for_queries_that_are_under_way(library: Library, bucket: Bucket) -> None:
    epoch, made = snapshots(library, bucket)
    library.run(epoch.acquire(0.0))
    library.add(1)
    library.run(made.take())
    library.add(2)
    ended: list[str] = []

    def slow(connection: object) -> None:
        time.sleep(0.3)
        ended.append("query")

    async def act() -> None:
        queries = [asyncio.create_task(library.database.read(slow)) for _ in range(4)]
        await asyncio.sleep(0.05)
        (found,) = await made.find()
        await made.load(found)
        ended.append("load")
        await asyncio.gather(*queries)

    library.run(act())
    assert ended == ["query"] * 4 + ["load"]
    assert set(library.states()) == {image_id(1)}


def test_snapshots_in_their_own_bucket_and_the_newest_of_both_is_loaded(
    library: Library, bucket: Bucket, tmp_path: Path
) -> None:
    own = open_bucket((tmp_path / "snapshots").as_uri())
    epoch, shared = snapshots(library, bucket)
    separate = Snapshots(library.database, bucket, asyncio.to_thread, epoch, 30.0, own_bucket=own)
    library.run(epoch.acquire(0.0))
    library.write(key_value.put, "bucket_url", bucket.url)
    library.add(1)
    library.run(shared.take())  # as an earlier release does, or one without the setting
    assert [found.bucket for found in library.run(separate.find())] == [bucket]
    library.add(2)
    library.run(separate.take())
    assert len(bucket.read(object_names.SNAPSHOT)) != len(own.read(object_names.SNAPSHOT))
    library.add(3)
    load_newest(library, separate)
    assert set(library.states()) == {image_id(1), image_id(2)}
    library.add(4)
    library.run(shared.take())  # after a return to the earlier release
    assert [found.bucket for found in library.run(separate.find())] == [bucket, own]


def test_snapshot_of_another_bucket_is_not_loaded(library: Library, bucket: Bucket, tmp_path: Path) -> None:
    own = open_bucket((tmp_path / "snapshots").as_uri())
    epoch, _ = snapshots(library, bucket)
    separate = Snapshots(library.database, bucket, asyncio.to_thread, epoch, 30.0, own_bucket=own)
    library.run(epoch.acquire(0.0))
    library.write(key_value.put, "bucket_url", "gs://another")
    library.run(separate.take())
    with pytest.raises(DamagedSnapshot, match="gs://another"):
        load_newest(library, separate)


def test_take_logs_that_the_memory_limit_is_too_low(
    library: Library, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    epoch, _ = snapshots(library, bucket)
    library.run(epoch.acquire(0.0))
    for limit, warned in ((2**30, False), (PROCESS_BYTES, True)):
        made = Snapshots(library.database, bucket, asyncio.to_thread, epoch, 30.0, memory_limit=limit)
        library.run(made.take())
        assert ("raise the memory limit" in caplog.text) == warned


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
    library.run(newer.find())
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
