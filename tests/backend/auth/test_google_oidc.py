"""Google ID tokens of the scheduler: signed with RSA keys, verified against certificates of a local HTTP server."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from falcon.asgi import Request
from falcon.testing import create_asgi_req
from google.auth import crypt, jwt

from backend.auth import google_oidc
from backend.auth.access import Access, Authority
from backend.auth.device_cache import DeviceCache
from backend.auth.google_oidc import MAX_CACHE_SECONDS, MIN_FETCH_INTERVAL_SECONDS, SchedulerIdentity
from backend.database import Database
from backend.http.errors import Forbidden, ServiceUnavailable

pytestmark = pytest.mark.server

ACCOUNT = "slideshow-scheduler@my-photos.iam.gserviceaccount.com"
AUDIENCE = "https://slideshow-backend-1.us-central1.run.app"


@functools.cache
def rsa_keys() -> dict[str, rsa.RSAPrivateKey]:
    return {name: rsa.generate_private_key(65537, 2048) for name in ("first", "second")}


class Google:
    """Signs tokens and serves the certificates, counting the fetches."""

    def __init__(self) -> None:
        self.keys = rsa_keys()
        self.published = ["first"]
        self.fetches = 0
        self.status = 200
        self.body: bytes | None = None
        self.headers = {"Cache-Control": "public, max-age=3600, must-revalidate"}
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                google.fetches += 1
                self.send_response(google.status)
                for name, value in google.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(google.body if google.body is not None else google.certificates())

            def log_message(self, *_: object) -> None:
                """Write no log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/certs"

    def certificates(self) -> bytes:
        return json.dumps({name: self.public_key(name) for name in self.published}).encode()

    def public_key(self, name: str) -> str:
        form, kind = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.keys[name].public_key().public_bytes(form, kind).decode()

    def token(self, key: str = "first", *, key_id: str | None = None, **changes: Any) -> str:
        """Return a token signed with `key`; `changes` replace claims, None removes one."""
        pem = self.keys[key].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        now = int(time.time())
        valid = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT, "email_verified": True}
        claims = {**valid, "iat": now, "exp": now + 3600, **changes}
        signer = crypt.RSASigner.from_string(pem, key_id or key)
        return jwt.encode(signer, {name: value for name, value in claims.items() if value is not None}).decode()


@pytest.fixture
def google() -> Iterator[Google]:
    started = Google()
    threading.Thread(target=started.server.serve_forever, args=(0.02,), daemon=True).start()
    yield started
    started.server.shutdown()
    started.server.server_close()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def identity_of(google: Google, clock: Callable[[], float] = time.monotonic) -> SchedulerIdentity:
    return SchedulerIdentity(ACCOUNT, AUDIENCE, certificates_url=google.url, monotonic=clock)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_check_valid_token_passes(google: Google) -> None:
    identity_of(google).check(google.token())
    identity_of(google).check(google.token(iss="accounts.google.com"))


INVALID: dict[str, Callable[[Google], str]] = {
    "another account": lambda google: google.token(email="somebody@my-photos.iam.gserviceaccount.com"),
    "e-mail not verified": lambda google: google.token(email_verified=False),
    "e-mail verified as text": lambda google: google.token(email_verified="true"),
    "no account": lambda google: google.token(email=None),
    "another audience": lambda google: google.token(aud="https://elsewhere.example"),
    "no audience": lambda google: google.token(aud=None),
    "another issuer": lambda google: google.token(iss="https://elsewhere.example"),
    "no issuer": lambda google: google.token(iss=None),
    "expired": lambda google: google.token(iat=int(time.time()) - 7200, exp=int(time.time()) - 3600),
    "no expiry": lambda google: google.token(exp=None),
    "issued in the future": lambda google: google.token(iat=int(time.time()) + 600),
    "signed with another key": lambda google: google.token("second", key_id="first"),
    "unknown key": lambda google: google.token("second"),
    "signature removed": lambda google: google.token().rpartition(".")[0] + ".",
    "algorithm none": lambda google: f"{encoded({'alg': 'none', 'kid': 'first'})}.{encoded({})}.",
    "key id is a list": lambda google: f"{encoded({'alg': 'RS256', 'kid': []})}.{encoded({})}.AAAA",
    "header is a list": lambda google: f"{encoded([])}.{encoded({})}.AAAA",
    "not a token": lambda google: "a-word",
    "too long": lambda google: "a" * 100_000,
    "deeply nested": lambda google: base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.AAAA",
}


@pytest.mark.parametrize("name", INVALID)
def test_check_invalid_token_is_forbidden(google: Google, name: str) -> None:
    token = INVALID[name](google)
    with pytest.raises(Forbidden, match="invalid token: not") as error:
        identity_of(google).check(token)
    assert token not in error.value.detail


@pytest.mark.parametrize("name", ["too long", "not a token", "algorithm none", "header is a list", "deeply nested"])
def test_check_malformed_token_fetches_nothing(google: Google, name: str) -> None:
    with pytest.raises(Forbidden):
        identity_of(google).check(INVALID[name](google))
    assert google.fetches == 0


def test_check_certificates_are_cached_until_max_age(google: Google) -> None:
    clock = Clock()
    identity = identity_of(google, clock)
    for _ in range(3):
        identity.check(google.token())
    assert google.fetches == 1
    google.published = ["second"]
    clock.now += 3599
    identity.check(google.token())
    assert google.fetches == 1
    clock.now += 1
    identity.check(google.token("second"))
    with pytest.raises(Forbidden):
        identity.check(google.token("first"))
    assert google.fetches == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", MIN_FETCH_INTERVAL_SECONDS),
        ("no-store", MIN_FETCH_INTERVAL_SECONDS),
        ("max-age=5", MIN_FETCH_INTERVAL_SECONDS),
        ("s-maxage=900, max-age=300", 300),
        ("max-age=999999999", MAX_CACHE_SECONDS),
    ],
)
def test_check_cache_lifetime_is_bounded(google: Google, header: str, seconds: float) -> None:
    google.headers = {"Cache-Control": header}
    clock = Clock()
    identity = identity_of(google, clock)
    identity.check(google.token())
    clock.now += seconds - 0.5
    identity.check(google.token())
    assert google.fetches == 1
    clock.now += 0.5
    identity.check(google.token())
    assert google.fetches == 2


def test_check_unknown_keys_fetch_once_a_minute(google: Google) -> None:
    google.headers = {}
    clock = Clock()
    identity = identity_of(google, clock)
    for _ in range(5):
        with pytest.raises(Forbidden):
            identity.check(google.token("second"))
    assert google.fetches == 1
    google.published = ["first", "second"]
    clock.now += MIN_FETCH_INTERVAL_SECONDS
    identity.check(google.token("second"))
    assert google.fetches == 2


def test_check_rotated_key_is_fetched_after_a_minute_before_max_age_ends(google: Google) -> None:
    google.headers = {"Cache-Control": "max-age=20000"}
    clock = Clock()
    identity = identity_of(google, clock)
    identity.check(google.token())
    google.published = ["second"]
    clock.now += MIN_FETCH_INTERVAL_SECONDS + 1
    identity.check(google.token("second"))
    with pytest.raises(Forbidden):
        identity.check(google.token("first"))
    assert google.fetches == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, None), (404, b"{}"), (200, b"<html>"), (200, b'{"keys": []}'), (200, b'{"keys": "x"}')],
)
def test_check_failed_fetch_is_unavailable_until_the_next_minute(
    google: Google, status: int, body: bytes | None
) -> None:
    google.status, google.body = status, body
    clock = Clock()
    identity = identity_of(google, clock)
    for _ in range(3):
        with pytest.raises(ServiceUnavailable, match="certificates"):
            identity.check(google.token())
    assert google.fetches == 1
    google.status, google.body = 200, None
    clock.now += MIN_FETCH_INTERVAL_SECONDS
    identity.check(google.token())


def test_check_failed_refresh_drops_the_cached_certificates(google: Google) -> None:
    clock = Clock()
    identity = identity_of(google, clock)
    identity.check(google.token())
    google.status = 500
    clock.now += 3600
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            identity.check(google.token())
    assert google.fetches == 2


def test_check_silent_certificate_server_times_out(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_oidc, "FETCH_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/certs"
        began = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            SchedulerIdentity(ACCOUNT, AUDIENCE, certificates_url=url).check(google.token())
    assert time.monotonic() - began < 5


def test_check_concurrent_calls_share_one_fetch(google: Google) -> None:
    identity = identity_of(google)

    async def check_all() -> None:
        await asyncio.gather(*(asyncio.to_thread(identity.check, google.token()) for _ in range(8)))

    asyncio.run(check_all())
    assert google.fetches == 1


def test_require_tick_accepts_scheduler_and_blocks_no_event_loop(google: Google, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/slideshow.db")
    database.migrate()
    threads = []

    class Recorded(SchedulerIdentity):
        def check(self, token: str) -> None:
            threads.append(threading.current_thread())
            super().check(token)

    authority = Authority(
        database,
        DeviceCache(database),
        processor_tokens=["a-processors-token"],
        admin_password="a-password",
        metrics_token="",
        device_auth="required",
        session_seconds=60,
        picture_key="a-key",
        scheduler=Recorded(ACCOUNT, AUDIENCE, certificates_url=google.url),
    )

    def request(token: str) -> Request:
        return cast(Request, create_asgi_req(headers={"Authorization": f"Bearer {token}"}))

    asyncio.run(authority.require(Access.TICK, request(google.token()), None, 0.0))
    asyncio.run(authority.require(Access.TICK, request("a-processors-token"), None, 0.0))
    with pytest.raises(Forbidden):
        asyncio.run(authority.require(Access.TICK, request(google.token(aud="another")), None, 0.0))
    database.close()
    assert len(threads) == 2
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(("account", "audience"), [("", AUDIENCE), (ACCOUNT, "")])
def test_scheduler_identity_incomplete_settings_are_rejected(account: str, audience: str) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        SchedulerIdentity(account, audience)
