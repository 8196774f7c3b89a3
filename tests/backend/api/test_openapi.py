"""The document at /openapi.json: every route, who may call it, references that resolve."""

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
    "/api/admin/upload",
    "/api/admin/status",
    "/api/admin/flush",
    "/api/admin/sync",
    "/api/admin/retry",
    "/api/images",
    "/api/images/{image_id}",
    "/api/images/{image_id}/focus",
    "/api/images/{image_id}/scheme",
    "/api/devices",
    "/api/devices/{device_id}",
    "/api/devices/{device_id}/slideshow",
    "/api/devices/{device_id}/next",
    "/api/devices/{device_id}/images/{image_id}",
    "/pictures/{folder}/{file}",
    "/_health",
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


def test_every_operation_of_the_document_is_guarded_or_public_by_intent(backend: server.BackendServer) -> None:
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


def test_the_document_lists_the_routes_and_only_those(backend: server.BackendServer) -> None:
    told = document(backend)
    assert told["openapi"].startswith("3.1")
    assert set(told["paths"]) == ROUTES
    names = [described["operationId"] for methods in told["paths"].values() for described in methods.values()]
    assert len(names) == len(set(names))


def test_every_reference_of_the_document_resolves(backend: server.BackendServer) -> None:
    told = document(backend)
    references = re.findall(r'"\$ref":\s*"([^"]+)"', json.dumps(told))
    assert len(references) > 20
    for reference in references:
        assert reference.startswith("#/")
        place: Any = told
        for part in reference[2:].split("/"):
            place = place[part.replace("~1", "/").replace("~0", "~")]
        assert place
    for path, methods in told["paths"].items():
        for described in methods.values():
            told_parameters = {entry["name"] for entry in described["parameters"] if entry["in"] == "path"}
            assert told_parameters == set(re.findall(r"{(\w+)}", path))
