"""Device changes: which variants are rendered again, which are served meanwhile, which are removed."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import server
from tests.support.server import problem
from tests.support.task_calls import report

pytestmark = pytest.mark.server


def shown(backend: server.BackendServer, device: str) -> list[str]:
    queue = backend.admin.get(f"/api/devices/{device}/slideshow").json()["queue"]
    return sorted(entry["imageId"] for entry in queue)


def test_claim_new_device_is_backfilled_after_new_photos(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    old = backend.upload_photos(2)
    backend.finish(backend.claim("run/0"))
    backend.add_device("second", 48, 80)
    assert [backend.state(image_id) for image_id in old] == ["pending", "pending"]
    assert shown(backend, "frame") == sorted(old)  # still served
    new = backend.upload_photos(1, first=10)
    pending = [entry["id"] for entry in backend.processor.get("/api/processing/pending").json()]
    assert pending == new + old
    first, *rest = backend.claim("run/0", limit=1) + backend.claim("run/1")
    assert first["id"] == new[0]
    assert [item["device"] for item in first["work"]] == ["frame", "second"]
    assert all([item["device"] for item in entry["work"]] == ["second"] for entry in rest)  # only the missing variants
    backend.finish([first, *rest])
    assert backend.sql("SELECT count(*) FROM processed_images") == [(6,)]
    assert backend.sql("SELECT DISTINCT processing_status FROM images") == [("complete",)]


def test_device_resize_serves_old_pictures_until_new_ones_exist(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("run/0"))
    (before,) = backend.sql("SELECT file_path, recipe FROM processed_images")
    backend.admin.put("/api/devices/frame", json={"name": "frame", "width": 100, "height": 60}).raise_for_status()
    assert backend.state(image) == "pending"
    assert shown(backend, "frame") == [image]
    (claimed,) = backend.claim("run/1")
    assert claimed["work"][0]["recipe"] != before[1]
    backend.finish([claimed])
    (after,) = backend.sql("SELECT file_path, width, height FROM processed_images")
    assert after[0] != before[0]
    assert after[1:] == (100, 60)
    # The old object stays for a day, for frames that still have its address.
    ((name, when),) = backend.sql("SELECT object_name, delete_after FROM garbage")
    assert name == before[0]
    assert time.time() + 23 * 3600 < when < time.time() + 25 * 3600
    backend.processor.post("/internal/tick").raise_for_status()
    assert len(backend.objects("processed/frame/")) == 2


def test_device_resize_during_a_task_is_rendered_later(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    late = backend.render(claimed)
    backend.admin.put("/api/devices/frame", json={"name": "frame", "width": 100, "height": 60}).raise_for_status()
    answer = report(backend, late)
    assert answer["inserted"] == 0
    assert "100x60" in answer["errors"][0]["error"]
    assert backend.state(image) == "pending"  # not failed: the task could not know of the new size
    backend.finish(backend.claim("run/1"))
    assert backend.state(image) == "complete"


def test_device_rename_requests_no_new_pictures(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("run/0"))
    backend.admin.put("/api/devices/frame", json={"name": "kitchen", "width": 80, "height": 48}).raise_for_status()
    assert backend.state(image) == "complete"


def test_device_removal_deletes_its_pictures(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    backend.add_device("second", 48, 80)
    image_id = backend.upload_photos(1)[0]
    backend.finish(backend.claim("run/0"))
    assert len(backend.objects("processed/second/")) == 1
    assert backend.admin.delete("/api/devices/second").json() == {"success": True}
    assert backend.sql("SELECT device_size FROM processed_images") == [("frame",)]
    assert backend.state(image_id) == "complete"
    assert backend.processor.post("/internal/tick").json()["removed_objects"] == 1
    assert backend.objects("processed/second/") == set()
    assert len(backend.objects("processed/frame/")) == 1
    assert len(backend.objects("images/originals/")) == 1
    problem(backend.admin.delete("/api/devices/second"), 404)


@pytest.mark.parametrize("name", ["frame", "100% of_it"])
def test_device_recreated_before_clean_up_keeps_its_pictures(backend: server.BackendServer, name: str) -> None:
    backend.add_device(name)
    backend.add_device(f"{name} 2")
    backend.upload_photos(1)
    backend.finish(backend.claim("run/0"))
    for gone in (name, f"{name} 2"):
        backend.admin.delete(f"/api/devices/{quote(gone)}").raise_for_status()
    backend.add_device(name)
    (claimed,) = backend.claim("run/1")
    message = backend.render(claimed)
    # Garbage is removed after the task found the object and before it reports.
    assert backend.processor.post("/internal/tick").json()["removed_objects"] == 1
    assert report(backend, message) == {"inserted": 1}
    (entry,) = backend.admin.get(f"/api/devices/{quote(name)}/slideshow").json()["queue"]
    assert backend.anonymous.get(entry["url"]).status_code == 200
    assert len(backend.objects("processed/")) == 1


def test_device_removal_completes_images_that_lack_only_its_pictures(
    backend: server.BackendServer, frame: dict[str, Any]
) -> None:
    image_id = backend.upload_photos(1)[0]
    backend.finish(backend.claim("run/0"))
    backend.add_device("second", 48, 80)
    assert backend.state(image_id) == "pending"
    backend.admin.delete("/api/devices/second").raise_for_status()
    assert backend.state(image_id) == "complete"
    assert backend.claim("run/1") == []


def test_claim_without_devices_has_no_work(backend: server.BackendServer) -> None:
    image_id = backend.upload_photos(1)[0]
    (claimed,) = backend.claim("run/0")
    assert claimed["work"] == []
    report(backend, {"images": [], "outcomes": backend.render(claimed)["outcomes"]})
    assert backend.state(image_id) == "complete"  # only colours and thumbnail were needed
    backend.add_device("frame")
    assert backend.state(image_id) == "pending"
