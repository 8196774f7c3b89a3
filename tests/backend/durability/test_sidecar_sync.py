"""Passes of the metadata sync: one at a time, locks of crashed processes, and the archive."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backend.database import devices, key_value
from backend.durability.sidecar_sync import CONCURRENCY, LOCK_SECONDS, SidecarSync, parse
from contract import object_names
from contract.bucket.port import Bucket, BucketDenied
from contract.messages.admin import SyncReport
from contract.messages.sidecars import Sidecar
from tests.support.core_library import image_id
from tests.support.sync_setting import JSON, Setting, result, sidecar


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Setting]:
    made = Setting(tmp_path)
    yield made
    made.library.close()


def test_sync_concurrent_runs_never_overlap(place: Setting) -> None:
    place.library.device("small")
    ids = place.library.add(*range(30))
    for image in ids:
        place.leave(image, sidecar(image))
    other = place.another("two")

    async def both() -> list[SyncReport | None]:
        return list(await asyncio.gather(place.sync.run(500.0), other.run(500.0), place.sync.run(500.0)))

    reports = place.library.run(both())
    assert reports.count(None) == 2
    (report,) = [report for report in reports if report is not None]
    assert report == SyncReport(found=30, imported=30, archived=30)


def test_sync_lock_of_a_crashed_backend_expires(place: Setting) -> None:
    assert place.library.write(key_value.acquire_lock, "sync", "dead", 500.0, LOCK_SECONDS)
    assert place.library.run(place.sync.run(500.0 + LOCK_SECONDS)) is None
    assert place.library.run(place.sync.run(501.0 + LOCK_SECONDS)) == SyncReport()
    assert place.library.run(place.sync.run(502.0 + LOCK_SECONDS)) == SyncReport(), "it gives the lock back"


class DeniesMoves:
    """A bucket whose service account may not delete, and so not move: everything else is the real one."""

    def __init__(self, real: Bucket) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def move(self, source: str, target: str) -> None:
        raise BucketDenied(source, "storage.objects.delete is missing")


def test_sync_rejected_move_archives_in_a_later_pass(place: Setting, caplog: pytest.LogCaptureFixture) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image))
    denied: Any = DeniesMoves(place.bucket)
    sync = SidecarSync(place.library.database, denied, "x")
    report = place.library.run(sync.run(500.0))
    assert (report.imported, report.archived, report.left) == (1, 0, 1)
    assert place.library.states()[image] == "complete"
    assert "storage.objects.delete" in caplog.text
    assert place.run(600) == SyncReport(found=1, archived=1)


def test_sync_logs_the_number_of_files(place: Setting, caplog: pytest.LogCaptureFixture) -> None:
    place.bucket.replace(object_names.METADATA + "notes.txt", b"x", "text/plain")
    caplog.set_level(logging.INFO)
    place.leave(image_id(5), sidecar(image_id(5)))
    assert place.run().found == 1, "other files are not read"
    assert "Syncing 2 metadata files" in caplog.text


def test_sync_reads_sidecars_concurrently_up_to_the_limit(place: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2 * CONCURRENCY):
        place.leave(image_id(number), sidecar(image_id(number)))
    read, lock, under_way, most = place.bucket.read, threading.Lock(), 0, 0

    def slow_read(name: str, limit: int | None = None) -> bytes:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return read(name, limit)

    monkeypatch.setattr(place.bucket, "read", slow_read)
    assert place.run().found == 2 * CONCURRENCY
    assert 1 < most <= CONCURRENCY


def test_sync_sidecar_with_removed_device_is_archived(place: Setting) -> None:
    place.library.device("small")
    place.library.device("tall", 480, 800)
    (image,) = place.library.add(1)
    answer = place.library.claim(at=100)
    place.leave(image, sidecar(image, result(image), result(image, "tall", (480, 800))))
    place.library.report(answer.images[0], answer, at=101)
    place.library.write(devices.remove, "tall", 102.0)
    assert place.run() == SyncReport(found=1, archived=1)


def test_parse_returns_the_time_in_utc() -> None:
    image = image_id(1)
    data = msgspec.json.encode(sidecar(image, at="2025-01-31T12:00:00+02:00"))
    assert parse(data, image)[1] == datetime(2025, 1, 31, 10, tzinfo=UTC)
    assert parse(data, image)[1].tzinfo is UTC


def test_sync_merges_results_of_other_devices_in_the_archive(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image))
    place.run()
    place.library.device("wide", 1024, 600)
    place.leave(image, sidecar(image, result(image, "wide", (1024, 600))))
    assert place.run().archived == 1
    (name,) = place.objects()
    archived = msgspec.json.decode(place.bucket.read(name), type=Sidecar)
    assert [archived_result.device_size for archived_result in archived.results] == ["wide", "small"]


@pytest.mark.parametrize("damage", [b"no JSON", b'{"imageId": "\xff"}', b'{"more": ' + b"[" * 100_000])
def test_sync_damaged_archived_sidecar_is_replaced(place: Setting, damage: bytes) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.bucket.replace(f"images/metadata/archive/2025/01/{image}.json", damage, JSON)
    place.leave(image, sidecar(image))
    assert place.run().archived == 1
    (name,) = place.objects()
    assert msgspec.json.decode(place.bucket.read(name), type=Sidecar).image_id == image


def test_sync_lock_of_a_crashed_process_can_be_freed_at_start(place: Setting) -> None:
    place.library.write(key_value.acquire_lock, "sync", "the dead one", 500.0, LOCK_SECONDS)
    assert place.library.run(place.sync.run(501.0)) is None
    assert place.library.run(place.sync.run(500.0 + LOCK_SECONDS + 1)) == SyncReport()
    place.library.write(key_value.acquire_lock, "sync", "the dead one", 500.0, LOCK_SECONDS)
    place.library.write(key_value.release_all_locks)
    assert place.library.run(place.sync.run(501.0)) == SyncReport()
