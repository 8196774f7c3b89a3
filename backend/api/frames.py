"""Calls of the frames: what to show, in which order, with which colours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec
from falcon.asgi import Request, Response
from msgspec import Meta

from backend.api.devices import find_device
from backend.api.operations import Query, Resource, operation, query_int
from backend.auth.access import Access
from backend.database.devices import Device
from backend.frames.entries import (
    REPLY_BYTES,
    Body,
    compact_queue,
    etag_of,
    fit_entries,
    next_entry,
    without_captions,
)
from backend.frames.selection import split_screen_size
from backend.frames.service import MAX_AFTER
from backend.http.errors import NotFound, UnprocessableEntity
from backend.playlist.shuffle_queue import slot_at
from backend.services import Services
from contract.messages.admin import Problem
from contract.messages.frames import CompactQueue, NextEntry, QueueEntry, Slideshow

MAX_CACHED_ANSWERS = 1024
"""Responses of `next` cached in memory, about 2 KB each. One is used only while the database has not changed."""
REVALIDATE = "private, no-cache"
"""Cache header for responses that a client stores and revalidates with their ETag."""

_AFTER = Query(
    "after",
    Annotated[str, Meta(max_length=MAX_AFTER)],
    "an `entry`: return what follows it; the position does not move",
)
_COMPACT = Query("compact", bool, "1: the compact form for devices with little memory, below 4 KB")
_CAPTIONS = Query("captions", bool, "1: include the captions of the photos")


class FrameQuery(NamedTuple):
    """The query parameters of a frame's request."""

    after: str | None
    compact: bool
    captions: bool


class _FrameResource(Resource):
    async def device(self, req: Request, device_id: str) -> Device:
        """Return the device of the request, and update its last-seen time if the device itself sent it."""
        services = self.services
        device: Device | None = getattr(req.context, "device", None)
        is_frame = device is not None or services.authority.device_auth == "open"
        if device is None:
            device = await find_device(services, device_id)
        if is_frame and services.serving_state.writing:
            services.device_cache.record_seen(device, services.clock())
        return device

    def compact(self, device: Device, entries: list[QueueEntry]) -> Body:
        until = self.services.frames.until(device)
        data = compact_queue(entries, (device.width, device.height), split_screen_size(device), device.gap, until)
        return Body(data, etag_of(data))


class DeviceSlideshow(_FrameResource):
    """`GET /api/devices/{device_id}/slideshow`."""

    @operation(
        "Get the device's queue from the next entry on, each photo once, at most 64 KB",
        access=Access.DEVICE,
        responses={200: (Slideshow, CompactQueue), 304: None, 404: Problem},
        query=(
            Query("count", Annotated[int, Meta(ge=1, le=100)], "number of entries (default 50)"),
            _AFTER,
            _COMPACT,
            _CAPTIONS,
        ),
    )
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        query, count = _query_of(req), query_int(req, "count", 50, 1, 100)
        device = await self.device(req, device_id)
        frames = self.services.frames
        entries, showing = await frames.listing(device, query.after, count)
        if query.compact:
            send(req, resp, self.compact(device, entries))
            return
        queue = fit_entries(entries if query.captions else [without_captions(entry) for entry in entries], REPLY_BYTES)
        moment = datetime.fromtimestamp(self.services.clock(), UTC)
        slideshow = Slideshow(
            device_id=device_id,
            queue=tuple(queue),
            current_index=0,
            generated_at="",
            until=frames.until(device),
            gap=device.gap,
            showing=showing,
        )
        etag = etag_of(msgspec.json.encode(slideshow))  # of everything except `generated_at`
        slideshow = msgspec.structs.replace(slideshow, generated_at=moment.isoformat().replace("+00:00", "Z"))
        send(req, resp, Body(msgspec.json.encode(slideshow), etag))


class DeviceNext(_FrameResource):
    """`GET /api/devices/{device_id}/next`: advances the position of a device without an interval."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._answers: dict[tuple[str, FrameQuery], tuple[object, Body | None]] = {}

    @operation(
        "Get the entry to show now; a device without an interval gets the next entry, and its position moves",
        access=Access.DEVICE,
        responses={200: (NextEntry, CompactQueue), 304: None, 404: Problem},
        query=(_AFTER, _COMPACT, _CAPTIONS),
    )
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        query = _query_of(req)
        device = await self.device(req, device_id)
        if req.method == "HEAD" and query.after is None:  # changes nothing
            body = await self._body(device, query, peek=True)
        elif device.interval_seconds and query.after is None:
            body = await self._current(device, query)
        else:
            body = await self._body(device, query)
        if body is None:
            raise NotFound(f"no picture is ready for {device_id[:64]!r} yet, or its filters exclude all photos")
        send(req, resp, body)

    async def _current(self, device: Device, query: FrameQuery) -> Body | None:
        """Return the response for the current slot of the device's interval."""
        services, asked = self.services, (device.id, query)
        # Read before the entry: if something changes in between, the next request builds the response again.
        state = await services.database.version(), slot_at(device.interval_seconds, services.clock())
        known, body = self._answers.get(asked, (None, None))
        if known != state:
            body = await self._body(device, query)
            if len(self._answers) >= MAX_CACHED_ANSWERS:
                self._answers.clear()
            self._answers[asked] = state, body
        return body

    async def _body(self, device: Device, query: FrameQuery, *, peek: bool = False) -> Body | None:
        frames = self.services.frames
        if query.after is None:
            entry = await frames.next(device, peek=peek)
        else:
            entry = await frames.following(device, query.after)
        if entry is None:
            return None
        if query.compact:
            return self.compact(device, [entry])
        return next_entry(entry, until=frames.until(device), gap=device.gap, captions=query.captions)


class DeviceImage(_FrameResource):
    """`GET /api/devices/{device_id}/images/{image_id}`."""

    @operation(
        "Get one photo as this device shows it alone",
        access=Access.DEVICE,
        responses={200: (QueueEntry, CompactQueue), 304: None, 404: Problem},
        query=(_COMPACT, _CAPTIONS),
    )
    async def on_get(self, req: Request, resp: Response, device_id: str, image_id: str) -> None:
        query = _query_of(req)
        device = await self.device(req, device_id)
        # An administrator may look at photos that the device's filters exclude.
        is_frame = hasattr(req.context, "device") or self.services.authority.device_auth == "open"
        entry = await self.services.frames.photo(device, image_id, selected_only=is_frame)
        if entry is None:
            raise NotFound(f"there is no picture of {image_id[:64]!r} for this device")
        if query.compact:
            send(req, resp, self.compact(device, [entry]))
            return
        data = msgspec.json.encode(entry if query.captions else without_captions(entry))
        send(req, resp, Body(data, etag_of(data)))


def _query_of(req: Request) -> FrameQuery:
    if not req.query_string:
        return _DEFAULT_QUERY
    after = req.get_param("after") or None
    if after is not None and len(after) > MAX_AFTER:
        raise UnprocessableEntity(f"after: expected the `entry` of an earlier response, at most {MAX_AFTER} characters")
    return FrameQuery(after, _switch(req, "compact"), _switch(req, "captions"))


_DEFAULT_QUERY = FrameQuery(None, False, False)


def _switch(req: Request, name: str) -> bool:
    text = (req.get_param(name) or "0").lower()
    if text not in ("0", "1", "true", "false"):
        raise UnprocessableEntity(f"{name}: expected 1 or 0")
    return text in ("1", "true")


def send(req: Request, resp: Response, body: Body) -> None:
    """Send `body`, or 304 if the frame's stored response is still current."""
    resp.set_header("ETag", body.etag)
    resp.set_header("Cache-Control", REVALIDATE)
    etags = req.get_header("If-None-Match")
    if etags is not None and (etags == "*" or body.etag in etags):
        resp.status = 304
        return
    resp.status = 200
    resp.content_type = "application/json"
    resp.data = body.data
