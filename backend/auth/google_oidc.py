"""Verify the ID tokens that Google signs for Cloud Scheduler and Cloud Tasks.

The scheduler then needs no shared secret, which everybody who may view its jobs could read. A token is accepted if
Google signed it, it has not expired, its audience is this service, and it names the one allowed service account
(https://cloud.google.com/scheduler/docs/http-target-auth, https://openid.net/specs/openid-connect-core-1_0.html).
"""

from __future__ import annotations

import hmac
import logging
import re
import threading
import time
from collections.abc import Callable

import msgspec
from google.auth import exceptions, jwt, transport
from google.auth.transport.requests import Request
from google.oauth2 import id_token

from backend.http.errors import Forbidden, ServiceUnavailable
from contract.messages import DECODE_ERRORS

log = logging.getLogger(__name__)

CERTIFICATES_URL = "https://www.googleapis.com/oauth2/v1/certs"
ISSUERS = ("https://accounts.google.com", "accounts.google.com")
MAX_TOKEN_BYTES = 8192
"""Google's tokens have about one thousand."""
MIN_FETCH_INTERVAL_SECONDS = 60.0
"""Minimum time between two fetches of certificates, also after a failed fetch, because anybody can send a token."""
MAX_CACHE_SECONDS = 3600.0
FETCH_TIMEOUT_SECONDS = 5.0
CLOCK_SKEW_SECONDS = 30
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:[\s,]|$)", re.IGNORECASE)


class SchedulerIdentity:
    """Verifies tokens for one service account and one audience. Safe to use from several threads."""

    def __init__(
        self,
        account: str,
        audience: str,
        *,
        certificates_url: str = CERTIFICATES_URL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a verifier.

        Args:
            account: E-mail address of the allowed service account.
            audience: Audience that the tokens must have (TICK_AUDIENCE).
            certificates_url: Address of Google's certificates, a JSON object of key id to PEM.
            monotonic: Clock of the certificate cache, in seconds.

        Raises:
            ValueError: `account` or `audience` is empty.
        """
        if not account or not audience:
            raise ValueError("the scheduler's account and the audience of its tokens must not be empty")
        self._account = account
        self._audience = audience
        self._url = certificates_url
        self._certificates = _CachedRequest(monotonic)

    def check(self, token: str) -> None:
        """Return if `token` proves that the scheduler sent the request. Blocks while certificates are fetched.

        Raises:
            Forbidden: The token is not valid, or belongs to another account.
            ServiceUnavailable: Google's certificates cannot be fetched.
        """
        try:
            if len(token) > MAX_TOKEN_BYTES:
                raise ValueError("the token is too long")
            header = jwt.decode_header(token)  # type: ignore[no-untyped-call]  # needs no certificates
            if header.get("alg") != "RS256":
                raise ValueError("Google signs with RS256")
            self._certificates.refresh_unless_contains(str(header.get("kid")))
            claims = id_token.verify_token(
                token,
                self._certificates,
                audience=self._audience,
                certs_url=self._url,
                clock_skew_in_seconds=CLOCK_SKEW_SECONDS,
            )
            if claims.get("iss") not in ISSUERS:
                raise ValueError("the issuer is not Google")
        except (ValueError, TypeError, RecursionError, exceptions.GoogleAuthError):  # their text may contain the token
            raise Forbidden(
                "invalid token: not the processor token, and not a valid Google ID token for this service "
                "(check TICK_AUDIENCE)"
            ) from None
        verified = claims.get("email_verified") is True
        if not verified or not hmac.compare_digest(str(claims.get("email")).encode(), self._account.encode()):
            raise Forbidden("invalid token: not issued to the scheduler's service account (check TICK_SERVICE_ACCOUNT)")


class _CachedRequest(transport.Request):
    """A google-auth transport that caches one URL's response as long as its max-age says."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._request = Request()
        self._lock = threading.Lock()
        self._response: transport.Response | None = None
        self._fetch_at = float("-inf")
        self._fetched_at = float("-inf")

    def __call__(self, url: str, method: str = "GET", *_: object, **__: object) -> transport.Response:
        """Return the cached or fetched response. Raises ServiceUnavailable if there is none."""
        with self._lock:
            now = self._monotonic()
            if now >= self._fetch_at:
                self._response = None
                self._fetched_at = now
                self._fetch_at = now + MIN_FETCH_INTERVAL_SECONDS
                self._response, seconds = self._fetch(url)
                self._fetch_at = now + min(max(seconds, MIN_FETCH_INTERVAL_SECONDS), MAX_CACHE_SECONDS)
            if self._response is None:
                raise ServiceUnavailable("Google's certificates could not be fetched; try again in a minute")
            return self._response

    def refresh_unless_contains(self, key_id: str) -> None:
        """Drop cached certificates without this key, because Google may have added it; once a minute at most."""
        with self._lock:
            if self._response is None or self._monotonic() < self._fetched_at + MIN_FETCH_INTERVAL_SECONDS:
                return
            if key_id not in msgspec.json.decode(self._response.data, type=dict[str, str]):
                self._fetch_at = float("-inf")

    def _fetch(self, url: str) -> tuple[transport.Response, float]:
        """Return the response and its max-age in seconds."""
        try:
            response = self._request(url, timeout=FETCH_TIMEOUT_SECONDS)
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            if "keys" in msgspec.json.decode(response.data, type=dict[str, str]):
                # google-auth would take it for a JSON Web Key Set, and import a library that is not installed.
                raise ValueError("it contains 'keys', expected a certificate per key id")
        except (exceptions.TransportError, ValueError, *DECODE_ERRORS) as error:
            log.error("cannot fetch Google's certificates from %s: %s", url, error)
            raise ServiceUnavailable("Google's certificates cannot be fetched; try again in a minute") from error
        max_age = _MAX_AGE.search(response.headers.get("Cache-Control", ""))
        return response, float(max_age[1]) if max_age else 0.0
