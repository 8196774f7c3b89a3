"""The metadata sync over a real bucket and database: lost reports, the archive, and what must stay."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from core_library import HISTOGRAM, PALETTE, Library, image_id

from backend.database import claims, devices, housekeeping, results
from backend.metadata_sync import AT_ONCE, LOCK_SECONDS, SIDECAR_LIMIT_BYTES, MetadataSync, parse
from backend.reported_paths import ReportedPaths
from contract import object_names
from contract.admin_messages import SyncReport
from contract.bucket import Bucket, BucketDenied, name_in, uri_of
from contract.buckets import open_bucket
from contract.messages import Thumbnail
from contract.recipes import recipe
from contract.sidecars import Sidecar, SidecarResult

JSON = "application/json"


class Setting:
    """A library, a bucket and the sync between them."""

    def __init__(self, folder: Path) -> None:
        self.library = Library(folder / "slideshow.db")
        self.bucket: Bucket = open_bucket((folder / "bucket").as_uri())
        self.sync = self.another("one")

    def another(self, holder: str) -> MetadataSync:
        """The sync of another backend process."""
        return MetadataSync(self.library.database, self.bucket, ReportedPaths(self.bucket), holder)

    def leave(self, image: str, content: Sidecar | bytes) -> None:
        """Put a sidecar where tasks put theirs, and before it the pictures that it tells of."""
        data = content if isinstance(content, bytes) else msgspec.json.encode(content)
        if isinstance(content, Sidecar):
            for told in content.results:
                with contextlib.suppress(ValueError):  # a name that could be no object of this bucket
                    self.bucket.replace(name_in(self.bucket, told.file_path), b"a picture", "image/jpeg")
        self.bucket.replace(object_names.sidecar(image), data, JSON)

    def run(self, now: float = 500.0) -> SyncReport:
        """One pass that nobody hinders."""
        report = self.library.run(self.sync.run(now))
        assert isinstance(report, SyncReport)
        return report

    def objects(self) -> list[str]:
        """The sidecars, waiting and archived."""
        return [entry.name for entry in self.bucket.list(object_names.METADATA, recursive=True)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Setting]:
    made = Setting(tmp_path)
    yield made
    made.library.close()


def result(image: str, key: str = "small", size: tuple[int, int] = (800, 480), **changes: Any) -> SidecarResult:
    """One variant as a sidecar tells it."""
    made = SidecarResult(
        device_size=key,
        width=size[0],
        height=size[1],
        file_path=object_names.variant(key, image, recipe(*size)),
        colors=PALETTE.all_colors,
        primary=PALETTE.primary,
        secondary=PALETTE.secondary,
        tertiary=PALETTE.tertiary,
        recipe=recipe(*size),
    )
    return msgspec.structs.replace(made, **changes)


def sidecar(image: str, *results: SidecarResult, at: str = "2025-01-31T12:00:00Z", **more: Any) -> Sidecar:
    """The sidecar of an image with one variant, or with those given."""
    return Sidecar(image_id=image, processed_at=at, results=results or (result(image),), histogram=HISTOGRAM, **more)


def test_a_lost_report_is_imported_and_archived(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    thumbnail = Thumbnail(file_path=object_names.thumbnail(image, "0" * 10), width=200, height=200)
    place.leave(image, sidecar(image, thumbnail=thumbnail, seconds=0.7, source_color="#ABCDEF", neutral=True))
    assert place.run() == SyncReport(found=1, imported=1, archived=1, left=0)
    row = place.library.image(image)
    assert row["processing_status"] == "complete"
    assert row["histogram"] == HISTOGRAM
    assert row["thumbnail_path"] == uri_of(place.bucket, thumbnail.file_path)
    assert row["color_palette"]["sourceColor"] == "#ABCDEF"
    assert row["color_palette"]["neutral"] is True
    assert place.objects() == [f"images/metadata/archive/2025/01/{image}.json"]
    assert place.run() == SyncReport()


def test_a_sidecar_of_the_model_system_is_understood(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    given = {
        "imageId": image,
        "processedAt": "2024-12-31T23:30:00.123Z",
        "results": [
            {
                "deviceSize": "small",
                "width": 800,
                "height": 480,
                "filePath": f"processed/small/{image}.jpg",
                "colors": ["#112233"],
                "primary": "#112233",
                "secondary": "#112233",
                "tertiary": "#112233",
            }
        ],
    }
    place.leave(image, msgspec.json.encode(given))
    assert place.run() == SyncReport(found=1, left=1), "the picture that it tells of is not there"
    assert place.library.states()[image] == "pending"
    place.bucket.replace(f"processed/small/{image}.jpg", b"a picture", "image/jpeg")
    assert place.run().imported == 1
    assert place.library.states()[image] == "complete"
    assert place.library.image(image)["color_palette"]["allColors"] == ["#112233"] * 8


@pytest.mark.parametrize(
    ("at", "month"),
    [
        ("2025-01-31T23:30:00-02:00", "2025/02"),
        ("2025-03-01T00:30:00+02:00", "2025/02"),
        ("2025-03-01T00:30:00", "2025/03"),
        ("0001-01-01T00:00:00Z", "0001/01"),
    ],
)
def test_the_archive_is_by_month_of_utc(place: Setting, at: str, month: str) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image, at=at))
    place.run()
    assert place.objects() == [f"images/metadata/archive/{month}/{image}.json"]


def test_what_is_recorded_already_is_archived_and_changes_nothing(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    answer = place.library.claim(at=100)
    place.library.report(answer.images[0], answer, at=101)
    before = place.library.everything()
    place.leave(image, sidecar(image))
    assert place.run() == SyncReport(found=1, imported=0, archived=1, left=0)
    assert place.library.everything() == before


def broken(image: str) -> dict[str, bytes]:
    """Contents that are no sidecar of this image."""
    good = sidecar(image)
    encode = msgspec.json.encode
    return {
        "empty": b"",
        "half": encode(good)[:-20],
        "not unicode": b'{"imageId": "\xff"}',
        "another image": encode(sidecar(image_id(77))),
        "no time": encode(msgspec.structs.replace(good, processed_at="yesterday")),
        "no year": encode(msgspec.structs.replace(good, processed_at="9999-12-31T23:59:59-10:00")),
        "before all years": encode(msgspec.structs.replace(good, processed_at="0001-01-01T00:00:00+10:00")),
        "deep": b'{"x":' + b"[" * 200_000,
        "oversized": encode(good) + b" " * SIDECAR_LIMIT_BYTES,
        "foreign path": encode(sidecar(image, result(image, file_path="gs://foreign/processed/x.jpg"))),
        "escaping path": encode(sidecar(image, result(image, file_path="processed/../../etc/passwd"))),
        "foreign thumbnail": encode(
            sidecar(image, thumbnail=Thumbnail(file_path="file:///etc/passwd", width=1, height=1))
        ),
        "wrong size": encode(sidecar(image, result(image, size=(801, 480)))),
        "unknown device": encode(sidecar(image, result(image, key="nobody"))),
        "bad colour": encode(good).replace(b"#112233", b"#11223x"),
    }


@pytest.mark.parametrize("kind", sorted(broken("0" * 32)))
def test_what_cannot_be_imported_stays_and_stops_nobody(
    place: Setting, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    place.library.device("small")
    bad, good = sorted(place.library.add(1, 2))  # the bad one comes first in a listing
    content = broken(bad)[kind]
    place.leave(bad, content)
    place.leave(good, sidecar(good))
    assert place.run() == SyncReport(found=2, imported=1, archived=1, left=1)
    assert place.library.states() == {bad: "pending", good: "complete"}
    assert place.bucket.read(object_names.sidecar(bad)) == content
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert bad in told[0].getMessage()
    caplog.clear()
    place.run(600)
    assert not [record for record in caplog.records if record.levelno == logging.WARNING], "it is told once"


def test_an_unknown_image_has_no_sidecar_to_import(place: Setting) -> None:
    place.leave(image_id(5), sidecar(image_id(5)))
    assert place.run() == SyncReport(found=1, left=1)


def test_a_failed_image_keeps_its_sidecar(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    claimed = place.library.claim(at=100).images[0]
    place.library.write(results.fail, image, "broken", claimed.lease, strike=False)
    place.leave(image, sidecar(image))
    assert place.run() == SyncReport(found=1, left=1)
    assert place.library.states()[image] == "failed"


def test_without_devices_nothing_is_archived_or_completed(place: Setting) -> None:
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image))
    for now in (500, 600):
        assert place.run(now) == SyncReport(found=1, left=1)
        assert place.library.states()[image] == "pending"
    place.library.device("small", at=700)
    assert place.run(800) == SyncReport(found=1, imported=1, archived=1)
    assert place.library.states()[image] == "complete"


def test_a_part_of_a_sidecar_is_kept_and_the_rest_waits(place: Setting) -> None:
    place.library.device("small")
    place.library.device("tall", 480, 800)
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image, result(image), result(image, key="gone")))
    assert place.run() == SyncReport(found=1, imported=1, left=1)
    assert place.library.states()[image] == "pending"
    answer = place.library.claim(at=600)
    assert [item.device for item in answer.images[0].work] == ["tall"]


def test_a_lease_that_lives_makes_it_wait(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    claimed = place.library.claim(at=100).images[0]
    place.leave(image, sidecar(image))
    before = place.library.everything()
    assert place.run(now=150) == SyncReport(found=1, left=1)
    assert place.library.everything() == before
    assert place.run(now=161) == SyncReport(found=1, imported=1, archived=1)
    assert place.library.states()[image] == "complete"
    assert place.library.write(claims.renew, [claimed.lease], 162.0, 60.0) == []


def test_two_runs_never_overlap(place: Setting) -> None:
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


def test_a_lock_left_by_a_dead_backend_ends(place: Setting) -> None:
    assert place.library.write(housekeeping.take_lock, "sync", "dead", 500.0, LOCK_SECONDS)
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


def test_an_archive_that_refuses_loses_nothing(place: Setting, caplog: pytest.LogCaptureFixture) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image))
    denied: Any = DeniesMoves(place.bucket)
    sync = MetadataSync(place.library.database, denied, ReportedPaths(place.bucket), "x")
    report = place.library.run(sync.run(500.0))
    assert (report.imported, report.archived, report.left) == (1, 0, 1)
    assert place.library.states()[image] == "complete"
    assert "storage.objects.delete" in caplog.text
    assert place.run(600) == SyncReport(found=1, archived=1)


def test_a_pass_tells_how_many_files_it_syncs(place: Setting, caplog: pytest.LogCaptureFixture) -> None:
    place.bucket.replace(object_names.METADATA + "notes.txt", b"x", "text/plain")
    caplog.set_level(logging.INFO)
    place.leave(image_id(5), sidecar(image_id(5)))
    assert place.run().found == 1, "what is no sidecar is not looked at"
    assert "Syncing 2 metadata files" in caplog.text


def test_sidecars_are_fetched_some_at_a_time(place: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2 * AT_ONCE):
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
    assert place.run().found == 2 * AT_ONCE
    assert 1 < most <= AT_ONCE


def test_pictures_of_a_device_that_was_removed_are_history(place: Setting) -> None:
    place.library.device("small")
    place.library.device("tall", 480, 800)
    (image,) = place.library.add(1)
    answer = place.library.claim(at=100)
    place.leave(image, sidecar(image, result(image), result(image, "tall", (480, 800))))
    place.library.report(answer.images[0], answer, at=101)
    place.library.write(devices.remove, "tall", 102.0)
    assert place.run() == SyncReport(found=1, archived=1)


def test_times_are_given_in_utc() -> None:
    image = image_id(1)
    data = msgspec.json.encode(sidecar(image, at="2025-01-31T12:00:00+02:00"))
    assert parse(data, image)[1] == datetime(2025, 1, 31, 10, tzinfo=UTC)
    assert parse(data, image)[1].tzinfo is UTC


def test_the_archive_keeps_what_earlier_sidecars_of_the_month_told(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image))
    place.run()
    place.library.device("wide", 1024, 600)
    place.leave(image, sidecar(image, result(image, "wide", (1024, 600))))
    assert place.run().archived == 1
    (name,) = place.objects()
    archived = msgspec.json.decode(place.bucket.read(name), type=Sidecar)
    assert [told.device_size for told in archived.results] == ["wide", "small"]


@pytest.mark.parametrize("damage", [b"no JSON", b'{"imageId": "\xff"}', b'{"more": ' + b"[" * 100_000])
def test_a_damaged_sidecar_in_the_archive_keeps_no_new_one_out(place: Setting, damage: bytes) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.bucket.replace(f"images/metadata/archive/2025/01/{image}.json", damage, JSON)
    place.leave(image, sidecar(image))
    assert place.run().archived == 1
    (name,) = place.objects()
    assert msgspec.json.decode(place.bucket.read(name), type=Sidecar).image_id == image


def test_the_lock_of_a_dead_process_ends_soon(place: Setting) -> None:
    place.library.write(housekeeping.take_lock, "sync", "the dead one", 500.0, LOCK_SECONDS)
    assert place.library.run(place.sync.run(501.0)) is None
    assert place.library.run(place.sync.run(500.0 + LOCK_SECONDS + 1)) == SyncReport()
    place.library.write(housekeeping.take_lock, "sync", "the dead one", 500.0, LOCK_SECONDS)
    place.library.write(housekeeping.free_all_locks)
    assert place.library.run(place.sync.run(501.0)) == SyncReport()
