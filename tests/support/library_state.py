"""The state of a library as people and frames see it, for comparison before and after."""

from __future__ import annotations

from typing import Any

from tests.support import server

TRANSIENT = ("attempts", "suspect")
"""Fields that depend on leases and attempts, which no record stores."""


def seen(backend: server.BackendServer) -> dict[str, Any]:
    """Return counts, photos with colours and variants, devices, and the tombstones of deleted photos."""
    status = backend.admin.get("/api/admin/status").json()
    listed = backend.admin.get("/api/images?limit=500").json()["images"]
    photos = [backend.admin.get(f"/api/images/{photo['id']}").json() for photo in listed]
    return {
        "counts": status["images"],
        "variants": status["variants"],
        "photos": [{key: value for key, value in photo.items() if key not in TRANSIENT} for photo in photos],
        "devices": backend.admin.get("/api/devices").json(),
        "tokens": backend.sql("SELECT id, token_hash, created_at, changed_at FROM devices ORDER BY id"),
        "dead": backend.sql("SELECT image_id, deleted_at, revision FROM tombstones ORDER BY image_id"),
    }


def fill(backend: server.BackendServer, first: int = 0) -> str:
    """Add two devices, and photos in every state: complete, failed, deleted, pending; return the id of the deleted."""
    backend.add_device("kitchen")
    backend.add_device("hall", 60, 60)  # square: no split-screen variants
    gone, failed, *good = backend.upload_photos(5, first)
    backend.upload_photos(1, first + 5)
    claimed = {work["id"]: work for work in backend.claim("x/0", 5)}
    broken = {"error": "the picture is damaged", "lease": claimed[failed]["lease"]}
    backend.processor.patch(f"/api/images/{failed}/failed", json=broken).raise_for_status()
    backend.finish(claimed[image] for image in good)
    backend.finish([claimed[gone]])
    backend.admin.delete(f"/api/images/{gone}").raise_for_status()
    return gone
