"""Health, metrics and status over real HTTP, and the responses to failures."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support import server, small_photos
from tests.support.server import problem

pytestmark = pytest.mark.server


def test_ready_missing_bucket_is_503(data_folder: Path) -> None:
    with server.running(data_folder) as backend:
        assert backend.anonymous.get("/_ready").json() == {"status": "ready", "device_auth": "required"}
        aside = backend.bucket.rename(data_folder / "elsewhere")
        refused = backend.anonymous.get("/_ready")
        assert "bucket" in problem(refused, 503)
        assert int(refused.headers["retry-after"]) > 0
        assert backend.anonymous.get("/_health").json() == {"status": "ok", "device_auth": "required"}
        problem(backend.admin.post("/api/admin/upload", files={"file": ("x.jpg", small_photos.photo(1))}), 503)
        assert backend.sql("SELECT count(*) FROM images") == [(0,)]  # a row needs its object
        if backend.bucket.exists():
            for left in sorted(backend.bucket.rglob("*"), reverse=True):
                left.rmdir()
            backend.bucket.rmdir()
        aside.rename(backend.bucket)
        assert backend.anonymous.get("/_ready").status_code == 200
        assert backend.upload(small_photos.photo(1))["processing_status"] == "pending"


def test_metrics_accept_session_or_token(data_folder: Path) -> None:
    with server.running(data_folder, METRICS_TOKEN="a-token-for-the-scraper") as backend:
        backend.upload_photos(2)
        problem(backend.anonymous.get("/metrics"), 401)
        problem(backend.client(Authorization="Bearer wrong").get("/metrics"), 403)
        problem(backend.processor.get("/metrics"), 403)
        scraper = backend.client(Authorization="Bearer a-token-for-the-scraper")
        problem(scraper.get("/api/processing/pending"), 403)
        for client in (scraper, backend.admin):
            page = client.get("/metrics")
            assert page.status_code == 200
            assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert 'slideshow_images{state="pending"} 2.0' in page.text
            assert 'slideshow_uploads_total{outcome="new"} 2.0' in page.text
            assert 'slideshow_request_seconds_count{method="POST",status="201"} 2.0' in page.text


def test_metrics_without_configured_token_reject_any_token(backend: server.BackendServer) -> None:
    problem(backend.client(Authorization="Bearer x").get("/metrics"), 403)
    problem(backend.client(Authorization="Bearer").get("/metrics"), 401)


def test_status_counts_images_and_variants(backend: server.BackendServer) -> None:
    backend.add_device("frame")
    backend.upload_photos(3)
    backend.finish(backend.claim("run/0", limit=1))
    body = backend.admin.get("/api/admin/status").json()
    assert body["images"] == {"pending": 2, "processing": 0, "complete": 1, "failed": 0}
    assert (body["variants"], body["renderedSince"], body["devices"]) == (1, 1, 1)
    assert body["bucket"] == backend.bucket.as_uri()
    later = backend.admin.get("/api/admin/status", params={"since": time.time() + 60}).json()
    assert (later["variants"], later["renderedSince"]) == (1, 0)


def test_database_failure_is_503_without_internals(backend: server.BackendServer) -> None:
    backend.sql("ALTER TABLE images RENAME TO images_gone")
    try:
        for refused in (
            backend.anonymous.get("/_ready"),
            backend.processor.get("/api/processing/pending"),
            backend.admin.post("/api/admin/upload", files={"file": ("x.jpg", small_photos.photo(1))}),
        ):
            sentence = problem(refused, 503)
            assert "database" in sentence
            assert "SELECT" not in refused.text
    finally:
        backend.sql("ALTER TABLE images_gone RENAME TO images")
    assert backend.anonymous.get("/_ready").status_code == 200


def test_unexpected_error_is_500_and_logged(backend: server.BackendServer) -> None:
    image_id = backend.upload_photos(1)[0]
    backend.sql("UPDATE images SET color_palette = '{'")  # not even JSON
    refused = backend.admin.get(f"/api/images/{image_id}")
    problem(refused, 500)
    assert "JSONDecodeError" not in refused.text
    assert "json.decoder.JSONDecodeError" in backend.log_text()
    assert backend.anonymous.get("/_health").status_code == 200
