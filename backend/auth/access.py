"""Who may what. Everything that is not explicitly public is refused without credentials.

Tokens are compared by their SHA-256 in constant time, so neither content nor length leaks; the password by Argon2.
"""

from __future__ import annotations

import asyncio
import base64
import enum
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from falcon.asgi import Request

from backend.auth.device_cache import DeviceCache
from backend.auth.login_throttle import LoginThrottle
from backend.auth.passwords import Password
from backend.database import Database, sessions
from backend.http.errors import Forbidden, TooManyRequests, Unauthorized
from contract import logs

if TYPE_CHECKING:
    from backend.auth.google_oidc import SchedulerIdentity

COOKIE = "session_id"
SIGNATURE_BYTES = 12
"""Of a picture's address: 96 bits, which nobody guesses over a network, in 16 characters for small memories."""


class Access(enum.Enum):
    """Who an operation is for."""

    PUBLIC = "anyone"
    PROCESSOR = "the processor's bearer token"
    TICK = "the processor's bearer token, or a token of Google's that names the scheduler's account"
    ADMIN = "an admin's session cookie"
    DEVICE = "the device's bearer token, or an admin's session cookie"
    METRICS = "an admin's session cookie, or the metrics token"
    PICTURE = "the signature in the address, or an admin's session cookie"


_OF_FRAMES = Access.DEVICE


def digest(secret: str) -> str:
    """The SHA-256 of a secret in hex; what the database keeps of tokens that were random."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(given: str, expected: Sequence[str]) -> bool:
    """Whether `given` is one of the expected secrets; every one is compared, in constant time."""
    found = False
    for secret in expected:
        if secret:
            found |= hmac.compare_digest(digest(given), digest(secret))
    return found


def bearer(req: Request) -> str | None:
    """The bearer token of the Authorization header, or None."""
    told = req.get_header("Authorization") or ""
    return (told[7:].strip() or None) if told[:7].lower() == "bearer " else None


class Authority:
    """Checks requests against the secrets of this installation."""

    def __init__(
        self,
        database: Database,
        known_devices: DeviceCache,
        *,
        processor_tokens: Sequence[str],
        admin_password: str,
        metrics_token: str,
        device_auth: str,
        session_seconds: float,
        picture_key: str,
        scheduler: SchedulerIdentity | None = None,
    ) -> None:
        if not any(processor_tokens) or not admin_password:
            raise ValueError("the processor's token and the admin's password must not be empty")
        self._database = database
        self._devices = known_devices
        self._processor_tokens = tuple(processor_tokens)
        self._password = Password(admin_password)
        self._pace = LoginThrottle()
        self._metrics_token = metrics_token
        self.device_auth = device_auth
        self.session_seconds = session_seconds
        self._picture_key = picture_key.encode()
        self._scheduler = scheduler
        for secret in (*processor_tokens, admin_password, metrics_token, picture_key):
            logs.redact(secret)

    async def require(self, access: Access, req: Request, device_id: str | None, now: float) -> None:
        """Let the request pass, or raise Unauthorized or Forbidden. Unknown kinds of access are refused.

        A frame that came with its own token is the request's `context.device`.
        """
        if access is _OF_FRAMES:  # they ask most, and looking at an enumeration's members takes a while
            await self._require_device(req, device_id, now)
            return
        match access:
            case Access.PUBLIC:
                return
            case Access.PROCESSOR:
                self._require_processor(req)
            case Access.TICK:
                await self._require_timer(req)
            case Access.ADMIN:
                await self._require_session(req, now)
            case Access.METRICS:
                token = bearer(req)
                if token is None:
                    await self._require_session(req, now)
                elif not matches(token, [self._metrics_token]):
                    raise Forbidden("this is not the metrics token (METRICS_TOKEN)")
            case Access.PICTURE:
                if not self.signature_holds(req.path, req.get_param("s") or ""):
                    await self._require_session(req, now)
            case _:
                raise Forbidden("nobody may do this")

    def _require_processor(self, req: Request) -> None:
        token = bearer(req)
        if token is None:
            raise Unauthorized("send the processor's token as 'Authorization: Bearer ...'")
        if not matches(token, self._processor_tokens):
            raise Forbidden("this is not the processor's token (PROCESSOR_AUTH_TOKEN of the backend)")

    async def _require_timer(self, req: Request) -> None:
        token = bearer(req)
        if token is None or self._scheduler is None or matches(token, self._processor_tokens):
            self._require_processor(req)
        else:
            await asyncio.to_thread(self._scheduler.check, token)

    async def _require_session(self, req: Request, now: float) -> None:
        values = req.get_cookie_values(COOKIE) or [""]
        if not values[0] or not await self._database.read(sessions.session_is_open, digest(values[0]), now):
            raise Unauthorized("log in first: POST /login with the admin's password")
        if req.method not in ("GET", "HEAD"):
            refuse_foreign(req)

    async def _require_device(self, req: Request, device_id: str | None, now: float) -> None:
        if self.device_auth == "open":
            return
        token = bearer(req)
        if token is None:
            await self._require_session(req, now)
            return
        device = await self._devices.of_token(digest(token), device_id or "")
        if device is None:
            raise Forbidden("this token is not that of the device")
        req.context.device = device

    async def log_in(self, password: str, address: str, now: float) -> str | None:
        """A new session's id if the password is right, else None. Only its hash is kept.

        Raises TooManyRequests for an address that has to wait.
        """
        moment = time.monotonic()
        if (left := self._pace.wait(address, moment)) > 0:
            raise TooManyRequests("too many wrong passwords; wait a little before the next try", left)
        self._pace.tries(address, moment)
        if not await self._password.is_right(password):
            return None
        self._pace.succeeded(address)
        session = secrets.token_urlsafe(32)
        await self._database.write(sessions.open_session, digest(session), now, now + self.session_seconds)
        return session

    def session_of(self, req: Request) -> str:
        """What the database knows the request's session by; whether it is open `require` has to say."""
        return digest((req.get_cookie_values(COOKIE) or [""])[0])

    async def log_out(self, req: Request) -> None:
        """End the request's session, if it has one."""
        for session in req.get_cookie_values(COOKIE) or []:
            await self._database.write(sessions.close_session, digest(session))

    def signature(self, path: str) -> str:
        """The signature that lets whoever holds it fetch the picture at this path, and nothing else."""
        made = hmac.digest(self._picture_key, path.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(made[:SIGNATURE_BYTES]).decode()

    def signature_holds(self, path: str, signature: str) -> bool:
        return hmac.compare_digest(self.signature(path).encode(), signature.encode())


def refuse_foreign(req: Request) -> None:
    """Raise Forbidden for a change that another site's page asks for; tools without these headers pass."""
    site = req.get_header("Sec-Fetch-Site")
    origin = req.get_header("Origin")
    if (site is None or site in ("same-origin", "none")) and (origin is None or _host_of(origin) == req.netloc.lower()):
        return
    raise Forbidden("changes are only taken from this site's own pages")


def _host_of(origin: str) -> str | None:
    """The host, with its port, of an Origin; None for what is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") and parts.netloc else None
