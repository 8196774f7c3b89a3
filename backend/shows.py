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
from backend.errors import Unavailable
from backend.known_devices import DeviceRow
from backend.playlist import bag as bag_rules
from backend.playlist.bag import Bag, Library
from backend.playlist.filters import hour_of
from backend.playlist.pairs import HalfFacts
from backend.show import Show, ahead_after, half_of, shape_of
from contract.frame_messages import FrameFilters

SMALL_LIBRARY = 2000
"""Photos; such a library is read whenever it has changed."""
BUSY_SHARE = 0.05
"""Of the time, for reading a larger one while photos are added to it; a photo that goes is noticed at once."""
ATTEMPTS = 4
_NOTHING_KNOWN = HalfFacts()


class Shows:
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
        self._shows: dict[str, Show] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def all(self) -> list[Show]:
        """Those of all devices that have asked."""
        return list(self._shows.values())

    def level(self, device: DeviceRow) -> Show | None:
        """What the device shows now, if that is known without a reading."""
        found = self._shows.get(device.id)
        return found if found is not None and self._is_level(found, device, self._database.stamp()) else None

    async def show(self, device: DeviceRow) -> Show:
        """What the device shows now."""
        if (level := self.level(device)) is not None:
            return level
        found = self._shows.get(device.id)
        if found is None:
            return await self._brought_level(device)
        found.waiting += 1
        try:
            return await self._brought_level(device)
        finally:
            found.waiting -= 1

    async def _brought_level(self, device: DeviceRow) -> Show:
        async with self._locks.setdefault(device.id, asyncio.Lock()):
            found = self._shows.get(device.id)
            stamp = self._database.stamp()
            if found is not None and self._is_level(found, device, stamp):  # another question was first
                return found
            found = await self._bring_level(found, device, stamp)
            found.stamp = stamp  # taken before the reading: what was changed meanwhile is read again
            self._shows[device.id] = found
            return found

    def _is_level(self, show: Show, device: DeviceRow, stamp: int) -> bool:
        if show.device is not device:
            if shape_of(show.device) != shape_of(device):
                return False
            show.be_of(device)  # so that they are not compared again until the devices are read again
        if show.is_over(self._clock()):
            return False
        return show.stamp == stamp and not (show.behind and time.monotonic() >= show.rest_until)

    async def _bring_level(self, show: Show | None, device: DeviceRow, stamp: int) -> Show:
        filters = msgspec.convert(device.filters, FrameFilters) if device.filters else None
        for _ in range(ATTEMPTS):
            now = self._clock()
            hour = hour_of(filters, now)
            began = time.monotonic()
            known: Bag | None
            library: Library | None = None
            prepared: Bag | None = None
            if show is not None and self._has_only_ended(show, device, hour, stamp):
                mark, photos, known, library = show.mark, show.photos, show.bag, show.library
                prepared = show.ahead[0] if show.ahead and not show.bag.interval else None
            else:
                mark = await self._database.read(bags.mark, device.id, device.key)
                if show is not None and shape_of(show.device) == shape_of(device) and not show.is_over(now):
                    same = (show.mark, show.hour) == (mark, hour)
                    grown = show.mark.version == mark.version and show.mark.pictures[0] <= mark.pictures[0]
                    if same or (grown and time.monotonic() < show.rest_until):
                        show.be_of(device)
                        show.behind = not same
                        return show
                photos = await self._database.read(bags.photos, device.key, half_of(device), filters, now)
                # What was given since the bag was read is only known here.
                found = show.bag if show is not None and show.bag.version == mark.version else None
                known = found or (await self._database.read(bags.read, device.id) if mark.version else None)
            if prepared is not None:
                fresh = prepared
            else:
                fresh, library = await self._brought_up(known, device, photos, library, now)
            made = Show(device, photos, mark, fresh, hour)
            if len(photos.photos) > SMALL_LIBRARY:
                made.rest_until = time.monotonic() + (time.monotonic() - began) / BUSY_SHARE
            if show is not None:
                made.follow(show)
                made.ahead_shown = ahead_after(show.waiting, show.ahead_shown)
            if not device.interval_seconds and len(photos.photos) <= SMALL_LIBRARY:
                made.library = library  # the next round begins soon
            if fresh is not known and self._may_write() and not await self._keep(made, known):
                show = None  # another backend was first
                continue
            return made
        raise Unavailable("another backend changes what this device shows; try again")

    @staticmethod
    def _has_only_ended(show: Show, device: DeviceRow, hour: int, stamp: int) -> bool:
        """Whether nothing has changed since the show was level, so that the next round is made of what is known."""
        same = (show.stamp, show.hour, show.behind) == (stamp, hour, False) and show.mark.version == show.bag.version
        return same and shape_of(show.device) == shape_of(device)

    async def _keep(self, show: Show, known: Bag | None) -> bool:
        noted = 0 if show.bag.interval else show.to_note()
        kept = msgspec.structs.replace(show.bag, shown=noted)
        if not await self._database.write(bags.keep, show.device.id, kept, known.version if known else 0):
            return False
        show.mark, show.kept_shown = show.mark._replace(version=show.bag.version), noted
        return True

    async def _brought_up(
        self, bag: Bag | None, device: DeviceRow, photos: bags.Photos, library: Library | None, now: float
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
