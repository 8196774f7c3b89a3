"""Quarantined images, crashes, failed photos and retries."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import server
from tests.support.server import problem
from tests.support.task_calls import report, start

pytestmark = pytest.mark.server

OTHER_ID = "f" * 32


def test_attempt_without_report_quarantines_the_image(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    backend.upload_photos(2)
    begun, untouched = backend.claim("run/0", attempt=0)
    start(backend, begun)
    found = {entry["id"]: entry for entry in backend.claim("run/0", attempt=1)}
    assert found[begun["id"]]["suspect"] is True
    assert found[begun["id"]]["attempt"] == 1
    assert found[untouched["id"]]["suspect"] is False
    assert backend.sql("SELECT DISTINCT strikes FROM images") == [(0,)]  # the death of a task is not counted as a crash
    backend.finish(found.values())
    assert backend.sql("SELECT DISTINCT suspect, attempt_open FROM images") == [(0, 0)]


def test_three_crashes_fail_the_image(backend: server.BackendServer, image: str) -> None:
    for number in (1, 2, 3):
        (claimed,) = backend.claim(f"run/{number}")
        start(backend, claimed)
        strike = {"error": f"child died {number}", "lease": claimed["lease"], "strike": True}
        assert backend.processor.patch(f"/api/images/{image}/failed", json=strike).json() == {"success": True}
        backend.processor.patch(f"/api/images/{image}/failed", json=strike)  # repeated, as after a lost response
        assert backend.sql("SELECT strikes FROM images") == [(number,)]
        assert backend.state(image) == ("failed" if number == 3 else "pending")
    shown = backend.admin.get(f"/api/images/{image}").json()
    assert shown["processingError"] == "child died 3"
    assert backend.claim("run/4") == []
    assert backend.admin.post("/api/admin/retry", json={"which": "failed"}).json() == {"retried": 1}
    (again,) = backend.claim("run/5")
    assert again["suspect"] is False
    assert backend.sql("SELECT strikes FROM images") == [(0,)]


def test_crash_quarantines_the_image(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    strike = {"error": "child died", "lease": claimed["lease"], "strike": True}
    backend.processor.patch(f"/api/images/{image}/failed", json=strike)
    assert backend.claim("run/1")[0]["suspect"] is True


def test_failure_report_stores_the_reason(backend: server.BackendServer, image: str) -> None:
    (claimed,) = backend.claim("run/0")
    start(backend, claimed)
    failure = {"error": "photo-0.jpg: its pixels are broken", "attempt": 1, "lease": claimed["lease"]}
    for _ in range(2):  # a repetition succeeds as well
        answer = backend.processor.patch(f"/api/images/{image}/failed", json=failure)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    (shown,) = backend.admin.get("/api/images?state=failed").json()["images"]
    assert shown["processingError"] == "photo-0.jpg: its pixels are broken"
    assert backend.claim("run/1") == []
    assert report(backend, backend.render(claimed))["inserted"] == 0
    assert backend.state(image) == "failed"


def test_retry_selects_images_by_kind(backend: server.BackendServer, frame: dict[str, Any]) -> None:
    uploaded = backend.upload_photos(3)
    failed, stuck, done = backend.claim("run/0")
    backend.processor.patch(f"/api/images/{failed['id']}/failed", json={"error": "no", "lease": failed["lease"]})
    backend.finish([done])
    retry = backend.admin
    assert retry.post("/api/admin/retry", json={"which": "failed"}).json() == {"retried": 1}
    assert backend.sql("SELECT processing_status, processing_error FROM images WHERE id=?", failed["id"]) == [
        ("pending", None)
    ]
    assert retry.post("/api/admin/retry", json={"which": "stuck"}).json() == {"retried": 1}
    problem(backend.processor.post("/api/processing/claims/renew", json={"leases": [stuck["lease"]]}), 409)
    named = {"which": "named", "ids": [done["id"], OTHER_ID]}
    assert retry.post("/api/admin/retry", json=named).json() == {"retried": 1}
    assert sorted(row[0] for row in backend.sql("SELECT id FROM images WHERE processing_status='pending'")) == sorted(
        uploaded
    )


def test_retry_complete_photo_is_rendered_again_and_still_shown(backend: server.BackendServer, image: str) -> None:
    (first,) = backend.claim("run/0")
    backend.finish([first])
    pictures = {name for name in backend.objects("processed/") if image in name}
    named = {"which": "named", "ids": [image]}
    assert backend.admin.post("/api/admin/retry", json=named).json() == {"retried": 1}
    assert backend.admin.get("/api/devices/frame/next").json()["imageId"] == image
    (again,) = backend.claim("run/1")
    assert again["work"] == first["work"]
    backend.finish([again])
    assert backend.state(image) == "complete"
    assert {name for name in backend.objects("processed/") if image in name} == pictures
    assert backend.sql("SELECT count(*) FROM garbage") == [(0,)]


def test_retry_image_with_all_variants_is_complete_without_work(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("run/0"))
    backend.sql("UPDATE images SET processing_status = 'pending'")
    assert backend.claim("run/1") == []
    assert backend.state(image) == "complete"
