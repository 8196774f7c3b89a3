"""The states of all devices that send requests, in memory and up to date with the database.

A call compares the database's stamp. If the stamp has changed, a short query finds out whether the device's variants
have. Only then are the photos read and the shuffle queue refreshed, and stored if it differs.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

import msgspec

from backend.database import Database, shuffle_queues
from backend.database.devices import Device
from backend.frames.state import FrameState, shape_of, split_screen_size
from backend.http.errors import ServiceUnavailable
from backend.playlist import shuffle_queue
from backend.playlist.filters import filter_hour
from backend.playlist.pairs import PairingFacts
from backend.playlist.shuffle_queue import Library, ShuffleQueue
from contract.messages.frames import FrameFilters

SMALL_LIBRARY = 2000
"""Maximum number of photos of a library that is read again after every change."""
BUSY_SHARE = 0.05
"""The share of time spent on reading a larger library while photos are added. A removed photo is detected at once."""
ATTEMPTS = 4
_NOTHING_KNOWN = PairingFacts()


class FrameStateCache:
    """The states of all devices that have sent a request since the start."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        *,
        may_write: Callable[[], bool] = lambda: True,
        new_seed: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """`clock` returns seconds since the epoch; `may_write` returns True if queues may be stored."""
        self._database = database
        self._clock = clock
        self._may_write = may_write
        self._new_seed = new_seed
        self._states: dict[str, FrameState] = {}
        self._under_way: dict[str, asyncio.Event] = {}

    def all(self) -> list[FrameState]:
        """Return all states."""
        return list(self._states.values())

    def level(self, device: Device) -> FrameState | None:
        """Return the device's state if it is up to date, else None."""
        found = self._states.get(device.id)
        return found if found is not None and self._is_level(found, device, self._database.stamp()) else None

    async def state(self, device: Device) -> FrameState:
        """Return the device's current state; concurrent calls share one refresh."""
        while (level := self.level(device)) is None:
            under_way = self._under_way.get(device.id)
            if under_way is None:
                return await self._refreshed(device)
            found = self._states.get(device.id)
            if found is None:
                await under_way.wait()
                continue
            found.waiting += 1
            try:
                await under_way.wait()
            finally:
                found.waiting -= 1
        return level

    async def _refreshed(self, device: Device) -> FrameState:
        under_way = self._under_way[device.id] = asyncio.Event()
        try:
            stamp = self._database.stamp()  # before reading: later changes cause another refresh
            found = await self._refresh(self._states.get(device.id), device, stamp)
            found.stamp = stamp
            self._states[device.id] = found
            return found
        finally:
            del self._under_way[device.id]
            under_way.set()

    def _is_level(self, state: FrameState, device: Device, stamp: int) -> bool:
        if state.stamp != stamp:
            return False
        if state.device is not device:
            if shape_of(state.device) != shape_of(device):
                return False
            state.be_of(device)  # avoids this comparison until the devices are read again
        if state.is_over(self._clock()) or self._is_unsaved(state):
            return False
        return not (state.behind and time.monotonic() >= state.rest_until)

    async def _refresh(self, state: FrameState | None, device: Device, stamp: int) -> FrameState:
        filters = msgspec.convert(device.filters, FrameFilters) if device.filters else None
        for _ in range(ATTEMPTS):
            now = self._clock()
            hour = filter_hour(filters, now)
            began = time.monotonic()
            known: ShuffleQueue | None
            library: Library | None = None
            prepared: ShuffleQueue | None = None
            saved_shown = 0
            if state is not None and self._has_only_ended(state, device, hour, stamp):
                device_version, photos, known, library = state.device_version, state.photos, state.queue, state.library
                prepared = state.ahead[0] if state.ahead and not state.queue.interval else None
            else:
                if state is not None:
                    state.stamp = -1  # concurrent calls wait
                device_version = await self._database.read(shuffle_queues.device_version, device.id, device.key)
                if state is not None and self._stays(state, device, device_version, hour, now):
                    return state
                photos = await self._database.read(
                    shuffle_queues.available_photos, device.key, split_screen_size(device), filters, now
                )
                # Only the state in memory contains later positions, and queues computed while writes were not allowed.
                ours = state is not None and device_version.version in (
                    state.queue.version,
                    state.device_version.version,
                )
                known = state.queue if state is not None and ours else None
                if known is None and device_version.version:
                    known, saved_shown = await self._stored_queue(device, state)
            if prepared is not None:
                fresh = prepared
            else:
                fresh, library = await self._current_queue(known, device, photos, library, now)
            made = FrameState(device, photos, device_version, fresh, hour)
            made.photos_stamp = stamp
            if len(photos.photos) > SMALL_LIBRARY:
                made.rest_until = time.monotonic() + (time.monotonic() - began) / BUSY_SHARE
            if state is not None:
                made.follow(state)
            if not device.interval_seconds and len(photos.photos) <= SMALL_LIBRARY:
                made.library = library  # the next cycle begins soon
            if fresh.version != device_version.version and self._may_write():
                saved = msgspec.structs.replace(fresh, shown=made.position_to_save())
                if state is not None:
                    state.unconfirmed = saved, fresh.shown
                if not await self._database.write(shuffle_queues.save, device.id, saved, device_version.version):
                    state = None  # another backend was first
                    continue
                made.device_version, made.saved.shown = device_version._replace(version=fresh.version), saved.shown
            elif fresh is known:
                made.saved.shown = max(made.saved.shown, saved_shown)
            return made
        raise ServiceUnavailable("another backend changes what this device shows; try again")

    async def _stored_queue(self, device: Device, state: FrameState | None) -> tuple[ShuffleQueue | None, int]:
        """Return the device's queue, and the stored number of its returned or reserved entries.

        If the write of this queue was not confirmed, the position is the number of entries that were really returned.
        """
        queue = await self._database.read(shuffle_queues.read, device.id)
        if queue is None:
            return None, 0
        if state is not None and state.unconfirmed is not None:
            tried, given = state.unconfirmed
            if queue == tried:
                return msgspec.structs.replace(queue, shown=given), queue.shown
        return queue, queue.shown

    @staticmethod
    def _has_only_ended(state: FrameState, device: Device, hour: int, stamp: int) -> bool:
        """Return True if only the cycle has ended, so that the next one is computed without reading the database."""
        unchanged = (state.stamp, state.photos_stamp, state.hour) == (stamp, stamp, hour) and not state.behind
        stored = state.device_version.version == state.queue.version
        return unchanged and stored and shape_of(state.device) == shape_of(device)

    def _stays(
        self, state: FrameState, device: Device, device_version: shuffle_queues.DeviceVersion, hour: int, now: float
    ) -> bool:
        """Return True if the state is up to date by the device's version, or may be out of date for a while."""
        if (
            state.invalidated
            or state.is_over(now)
            or shape_of(state.device) != shape_of(device)
            or self._is_unsaved(state)
        ):
            return False
        same = (state.device_version, state.hour) == (device_version, hour)
        grown = (
            state.device_version.version == device_version.version
            and state.device_version.variants[0] <= device_version.variants[0]
        )
        if not same and not (grown and time.monotonic() < state.rest_until):
            return False
        state.be_of(device)
        state.behind = not same
        return True

    def _is_unsaved(self, state: FrameState) -> bool:
        """Return True if a queue was computed while writes were not allowed, and now they are."""
        return state.queue.version != state.device_version.version and self._may_write()

    async def _current_queue(
        self,
        queue: ShuffleQueue | None,
        device: Device,
        photos: shuffle_queues.AvailablePhotos,
        library: Library | None,
        now: float,
    ) -> tuple[ShuffleQueue, Library | None]:
        """Return the queue or the queue that replaces it, and the complete library if the library was read."""
        interval, ids = device.interval_seconds, frozenset(photos.photos)
        if queue is not None and shuffle_queue.is_current(queue, interval, ids, photos.pairable, now):
            return queue, library
        if library is not None:
            looked_at = library
        else:
            compared = shuffle_queue.pairing_candidates(queue, ids, photos.pairable, now)
            looked_at = await self.library(photos, compared)
            library = looked_at if compared == photos.pairable else None
        if queue is None:
            made = await asyncio.to_thread(shuffle_queue.first_cycle, self._new_seed(), interval, looked_at, now)
        else:
            made = await asyncio.to_thread(shuffle_queue.refresh, queue, interval, looked_at, now)
        return made, library

    async def library(self, photos: shuffle_queues.AvailablePhotos, compared: frozenset[str]) -> Library:
        """Return the library of a cycle, with the pairing facts of the photos in `compared`."""
        facts = await self._database.read(shuffle_queues.pairing_facts, sorted(compared)) if len(compared) > 1 else {}
        return Library(photos.photos, {photo: facts.get(photo, _NOTHING_KNOWN) for photo in photos.pairable})
