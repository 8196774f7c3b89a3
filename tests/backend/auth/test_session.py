"""Logins, the session cookie, logout, and cross-site requests."""

from __future__ import annotations

import hashlib
import time

import pytest

from tests.support import server, small_photos
from tests.support.server import problem
from tests.support.upload_forms import UPLOAD, send

pytestmark = pytest.mark.server


def test_session_cookie_alone_permits_upload(backend: server.BackendServer) -> None:
    session = backend.admin.cookies["session_id"]
    assert send(backend.client(Cookie=f"session_id={session}"), small_photos.photo(18)).status_code == 201
    assert send(backend.client(Cookie=f"a=b; session_id={session}"), small_photos.photo(18)).status_code == 200


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_cross_site_change_is_403(backend: server.BackendServer, headers: dict[str, str]) -> None:
    admin = backend.admin
    problem(admin.post(UPLOAD, files={"file": ("x.jpg", small_photos.photo(19))}, headers=headers), 403)
    problem(admin.post("/api/devices", json={"name": "x", "width": 9, "height": 9}, headers=headers), 403)
    problem(admin.post("/api/admin/retry", json={}, headers=headers), 403)
    problem(admin.post("/logout", headers=headers), 403)
    problem(
        backend.anonymous.post("/login", json={"password": backend.secrets["admin_password"]}, headers=headers), 403
    )
    assert admin.get("/api/images", headers=headers).status_code == 200  # reads are permitted
    assert backend.sql("SELECT count(*) FROM devices") == [(0,)]


def test_same_site_change_passes(backend: server.BackendServer) -> None:
    own = {"Origin": backend.url, "Sec-Fetch-Site": "same-origin"}
    answer = backend.admin.post(UPLOAD, files={"file": ("x.jpg", small_photos.photo(20))}, headers=own)
    assert answer.status_code == 201


def test_login_with_json_or_form_and_logout(backend: server.BackendServer) -> None:
    password = backend.secrets["admin_password"]
    for body in ({"json": {"password": password}}, {"data": {"password": password}}):
        client = backend.client()
        answer = client.post("/login", **body)  # type: ignore[arg-type]
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert "session_id=" in cookie
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        session = client.cookies["session_id"]
        assert client.get("/api/images").status_code == 200
        assert client.post("/logout").status_code == 200
        assert "session_id" not in client.cookies
        problem(backend.client(Cookie=f"session_id={session}").get("/api/images"), 401)  # the session is closed


def test_session_database_stores_only_hashes(backend: server.BackendServer) -> None:
    session = backend.log_in().cookies["session_id"]
    kept = [row[0] for row in backend.sql("SELECT token_hash FROM sessions")]
    assert session not in kept
    assert hashlib.sha256(session.encode()).hexdigest() in kept


def test_session_expired_is_401(backend: server.BackendServer) -> None:
    client = backend.log_in()
    hashed = hashlib.sha256(client.cookies["session_id"].encode()).hexdigest()
    backend.sql("UPDATE sessions SET expires_at = ? WHERE token_hash = ?", time.time() - 1, hashed)
    problem(client.get("/api/images"), 401)


def test_login_wrong_password_is_403_after_a_delay(backend: server.BackendServer) -> None:
    began = time.monotonic()
    refused = backend.anonymous.post("/login", json={"password": "wrong"})
    assert "password" in problem(refused, 403)
    assert time.monotonic() - began >= 0.4
    assert "set-cookie" not in refused.headers
    assert "password" in problem(backend.anonymous.post("/login", data={"user": "me"}), 422)
    problem(backend.anonymous.post("/login", content=b"x" * 20_000), 413)
