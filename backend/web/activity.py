"""The activity page, and the stream of events that keeps it, the gallery and the upload page up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from falcon.asgi import Request, Response, SSEvent

from backend.auth import Access
from backend.errors import Unavailable
from backend.web.activity_view import Activity, gather
from backend.web.guard import page
from backend.web.site import PageResource, Site

STREAMS = 64
"""Open pages that are kept up to date at a time; one more is told to come again."""
STREAM_SECONDS = 600.0
"""A stream ends by itself, and the browser opens the next: so a login that has ended is noticed."""
PACE_SECONDS = 1.0
SILENCE_SECONDS = 15.0
"""After so long without news a comment is sent, by which both sides notice that the other is gone."""


class Watch:
    """What goes on, asked of the database once a second however many look."""

    def __init__(self, site: Site) -> None:
        self._services = site.services
        self._lock = asyncio.Lock()
        self._latest: Activity | None = None
        self._until = 0.0
        self.streams = 0

    async def look(self) -> Activity:
        """What goes on, no more than `PACE_SECONDS` old."""
        async with self._lock:
            moment = asyncio.get_running_loop().time()
            if self._latest is None or moment >= self._until:
                services = self._services
                in_cloud = bool(services.settings.gcp_project_id)
                self._latest = await services.database.read(gather, services.clock(), in_cloud, services.last_error)
                self._until = moment + PACE_SECONDS * 0.9
            return self._latest


class ActivityPage(PageResource):
    """`GET /activity`."""

    def __init__(self, site: Site, watch: Watch) -> None:
        super().__init__(site)
        self._watch = watch

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        await self.site.show(req, resp, "activity.html", activity=await self._watch.look())


class ActivityEvents(PageResource):
    """`GET /activity/events`: `counts` as JSON whenever they change; with `whole` the page's inside as well."""

    def __init__(self, site: Site, watch: Watch) -> None:
        super().__init__(site)
        self._watch = watch

    @page(access=Access.ADMIN)
    async def on_get(self, req: Request, resp: Response) -> None:
        if self._watch.streams >= STREAMS:
            raise Unavailable("too many pages are open; this one is not kept up to date for now")
        resp.sse = self._events(whole=req.get_param_as_bool("whole") or False)

    async def _events(self, *, whole: bool) -> AsyncIterator[SSEvent | None]:
        running = asyncio.get_running_loop()
        end = running.time() + STREAM_SECONDS
        told: dict[str, str] = {}
        spoke = running.time()
        self._watch.streams += 1
        try:
            while running.time() < end and not self.services.ending.is_set():
                for event, data in (await self._news(whole=whole)).items():
                    if told.get(event) != data:
                        told[event] = data
                        spoke = running.time()
                        yield SSEvent(event=event, text=data, retry=2000)
                if running.time() - spoke > SILENCE_SECONDS:
                    spoke = running.time()
                    yield SSEvent(comment="still here")
                await self._pause()
        finally:
            self._watch.streams -= 1

    async def _news(self, *, whole: bool) -> dict[str, str]:
        activity = await self._watch.look()
        news = {"counts": msgspec.json.encode(activity.counts).decode()}
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
