"""The activity page, and the stream of events that keeps it, the gallery and the upload page up to date."""

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

STREAMS = 64
"""Open pages that are kept up to date at a time; one more is told to come again."""
STREAM_SECONDS = 600.0
"""A stream ends by itself, and the browser opens the next: platforms cut longer answers off."""
PACE_SECONDS = 1.0
SILENCE_SECONDS = 15.0
"""After so long without news a comment is sent, by which both sides notice that the other is gone."""


class Watch:
    """What goes on, and whose login has ended: asked of the database together, once a second however many look."""

    def __init__(self, site: Site) -> None:
        self._services = site.services
        self._lock = asyncio.Lock()
        self._latest: Activity | None = None
        self._until = 0.0
        self._watching: Counter[str] = Counter()
        self._ended: frozenset[str] = frozenset()

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._watching.total()

    @contextmanager
    def watching(self, session: str) -> Iterator[None]:
        """A stream of this session is open."""
        self._watching[session] += 1
        try:
            yield
        finally:
            self._watching[session] -= 1
            self._watching += Counter()  # without those that watch no more

    def is_over(self, session: str) -> bool:
        """Whether the latest look found that this session, which is watching, was logged out or has expired."""
        return session in self._ended

    async def look(self) -> Activity:
        """What goes on, no more than `PACE_SECONDS` old."""
        async with self._lock:
            moment = asyncio.get_running_loop().time()
            if self._latest is None or moment >= self._until:
                services = self._services
                in_cloud = bool(services.settings.gcp_project_id)
                look = await services.database.read(
                    _look, tuple(self._watching), services.clock(), in_cloud, services.last_error
                )
                self._latest, self._ended = look
                self._until = moment + PACE_SECONDS * 0.9
            return self._latest


def _look(
    connection: Connection, session_hashes: Collection[str], now: float, in_cloud: bool, last_error: str | None
) -> tuple[Activity, frozenset[str]]:
    ended = sessions.ended_sessions(connection, session_hashes, now)
    return gather(connection, now, in_cloud, last_error), ended


class ActivityPage(PageResource):
    """`GET /activity`."""

    def __init__(self, site: Site, watch: Watch) -> None:
        super().__init__(site)
        self._watch = watch

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        await self.site.show(req, resp, "activity.html", activity=await self._watch.look())


class ActivityEvents(PageResource):
    """`GET /activity/events`: `counts` as JSON whenever they change; with `whole` the page's inside as well.

    `changed` comes whenever counts, pictures or devices do: pictures may be made anew so soon that no count differs.
    Whoever logs out, or whose login expires, is told no more: `over` within some seconds, and the stream ends.
    """

    def __init__(self, site: Site, watch: Watch) -> None:
        super().__init__(site)
        self._watch = watch

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        if self._watch.streams >= STREAMS:
            raise ServiceUnavailable("too many pages are open; this one is not kept up to date for now")
        session = self.services.authority.session_of(req)
        resp.sse = self._events(session, whole=req.get_param_as_bool("whole") or False)

    async def _events(self, session: str, *, whole: bool) -> AsyncIterator[SSEvent | None]:
        running = asyncio.get_running_loop()
        end = running.time() + STREAM_SECONDS
        told: dict[str, str] = {}
        spoke = running.time()
        with self._watch.watching(session):
            while running.time() < end and not self.services.ending.is_set():
                news = await self._news(whole=whole)
                if self._watch.is_over(session):
                    yield SSEvent(event="over", text="{}")
                    return
                for event, data in news.items():
                    if told.get(event) != data:
                        told[event] = data
                        spoke = running.time()
                        yield SSEvent(event=event, text=data, retry=2000)
                if running.time() - spoke > SILENCE_SECONDS:
                    spoke = running.time()
                    yield SSEvent(comment="still here")
                await self._pause()

    async def _news(self, *, whole: bool) -> dict[str, str]:
        activity = await self._watch.look()
        news = {
            "counts": msgspec.json.encode(activity.counts).decode(),
            "changed": msgspec.json.encode(activity.revision).decode(),
        }
        if whole:
            news["activity"] = self._inside(activity)
        return news

    def _inside(self, activity: Activity) -> str:
        values: dict[str, Any] = {"activity": activity, "now": self.services.clock()}
        # As JSON, since an event is one line of text.
        return msgspec.json.encode(self.site.rendered("_activity.html", **values)).decode()

    async def _pause(self) -> None:
        """Wait for the next look, or until the server ends."""
        try:
            async with asyncio.timeout(PACE_SECONDS):
                await self.services.ending.wait()
        except TimeoutError:
            return
