"""Access as in a deployment: token rotation, hashed password, throttling, headers, origins."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from tests.support import server
from tests.support.server import problem

pytestmark = pytest.mark.server

OLD, NEW, PASSWORD, METRICS = "the-old-token-0123", "the-new-token-4567", "correct horse battery", "metrics-token-89"
PAGES_ORIGIN = "https://home.example"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.BackendServer]:
    """Start a backend like a deployment: every secret is set, and none is a generated one."""
    settings = {
        "K_SERVICE": "slideshow",
        "DATABASE_DURABLE": "yes",
        "PROCESSOR_AUTH_TOKEN": f" {NEW}\n",
        "PROCESSOR_AUTH_TOKEN_PREVIOUS": OLD,
        "ADMIN_PASSWORD": PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD),
        "METRICS_TOKEN": METRICS,
        "CORS_ORIGINS": PAGES_ORIGIN,
    }
    with server.running(tmp_path_factory.mktemp("guarded") / "data", **settings) as made:
        yield made


def log_in(backend: server.BackendServer, password: str, address: str, **headers: str) -> httpx.Response:
    forwarded = {"X-Forwarded-For": f"192.0.2.250, {address}", **headers}
    return backend.client().post("/login", json={"password": password}, headers=forwarded)


def test_processor_tokens_current_and_previous_are_valid(guarded: server.BackendServer) -> None:
    for token in (OLD, NEW):
        answer = guarded.client(Authorization=f"Bearer {token}").get("/api/processing/pending")
        assert answer.status_code == 200
    for wrong in (OLD + NEW, NEW[:-1], guarded.secrets["processor_token"]):
        problem(guarded.client(Authorization=f"Bearer {wrong}").get("/api/processing/pending"), 403)
    problem(guarded.client(Authorization=f"Basic {NEW}").get("/api/processing/pending"), 401)


def test_login_accepts_the_password_but_not_its_hash(guarded: server.BackendServer) -> None:
    assert log_in(guarded, PASSWORD, "198.51.100.1").status_code == 200
    problem(log_in(guarded, PASSWORD + " ", "198.51.100.1"), 403)


def test_login_cookie_is_secure_behind_an_https_proxy(
    guarded: server.BackendServer, backend: server.BackendServer
) -> None:
    by_tls = log_in(guarded, PASSWORD, "198.51.100.2", **{"X-Forwarded-Proto": "https"})
    assert "; secure" in by_tls.headers["set-cookie"].lower()
    plain = backend.anonymous.post(
        "/login", json={"password": backend.secrets["admin_password"]}, headers={"X-Forwarded-Proto": "https"}
    )
    assert plain.status_code == 200
    assert "; secure" not in plain.headers["set-cookie"].lower()  # only the client claims HTTPS


def test_login_throttle_delays_only_the_guesser(guarded: server.BackendServer) -> None:
    def guess(number: int) -> httpx.Response:
        return log_in(guarded, f"guess {number}", "203.0.113.5")

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(guess, range(10)))
    slowed = [answer for answer in answers if answer.status_code == 429]
    assert 4 <= len(slowed) <= 6
    assert all("wait" in problem(answer, 429) and int(answer.headers["retry-after"]) >= 1 for answer in slowed)
    assert log_in(guarded, PASSWORD, "198.51.100.3").status_code == 200


def test_responses_have_security_headers(backend: server.BackendServer) -> None:
    for answer in (
        backend.anonymous.get("/_health"),
        backend.anonymous.get("/api/images"),
        backend.anonymous.get("/nowhere"),
        backend.anonymous.get("/login"),
        backend.admin.get("/api/images"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers


def test_cors_allows_listed_origins_without_credentials(guarded: server.BackendServer) -> None:
    client = guarded.client(Origin=PAGES_ORIGIN)
    allowed = client.options("/api/devices/frame/next", headers={"Access-Control-Request-Method": "GET"})
    assert allowed.headers["access-control-allow-origin"] == PAGES_ORIGIN
    assert "Authorization" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    foreign = guarded.client(Origin="https://other.example").get("/_health")
    assert "access-control-allow-origin" not in foreign.headers
    assert "Origin" in foreign.headers["vary"]


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", "", "://", "file:///x", "javascript:1"])
def test_origin_invalid_is_rejected_as_cross_site(backend: server.BackendServer, origin: str) -> None:
    problem(backend.admin.post("/api/admin/retry", json={}, headers={"Origin": origin}), 403)


def test_secrets_are_not_in_log_or_process_list(guarded: server.BackendServer) -> None:
    problem(guarded.client(Authorization=f"Bearer {NEW}x").post("/internal/tick"), 403)
    output = guarded.log_text() + Path(f"/proc/{guarded.process.pid}/cmdline").read_text()
    for secret in (OLD, NEW, PASSWORD, METRICS, "$argon2"):
        assert secret not in output
