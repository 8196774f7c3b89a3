"""The metadata sync over a real bucket and database: lost reports, what cannot be imported, and what must stay."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from backend.database import claims, results
from backend.durability.sidecar_sync import SIDECAR_LIMIT_BYTES
from contract import object_names
from contract.bucket.port import uri_of
from contract.messages.admin import SyncReport
from contract.messages.processing import Thumbnail
from tests.support.core_library import HISTOGRAM, image_id
from tests.support.sync_setting import Setting, result, sidecar


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Setting]:
    made = Setting(tmp_path)
    yield made
    made.library.close()


def test_sync_lost_report_is_imported_and_archived(place: Setting) -> None:
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


def legacy_sidecar(image: str) -> bytes:
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
    return msgspec.json.encode(given)


def test_sync_legacy_sidecar_is_imported(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.leave(image, legacy_sidecar(image))
    assert place.run() == SyncReport(found=1, left=1), "its picture is missing"
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
def test_sync_archives_by_month_in_utc(place: Setting, at: str, month: str) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image, at=at))
    place.run()
    assert place.objects() == [f"images/metadata/archive/{month}/{image}.json"]


def test_sync_stored_results_are_archived_and_change_nothing(place: Setting) -> None:
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
        "unknown device": encode(sidecar(image, result(image, key="unknown"))),
        "bad colour": encode(good).replace(b"#112233", b"#11223x"),
    }


@pytest.mark.parametrize("kind", sorted(broken("0" * 32)))
def test_sync_invalid_sidecar_stays_and_others_are_imported(
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
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert bad in warnings[0].getMessage()
    caplog.clear()
    place.run(600)
    assert not [record for record in caplog.records if record.levelno == logging.WARNING], "it is logged once"


def test_sync_sidecar_of_an_unknown_image_stays(place: Setting) -> None:
    place.leave(image_id(5), sidecar(image_id(5)))
    assert place.run() == SyncReport(found=1, left=1)


def test_sync_sidecar_of_a_failed_image_stays(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    claimed = place.library.claim(at=100).images[0]
    place.library.write(results.fail, image, "broken", claimed.lease, crashed=False)
    place.leave(image, sidecar(image))
    assert place.run() == SyncReport(found=1, left=1)
    assert place.library.states()[image] == "failed"


def test_sync_legacy_sidecar_is_imported_after_the_failure_that_followed_a_lost_report(place: Setting) -> None:
    """The legacy client reports a failure after every answer to its results that is not 2xx."""
    place.library.device("small")
    (image,) = place.library.add(1)
    assert place.library.write(claims.start_attempt, image, None, 100.0)
    assert place.library.write(results.fail, image, "503", None, crashed=False)
    assert place.library.states()[image] == "failed"
    place.bucket.replace(f"processed/small/{image}.jpg", b"a picture", "image/jpeg")
    place.leave(image, legacy_sidecar(image))
    assert place.run() == SyncReport(found=1, imported=1, archived=1)
    row = place.library.image(image)
    assert (row["processing_status"], row["processing_error"]) == ("complete", None)


def test_sync_legacy_sidecar_of_a_failure_under_our_lease_stays(place: Setting) -> None:
    place.library.device("small")
    (image,) = place.library.add(1)
    claimed = place.library.claim(at=100).images[0]
    place.library.write(results.fail, image, "broken", claimed.lease, crashed=False)
    place.bucket.replace(f"processed/small/{image}.jpg", b"a picture", "image/jpeg")
    place.leave(image, legacy_sidecar(image))
    assert place.run() == SyncReport(found=1, left=1)
    assert place.library.states()[image] == "failed"


def test_sync_without_devices_archives_nothing(place: Setting) -> None:
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image))
    for now in (500, 600):
        assert place.run(now) == SyncReport(found=1, left=1)
        assert place.library.states()[image] == "pending"
    place.library.device("small", at=700)
    assert place.run(800) == SyncReport(found=1, imported=1, archived=1)
    assert place.library.states()[image] == "complete"


def test_sync_partly_valid_sidecar_is_imported_in_part(place: Setting) -> None:
    place.library.device("small")
    place.library.device("tall", 480, 800)
    (image,) = place.library.add(1)
    place.leave(image, sidecar(image, result(image), result(image, key="gone")))
    assert place.run() == SyncReport(found=1, imported=1, left=1)
    assert place.library.states()[image] == "pending"
    answer = place.library.claim(at=600)
    assert [item.device for item in answer.images[0].work] == ["tall"]


def test_sync_claimed_image_waits(place: Setting) -> None:
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
