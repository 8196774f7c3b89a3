"""Frame calls: tokens, the queue, the next entry, the pictures."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.support import server, small_photos
from tests.support.frame_library import finished, queue
from tests.support.server import problem

pytestmark = pytest.mark.server


def test_device_token_permits_only_its_device(backend: server.BackendServer) -> None:
    token = backend.add_device("mine")["token"]
    other = backend.add_device("other")["token"]
    assert token != other
    image = backend.upload_photos(1)[0]
    backend.finish(backend.claim("run/0"))
    frame = backend.client(Authorization=f"Bearer {token}")
    for path in ("slideshow", "next", f"images/{image}"):
        assert frame.get(f"/api/devices/mine/{path}").status_code == 200
        problem(frame.get(f"/api/devices/other/{path}"), 403)
        problem(frame.get(f"/api/devices/absent/{path}"), 403)
        problem(backend.anonymous.get(f"/api/devices/mine/{path}"), 401)
        problem(backend.client(Authorization="Bearer made-up").get(f"/api/devices/mine/{path}"), 403)
        problem(backend.processor.get(f"/api/devices/mine/{path}"), 403)
        assert backend.admin.get(f"/api/devices/mine/{path}").status_code == 200
    problem(frame.get("/api/devices"), 401)  # a device token is not a session
    problem(frame.delete("/api/devices/mine"), 401)
    problem(frame.get("/api/processing/pending"), 403)
    assert token not in str(backend.sql("SELECT * FROM devices"))


def test_device_token_is_invalid_after_removal(backend: server.BackendServer) -> None:
    frame = backend.client(Authorization=f"Bearer {backend.add_device('mine')['token']}")
    backend.admin.delete("/api/devices/mine").raise_for_status()
    backend.add_device("mine")
    problem(frame.get("/api/devices/mine/slideshow"), 403)


def test_device_auth_open_serves_frames_and_is_reported(data_folder: Path) -> None:
    with server.running(data_folder, DEVICE_AUTH="open") as backend:
        image = finished(backend, 1, "frame")[0]
        assert [entry["imageId"] for entry in queue(backend.anonymous, "frame")] == [image]
        assert backend.anonymous.get("/api/devices/frame/next").json()["imageId"] == image
        assert backend.anonymous.get("/_health").json()["device_auth"] == "open"
        assert backend.anonymous.get("/_ready").json()["device_auth"] == "open"
        assert backend.admin.get("/api/admin/status").json()["deviceAuth"] == "open"
        assert "DEVICE_AUTH=open" in backend.log_text()
        problem(backend.anonymous.get("/api/devices"), 401)  # only the frame calls are open


def test_slideshow_has_the_specified_shape(backend: server.BackendServer) -> None:
    uploaded = finished(backend, 3, "frame")
    body = backend.admin.get("/api/devices/frame/slideshow").json()
    assert body["deviceId"] == "frame"
    assert body["currentIndex"] == 0
    assert datetime.fromisoformat(body["generatedAt"]).tzinfo is not None
    assert sorted(entry["imageId"] for entry in body["queue"]) == sorted(uploaded)
    for entry in body["queue"]:
        assert entry["filePath"].startswith(f"{backend.bucket.as_uri()}/processed/frame/{entry['imageId']}-")
        assert entry["colorPalette"] == small_photos.PALETTE
        assert (entry["isPaired"], entry["pairedWith"], entry["pairedFilePath"]) == (False, None, None)
        assert (entry["width"], entry["height"]) == (80, 48)
    assert len(backend.admin.get("/api/devices/frame/slideshow?count=2").json()["queue"]) == 2


def test_slideshow_without_pictures_is_empty(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    assert queue(backend.admin, "frame") == []
    assert "frame" in problem(backend.admin.get("/api/devices/frame/next"), 404)


def test_next_shows_every_photo_once_per_cycle_across_restarts(data_folder: Path) -> None:
    seen: list[str] = []
    with server.running(data_folder) as backend:
        uploaded = finished(backend, 7, "frame")
        token = backend.add_device("second")["token"]
        upcoming = [entry["imageId"] for entry in queue(backend.admin, "frame")]
        seen += [backend.admin.get("/api/devices/frame/next").json()["imageId"] for _ in range(3)]
        assert seen == upcoming[:3]
        following = [entry["imageId"] for entry in queue(backend.admin, "frame")]
        assert following[:4] == upcoming[3:]
        assert sorted(following[4:]) == sorted(upcoming[:3])  # from the next cycle, in its order
        url = queue(backend.admin, "frame")[0]["url"]
        port = backend.url
    with server.running(data_folder) as backend:
        assert backend.url == port
        assert backend.anonymous.get(url).status_code == 200  # addresses that frames have stay valid
        assert backend.client(Authorization=f"Bearer {token}").get("/api/devices/second/slideshow").status_code == 200
        seen += [backend.admin.get("/api/devices/frame/next").json()["imageId"] for _ in range(11)]
    assert seen[:7] == upcoming
    assert sorted(upcoming) == sorted(seen[7:]) == sorted(uploaded)
    assert seen[6] != seen[7]  # no repetition at the start of a cycle


def test_next_after_deleting_a_shown_photo_keeps_the_order(backend: server.BackendServer) -> None:
    finished(backend, 6, "frame")
    upcoming = [entry["imageId"] for entry in queue(backend.admin, "frame")]
    for expected in upcoming[:2]:
        assert backend.admin.get("/api/devices/frame/next").json()["imageId"] == expected
    backend.sql("DELETE FROM processed_images WHERE image_id = ?", upcoming[1])
    rest = [backend.admin.get("/api/devices/frame/next").json()["imageId"] for _ in range(9)]
    assert rest[:4] == upcoming[2:]
    assert sorted(rest[4:]) == sorted([upcoming[0], *upcoming[2:]])


def test_slideshow_order_differs_between_devices(backend: server.BackendServer) -> None:
    finished(backend, 12, "one", "two")
    orders = [[entry["imageId"] for entry in queue(backend.admin, name)] for name in ("one", "two")]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_device_image_is_the_single_photo_entry(backend: server.BackendServer) -> None:
    image = finished(backend, 2, "frame")[0]
    entry = backend.admin.get(f"/api/devices/frame/images/{image}").json()
    assert entry in queue(backend.admin, "frame")
    waiting = backend.upload_photos(1, first=5)[0]
    for unknown in (waiting, "0" * 32, "not-an-id"):
        problem(backend.admin.get(f"/api/devices/frame/images/{unknown}"), 404)


def test_picture_requires_only_its_signature(backend: server.BackendServer) -> None:
    finished(backend, 2, "frame")
    first, second = (entry["url"] for entry in queue(backend.admin, "frame"))
    answer = backend.anonymous.get(first)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == small_photos.jpeg(80, 48)
    path, _, signature = first.partition("?s=")
    other_path, _, other_signature = second.partition("?s=")
    assert signature != other_signature
    flipped = ("1" if signature[0] == "0" else "0") + signature[1:]
    for wrong in (path, f"{path}?s=", f"{path}?s={flipped}", f"{path}?s={other_signature}", f"{path}?s=%C3%A4"):
        refused = backend.anonymous.get(wrong)
        problem(refused, 401)
        assert "immutable" not in refused.headers["cache-control"]
    assert backend.admin.get(path).status_code == 200  # a session permits it as well
    problem(backend.anonymous.get(f"{other_path}?s={signature}"), 401)


def test_picture_path_outside_of_its_folder_is_rejected(backend: server.BackendServer) -> None:
    finished(backend, 1, "frame")
    for path in (
        "/pictures/frame/..%2F..%2F..%2Fsecrets.json",
        "/pictures/..%2F..%2Fimages/x.jpg",
        "/pictures/%2E%2E/x.jpg",
        "/pictures/frame/%2E%2E",
        "/pictures/frame/..%5Csecrets.json",
        "/pictures/frame/missing.jpg",
        "/pictures/frame/%00",
    ):
        problem(backend.admin.get(path), 404)
