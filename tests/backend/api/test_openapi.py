"""The document at /openapi.json: routes, security and references."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support import server
from tests.support.server import problem

pytestmark = pytest.mark.server

UNKNOWN = "0" * 32

PUBLIC = {
    ("get", "/_health"),
    ("get", "/_live"),
    ("get", "/_ready"),
    ("get", "/openapi.json"),
    ("post", "/login"),
    ("post", "/logout"),
}

ROUTES = {
    "/api/processing/pending",
    "/api/processing-attempts/{image_id}/start",
    "/api/processed-images",
    "/api/images/{image_id}/failed",
    "/api/processing/claims",
    "/api/processing/claims/renew",
    "/api/processing/claims/release",
    "/login",
    "/logout",
    "/logout/everywhere",
    "/api/admin/upload",
    "/api/admin/status",
    "/api/admin/flush",
    "/api/admin/sync",
    "/api/admin/retry",
    "/api/images",
    "/api/images/{image_id}",
    "/api/images/{image_id}/focus",
    "/api/images/{image_id}/turn",
    "/api/admin/turn",
    "/api/images/{image_id}/scheme",
    "/api/devices",
    "/api/devices/{device_id}",
    "/api/devices/{device_id}/slideshow",
    "/api/devices/{device_id}/token",
    "/api/devices/{device_id}/next",
    "/api/devices/{device_id}/images/{image_id}",
    "/pictures/{folder}/{file}",
    "/_health",
    "/_live",
    "/_ready",
    "/metrics",
    "/openapi.json",
    "/internal/tick",
}


def document(backend: server.BackendServer) -> dict[str, Any]:
    answer = backend.anonymous.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = json.loads(answer.content)
    return found


def test_openapi_operations_have_the_expected_security(backend: server.BackendServer) -> None:
    seen_public = set()
    checked = 0
    for path, methods in document(backend)["paths"].items():
        for method, described in methods.items():
            checked += 1
            if not described["security"]:
                seen_public.add((method, path))
                continue
            concrete = re.sub(r"{\w+}", UNKNOWN, path)
            problem(backend.anonymous.request(method, concrete, content=b"{}"), 401)
            assert {"401", "403"} <= described["responses"].keys()
    assert seen_public == PUBLIC
    assert checked >= len(ROUTES)


def test_openapi_lists_exactly_the_routes(backend: server.BackendServer) -> None:
    body = document(backend)
    assert body["openapi"].startswith("3.1")
    assert set(body["paths"]) == ROUTES
    names = [described["operationId"] for methods in body["paths"].values() for described in methods.values()]
    assert len(names) == len(set(names))


def test_openapi_references_resolve(backend: server.BackendServer) -> None:
    body = document(backend)
    references = re.findall(r'"\$ref":\s*"([^"]+)"', json.dumps(body))
    assert len(references) > 20
    for reference in references:
        assert reference.startswith("#/")
        target: Any = body
        for part in reference[2:].split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        assert target
    for path, methods in body["paths"].items():
        for described in methods.values():
            parameters = {entry["name"] for entry in described["parameters"] if entry["in"] == "path"}
            assert parameters == set(re.findall(r"{(\w+)}", path))


def test_openapi_describes_bodies_and_bounds(backend: server.BackendServer) -> None:
    paths = document(backend)["paths"]
    login = paths["/login"]["post"]["requestBody"]["content"]
    assert login == {"application/json": {"schema": {"$ref": "#/components/schemas/Login"}}}
    form = paths["/api/admin/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["minProperties"] == 1
    assert form["properties"]["file"]["format"] == "binary"
    bounds = {
        (path, parameter["name"]): (parameter["schema"].get("minimum"), parameter["schema"].get("maximum"))
        for path in ("/api/images", "/api/devices/{device_id}/slideshow")
        for parameter in paths[path]["get"]["parameters"]
        if parameter["schema"].get("type") == "integer"
    }
    assert bounds == {
        ("/api/images", "limit"): (1, 500),
        ("/api/devices/{device_id}/slideshow", "count"): (1, 100),
    }
    after = next(
        each for each in paths["/api/devices/{device_id}/next"]["get"]["parameters"] if each["name"] == "after"
    )
    assert after["schema"]["maxLength"] == 64
    assert "prefixItems" not in json.dumps(paths)
