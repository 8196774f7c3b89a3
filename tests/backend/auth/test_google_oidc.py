"""The scheduler's tokens: made with a key of our own, checked against certificates that a local server gives out."""

from __future__ import annotations

import base64
import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from backend.auth.google_oidc import PAUSE_SECONDS, TRUSTED_SECONDS, SchedulerIdentity
from backend.http.errors import Forbidden, ServiceUnavailable

pytestmark = pytest.mark.server

ACCOUNT = "slideshow-scheduler@my-photos.iam.gserviceaccount.com"
AUDIENCE = "https://slideshow-backend-1.us-central1.run.app"


@functools.cache
def made_keys() -> dict[str, rsa.RSAPrivateKey]:
    return {name: rsa.generate_private_key(65537, 2048) for name in ("first", "second")}


class Google:
    """Signs tokens and gives out its certificates, counting how often it is asked."""

    def __init__(self) -> None:
        self.keys = made_keys()
        self.published = ["first"]
        self.asked = 0
        self.broken = False
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                google.asked += 1
                self.send_response(500 if google.broken else 200)
                self.end_headers()
                self.wfile.write(json.dumps({name: google.public(name) for name in google.published}).encode())

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/certs"

    def public(self, name: str) -> str:
        form, kind = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.keys[name].public_key().public_bytes(form, kind).decode()

    def token(self, key: str = "first", *, named: str | None = None, **changes: Any) -> str:
        pem = self.keys[key].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        now = int(time.time())
        told = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT, "email_verified": True}
        claims = {**told, "iat": now, "exp": now + 3600, **changes}
        signer = crypt.RSASigner.from_string(pem, named or key)
        return jwt.encode(signer, {name: value for name, value in claims.items() if value is not None}).decode()


@pytest.fixture
def google() -> Iterator[Google]:
    made = Google()
    threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Monotonic:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_schedulers_token_passes_and_no_other(google: Google) -> None:
    identity = SchedulerIdentity(ACCOUNT, AUDIENCE, certificates_url=google.url)
    identity.check(google.token())
    made: dict[str, Callable[[], str]] = {
        "another account": lambda: google.token(email="somebody@my-photos.iam.gserviceaccount.com"),
        "not verified": lambda: google.token(email_verified=False),
        "no account": lambda: google.token(email=None),
        "another audience": lambda: google.token(aud="https://elsewhere.example"),
        "another issuer": lambda: google.token(iss="https://elsewhere.example"),
        "run out": lambda: google.token(iat=int(time.time()) - 7200, exp=int(time.time()) - 3600),
        "signed by somebody else": lambda: google.token("second", named="first"),
        "an unknown key": lambda: google.token("second"),
        "its signature taken off": lambda: google.token().rpartition(".")[0] + ".",
        "not signed at all": lambda: "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ.e30.",
        "no token": lambda: "a-word",
        "endless": lambda: "a" * 100_000,
        "lists within lists": lambda: base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.AAAA",
    }
    for what, token in made.items():
        with pytest.raises(Forbidden) as refused:
            identity.check(token())
        assert token() not in refused.value.detail, what


def test_certificates_are_fetched_seldom_and_new_ones_are_found(google: Google) -> None:
    clock = Monotonic()
    identity = SchedulerIdentity(ACCOUNT, AUDIENCE, certificates_url=google.url, monotonic=clock)
    identity.check(google.token())
    identity.check(google.token())
    assert google.asked == 1
    google.published = ["first", "second"]
    for _ in range(5):  # whoever sends unknown keys makes us ask once a minute
        with pytest.raises(Forbidden):
            identity.check(google.token("second"))
    assert google.asked == 1
    clock.now += PAUSE_SECONDS
    identity.check(google.token("second"))
    assert google.asked == 2
    clock.now += TRUSTED_SECONDS
    google.published = ["second"]
    with pytest.raises(Forbidden):
        identity.check(google.token("first"))
    assert google.asked == 3


def test_without_certificates_nobody_passes(google: Google) -> None:
    google.broken = True
    clock = Monotonic()
    identity = SchedulerIdentity(ACCOUNT, AUDIENCE, certificates_url=google.url, monotonic=clock)
    for _ in range(2):
        with pytest.raises(ServiceUnavailable):
            identity.check(google.token())
    assert google.asked == 1
    google.broken = False
    clock.now += PAUSE_SECONDS
    identity.check(google.token())


@pytest.mark.parametrize(("account", "audience"), [("", AUDIENCE), (ACCOUNT, "")])
def test_half_a_setting_is_none(account: str, audience: str) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        SchedulerIdentity(account, audience)
