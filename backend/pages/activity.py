"""The activity page, and the event stream that updates it, the gallery and the upload page."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from falcon.asgi import Request, Response, SSEvent
from sqlalchemy import Connection

from backend.auth.access import Access
from backend.database import sessions
from backend.http.errors import ServiceUnavailable
from backend.pages.access import page
from backend.pages.activity_view import Activity, gather
from backend.pages.base import PageResource, Site

MAX_STREAMS = 64
"""Maximum number of open event streams. Further streams get 503."""
STREAM_SECONDS = 600.0
"""A stream ends after this time and the browser opens the next one, because platforms cut off longer responses."""
POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
"""A comment is sent after this time without an event, so that both sides notice a lost connection."""


class ActivityMonitor:
    """Reads the activity, and which sessions have ended, once a second for all open streams together."""

    def __init__(self, site: Site) -> None:
        self._services = site.services
        self._lock = asyncio.Lock()
        self._latest: Activity | None = None
        self._until = 0.0
        self._streams: Counter[str] = Counter()
        self._ended: frozenset[str] = frozenset()

    @property
    def stream_count(self) -> int:
        return self._streams.total()

    @contextmanager
    def stream_of(self, session: str) -> Iterator[None]:
        """Count an open stream of this session (a hash) until the context ends."""
        self._streams[session] += 1
        try:
            yield
        finally:
            self._streams[session] -= 1
            self._streams += Counter()  # removes sessions without streams

    def has_ended(self, session: str) -> bool:
        """Return whether the latest query found that this session, which has a stream, was logged out or expired."""
        return session in self._ended

    async def read(self) -> Activity:
        """Return the activity, at most `POLL_SECONDS` old."""
        async with self._lock:
            moment = asyncio.get_running_loop().time()
            if self._latest is None or moment >= self._until:
                services = self._services
                in_cloud = bool(services.settings.gcp_project_id)
                activity, self._ended = await services.database.read(
                    _read, tuple(self._streams), services.clock(), in_cloud, services.last_error
                )
                self._latest = activity
                self._until = moment + POLL_SECONDS * 0.9
            return self._latest


def _read(
    connection: Connection, session_hashes: Collection[str], now: float, in_cloud: bool, last_error: str | None
) -> tuple[Activity, frozenset[str]]:
    ended = sessions.ended_sessions(connection, session_hashes, now)
    return gather(connection, now, in_cloud, last_error), ended


class ActivityPage(PageResource):
    """`GET /activity`."""

    def __init__(self, site: Site, monitor: ActivityMonitor) -> None:
        super().__init__(site)
        self._monitor = monitor

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        await self.site.send_page(req, resp, "activity.html", activity=await self._monitor.read())


class ActivityEvents(PageResource):
    """`GET /activity/events`, a stream of server-sent events.

    | Event | Data | When |
    |---|---|---|
    | `counts` | photos by state, as JSON | they change |
    | `changed` | a revision | counts, variants or devices change; a quick re-rendering changes no count |
    | `activity` | HTML of the activity page, as a JSON string | it changes; only with `?whole=true` |
    | `over` | `{}` | the session was logged out or has expired; the stream ends |
    """

    def __init__(self, site: Site, monitor: ActivityMonitor) -> None:
        super().__init__(site)
        self._monitor = monitor

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        if self._monitor.stream_count >= MAX_STREAMS:
            raise ServiceUnavailable("too many open pages; this one is not updated automatically")
        session = self.services.authority.session_of(req)
        resp.set_header("X-Accel-Buffering", "no")  # nginx would collect events
        resp.sse = self._events(session, whole=req.get_param_as_bool("whole") or False)

    async def _events(self, session: str, *, whole: bool) -> AsyncIterator[SSEvent | None]:
        running = asyncio.get_running_loop()
        end = running.time() + STREAM_SECONDS
        sent: dict[str, str] = {}
        sent_at = running.time()
        with self._monitor.stream_of(session):
            while running.time() < end and not self.services.ending.is_set():
                events = await self._current(whole=whole)
                if self._monitor.has_ended(session):
                    yield SSEvent(event="over", text="{}")
                    return
                for event, data in events.items():
                    if sent.get(event) != data:
                        sent[event] = data
                        sent_at = running.time()
                        yield SSEvent(event=event, text=data, retry=2000)
                if running.time() - sent_at > HEARTBEAT_SECONDS:
                    sent_at = running.time()
                    yield SSEvent(comment="heartbeat")
                await self._pause()

    async def _current(self, *, whole: bool) -> dict[str, str]:
        """Return the current data of each event."""
        activity = await self._monitor.read()
        events = {
            "counts": msgspec.json.encode(activity.counts).decode(),
            "changed": msgspec.json.encode(activity.revision).decode(),
        }
        if whole:
            values: dict[str, Any] = {"activity": activity, "now": self.services.clock()}
            # As a JSON string, because the data of an event is one line of text.
            events["activity"] = msgspec.json.encode(self.site.render("_activity.html", **values)).decode()
        return events

    async def _pause(self) -> None:
        """Wait until the next poll, or until the server ends."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self.services.ending.wait()
        except TimeoutError:
            return
