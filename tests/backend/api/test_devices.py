"""Devices over real HTTP: create, list, change, delete, and allowed names."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.support import server, small_photos
from tests.support.frame_library import finished, queue
from tests.support.server import problem

pytestmark = pytest.mark.server

SIZE = {"width": 80, "height": 48}


def test_devices_create_list_change_delete(backend: server.BackendServer) -> None:
    saved = backend.admin.post("/api/devices", json={"name": "kitchen", **SIZE}).json()
    assert (saved["success"], saved["deviceId"]) == (True, "kitchen")
    assert len(saved["token"]) >= 20
    full = {"id": "frame-7", "name": "Hall", "width": 48, "height": 80, "orientation": "portrait"}
    assert backend.admin.post("/api/devices", json=full).json()["deviceId"] == "frame-7"
    kitchen, hall = backend.admin.get("/api/devices").json()["devices"]
    assert kitchen == {
        "id": "kitchen",
        "name": "kitchen",
        "key": "kitchen",
        "width": 80,
        "height": 48,
        "orientation": "landscape",
        "ready": 0,
        "interval": 0,
        "gap": 0,
        "pairing": True,
        "pairs": True,
        "filters": {},
        "seen_at": None,
        "panel": "jpeg",
        "container": "jpeg",
        "inks": [],
    }
    assert (hall["id"], hall["name"], hall["key"], hall["orientation"]) == ("frame-7", "Hall", "Hall", "portrait")
    assert backend.admin.get("/api/devices/frame-7").json() == hall
    again = backend.admin.post("/api/devices", json={"name": "kitchen", "width": 90, "height": 60}).json()
    assert again == {"success": True, "deviceId": "kitchen"}  # the token is returned only once
    assert backend.admin.get("/api/devices/kitchen").json()["width"] == 90
    assert backend.admin.delete("/api/devices/kitchen").json() == {"success": True}
    assert [entry["id"] for entry in backend.admin.get("/api/devices").json()["devices"]] == ["frame-7"]
    problem(backend.admin.get("/api/devices/kitchen"), 404)


@pytest.mark.parametrize(("width", "height", "kind"), [(100, 100, "square"), (100, 96, "square"), (60, 61, "square")])
def test_device_with_nearly_equal_sides_is_square(
    backend: server.BackendServer, width: int, height: int, kind: str
) -> None:
    backend.add_device("frame", width, height)
    assert backend.admin.get("/api/devices/frame").json()["orientation"] == kind


def test_device_rename_keeps_key_and_id(backend: server.BackendServer) -> None:
    image = finished(backend, 1, "kitchen")[0]
    backend.admin.put("/api/devices/kitchen", json={"name": "bedroom", **SIZE}).raise_for_status()
    body = backend.admin.get("/api/devices/kitchen").json()
    assert (body["id"], body["name"], body["key"], body["ready"]) == ("kitchen", "bedroom", "kitchen", 1)
    assert [entry["imageId"] for entry in queue(backend.admin, "kitchen")] == [image]
    assert [entry["imageId"] for entry in queue(backend.admin, "bedroom")] == [image]  # also by its name
    assert backend.state(image) == "complete"
    taken = problem(backend.admin.post("/api/devices", json={"id": "other", "name": "kitchen", **SIZE}), 409)
    assert "kitchen" in taken


BAD_NAMES = ["a/b", "/", "..", ".", "", "a\\b", "a\x00b", "a\nb", "a\x7fb", "a\x85b", "x" * 65]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_device_with_invalid_name_is_422(backend: server.BackendServer, name: str) -> None:
    sentence = problem(backend.admin.post("/api/devices", json={"name": name, **SIZE}), 422)
    assert "name" in sentence
    sentence = problem(backend.admin.post("/api/devices", json={"id": name, "name": "fine", **SIZE}), 422)
    assert "id" in sentence
    address = f"/api/devices/{quote(name, safe='').replace('.', '%2E')}"
    refused = backend.admin.put(address, json={"name": "fine", **SIZE})
    problem(refused, refused.status_code)
    assert refused.status_code in (404, 405, 422)
    for method, path in (("GET", address), ("GET", f"{address}/next"), ("DELETE", address)):
        answer = backend.admin.request(method, path)
        if name or path != address:  # without a name this is the address of the list
            assert answer.status_code in (404, 405), (path, answer.text)
    assert backend.sql("SELECT count(*) FROM devices") == [(0,)]


NAMES = ["Living room", "K\u00fcche", "\u5ba2\u5385", "a%20b", "100%", "a+b", "a?b#c&d", "...", "-rf", "{x}"]


@pytest.mark.parametrize("name", NAMES)
def test_device_with_unusual_name_works_end_to_end(backend: server.BackendServer, name: str) -> None:
    image = finished(backend, 1, name)[0]
    assert backend.admin.get(f"/api/devices/{quote(name, safe='')}").json()["key"] == name
    ((path,),) = backend.sql("SELECT file_path FROM processed_images")
    assert path.startswith(f"{backend.bucket.as_uri()}/processed/{small_photos.percent(name)}/{image}-")
    (entry,) = queue(backend.admin, name)
    assert entry["filePath"] == path
    picture = backend.anonymous.get(entry["url"])
    assert picture.status_code == 200, picture.text
    assert picture.content == small_photos.jpeg(80, 48)
    backend.admin.delete(f"/api/devices/{quote(name, safe='')}").raise_for_status()
    backend.processor.post("/internal/tick").raise_for_status()
    assert backend.objects("processed/") == set()
