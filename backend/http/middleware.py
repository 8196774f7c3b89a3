"""Steps around every request: the serving state, security and CORS headers, the duration.

| Step | Where it runs |
|---|---|
| `Middleware` | Falcon middleware: default headers and the start time before, CORS and the duration after |
| `ServingState.admit` | before the responder, because it needs the access rule of the route |
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection
from typing import Literal

from falcon.asgi import Request, Response
from prometheus_client import Histogram

from backend.http.errors import ServiceUnavailable

State = Literal["loading", "reading", "writing", "lost"]

DEFAULT_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A response that is not a page loads nothing, cannot be framed, and runs nothing if a browser opens it.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "no-store",
}
CORS_METHODS = "GET, HEAD, POST, PUT, DELETE, PATCH"
CORS_HEADERS = "Authorization, Content-Type"
HOLD_SECONDS = 3.0
"""Time that a request is held during start-up before it gets 503."""
_READ_METHODS = ("GET", "HEAD")
_REASONS: dict[State, str] = {
    "loading": "the database is being loaded from the bucket; try again in a few seconds",
    "reading": "this backend is starting and accepts no changes yet; try again in a few seconds",
    "lost": "another backend instance is active now; try again to reach it",
}


class Middleware:
    """Falcon middleware: set the headers that every response carries, and measure how long it took."""

    def __init__(self, origins: Collection[str], durations: Histogram) -> None:
        """Allow the pages of `origins` (CORS_ORIGINS) to read responses; `durations` has labels method and status."""
        self._origins = origins
        self._durations = durations

    async def process_request(self, req: Request, resp: Response) -> None:
        req.context.began = time.perf_counter()
        for name, value in DEFAULT_HEADERS.items():
            resp.set_header(name, value)  # `set_headers` is slower for so few

    async def process_response(self, req: Request, resp: Response, resource: object, succeeded: bool) -> None:
        if self._origins:
            self._set_cors_headers(req, resp)
        elapsed = time.perf_counter() - req.context.began
        self._durations.labels(req.method, resp.status_code).observe(elapsed)

    def _set_cors_headers(self, req: Request, resp: Response) -> None:
        # Credentials are never allowed: pages of other sites send a token, or read what is public.
        resp.append_header("Vary", "Origin")
        origin = req.get_header("Origin")
        if origin is not None and origin in self._origins:
            resp.set_header("Access-Control-Allow-Origin", origin)
            if req.method == "OPTIONS":
                resp.set_header("Access-Control-Allow-Methods", CORS_METHODS)
                resp.set_header("Access-Control-Allow-Headers", CORS_HEADERS)


class ServingState:
    """Decides which requests may be answered: only health (`loading`), reads (`reading`) or everything (`writing`).

    A process whose database outlives it is `writing` from the start.
    `lost` means that another instance is active: reads are answered, changes are rejected, and the process ends soon.
    """

    def __init__(self, *, durable: bool) -> None:
        self._state: State = "writing" if durable else "loading"
        self._changed = asyncio.Event()
        self.lost = asyncio.Event()
        """Set when another instance has become active. There is no way back."""

    @property
    def state(self) -> State:
        return self._state

    @property
    def writing(self) -> bool:
        """Return whether changes are accepted."""
        return self._state == "writing"

    def become(self, state: State) -> None:
        """Switch to `state` and wake the requests that are being held."""
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()

    def lose(self) -> None:
        """Switch to `lost`, because another instance is active."""
        self.become("lost")
        self.lost.set()

    def _allows(self, method: str, public: bool) -> bool:
        if method in _READ_METHODS:
            return public or self._state != "loading"
        return self.writing

    async def admit(self, method: str, *, public: bool) -> None:
        """Return if the request may be answered; hold it for a while during start-up.

        An unloaded database would give wrong answers. Where a process has CPU only during requests (Cloud Run),
        holding the request is what lets the loading continue.

        Args:
            method: HTTP method.
            public: Whether the route needs no credentials, such as health checks.

        Raises:
            ServiceUnavailable: The state still forbids the request after `HOLD_SECONDS`.
        """
        if self.writing:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HOLD_SECONDS):
                while self._state in ("loading", "reading") and not self._allows(method, public):
                    await self._changed.wait()
        if not self._allows(method, public):
            raise self.unavailable()

    def unavailable(self) -> ServiceUnavailable:
        """Return the error for a request that this process may not answer."""
        return ServiceUnavailable(_REASONS.get(self._state, _REASONS["lost"]))

    def require_loaded(self) -> None:
        """Raise ServiceUnavailable until the database is loaded, and once another instance is active."""
        if self._state == "loading":
            raise self.unavailable()
        self.require_live()

    def require_live(self) -> None:
        """Raise ServiceUnavailable once another instance is active: this process must be replaced."""
        if self._state == "lost":
            raise self.unavailable()
