"""What tests do for frames and as one."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from tests.support import server


def finished(backend: server.BackendServer, number: int, *devices: str) -> list[str]:
    """Photos rendered for these devices; their ids."""
    for name in devices:
        backend.add_device(name)
    uploaded = backend.upload_photos(number)
    backend.finish(backend.claim("run/0"))
    return uploaded


def queue(client: httpx.Client, device: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/devices/{quote(device, safe='')}/slideshow")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["queue"]
    return found
