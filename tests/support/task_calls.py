"""What tests do as a task, beside what a backend under test offers itself."""

from __future__ import annotations

import time
from typing import Any

from tests.support import server


def start(backend: server.BackendServer, claimed: dict[str, Any]) -> dict[str, Any]:
    answer = backend.processor.post(
        f"/api/processing-attempts/{claimed['id']}/start", json={"attempt": 0, "lease": claimed["lease"]}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def report(backend: server.BackendServer, message: dict[str, Any]) -> dict[str, Any]:
    answer = backend.processor.post("/api/processed-images", json=message)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def record(backend: server.BackendServer) -> list[tuple[Any, ...]]:
    """All that the database says about images and their pictures."""
    return backend.sql("SELECT * FROM images ORDER BY id") + backend.sql("SELECT * FROM processed_images ORDER BY id")


def expire(backend: server.BackendServer) -> None:
    """Let every lease be past its end."""
    backend.sql("UPDATE images SET lease_until = ? WHERE lease_until IS NOT NULL", time.time() - 1)
