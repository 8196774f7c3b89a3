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
from backend.database import shuffle_queues
from backend.database.devices import Device
from backend.frames.entries import (
    REPLY_BYTES,
    Body,
    compact_queue,
    entry_name,
    etag_of,
    fit_entries,
    nameless_answer,
    without_captions,
)
from backend.frames.service import MAX_AFTER, CycleEntry
from backend.frames.state import FrameState, split_screen_size
from backend.http.errors import NotFound, UnprocessableEntity
from contract.messages.admin import Problem
from contract.messages.frames import CompactQueue, FrameFilters, NextEntry, QueueEntry, Slideshow

MAX_BODIES = 64
"""Responses cached for each device, until its interval slot ends or its photos change."""
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

    def compact(self, show: FrameState, entries: list[QueueEntry]) -> Body:
        device = show.device
        until = self.services.frames.until(show)
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
        show = await frames.state(device)
        entries = await frames.entries(show, await frames.upcoming(show, query.after, count))
        if query.compact:
            send(req, resp, self.compact(show, entries))
            return
        queue = fit_entries(entries if query.captions else [without_captions(entry) for entry in entries], REPLY_BYTES)
        moment = datetime.fromtimestamp(self.services.clock(), UTC)
        slideshow = Slideshow(
            device_id=device_id,
            queue=tuple(queue),
            current_index=0,
            generated_at="",
            until=frames.until(show),
            gap=device.gap,
            showing=frames.showing(show),
        )
        etag = etag_of(msgspec.json.encode(slideshow))  # of everything except `generated_at`
        slideshow = msgspec.structs.replace(slideshow, generated_at=moment.isoformat().replace("+00:00", "Z"))
        send(req, resp, Body(msgspec.json.encode(slideshow), etag))


class DeviceNext(_FrameResource):
    """`GET /api/devices/{device_id}/next`: advances the position of a device without an interval."""

    @operation(
        "Get the entry to show now; a device without an interval gets the next entry, and its position moves",
        access=Access.DEVICE,
        responses={200: (NextEntry, CompactQueue), 304: None, 404: Problem},
        query=(_AFTER, _COMPACT, _CAPTIONS),
    )
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        query = _query_of(req)
        device = await self.device(req, device_id)
        if not device.interval_seconds and query.after is None and req.method != "HEAD":  # HEAD changes nothing
            taken = await self.services.frames.take(device)
            body = None if taken is None else self._next(*taken, query)
        else:
            body = await self._due(device, query)
        if body is None:
            raise NotFound(f"no picture is ready for {device_id[:64]!r} yet, or its filters exclude all photos")
        send(req, resp, body)

    async def _due(self, device: Device, query: FrameQuery) -> Body | None:
        frames = self.services.frames
        show = await frames.state(device)
        slot = show.slot(self.services.clock())
        if show.bodies_slot != slot or len(show.bodies) >= MAX_BODIES:
            show.bodies_slot = slot
            show.bodies.clear()
        body: Body | None = show.bodies.get(query)
        if body is None:
            due = await frames.due(device, query.after)
            if due is None:
                return None
            body = self._body(*due, query)
            if due[0].slot(self.services.clock()) == due[0].bodies_slot:
                due[0].bodies[query] = body
        return body

    def _next(self, show: FrameState, place: CycleEntry, query: FrameQuery) -> Body:
        """Return the response with an entry that is rendered already, and cache it for later cycles."""
        epoch, entry = place
        if query.compact:
            return self._body(show, msgspec.structs.replace(show.made[entry], entry=entry_name(epoch, entry)), query)
        template = show.answers.get((entry, query.captions))
        if template is None:
            template = nameless_answer(show.made[entry], until=0.0, gap=show.device.gap, captions=query.captions)
            show.answers[entry, query.captions] = template
        return template.named(entry_name(epoch, entry))

    def _body(self, show: FrameState, entry: QueueEntry, query: FrameQuery) -> Body:
        if query.compact:
            return self.compact(show, [entry])
        until, gap = self.services.frames.until(show), show.device.gap
        return nameless_answer(entry, until=until, gap=gap, captions=query.captions).named(entry.entry)


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
        frames = self.services.frames
        show = await frames.state(device)
        entries = await frames.entries(show, [(show.queue.cycle, (image_id,))])
        if not entries or not await self._may_read(req, device, image_id):
            raise NotFound(f"there is no picture of {image_id[:64]!r} for this device")
        if query.compact:
            send(req, resp, self.compact(show, entries))
            return
        data = msgspec.json.encode(entries[0] if query.captions else without_captions(entries[0]))
        send(req, resp, Body(data, etag_of(data)))

    async def _may_read(self, req: Request, device: Device, image_id: str) -> bool:
        """Return True for an admin's session, and for a frame whose filters show the photo."""
        services = self.services
        is_frame = hasattr(req.context, "device") or services.authority.device_auth == "open"
        if not is_frame or not device.filters:
            return True
        filters = msgspec.convert(device.filters, FrameFilters)
        return await services.database.read(shuffle_queues.shows, image_id, filters, services.clock())


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
