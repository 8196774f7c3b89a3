"""The entries that frames request: each call runs one transaction, and nothing about a queue is kept in memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection

from backend.database import Database, shuffle_queues
from backend.database.devices import Device
from backend.frames.entries import EntryBuilder, Rows, entry_name
from backend.frames.selection import CycleEntry, Selection
from backend.playlist.shuffle_queue import Position, slot_at
from contract.bucket.port import Bucket
from contract.messages.frames import QueueEntry

log = logging.getLogger(__name__)

MAX_AFTER = 64
"""Maximum length of `after` in characters."""
MAX_ODD_PHOTOS = 4
"""Photos with damaged rows that a call of `next` skips."""
REFILTER_SECONDS = 2.0
"""A request that changes a device's filters applies them for this time; the periodic work does the rest."""


class _Chosen(NamedTuple):
    """Entries, the variants of their photos, and the position in the queue."""

    entries: list[CycleEntry]
    rows: Rows
    position: Position


class Listing(NamedTuple):
    """The entries of a response, and the photo that the frame received last."""

    entries: list[QueueEntry]
    showing: str | None


class FrameService:
    """Selects and builds the entries of all devices."""

    def __init__(
        self,
        database: Database,
        builder: EntryBuilder,
        clock: Callable[[], float],
        may_write: Callable[[], bool],
    ) -> None:
        """`clock` returns seconds since the epoch; `may_write` returns True if positions may be stored."""
        self._database = database
        self._builder = builder
        self._clock = clock
        self._may_write = may_write

    async def next(self, device: Device, *, peek: bool = False) -> QueueEntry | None:
        """Return the entry to show now; None without photos.

        Without an interval, each call advances. When this returns, the position is stored.
        While positions must not be stored, or with `peek`, a call returns the entry that would be next.
        """
        may_write = self._may_write() and not peek
        for _ in range(MAX_ODD_PHOTOS):
            chosen = await self._choose(device, may_write=may_write)
            entry = await self._first(device, chosen)
            if entry is not None or not chosen.entries or not may_write:
                return entry
            photos = [photo for _, shown in chosen.entries for photo in shown]
            log.warning("%s cannot show %s: its stored colours are damaged; skipping it", device.id, photos[0])
            await self._database.write(shuffle_queues.exclude, device.key, photos)
        return None

    async def _choose(self, device: Device, *, may_write: bool) -> _Chosen:
        now = self._clock()
        if not may_write:
            return await self._database.read(_preview, device, now)
        if device.interval_seconds and (stored := await self._database.read(_stored, device, now)) is not None:
            return stored
        return await self._database.write(advance, device, now)

    async def following(self, device: Device, after: str) -> QueueEntry | None:
        """Return the entry that follows `after`, without advancing; the current one if `after` is unknown."""
        return await self._first(device, await self._database.read(_view, device, self._clock(), after, 1))

    async def listing(self, device: Device, after: str | None, count: int) -> Listing:
        """Return up to `count` entries without duplicates: from the current entry on, or after the entry `after`."""
        chosen = await self._database.read(_view, device, self._clock(), after, count)
        entries = [entry for entry in await self._build(device, chosen) if entry is not None]
        return Listing(entries, next(iter(chosen.position.entry), None))

    async def now_and_next(self, device: Device) -> tuple[QueueEntry | None, QueueEntry | None]:
        """Return the entry on the screen and the next one, without advancing; the first is None before any call."""
        chosen = await self._database.read(_now_and_next, device, self._clock())
        built = [*await self._build(device, chosen), None, None]
        return built[0], built[1]

    async def photo(self, device: Device, image_id: str, *, selected_only: bool) -> QueueEntry | None:
        """Return the entry of one photo, shown alone; None if it has no variant, or the filters exclude it."""
        return await self._first(device, await self._database.read(_photo, device, image_id, selected_only))

    async def refilter(self, within: float = REFILTER_SECONDS) -> None:
        """Apply changed filters to the photos of their devices, page by page, for about `within` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        for device_id in await self._database.read(shuffle_queues.devices_to_refilter):
            while await self._database.write(shuffle_queues.refilter, device_id, self._clock()):
                if loop.time() > deadline:
                    return

    def until(self, device: Device) -> float:
        """Return when the next entry follows, in seconds since the epoch; 0 without an interval."""
        interval = device.interval_seconds
        return float((slot_at(interval, self._clock()) + 1) * interval) if interval else 0.0

    async def _first(self, device: Device, chosen: _Chosen) -> QueueEntry | None:
        return next(iter(await self._build(device, chosen)), None)

    async def _build(self, device: Device, chosen: _Chosen) -> list[QueueEntry | None]:
        """Build the entries; None for one without variants. Computing colours takes time, so a thread does it."""
        if not chosen.entries:
            return []

        def build() -> list[QueueEntry | None]:
            return [
                self._builder.entry(device.key, entry, chosen.rows, entry_name(cycle, entry)) if entry else None
                for cycle, entry in chosen.entries
            ]

        return await asyncio.to_thread(build)


def advance(connection: Connection, device: Device, now: float) -> _Chosen:
    """Show what is due: advance the device's position, store it, and return the entry. No entry without photos."""
    selection = Selection(connection, device, now)
    position = shuffle_queues.lock_position(connection, device.id)
    if position is None:
        if not selection.has_photos():
            return _Chosen([], {}, Position())
        position = shuffle_queues.create_position(connection, device.id)
    steps = selection.steps_due(position)
    if steps or position.interval != device.interval_seconds:  # else a concurrent call has advanced
        position, moves = selection.advance(position, steps)
        shuffle_queues.save_position(connection, device.id, position, moves)
    if selection.expired:
        shuffle_queues.exclude(connection, device.key, [photo.id for photo in selection.expired])
    return _shown(connection, device, position)


def _stored(connection: Connection, device: Device, now: float) -> _Chosen | None:
    """Return the stored entry if it is the one to show now, else None."""
    position = shuffle_queues.read_position(connection, device.id) or Position()
    if position.interval != device.interval_seconds or Selection(connection, device, now).steps_due(position):
        return None
    return _shown(connection, device, position)


def _preview(connection: Connection, device: Device, now: float) -> _Chosen:
    """Return what `advance` would show, without storing it."""
    position = shuffle_queues.read_position(connection, device.id) or Position()
    selection = Selection(connection, device, now)
    return _shown(connection, device, selection.advance(position, selection.steps_due(position))[0])


def _view(connection: Connection, device: Device, now: float, after: str | None, count: int) -> _Chosen:
    position = shuffle_queues.read_position(connection, device.id) or Position()
    entries = Selection(connection, device, now).upcoming(position, after, count)
    return _chosen(connection, device, entries, position)


def _now_and_next(connection: Connection, device: Device, now: float) -> _Chosen:
    """Return the entry on the screen and the next one. Without an interval, the first was shown last or is empty."""
    position = shuffle_queues.read_position(connection, device.id) or Position()
    entries = Selection(connection, device, now).upcoming(position, None, 2)
    if not device.interval_seconds:
        entries = [(position.entry_cycle, position.entry), *entries[:1]]
    return _chosen(connection, device, entries, position)


def _photo(connection: Connection, device: Device, image_id: str, selected_only: bool) -> _Chosen:
    position = shuffle_queues.read_position(connection, device.id) or Position()
    is_shown = not selected_only or shuffle_queues.is_selected(connection, device.key, image_id)
    return _chosen(connection, device, [(position.cycle, (image_id,))] if is_shown else [], position)


def _shown(connection: Connection, device: Device, position: Position) -> _Chosen:
    """Return the entry of a position; no entry if it is empty."""
    return _chosen(connection, device, [(position.entry_cycle, position.entry)] if position.entry else [], position)


def _chosen(connection: Connection, device: Device, entries: list[CycleEntry], position: Position) -> _Chosen:
    photos = [photo for _, entry in entries for photo in entry]
    return _Chosen(entries, shuffle_queues.variants(connection, device.key, photos) if photos else {}, position)


def open_frames(
    database: Database,
    bucket: Bucket,
    sign: Callable[[str], str],
    clock: Callable[[], float],
    may_write: Callable[[], bool],
) -> FrameService:
    """Create the service for an opened database. `EntryBuilder` describes `sign`; `FrameService` describes the rest."""
    return FrameService(database, EntryBuilder(bucket, sign), clock, may_write)
