"""Deleting photos: the order, an interrupted deletion, and late results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract import object_names
from tests.support import server
from tests.support.server import problem
from tests.support.small_photos import PALETTE, jpeg, photo

pytestmark = pytest.mark.server


def rendered(backend: server.BackendServer) -> tuple[str, dict[str, Any]]:
    """Return a complete photo, and the message that reported it."""
    (image,) = backend.upload_photos(1)
    (claimed,) = backend.claim("x/0")
    message = backend.render(claimed)
    thumbnail = f"images/thumbnails/{image}-0123456789.jpg"
    message["outcomes"][0]["thumbnail"] = {
        "filePath": backend.store(thumbnail, jpeg(20, 20)),
        "width": 20,
        "height": 20,
    }
    backend.processor.post("/api/processed-images", json=message).raise_for_status()
    return image, message


def record(backend: server.BackendServer, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((backend.bucket / object_names.record(image)).read_bytes())
    return found


def of_image(backend: server.BackendServer, image: str) -> set[str]:
    return {name for name in backend.objects() if image in name and not name.startswith(object_names.RECORDS)}


def sidecar(image: str, message: dict[str, Any]) -> bytes:
    (row,) = message["images"]
    colours = {name: PALETTE[name] for name in ("primary", "secondary", "tertiary")}
    result = {"deviceSize": row["deviceSize"], "width": 80, "height": 48, "filePath": row["filePath"], "colors": []}
    return json.dumps({"imageId": image, "processedAt": "2026-01-01T00:00:00Z", "results": [result | colours]}).encode()


@pytest.mark.usefixtures("frame")
def test_delete_leaves_only_a_tombstone(backend: server.BackendServer) -> None:
    image, message = rendered(backend)
    backend.store(object_names.sidecar(image), sidecar(image, message))
    assert len(of_image(backend, image)) == 4
    assert backend.anonymous.delete(f"/api/images/{image}").status_code == 401
    assert backend.admin.delete(f"/api/images/{image}").json() == {"success": True}
    assert of_image(backend, image) == set()
    body = record(backend, image)
    assert set(body) == {"imageId", "revision", "deletedAt"}
    assert backend.sql("SELECT count(*) FROM images") == [(0,)]
    assert backend.sql("SELECT count(*) FROM processed_images") == [(0,)]
    problem(backend.admin.delete(f"/api/images/{image}"), 404)
    problem(backend.admin.get(f"/api/images/{image}"), 404)


@pytest.mark.usefixtures("frame")
def test_delete_late_results_are_rejected_and_removed(backend: server.BackendServer) -> None:
    (image,) = backend.upload_photos(1)
    (claimed,) = backend.claim("x/0")
    backend.admin.delete(f"/api/images/{image}").raise_for_status()
    message = backend.render(claimed)
    answer = backend.processor.post("/api/processed-images", json=message).json()
    assert answer["inserted"] == 0
    assert answer["errors"][0]["error"] == "the image was deleted"
    problem(backend.processor.post(f"/api/processing-attempts/{image}/start", json={"lease": claimed["lease"]}), 404)
    # The report is lost as well, and the sidecar lists a picture.
    backend.store(object_names.sidecar(image), sidecar(image, message))
    backend.admin.post("/api/admin/sync").raise_for_status()
    backend.processor.post("/internal/tick").raise_for_status()
    assert of_image(backend, image) == set()


@pytest.mark.usefixtures("frame")
@pytest.mark.parametrize("rows_are_gone", [False, True])
def test_delete_interrupted_is_completed_by_the_tick(backend: server.BackendServer, rows_are_gone: bool) -> None:
    image, _ = rendered(backend)
    if rows_are_gone:  # the backend died before it deleted the objects
        for name in sorted(of_image(backend, image)):
            address = f"{backend.bucket.as_uri()}/{name}"
            backend.sql("INSERT INTO garbage (object_name, delete_after) VALUES (?, 1)", address)
        backend.sql("DELETE FROM processed_images")
        backend.sql("DELETE FROM images")
        backend.sql("INSERT INTO tombstones (image_id, deleted_at, revision, done) VALUES (?, 1, 9, 1)", image)
        assert "being removed" in problem(  # not yet: the running removal could delete the new file
            backend.admin.post("/api/admin/upload", files={"file": ("x.jpg", photo(0))}), 503
        )
    else:  # the backend died after it wrote the tombstone
        backend.sql("INSERT INTO tombstones (image_id, deleted_at, revision, done) VALUES (?, 1, 9, 0)", image)
    report = backend.processor.post("/internal/tick").json()
    assert report["errors"] == []
    assert of_image(backend, image) == set()
    assert backend.sql("SELECT count(*) FROM images") == [(0,)]
    assert rows_are_gone or record(backend, image)["deletedAt"] == 1


@pytest.mark.usefixtures("frame")
def test_upload_after_delete_restores_the_photo(backend: server.BackendServer) -> None:
    image, _ = rendered(backend)
    backend.admin.delete(f"/api/images/{image}").raise_for_status()
    dead = record(backend, image)["revision"]
    again = backend.upload(photo(0), "again.jpg")
    assert (again["id"], again["processing_status"], again.get("duplicate")) == (image, "pending", None)
    body = record(backend, image)
    assert body["revision"] > dead
    assert "deletedAt" not in body
    assert body["filename"] == "again.jpg"
    backend.processor.post("/internal/tick").raise_for_status()
    backend.finish(backend.claim("y/0"))
    assert backend.state(image) == "complete"
    assert f"images/originals/{image}.jpg" in backend.objects()
