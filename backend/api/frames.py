"""What frames ask: what to show, in which order, with which colours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from falcon.asgi import Request, Response

from backend.api.devices import known_device
from backend.auth.access import Access
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
from backend.http.operations import Query, operation, query_int
from backend.services import Services
from contract.messages.admin import Problem
from contract.messages.frames import CompactQueue, NextEntry, QueueEntry, Slideshow

MAX_BODIES = 64
"""Answers kept in memory for each device, until its slot ends or its photos change."""
ASK_AGAIN = "private, no-cache"
"""May be kept, and is asked for again with its ETag."""

_AFTER = Query("after", str, "an `entry`: answers what comes behind it, and nothing moves on")
_COMPACT = Query("compact", bool, "1: the form for small memories, below 4 KB")
_CAPTIONS = Query("captions", bool, "1: with what may be written under each photo")


class FrameQuery(NamedTuple):
    """How a frame wants its answer."""

    after: str | None
    compact: bool
    captions: bool


class _FrameResource:
    def __init__(self, services: Services) -> None:
        self.services = services

    async def device(self, req: Request, device_id: str) -> Device:
        """The device that asks, which is noted as seen."""
        services = self.services
        found: Device | None = getattr(req.context, "device", None)
        is_a_frame = found is not None or services.authority.device_auth == "open"
        if found is None:
            found = await known_device(services, device_id)
        if is_a_frame and services.serving_state.writing:
            services.device_cache.note_seen(found, services.clock())
        return found

    def compact(self, show: FrameState, entries: list[QueueEntry]) -> Body:
        device = show.device
        until = self.services.frames.until(show)
        data = compact_queue(entries, (device.width, device.height), split_screen_size(device), device.gap, until)
        return Body(data, etag_of(data))


class DeviceSlideshow(_FrameResource):
    """`GET /api/devices/{device_id}/slideshow`."""

    @operation(
        "The device's queue, from the entry that comes next; no photo twice, and no longer than 64 KB",
        access=Access.DEVICE,
        answers={200: (Slideshow, CompactQueue), 304: None, 404: Problem},
        query=(Query("count", int, "how many entries, 1 to 100; 50 unless told"), _AFTER, _COMPACT, _CAPTIONS),
    )
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        asked, count = _asked(req), query_int(req, "count", 50, 1, 100)
        device = await self.device(req, device_id)
        frames = self.services.frames
        show = await frames.state(device)
        found = await frames.entries(show, await frames.upcoming(show, asked.after, count))
        if asked.compact:
            send(req, resp, self.compact(show, found))
            return
        shown = fit_entries(found if asked.captions else [without_captions(entry) for entry in found], REPLY_BYTES)
        moment = datetime.fromtimestamp(self.services.clock(), UTC)
        told = Slideshow(
            device_id=device_id,
            queue=tuple(shown),
            current_index=0,
            generated_at="",
            until=frames.until(show),
            gap=device.gap,
            showing=frames.showing(show),
        )
        etag = etag_of(msgspec.json.encode(told))  # of everything but the moment of this answer
        told = msgspec.structs.replace(told, generated_at=moment.isoformat().replace("+00:00", "Z"))
        send(req, resp, Body(msgspec.json.encode(told), etag))


class DeviceNext(_FrameResource):
    """`GET /api/devices/{device_id}/next`: without an interval a call moves on."""

    @operation(
        "The entry to show now; for a device without an interval the next one, and the position moves on",
        access=Access.DEVICE,
        answers={200: (NextEntry, CompactQueue), 304: None, 404: Problem},
        query=(_AFTER, _COMPACT, _CAPTIONS),
    )
    async def on_get(self, req: Request, resp: Response, device_id: str) -> None:
        asked = _asked(req)
        device = await self.device(req, device_id)
        if not device.interval_seconds and asked.after is None:
            taken = await self.services.frames.take(device)
            body = None if taken is None else self._next(*taken, asked)
        else:
            body = await self._due(device, asked)
        if body is None:
            raise NotFound(f"no picture is ready for {device_id[:64]!r} yet, or none passes its filters")
        send(req, resp, body)

    async def _due(self, device: Device, asked: FrameQuery) -> Body | None:
        frames = self.services.frames
        show = await frames.state(device)
        slot = show.slot(self.services.clock())
        if show.bodies_slot != slot or len(show.bodies) >= MAX_BODIES:
            show.bodies_slot = slot
            show.bodies.clear()
        body: Body | None = show.bodies.get(asked)
        if body is None:
            found = await frames.due(device, asked.after)
            if found is None:
                return None
            body = self._body(*found, asked)
            if found[0].slot(self.services.clock()) == found[0].bodies_slot:
                found[0].bodies[asked] = body
        return body

    def _next(self, show: FrameState, place: CycleEntry, asked: FrameQuery) -> Body:
        """The answer with an entry that is among those that are made, kept for the rounds that follow."""
        epoch, entry = place
        if asked.compact:
            return self._body(show, msgspec.structs.replace(show.made[entry], entry=entry_name(epoch, entry)), asked)
        kept = show.answers.get((entry, asked.captions))
        if kept is None:
            kept = nameless_answer(show.made[entry], until=0.0, gap=show.device.gap, captions=asked.captions)
            show.answers[entry, asked.captions] = kept
        return kept.named(entry_name(epoch, entry))

    def _body(self, show: FrameState, entry: QueueEntry, asked: FrameQuery) -> Body:
        if asked.compact:
            return self.compact(show, [entry])
        until, gap = self.services.frames.until(show), show.device.gap
        return nameless_answer(entry, until=until, gap=gap, captions=asked.captions).named(entry.entry)


class DeviceImage(_FrameResource):
    """`GET /api/devices/{device_id}/images/{image_id}`."""

    @operation(
        "One photo as this device shows it by itself",
        access=Access.DEVICE,
        answers={200: (QueueEntry, CompactQueue), 304: None, 404: Problem},
        query=(_COMPACT, _CAPTIONS),
    )
    async def on_get(self, req: Request, resp: Response, device_id: str, image_id: str) -> None:
        asked = _asked(req)
        device = await self.device(req, device_id)
        frames = self.services.frames
        show = await frames.state(device)
        found = await frames.entries(show, [(show.queue.cycle, (image_id,))])
        if not found:
            raise NotFound(f"there is no picture of {image_id[:64]!r} for this device")
        if asked.compact:
            send(req, resp, self.compact(show, found))
            return
        data = msgspec.json.encode(found[0] if asked.captions else without_captions(found[0]))
        send(req, resp, Body(data, etag_of(data)))


def _asked(req: Request) -> FrameQuery:
    if not req.query_string:
        return _PLAIN
    after = req.get_param("after") or None
    if after is not None and len(after) > MAX_AFTER:
        raise UnprocessableEntity(f"after: expected the `entry` of an earlier answer, at most {MAX_AFTER} characters")
    return FrameQuery(after, _switch(req, "compact"), _switch(req, "captions"))


_PLAIN = FrameQuery(None, False, False)


def _switch(req: Request, name: str) -> bool:
    text = (req.get_param(name) or "0").lower()
    if text not in ("0", "1", "true", "false"):
        raise UnprocessableEntity(f"{name}: expected 1 or 0")
    return text in ("1", "true")


def send(req: Request, resp: Response, body: Body) -> None:
    """Answer, or say that what the frame has is right (304)."""
    resp.set_header("ETag", body.etag)
    resp.set_header("Cache-Control", ASK_AGAIN)
    known = req.get_header("If-None-Match")
    if known is not None and (known == "*" or body.etag in known):
        resp.status = 304
        return
    resp.status = 200
    resp.content_type = "application/json"
    resp.data = body.data
