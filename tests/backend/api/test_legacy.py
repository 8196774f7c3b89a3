"""The legacy client: it knows the four given calls and nothing else, and must go on working.

`LegacyTask` is written from the contract: it lists what is pending, takes the entries of its
index, starts, renders, posts its results, and sends `failed` after any answer that is no success.
"""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support import server, small_photos
from tests.support.server import problem

pytestmark = pytest.mark.server

TASKS = 10
PHOTOS = 50
ROUNDS = 200
"""Maximum number of lists that a task requests; a test fails beyond it."""


@dataclass
class LegacyTask:
    """One of several tasks; `answers` counts the responses by call and status."""

    client: httpx.Client
    backend: server.BackendServer
    index: int
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    rendered: int = 0

    def run(self) -> None:
        for _ in range(ROUNDS):
            answer = self.client.get("/api/processing/pending", params={"limit": 50})
            self.answers["pending", answer.status_code] += 1
            waiting = answer.json()
            if not waiting:
                return
            mine = [image for place, image in enumerate(waiting) if place % TASKS == self.index]
            for image in mine:
                self.work(image)
            if not mine:
                time.sleep(0.02)
        raise AssertionError(f"task {self.index} still finds something after {ROUNDS} lists")

    def work(self, image: dict[str, Any]) -> None:
        started = self.client.post(f"/api/processing-attempts/{image['id']}/start", json={"attempt": 0})
        self.answers["start", started.status_code] += 1
        if not started.is_success:
            return self.fail(image, started)
        message = {"images": [self.render(image, device) for device in started.json()["devices"]]}
        posted = self.client.post("/api/processed-images", json=message)
        self.answers["results", posted.status_code] += 1
        if not posted.is_success:
            return self.fail(image, posted)
        assert posted.json() == {"inserted": len(message["images"])}
        self.rendered += 1
        return None

    def render(self, image: dict[str, Any], device: dict[str, Any]) -> dict[str, Any]:
        width, height = device["width"], device["height"]
        name = f"processed/{device['name']}/{image['id']}.jpg"
        return {
            "imageId": image["id"],
            "deviceSize": device["name"],
            "width": width,
            "height": height,
            "filePath": self.backend.store(name, small_photos.jpeg(width, height)),
            "colorPalette": small_photos.PALETTE,
        }

    def fail(self, image: dict[str, Any], answer: httpx.Response) -> None:
        response = self.client.patch(
            f"/api/images/{image['id']}/failed", json={"error": answer.json()["error"], "attempt": 0}
        )
        self.answers["failed", response.status_code] += 1


def run_tasks(backend: server.BackendServer) -> list[LegacyTask]:
    """Run ten tasks concurrently until they end."""
    token = backend.processor.headers["Authorization"]
    tasks = [LegacyTask(backend.client(Authorization=token), backend, index) for index in range(TASKS)]
    crashed: list[str] = []

    def guarded(task: LegacyTask) -> None:
        try:
            task.run()
        except Exception as error:  # noqa: BLE001 - otherwise an error in a thread would be lost
            crashed.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert crashed == []
    assert not any(thread.is_alive() for thread in threads)
    return tasks


def test_legacy_ten_tasks_complete_fifty_photos_twice(backend: server.BackendServer) -> None:
    backend.add_device("wide", 80, 48)
    backend.add_device("tall", 48, 80)
    uploaded = backend.upload_photos(PHOTOS)
    for _ in range(2):
        tasks = run_tasks(backend)
        assert backend.sql("SELECT processing_status, count(*) FROM images GROUP BY 1") == [("complete", PHOTOS)]
        rows = backend.sql("SELECT image_id, device_size, recipe FROM processed_images")
        expected = [(image_id, key, "legacy") for image_id in uploaded for key in ("tall", "wide")]
        assert sorted(rows) == sorted(expected)
        for path, width, height in backend.sql("SELECT file_path, width, height FROM processed_images"):
            name = path.removeprefix(f"{backend.bucket.as_uri()}/")
            assert (backend.bucket / name).read_bytes() == small_photos.jpeg(width, height)
        answers = sum((task.answers for task in tasks), Counter[tuple[str, int]]())
        assert sum(task.rendered for task in tasks) >= PHOTOS
        assert {status for _, status in answers} <= {200, 409}
        assert answers["failed", 200] == answers["start", 409]  # a `failed` follows each rejected start
        assert answers["failed", 409] == answers["results", 409] == answers["pending", 409] == 0
        # The second time, all images are pending again, as after an operator's repair.
        backend.sql("UPDATE images SET processing_status = 'pending'")


def begin(backend: server.BackendServer, image: str) -> httpx.Response:
    return backend.processor.post(f"/api/processing-attempts/{image}/start", json={"attempt": 0})


def give_up(backend: server.BackendServer, image: str) -> httpx.Response:
    return backend.processor.patch(f"/api/images/{image}/failed", json={"error": "it broke", "attempt": 0})


def legacy_row(backend: server.BackendServer, image: str, width: int = 80, height: int = 48) -> dict[str, Any]:
    return LegacyTask(backend.processor, backend, 0).render(
        {"id": image}, {"name": "frame", "width": width, "height": height}
    )


def test_legacy_start_pending_image_can_be_repeated(backend: server.BackendServer, image: str) -> None:
    assert begin(backend, image).json()["attempt"] == 1
    assert backend.state(image) == "processing"
    assert backend.claim("run/0") == []  # the legacy lease excludes other owners
    assert begin(backend, image).status_code == 200
    assert backend.processor.get("/api/processing/pending").json() == []


def test_legacy_start_complete_image_is_409_and_failed_is_ignored(backend: server.BackendServer, image: str) -> None:
    begin(backend, image)
    backend.processor.post("/api/processed-images", json={"images": [legacy_row(backend, image)]}).raise_for_status()
    assert backend.state(image) == "complete"
    assert "complete" in problem(begin(backend, image), 409)
    assert give_up(backend, image).json() == {"success": True}
    assert backend.state(image) == "complete"


def test_legacy_start_image_of_an_owner_is_409(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    problem(begin(backend, image), 409)
    assert give_up(backend, image).json() == {"success": True}
    answer = backend.processor.post("/api/processed-images", json={"images": [legacy_row(backend, image)]}).json()
    assert answer["inserted"] == 0
    assert "held" in answer["errors"][0]["error"]
    assert backend.state(image) == "processing"
    backend.finish([claimed])
    assert backend.state(image) == "complete"


def test_legacy_failed_counts_only_under_an_open_lease(backend: server.BackendServer, image: str) -> None:
    assert give_up(backend, image).json() == {"success": True}
    assert backend.state(image) == "pending"
    begin(backend, image)
    assert give_up(backend, image).json() == {"success": True}
    assert backend.sql("SELECT processing_status, processing_error FROM images") == [("failed", "it broke")]
    problem(begin(backend, image), 409)  # only after a retry
    backend.admin.post("/api/admin/retry", json={"which": "failed"}).raise_for_status()
    assert begin(backend, image).status_code == 200


def test_legacy_lease_expires(backend: server.BackendServer, image: str) -> None:
    begin(backend, image)
    ((until,),) = backend.sql("SELECT lease_until FROM images")
    assert time.time() + 800 < until < time.time() + 1000
    backend.sql("UPDATE images SET lease_until = ?", time.time() - 1)
    (claimed,) = backend.claim("run/0")
    assert claimed["suspect"] is True  # an attempt began and never reported
    problem(begin(backend, image), 409)


def test_legacy_results_of_another_size_do_not_complete(backend: server.BackendServer, image: str) -> None:
    begin(backend, image)
    row = legacy_row(backend, image, 81, 48)
    answer = backend.processor.post("/api/processed-images", json={"images": [row]}).json()
    assert answer["inserted"] == 0
    assert backend.state(image) == "processing"


def test_legacy_results_complete_until_the_device_changes(backend: server.BackendServer, image: str) -> None:
    begin(backend, image)
    backend.processor.post("/api/processed-images", json={"images": [legacy_row(backend, image)]}).raise_for_status()
    assert backend.state(image) == "complete"
    assert backend.claim("run/0") == []
    queue = backend.admin.get("/api/devices/frame/slideshow").json()["queue"]
    assert [entry["imageId"] for entry in queue] == [image]
    assert backend.anonymous.get(queue[0]["url"]).content == small_photos.jpeg(80, 48)
    backend.admin.put("/api/devices/frame", json={"name": "frame", "width": 90, "height": 48}).raise_for_status()
    assert backend.state(image) == "pending"


def test_legacy_failed_accepts_a_reason_of_any_length(backend: server.BackendServer, image: str) -> None:
    assert begin(backend, image).status_code == 200
    payload = {"error": "x" * 100_000, "attempt": None}
    assert backend.processor.patch(f"/api/images/{image}/failed", json=payload).status_code == 200
    assert backend.sql("SELECT processing_status, length(processing_error) FROM images") == [("failed", 2000)]


def test_legacy_result_does_not_replace_a_current_variant(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("owner/0"))
    before = backend.sql("SELECT file_path, recipe FROM processed_images")
    answer = backend.processor.post("/api/processed-images", json={"images": [legacy_row(backend, image)]})
    assert answer.status_code == 200
    assert backend.sql("SELECT file_path, recipe FROM processed_images") == before
    assert backend.sql("SELECT count(*) FROM garbage") == [(0,)]


def render_as_legacy(backend: server.BackendServer, image: str, width: int, height: int) -> None:
    begin(backend, image).raise_for_status()
    message = {"images": [legacy_row(backend, image, width, height)]}
    assert backend.processor.post("/api/processed-images", json=message).json() == {"inserted": 1}


def test_legacy_result_of_a_resized_device_replaces_the_size_under_the_same_path(
    backend: server.BackendServer, image: str
) -> None:
    render_as_legacy(backend, image, 80, 48)
    backend.admin.put("/api/devices/frame", json={"name": "frame", "width": 90, "height": 48}).raise_for_status()
    render_as_legacy(backend, image, 90, 48)
    assert backend.sql("SELECT width, height FROM processed_images") == [(90, 48)]
    assert backend.state(image) == "complete"
    assert backend.sql("SELECT count(*) FROM garbage") == [(0,)], "the object was overwritten, not replaced"


def test_legacy_address_is_revalidated_because_its_content_changes(backend: server.BackendServer, image: str) -> None:
    render_as_legacy(backend, image, 80, 48)
    address = backend.admin.get("/api/devices/frame/slideshow").json()["queue"][0]["url"]
    first = backend.anonymous.get(address)
    assert first.headers["Cache-Control"] == "no-cache"
    known = {"If-None-Match": first.headers["ETag"]}
    again = backend.anonymous.get(address, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    backend.admin.put("/api/devices/frame", json={"name": "frame", "width": 90, "height": 48}).raise_for_status()
    render_as_legacy(backend, image, 90, 48)
    assert backend.admin.get("/api/devices/frame/slideshow").json()["queue"][0]["url"] == address
    second = backend.anonymous.get(address, headers=known)
    assert (second.status_code, second.content) == (200, small_photos.jpeg(90, 48))
    assert second.headers["ETag"] != first.headers["ETag"]


def test_address_of_our_variant_stays_immutable(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("owner/0"))
    address = backend.admin.get("/api/devices/frame/slideshow").json()["queue"][0]["url"]
    answer = backend.anonymous.get(address)
    assert "immutable" in answer.headers["Cache-Control"]
    assert "ETag" not in answer.headers


def turned_photo() -> bytes:
    """Return a photo that EXIF turns by a quarter."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 40), "teal").save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_legacy_variant_of_a_turned_photo_is_rendered_again_by_our_task(backend: server.BackendServer) -> None:
    backend.add_device("frame", 80, 48)
    turned = backend.upload(turned_photo())["id"]
    upright = backend.upload(small_photos.photo(1))["id"]
    for image_id in (turned, upright):
        render_as_legacy(backend, image_id, 80, 48)
        assert backend.state(image_id) == "complete", "a legacy client is not asked to render it again"
    (claimed,) = backend.claim("run/0")
    assert claimed["id"] == turned
    assert [item["device"] for item in claimed["work"]] == ["frame"]
    backend.finish([claimed])
    assert backend.state(turned) == "complete"
    assert backend.claim("run/1") == []
    assert dict(backend.sql("SELECT image_id, recipe = 'legacy' FROM processed_images")) == {turned: 0, upright: 1}


def test_our_report_without_the_turned_variant_does_not_complete(backend: server.BackendServer) -> None:
    backend.add_device("frame", 80, 48)
    turned = backend.upload(turned_photo())["id"]
    render_as_legacy(backend, turned, 80, 48)
    (claimed,) = backend.claim("run/0")
    assert backend.state(turned) == "processing"
    backend.processor.post("/api/processing/claims/release", json={"leases": [claimed["lease"]]}).raise_for_status()
    assert backend.state(turned) == "pending"
    assert [each["id"] for each in backend.claim("run/1")] == [turned]
