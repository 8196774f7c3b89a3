"""An image from claim to complete, and results that are rejected."""

from __future__ import annotations

import time

import pytest

from tests.support import server, small_photos
from tests.support.server import problem
from tests.support.task_calls import record, report, start

pytestmark = pytest.mark.server

OTHER_ID = "f" * 32


def test_claim_start_results_complete_an_image(backend: server.BackendServer) -> None:
    backend.add_device("wide", 80, 48)
    backend.add_device("tall", 48, 80)
    image_id = backend.upload_photos(1)[0]
    before = time.time()
    answer = backend.processor.post(
        "/api/processing/claims", json={"owner": "run/0", "attempt": 0, "shard": 0, "shards": 1, "limit": 8}
    ).json()
    (claimed,) = answer["images"]
    assert claimed["id"] == image_id
    assert claimed["filePath"] == f"{backend.bucket.as_uri()}/images/originals/{image_id}.jpg"
    assert (claimed["width"], claimed["height"], claimed["orientation"]) == (64, 48, "landscape")
    assert [item["device"] for item in claimed["work"]] == ["tall", "wide"]
    assert claimed["suspect"] is False
    assert answer["leaseSeconds"] == 60
    assert answer["renewSeconds"] == 20
    assert before + 59 < claimed["leaseUntil"] < time.time() + 61
    assert {device["key"]: (device["width"], device["height"]) for device in answer["devices"]} == {
        "wide": (80, 48),
        "tall": (48, 80),
    }
    assert backend.state(image_id) == "processing"
    assert backend.sql("SELECT attempts FROM images") == [(0,)]  # a claim is not an attempt

    assert start(backend, claimed)["attempt"] == 1
    assert start(backend, claimed)["attempt"] == 1  # the same attempt, reported twice

    message = backend.render(claimed)
    thumbnail = f"images/thumbnails/{image_id}-0123456789.jpg"
    backend.store(thumbnail, small_photos.jpeg(20, 20))
    message["outcomes"][0] |= {
        "thumbnail": {"filePath": thumbnail, "width": 200, "height": 200},
        "histogram": {"#102030": 5},
        "seconds": 0.25,
        "processedAt": 1_700_000_000.0,
    }
    assert report(backend, message) == {"inserted": 2}
    shown = backend.admin.get(f"/api/images/{image_id}").json()
    assert shown["processingStatus"] == "complete"
    assert shown["colorPalette"] == small_photos.PALETTE
    assert shown["thumbnailPath"] == f"{backend.bucket.as_uri()}/{thumbnail}"
    assert shown["histogram"] == {"#102030": 5}
    assert [(entry["deviceSize"], entry["width"], entry["height"]) for entry in shown["variants"]] == [
        ("tall", 48, 80),
        ("wide", 80, 48),
    ]
    columns = "color_primary, color_secondary, color_tertiary, color_source, device_size"
    assert backend.sql(f"SELECT {columns} FROM processed_images WHERE device_size = 'wide'") == [
        ("#102030", "#405060", "#708090", "#A0B0C0", "wide")
    ]
    assert backend.claim("run/1") == []
    assert backend.processor.get("/api/processing/pending").json() == []


def test_results_before_their_outcome_are_accepted(backend: server.BackendServer) -> None:
    backend.add_device("wide", 80, 48)
    backend.add_device("tall", 48, 80)
    image_id = backend.upload_photos(1)[0]
    message = backend.render(backend.claim("run/0")[0])
    tall, wide = message["images"]
    assert report(backend, {"images": [tall]}) == {"inserted": 1}
    assert backend.state(image_id) == "processing"
    assert report(backend, {"images": [wide], "outcomes": message["outcomes"]}) == {"inserted": 1}
    assert backend.state(image_id) == "complete"


def test_outcome_without_a_variant_fails_the_image(backend: server.BackendServer) -> None:
    backend.add_device("wide", 80, 48)
    backend.add_device("tall", 48, 80)
    image_id = backend.upload_photos(1)[0]
    report(backend, backend.render(backend.claim("run/0")[0], without=["tall"]))
    shown = backend.admin.get(f"/api/images/{image_id}").json()
    assert shown["processingStatus"] == "failed"
    assert "tall" in shown["processingError"]


def test_results_repeated_are_idempotent(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    report(backend, message)
    before = record(backend)
    assert report(backend, message) == {"inserted": 1}
    assert record(backend) == before
    assert backend.sql("SELECT image_id, device_size FROM processed_images") == [(image, "frame")]
    assert backend.sql("SELECT count(*) FROM garbage") == [(0,)]


def test_results_invalid_rows_are_rejected_one_by_one(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    message = backend.render(claimed)
    (good,) = message["images"]
    place = f"processed/frame/{image}"
    bad = {
        "no device": good | {"deviceSize": "absent", "filePath": f"processed/absent/{image}.jpg"},
        "80x48": good | {"width": 81},
        "unknown image": good | {"imageId": OTHER_ID, "filePath": f"processed/frame/{OTHER_ID}.jpg"},
        "lease": good | {"lease": "made-up"},
    }
    paths = [
        "../../etc/passwd",
        "processed/../images/originals/x.jpg",
        f"{backend.bucket.as_uri()}/processed/../../secrets.json",
        f"{backend.bucket.as_uri()}-other/{place}.jpg",
        f"file:///elsewhere/{place}.jpg",
        f"gs://another-bucket/{place}.jpg",
        f"images/originals/{image}.jpg",
        f"images/thumbnails/{image}.jpg",
        f"/{place}.jpg",
        f"processed//{image}.jpg",
        f"processed\\frame\\{image}.jpg",
        f"processed/frame/{OTHER_ID}.jpg",
        f"processed/other-frame/{image}.jpg",
        f"{place}\x00.jpg",
    ]
    rows = [*bad.values(), *(good | {"filePath": path} for path in paths)]
    answer = report(backend, {"images": [*rows, good]})
    assert answer["inserted"] == 1
    errors = [entry["error"] for entry in answer["errors"]]
    assert len(errors) == len(rows)
    for wanted, error in zip(bad, errors, strict=False):
        assert wanted in error
    assert all(error.startswith("filePath") for error in errors[len(bad) :])
    assert backend.sql("SELECT file_path FROM processed_images") == [(good["filePath"],)]


def test_outcome_with_foreign_thumbnail_is_stored_without_it(backend: server.BackendServer, image: str) -> None:
    message = backend.render(backend.claim("run/0")[0])
    message["outcomes"][0]["thumbnail"] = {
        "filePath": f"images/originals/{image}.jpg",
        "width": 200,
        "height": 200,
    }
    report(backend, message)
    assert backend.sql("SELECT processing_status, thumbnail_path FROM images") == [("complete", None)]


def test_outcome_under_a_lost_lease_is_ignored(backend: server.BackendServer, image: str) -> None:
    (first,) = backend.claim("run/0", attempt=0)
    backend.claim("run/0", attempt=1)
    before = record(backend)
    report(backend, {"images": [], "outcomes": backend.render(first)["outcomes"]})
    assert record(backend) == before


def test_claim_other_renderer_version_is_409(backend: server.BackendServer, image: str) -> None:
    claims = "/api/processing/claims"
    sentence = problem(backend.processor.post(claims, json={"owner": "run/0", "rendererVersion": 999_999}), 409)
    assert "999999" in sentence
    assert backend.state(image) == "pending"
