"""Whether a call comes from our Cloud Scheduler: it shows a token that Google has signed.

So the scheduler needs no secret of ours, which everybody could read who may look at its jobs. A token counts
if Google signed it, it has not run out, it was made for our audience, and it names the one account that may tick
(https://cloud.google.com/scheduler/docs/http-target-auth, https://openid.net/specs/openid-connect-core-1_0.html).
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping

import msgspec
import requests
from google.auth import exceptions, jwt

from backend.http.errors import Forbidden, ServiceUnavailable
from contract.messages import DECODE_ERRORS

log = logging.getLogger(__name__)

CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
ISSUERS = ("https://accounts.google.com", "accounts.google.com")
MAX_TOKEN = 8192
"""Bytes; Google's have about one thousand."""
TRUSTED_SECONDS = 3600.0
"""So long the certificates are used that were fetched; Google announces new ones a day ahead."""
PAUSE_SECONDS = 60.0
"""Between two fetches, whoever asks: a token that names an unknown certificate may be anybody's."""
FETCH_SECONDS = 5.0
CLOCK_SECONDS = 30
"""So far the clocks of two machines may be apart."""


class SchedulerIdentity:
    """Checks tokens for one account and one audience. Blocks while certificates are fetched; for any thread."""

    def __init__(
        self,
        account: str,
        audience: str,
        *,
        certificates_url: str = CERTIFICATES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`account`: the e-mail address of the service account. Raises ValueError if either is empty."""
        if not account or not audience:
            raise ValueError("the scheduler's account and the audience of its tokens must not be empty")
        self._account = account
        self._audience = audience
        self._url = certificates_url
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._certificates: Mapping[str, str] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def check(self, token: str) -> None:
        """Return if the token proves that the scheduler calls.

        Raises Forbidden for any other, Unavailable if Google's certificates cannot be had.
        """
        try:
            if len(token) > MAX_TOKEN:
                raise ValueError("the token is too long")
            header = jwt.decode_header(token)  # type: ignore[no-untyped-call]
            if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
                raise ValueError("the token is not signed as Google signs")
            known = self._certificates_with(header["kid"])
            claims = jwt.decode(  # type: ignore[no-untyped-call]
                token, certs=known, audience=self._audience, clock_skew_in_seconds=CLOCK_SECONDS
            )
        except (ValueError, RecursionError, exceptions.GoogleAuthError):  # whose text may hold the token
            raise Forbidden(
                "this is neither the processor's token nor a valid one of Google's for this service: not signed by "
                "Google, run out, or made for another audience (TICK_AUDIENCE)"
            ) from None
        verified = claims.get("email_verified") is True and claims.get("iss") in ISSUERS
        if not verified or not hmac.compare_digest(str(claims.get("email")).encode(), self._account.encode()):
            raise Forbidden("this token is not that of the scheduler's account (TICK_SERVICE_ACCOUNT)")

    def _certificates_with(self, wanted: str) -> Mapping[str, str]:
        """Google's certificates by their ids; fetched where they are old, or the wanted one is not among them."""
        with self._lock:
            now = self._monotonic()
            fresh = self._fetched_at is not None and now - self._fetched_at < TRUSTED_SECONDS
            if fresh and wanted in self._certificates:
                return self._certificates
            if self._tried_at is None or now - self._tried_at >= PAUSE_SECONDS:
                self._tried_at = now
                self._certificates = self._fetch()
                self._fetched_at = now
            elif not fresh:
                raise ServiceUnavailable(
                    "Google's certificates could not be fetched a moment ago; try again in a minute"
                )
            return self._certificates

    def _fetch(self) -> Mapping[str, str]:
        try:
            answer = requests.get(self._url, timeout=FETCH_SECONDS)
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=dict[str, str])
        except (requests.RequestException, *DECODE_ERRORS) as error:
            log.error("Google's certificates cannot be fetched from %s: %s", self._url, error)
            raise ServiceUnavailable("Google's certificates cannot be fetched; try again in a minute") from error
