"""Requests of a task, and database changes around them, for tests of a running backend."""

from __future__ import annotations

import time
from typing import Any

from tests.support import server


def start(backend: server.BackendServer, claimed: dict[str, Any]) -> dict[str, Any]:
    """Start an attempt at a claimed image; return the response."""
    response = backend.processor.post(
        f"/api/processing-attempts/{claimed['id']}/start", json={"attempt": 0, "lease": claimed["lease"]}
    )
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def report(backend: server.BackendServer, message: dict[str, Any]) -> dict[str, Any]:
    """Report rendered images; return the response."""
    response = backend.processor.post("/api/processed-images", json=message)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def record(backend: server.BackendServer) -> list[tuple[Any, ...]]:
    """Return all rows of images and their variants."""
    return backend.sql("SELECT * FROM images ORDER BY id") + backend.sql("SELECT * FROM processed_images ORDER BY id")


def expire(backend: server.BackendServer) -> None:
    """Make every lease expire."""
    backend.sql("UPDATE images SET lease_until = ? WHERE lease_until IS NOT NULL", time.time() - 1)
