"""HEAD has the status and the headers of GET wherever GET works, and no body."""

from __future__ import annotations

import pytest

from tests.support import frame_library, server
from tests.support.server import problem

pytestmark = pytest.mark.server


def test_head_works_wherever_get_does(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    (image,) = frame_library.upload(backend, wide=1)
    frame_library.render(backend, backend.claim("run/0"))
    entry = backend.admin.get("/api/devices/frame/slideshow").json()["queue"][0]
    thumbnail = f"{image}-0123456789.jpg"
    backend.store(f"images/thumbnails/{thumbnail}", frame_library.jpeg(200, 200))
    document = backend.admin.get("/openapi.json").json()
    pages = ["/", "/upload", "/devices", "/activity", f"/photos/{image}", "/devices/frame/frame", "/login"]
    paths = [
        path.format(device_id="frame", image_id=image, folder="frame", file=thumbnail)
        for path, operations in document["paths"].items()
        if "get" in operations and "processing" not in path and path != "/pictures/{folder}/{file}"
    ]
    assert len(paths) >= 10
    for path in [*paths, *pages, f"/thumbnails/{thumbnail}", f"/originals/{image}", entry["url"]]:
        got, head = backend.admin.get(path), backend.admin.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert got.status_code == 200, path
        assert head.headers["content-type"] == got.headers["content-type"], path
        if path != "/metrics":  # each request changes the metrics
            assert head.headers["content-length"] == got.headers["content-length"], path
    pending = backend.processor.head("/api/processing/pending")
    assert (pending.status_code, pending.content) == (200, b"")


def test_head_of_an_event_stream_ends(backend: server.BackendServer) -> None:
    head = backend.admin.head("/activity/events")
    assert (head.status_code, head.content) == (200, b"")


def test_head_of_next_does_not_advance_the_frame(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    frame_library.upload(backend, wide=6)
    frame_library.render(backend, backend.claim("run/0"))
    shown = []
    for _ in range(6):
        etags = {backend.admin.head("/api/devices/frame/next").headers["etag"] for _ in range(3)}
        entry = backend.admin.get("/api/devices/frame/next")
        assert etags == {entry.headers["etag"]}
        shown.append(entry.json()["imageId"])
    assert len(set(shown)) == 6


def test_head_needs_the_credentials_of_get_and_changes_nothing(backend: server.BackendServer) -> None:
    for path in ("/api/images", "/api/devices/frame/next", "/originals/" + "0" * 32, "/metrics"):
        assert backend.anonymous.head(path).status_code == 401
    problem(backend.admin.get("/api/admin/flush"), 405)
    assert backend.admin.head("/api/admin/flush").status_code == 405
    assert backend.admin.head("/api/images/" + "0" * 32).status_code == 404
