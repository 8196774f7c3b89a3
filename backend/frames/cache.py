"""The bags of all devices that ask, in memory and level with the database.

A question costs one look at the database's stamp. When that has changed, a short look says whether the device's
pictures have; only then are its photos read and its bag brought up, and kept where it differs.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

import msgspec

from backend.database import Database, bags
from backend.database.devices import Device
from backend.frames.state import FrameState, half_of, shape_of
from backend.http.errors import ServiceUnavailable
from backend.playlist import bag as bag_rules
from backend.playlist.bag import Bag, Library
from backend.playlist.filters import hour_of
from backend.playlist.pairs import HalfFacts
from contract.messages.frames import FrameFilters

SMALL_LIBRARY = 2000
"""Photos; such a library is read whenever it has changed."""
BUSY_SHARE = 0.05
"""Of the time, for reading a larger one while photos are added to it; a photo that goes is noticed at once."""
ATTEMPTS = 4
_NOTHING_KNOWN = HalfFacts()


class FrameStateCache:
    """The shows of all devices that have asked since the start."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        *,
        may_write: Callable[[], bool] = lambda: True,
        new_seed: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """`clock` gives seconds since the epoch; `may_write` says whether bags may be kept."""
        self._database = database
        self._clock = clock
        self._may_write = may_write
        self._new_seed = new_seed
        self._shows: dict[str, FrameState] = {}
        self._under_way: dict[str, asyncio.Event] = {}

    def all(self) -> list[FrameState]:
        """Those of all devices that have asked."""
        return list(self._shows.values())

    def level(self, device: Device) -> FrameState | None:
        """What the device shows now, if that is known without a reading."""
        found = self._shows.get(device.id)
        return found if found is not None and self._is_level(found, device, self._database.stamp()) else None

    async def show(self, device: Device) -> FrameState:
        """What the device shows now; questions that come together share one reading."""
        while (level := self.level(device)) is None:
            under_way = self._under_way.get(device.id)
            if under_way is None:
                return await self._brought_level(device)
            found = self._shows.get(device.id)
            if found is None:
                await under_way.wait()
                continue
            found.waiting += 1
            try:
                await under_way.wait()
            finally:
                found.waiting -= 1
        return level

    async def _brought_level(self, device: Device) -> FrameState:
        under_way = self._under_way[device.id] = asyncio.Event()
        try:
            stamp = self._database.stamp()  # before the reading: what is changed meanwhile is read again
            found = await self._bring_level(self._shows.get(device.id), device, stamp)
            found.stamp = stamp
            self._shows[device.id] = found
            return found
        finally:
            del self._under_way[device.id]
            under_way.set()

    def _is_level(self, show: FrameState, device: Device, stamp: int) -> bool:
        if show.stamp != stamp:
            return False
        if show.device is not device:
            if shape_of(show.device) != shape_of(device):
                return False
            show.be_of(device)  # so that they are not compared again until the devices are read again
        if show.is_over(self._clock()) or self._is_unkept(show):
            return False
        return not (show.behind and time.monotonic() >= show.rest_until)

    async def _bring_level(self, show: FrameState | None, device: Device, stamp: int) -> FrameState:
        filters = msgspec.convert(device.filters, FrameFilters) if device.filters else None
        for _ in range(ATTEMPTS):
            now = self._clock()
            hour = hour_of(filters, now)
            began = time.monotonic()
            known: Bag | None
            library: Library | None = None
            prepared: Bag | None = None
            noted_shown = 0
            if show is not None and self._has_only_ended(show, device, hour, stamp):
                mark, photos, known, library = show.mark, show.photos, show.bag, show.library
                prepared = show.ahead[0] if show.ahead and not show.bag.interval else None
            else:
                if show is not None:
                    show.stamp = -1  # whoever asks meanwhile waits
                mark = await self._database.read(bags.mark, device.id, device.key)
                if show is not None and self._stays(show, device, mark, hour, now):
                    return show
                photos = await self._database.read(bags.photos, device.key, half_of(device), filters, now)
                # What was given since the bag was read, or made while nothing could be kept, is only known here.
                ours = show is not None and mark.version in (show.bag.version, show.mark.version)
                known = show.bag if show is not None and ours else None
                if known is None and mark.version:
                    known, noted_shown = await self._kept(device, show)
            if prepared is not None:
                fresh = prepared
            else:
                fresh, library = await self._brought_up(known, device, photos, library, now)
            made = FrameState(device, photos, mark, fresh, hour)
            made.photos_stamp = stamp
            if len(photos.photos) > SMALL_LIBRARY:
                made.rest_until = time.monotonic() + (time.monotonic() - began) / BUSY_SHARE
            if show is not None:
                made.follow(show)
            if not device.interval_seconds and len(photos.photos) <= SMALL_LIBRARY:
                made.library = library  # the next round begins soon
            if fresh.version != mark.version and self._may_write():
                noted = msgspec.structs.replace(fresh, shown=made.to_note())
                if show is not None:
                    show.doubtful = noted, fresh.shown
                if not await self._database.write(bags.keep, device.id, noted, mark.version):
                    show = None  # another backend was first
                    continue
                made.mark, made.noted.shown = mark._replace(version=fresh.version), noted.shown
            elif fresh is known:
                made.noted.shown = max(made.noted.shown, noted_shown)
            return made
        raise ServiceUnavailable("another backend changes what this device shows; try again")

    async def _kept(self, device: Device, show: FrameState | None) -> tuple[Bag | None, int]:
        """The device's bag, and how many of its entries are noted as given.

        Of one that we kept without hearing that it was, only so many have been given as there were before.
        """
        bag = await self._database.read(bags.read, device.id)
        if bag is None:
            return None, 0
        if show is not None and show.doubtful is not None:
            tried, given = show.doubtful
            if bag == tried:
                return msgspec.structs.replace(bag, shown=given), bag.shown
        return bag, bag.shown

    @staticmethod
    def _has_only_ended(show: FrameState, device: Device, hour: int, stamp: int) -> bool:
        """Whether nothing has changed since its photos were read, so that the next round is made of what is known."""
        unchanged = (show.stamp, show.photos_stamp, show.hour) == (stamp, stamp, hour) and not show.behind
        kept = show.mark.version == show.bag.version
        return unchanged and kept and shape_of(show.device) == shape_of(device)

    def _stays(self, show: FrameState, device: Device, mark: bags.DeviceVersion, hour: int, now: float) -> bool:
        """Whether the show is right, or may be behind for a while, as the database's mark says."""
        if show.doubted or show.is_over(now) or shape_of(show.device) != shape_of(device) or self._is_unkept(show):
            return False
        same = (show.mark, show.hour) == (mark, hour)
        grown = show.mark.version == mark.version and show.mark.pictures[0] <= mark.pictures[0]
        if not same and not (grown and time.monotonic() < show.rest_until):
            return False
        show.be_of(device)
        show.behind = not same
        return True

    def _is_unkept(self, show: FrameState) -> bool:
        """Whether a bag was made when nothing could be kept, and now it can."""
        return show.bag.version != show.mark.version and self._may_write()

    async def _brought_up(
        self, bag: Bag | None, device: Device, photos: bags.Photos, library: Library | None, now: float
    ) -> tuple[Bag, Library | None]:
        """The bag, or the one that follows it; and the whole library, if that was needed and read."""
        interval, ids = device.interval_seconds, frozenset(photos.photos)
        if bag is not None and bag_rules.is_current(bag, interval, ids, photos.halves, now):
            return bag, library
        if library is not None:
            looked_at = library
        else:
            compared = bag_rules.to_be_compared(bag, ids, photos.halves, now)
            looked_at = await self.library(photos, compared)
            library = looked_at if compared == photos.halves else None
        if bag is None:
            made = await asyncio.to_thread(bag_rules.first_round, self._new_seed(), interval, looked_at, now)
        else:
            made = await asyncio.to_thread(bag_rules.brought_up, bag, interval, looked_at, now)
        return made, library

    async def library(self, photos: bags.Photos, compared: frozenset[str]) -> Library:
        """What rounds are made of; `compared` are the halves whose colours and times are looked at."""
        facts = await self._database.read(bags.half_facts, sorted(compared)) if len(compared) > 1 else {}
        return Library(photos.photos, {photo: facts.get(photo, _NOTHING_KNOWN) for photo in photos.halves})
