"""Access control: each operation has an `Access` rule, and `Authority` checks requests against it.

Everything that is not explicitly public is rejected without credentials. Tokens are compared by their SHA-256 in
constant time, so that neither content nor length leaks; the password is compared by Argon2.
"""

from __future__ import annotations

import asyncio
import base64
import enum
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from falcon.asgi import Request

from backend.auth.device_cache import DeviceCache
from backend.auth.login_throttle import LoginThrottle
from backend.auth.open_hosts import OpenHosts
from backend.auth.passwords import Password
from backend.database import Database, sessions
from backend.http.cookies import cookie_values
from backend.http.errors import Forbidden, TooManyRequests, Unauthorized
from contract import logs
from contract.split_screen import HALF

if TYPE_CHECKING:
    from backend.auth.google_oidc import SchedulerIdentity

log = logging.getLogger(__name__)

COOKIE = "session_id"
SIGNATURE_BYTES = 12
"""Length of a picture address's signature: 96 bits cannot be guessed over a network, and need only 16 characters."""


class Access(enum.Enum):
    """The credentials that an operation requires."""

    PUBLIC = "no credentials"
    PROCESSOR = "the processor's bearer token"
    TICK = "the processor's bearer token, or a Google ID token of the scheduler's account"
    ADMIN = "an admin's session cookie"
    DEVICE = "the device's bearer token, or an admin's session cookie"
    METRICS = "an admin's session cookie, or the metrics token"
    PICTURE = "the signature in the address, or an admin's session cookie"


_DEVICE = Access.DEVICE


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret in hex. The database stores random tokens in this form."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(token: str, expected: Sequence[str]) -> bool:
    """Return whether `token` is one of the expected secrets. Compares all of them, in constant time."""
    equal = False
    for secret in expected:
        if secret:
            equal |= hmac.compare_digest(digest(token), digest(secret))
    return equal


def bearer(req: Request) -> str | None:
    """Return the bearer token of the Authorization header, or None."""
    header = req.get_header("Authorization") or ""
    return (header[7:].strip() or None) if header[:7].lower() == "bearer " else None


class Authority:
    """Checks requests against the secrets of this installation."""

    def __init__(
        self,
        database: Database,
        device_cache: DeviceCache,
        *,
        processor_tokens: Sequence[str],
        admin_password: str,
        metrics_token: str,
        device_auth: str,
        session_seconds: float,
        picture_key: str,
        public_url: str = "",
        open_hosts: OpenHosts | None = None,
        scheduler: SchedulerIdentity | None = None,
    ) -> None:
        if not any(processor_tokens) or not admin_password:
            raise ValueError("the processor token and the admin password must not be empty")
        self._database = database
        self._devices = device_cache
        self._processor_tokens = tuple(processor_tokens)
        self._password = Password(admin_password)
        self._throttle = LoginThrottle()
        self._metrics_token = metrics_token
        self.device_auth = device_auth
        self.session_seconds = session_seconds
        self._picture_key = picture_key.encode()
        self._public_host = _host_of(public_url)
        self._open_hosts = open_hosts or OpenHosts()
        self._scheduler = scheduler
        for secret in (*processor_tokens, admin_password, metrics_token, picture_key):
            logs.redact(secret)

    async def require(self, access: Access, req: Request, device_id: str | None, now: float) -> None:
        """Return if the request has the credentials that `access` requires.

        Sets `context.device` of the request to the device whose own token was sent, and `context.signed` of a request
        for a picture to whether its address has a valid signature.

        Raises:
            Unauthorized: Credentials are missing.
            Forbidden: Credentials are wrong, or `access` is not a known rule.
            MisdirectedRequest: Frames need no token, and `Host` is not a name of this server.
        """
        if access is _DEVICE:  # first, because frames send most requests and enum lookups in `match` take a while
            await self._require_device(req, device_id, now)
            return
        match access:
            case Access.PUBLIC:
                return
            case Access.PROCESSOR:
                self._require_processor(req)
            case Access.TICK:
                await self._require_scheduler(req)
            case Access.ADMIN:
                await self._require_session(req, now)
            case Access.METRICS:
                token = bearer(req)
                if token is None:
                    await self._require_session(req, now)
                elif not matches(token, [self._metrics_token]):
                    raise Forbidden("wrong metrics token (check METRICS_TOKEN)")
            case Access.PICTURE:
                req.context.signed = await self.signature_holds(req.path, req.get_param("s") or "")
                if not req.context.signed:
                    await self._require_session(req, now)
            case _:
                raise Forbidden("this operation has an unknown access rule")

    def _require_processor(self, req: Request) -> None:
        token = bearer(req)
        if token is None:
            raise Unauthorized("missing token; send the processor token as 'Authorization: Bearer ...'")
        if not matches(token, self._processor_tokens):
            raise Forbidden("wrong processor token (check PROCESSOR_AUTH_TOKEN of the backend)")

    async def _require_scheduler(self, req: Request) -> None:
        token = bearer(req)
        if token is None or self._scheduler is None or matches(token, self._processor_tokens):
            self._require_processor(req)
        else:
            await asyncio.to_thread(self._scheduler.check, token)

    async def _require_session(self, req: Request, now: float) -> None:
        values = cookie_values(req, COOKIE) or [""]
        if not values[0] or not await self._database.read(sessions.session_is_open, digest(values[0]), now):
            raise Unauthorized("log in first: POST /login with the admin password")
        if req.method not in ("GET", "HEAD"):
            self.reject_cross_site(req)

    def reject_cross_site(self, req: Request) -> None:
        """Raise Forbidden if another site's page sent the request. Tools send neither header and pass.

        A page's own host is `Host`, or that of PUBLIC_URL: a reverse proxy may send another `Host`.
        """
        site = req.get_header("Sec-Fetch-Site")
        origin = req.get_header("Origin")
        if site is None or site in ("same-origin", "none"):
            own_hosts = (req.netloc.lower(), self._public_host)
            if origin is None or ((host := _host_of(origin)) is not None and host in own_hosts):
                return
        raise Forbidden("cross-site request rejected: changes must come from this site's own pages")

    async def _require_device(self, req: Request, device_id: str | None, now: float) -> None:
        if self.device_auth == "open":
            headers = (req.get_header(name) for name in ("Host", "Sec-Fetch-Site", "Origin"))
            self._open_hosts.require(*headers)
            return
        token = bearer(req)
        if token is None:
            await self._require_session(req, now)
            return
        device = await self._devices.find_by_token(digest(token), device_id or "")
        if device is None:
            raise Forbidden("wrong device token; use the one that was shown when the device was created")
        req.context.device = device

    async def log_in(self, password: str, address: str, now: float) -> str | None:
        """Open a session if the password is right, and return its id, else None. Only its hash is stored.

        Raises:
            TooManyRequests: The client's network has to wait.
        """
        moment = time.monotonic()
        if (seconds := self._throttle.seconds_to_wait(address, moment)) > 0:
            self._throttle.record_rejection(address)  # not logged: an attacker could fill the disk
            raise TooManyRequests("too many wrong passwords; wait before the next attempt", seconds)
        self._throttle.record_attempt(address, moment)
        if not await self._password.verify(password):
            count, rejected = self._throttle.failures(address)
            log.warning(
                "wrong password from %s: %d in a row, and %d attempts rejected without a check",
                address or "an unknown address",
                count,
                rejected,
            )
            return None
        self._throttle.record_success(address)
        session = secrets.token_urlsafe(32)
        await self._database.write(sessions.open_session, digest(session), now, now + self.session_seconds)
        return session

    def session_of(self, req: Request) -> str:
        """Return the hash of the session cookie. Does not check that the session is valid."""
        return digest((cookie_values(req, COOKIE) or [""])[0])

    async def log_out(self, req: Request) -> None:
        """Close the request's session, if it has one."""
        for session in cookie_values(req, COOKIE):
            await self._database.write(sessions.close_session, digest(session))

    def signature(self, text: str) -> str:
        """Return the signature that permits fetching the picture of this `signed_text`, and nothing else."""
        mac = hmac.digest(self._picture_key, text.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac[:SIGNATURE_BYTES]).decode()

    async def signature_holds(self, path: str, signature: str) -> bool:
        """Return whether this signature permits fetching the picture at `path`."""
        salt = await self._devices.picture_salt(device_of_path(path))
        return hmac.compare_digest(self.signature(signed_text(path, salt)).encode(), signature.encode())


def signed_text(path: str, picture_salt: str) -> str:
    """Return the text that the signature of a picture's address signs.

    With the device's salt in it, an address ends when the device is removed or gets another token, also if a device
    of the same name is added later. Without a salt it is the path alone, as earlier versions signed it.
    """
    return picture_salt + path


def device_of_path(path: str) -> str:
    """Return the key of the device that a picture's path belongs to: /pictures/{percent-encoded key}/{file}."""
    return unquote(path.removeprefix("/pictures/").partition("/")[0]).removesuffix(HALF)


def _host_of(origin: str) -> str | None:
    """Return the host and port of an Origin header, or None if it is not an HTTP origin."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") and parts.netloc else None
