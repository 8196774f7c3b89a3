"""Setting a photo's focus: its variants are rendered again, and the choice persists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract import object_names
from tests.support import server
from tests.support.server import problem
from tests.support.task_calls import report

pytestmark = pytest.mark.server


def image_info(backend: server.BackendServer, image: str) -> dict[str, Any]:
    found: dict[str, Any] = backend.admin.get(f"/api/images/{image}").json()
    return found


def test_focus_set_by_a_person_reaches_the_task_and_persists(backend: server.BackendServer, image: str) -> None:
    first = backend.render(*backend.claim("run/0"))
    first["outcomes"][0]["foundFocus"] = [0.4, 0.6]
    report(backend, first)
    assert image_info(backend, image)["foundFocus"] == [0.4, 0.6]
    assert image_info(backend, image)["focus"] is None
    before = backend.sql("SELECT recipe, file_path FROM processed_images")
    backend.admin.put(f"/api/images/{image}/focus", json={"x": 0.123456, "y": 1}).raise_for_status()
    assert backend.state(image) == "pending"
    assert image_info(backend, image)["focus"] == [0.1235, 1.0]
    (claimed,) = backend.claim("run/1")
    assert claimed["focus"] == [0.1235, 1.0]
    assert [item["recipe"] for item in claimed["work"]] == [recipe for recipe, _ in before]
    backend.finish([claimed])
    assert backend.state(image) == "complete"
    record = json.loads((backend.bucket / object_names.record(image)).read_bytes())
    assert record["focus"] == [0.1235, 1.0]
    assert record["foundFocus"] == [0.4, 0.6]
    backend.admin.put(f"/api/images/{image}/focus", json={"x": 0.1235, "y": 1.0}).raise_for_status()
    assert backend.state(image) == "complete"  # setting the same focus again changes nothing
    backend.admin.delete(f"/api/images/{image}/focus").raise_for_status()
    (claimed,) = backend.claim("run/2")
    assert claimed["focus"] is None


def test_focus_change_rejects_results_in_progress(backend: server.BackendServer, image: str) -> None:
    late = backend.render(*backend.claim("run/0"))
    backend.admin.put(f"/api/images/{image}/focus", json={"x": 0.2, "y": 0.3}).raise_for_status()
    answer = report(backend, late)
    assert answer["inserted"] == 0
    assert backend.state(image) == "pending"


def test_focus_change_ignores_older_sidecars(backend: server.BackendServer, image: str) -> None:
    backend.finish(backend.claim("run/0"))
    (path,) = backend.sql("SELECT file_path FROM processed_images")
    colours = ["#102030"] * 8
    sidecar: dict[str, Any] = {
        "imageId": image,
        "processedAt": "2026-01-02T03:04:05Z",
        "results": [
            {
                "deviceSize": "frame", "width": 80, "height": 48, "filePath": path[0], "colors": colours,
                "primary": colours[0], "secondary": colours[0], "tertiary": colours[0],
                "recipe": backend.sql("SELECT recipe FROM devices")[0][0],
            }
        ],
    }  # fmt: skip
    backend.admin.put(f"/api/images/{image}/focus", json={"x": 0.2, "y": 0.3}).raise_for_status()
    backend.store(object_names.sidecar(image), json.dumps(sidecar).encode())
    backend.admin.post("/api/admin/sync").raise_for_status()
    assert backend.state(image) == "pending"
    backend.store(object_names.sidecar(image), json.dumps(sidecar | {"focus": [0.2, 0.3]}).encode())
    backend.admin.post("/api/admin/sync").raise_for_status()
    assert backend.state(image) == "complete"


def test_focus_invalid_point_or_unknown_photo_is_rejected(backend: server.BackendServer, image: str) -> None:
    assert "x" in problem(backend.admin.put(f"/api/images/{image}/focus", json={"x": 1.5, "y": 0}), 422)
    assert "y" in problem(backend.admin.put(f"/api/images/{image}/focus", json={"x": 0.5}), 422)
    unknown = "0" * 32
    assert unknown in problem(backend.admin.put(f"/api/images/{unknown}/focus", json={"x": 0.5, "y": 0.5}), 404)
    assert unknown in problem(backend.admin.delete(f"/api/images/{unknown}/focus"), 404)
    problem(backend.anonymous.put(f"/api/images/{image}/focus", json={"x": 0.5, "y": 0.5}), 401)
