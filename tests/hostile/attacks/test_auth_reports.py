"""Attacks by a holder of the processor's token: reports that name what they must not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import server, small_photos
from tests.support.small_photos import PALETTE

pytestmark = pytest.mark.server


def row(image: str, path: str, device: str = "frame", **more: object) -> dict[str, Any]:
    return {
        "imageId": image,
        "deviceSize": device,
        "width": 80,
        "height": 48,
        "filePath": path,
        "colorPalette": PALETTE,
        **more,
    }


def report(backend: server.BackendServer, *rows: dict[str, Any], outcomes: object = ()) -> dict[str, Any]:
    answer = backend.processor.post("/api/processed-images", json={"images": rows, "outcomes": outcomes})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
def two(backend: server.BackendServer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two claimed photos, and the devices `frame` and `other`."""
    backend.add_device("frame")
    backend.add_device("other")
    backend.upload_photos(2)
    first, second = backend.claim("run/0")
    return first, second


def test_report_cannot_name_what_does_not_exist(
    backend: server.BackendServer, two: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    first, _ = two
    message = backend.render(first)
    for item in message["images"]:
        (backend.bucket / item["filePath"].removeprefix(f"{backend.bucket.as_uri()}/")).unlink()
    answer = report(backend, *message["images"], outcomes=message["outcomes"])
    assert answer["inserted"] == 0
    assert {error["error"] for error in answer["errors"]} == {
        "filePath: the object does not exist in the bucket; store it before the report"
    }
    assert backend.state(first["id"]) != "complete"
    assert backend.sql("SELECT count(*) FROM processed_images") == [(0,)]


def test_report_cannot_name_objects_of_others(
    backend: server.BackendServer, two: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    first, second = two
    picture = small_photos.jpeg(80, 48)
    recipe = first["work"][0]["recipe"]
    other_photo = backend.store(f"processed/frame/{second['id']}-{recipe}.jpg", picture)
    other_photo_png = backend.store(f"processed/frame/{second['id']}.png", picture)
    other_device = backend.store(f"processed/other/{first['id']}-{recipe}.jpg", picture)
    odd = backend.store("processed/other/odd.jpg", picture)
    deeper = backend.store(f"processed/frame/deep/{first['id']}.jpg", picture)
    own_odd = backend.store("processed/frame/odd.jpg", picture)
    lease = {"lease": first["lease"], "recipe": recipe}
    for path in (other_photo, other_photo_png, other_device, odd, deeper, own_odd):
        answer = report(backend, row(first["id"], path, **lease))
        assert answer["inserted"] == 0, path
        assert answer["errors"][0]["error"].startswith("filePath: "), path
    backend.processor.post("/api/processing/claims/release", json={"leases": [first["lease"]]}).raise_for_status()
    for path in (other_photo, other_photo_png, other_device, odd, deeper):
        assert report(backend, row(first["id"], path))["inserted"] == 0, path
    assert report(backend, row(first["id"], own_odd))["inserted"] == 1  # a legacy client may choose this name
    assert report(backend, row(second["id"], own_odd))["inserted"] == 0  # but not a second time


def test_report_cannot_name_another_photos_thumbnail(
    backend: server.BackendServer, two: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    first, second = two
    for name in (f"{second['id']}-0123456789.jpg", f"{first['id']}-9999999999.jpg", "odd.jpg"):
        if not name.startswith(first["id"]):
            backend.store(f"images/thumbnails/{name}", small_photos.jpeg(20, 20))
        message = backend.render(first)
        path = f"images/thumbnails/{name}"
        message["outcomes"][0]["thumbnail"] = {"filePath": path, "width": 20, "height": 20}
        report(backend, *message["images"], outcomes=message["outcomes"])
        assert backend.admin.get(f"/api/images/{first['id']}").json()["thumbnailPath"] is None, name


def test_report_for_a_deleted_photo_cannot_delete_a_live_ones_object(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    live, deleted = backend.upload_photos(2)
    shared = backend.store("processed/frame/shared2.jpg", small_photos.jpeg(80, 48))
    assert report(backend, row(live, shared))["inserted"] == 1
    backend.admin.delete(f"/api/images/{deleted}").raise_for_status()
    assert report(backend, row(deleted, shared))["inserted"] == 0
    wrong_size = row(live, shared) | {"width": 9, "height": 9}
    assert report(backend, wrong_size)["inserted"] == 0  # schedules the object for deletion in a day
    backend.sql("UPDATE garbage SET delete_after = 0")
    for _ in range(2):
        backend.processor.post("/internal/tick").raise_for_status()
    assert "processed/frame/shared2.jpg" in backend.objects("processed/")
    assert backend.admin.get("/api/devices/frame/next").json()["imageId"] == live


def test_scheduled_object_in_use_is_not_deleted(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    (live,) = backend.upload_photos(1)
    path = backend.store("processed/frame/odd.jpg", small_photos.jpeg(80, 48))
    assert report(backend, row(live, path))["inserted"] == 1
    unused = backend.store("processed/frame/unused.jpg", small_photos.jpeg(80, 48))
    for uri in (path, unused):
        backend.sql("INSERT INTO garbage (object_name, delete_after) VALUES (?, 0)", uri)
    backend.processor.post("/internal/tick").raise_for_status()
    assert backend.objects("processed/") == {"processed/frame/odd.jpg"}
    assert backend.sql("SELECT count(*) FROM garbage") == [(0,)]
