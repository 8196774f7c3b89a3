"""The bags of all devices that ask, in memory and level with the database.

A question costs one look at the database's stamp. When that has changed, a short look says whether the device's
pictures have; only then are its photos read and its bag brought up, and kept where it differs.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec

from backend.database import Database, bags
from backend.errors import Unavailable
from backend.known_devices import DeviceRow
from backend.playlist import bag as bag_rules
from backend.playlist.bag import Bag, Library
from backend.playlist.filters import hour_of
from backend.playlist.pairs import Entry, HalfFacts
from contract.frame_messages import FrameFilters, QueueEntry
from contract.halves import half_size

SMALL_LIBRARY = 2000
"""Photos; such a library is read whenever it has changed."""
BUSY_SHARE = 0.05
"""Of the time, for reading a larger one while photos are added to it; a photo that goes is noticed at once."""
ATTEMPTS = 4
_NOTHING_KNOWN = HalfFacts()

Place = tuple[int, Entry]
"""The number of a round, and an entry of it."""


class Show:
    """What one device shows: for one set of photos and one version of its bag."""

    def __init__(self, device: DeviceRow, photos: bags.Photos, mark: bags.Mark, bag: Bag, hour: int) -> None:
        self.device = device
        self.photos = photos
        self.mark = mark
        self.bag = bag
        self.hour = hour
        self.stamp = -1
        self.rest_until = 0.0
        self.behind = False
        self.ahead: list[Bag] = []
        self.library: Library | None = None
        self.made: dict[Entry, QueueEntry] = {}
        self.making = asyncio.Lock()
        self.bodies: dict[object, Any] = {}
        self.bodies_slot = -1
        self.kept_shown = bag.shown
        self.keeping: asyncio.Task[None] | None = None
        self.waiting = 0
        self.ahead_shown = 0

    def doubt(self) -> None:
        """Have the database asked again at the next question."""
        self.stamp, self.rest_until = -1, 0.0
        self.mark = self.mark._replace(version=-1)

    def slot(self, now: float) -> int:
        """What differs between two entries that are due."""
        return bag_rules.slot_at(self.bag.interval, now) if self.bag.interval else self.bag.shown

    def is_over(self, now: float) -> bool:
        """Whether a new round has to begin."""
        return bag_rules.position(self.bag, now) >= len(self.bag.entries) > 0


def half_of(device: DeviceRow) -> tuple[int, int] | None:
    """The size of a device's halves in pixels; None for a device without."""
    return half_size(device.width, device.height, device.gap) if device.half_recipe else None


def _shape(device: DeviceRow) -> tuple[object, ...]:
    """What of a device decides what it shows."""
    return device.key, half_of(device), device.interval_seconds, device.filters


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

    async def show(self, device: DeviceRow) -> Show:
        """What the device shows now."""
        found = self._shows.get(device.id)
        if found is not None and self._is_level(found, device, self._database.stamp()):
            return found
        async with self._locks.setdefault(device.id, asyncio.Lock()):
            found = self._shows.get(device.id)
            stamp = self._database.stamp()
            if found is not None and self._is_level(found, device, stamp):  # another question was first
                return found
            found = await self._bring_level(found, device)
            found.stamp = stamp  # taken before the reading: what was changed meanwhile is read again
            self._shows[device.id] = found
            return found

    def _is_level(self, show: Show, device: DeviceRow, stamp: int) -> bool:
        if show.device is not device:
            if _shape(show.device) != _shape(device):
                return False
            show.device = device  # so that they are not compared again until the devices are read again
        if show.is_over(self._clock()):
            return False
        return show.stamp == stamp and not (show.behind and time.monotonic() >= show.rest_until)

    async def _bring_level(self, show: Show | None, device: DeviceRow) -> Show:
        filters = msgspec.convert(device.filters, FrameFilters) if device.filters else None
        for _ in range(ATTEMPTS):
            now = self._clock()
            hour = hour_of(filters, now)
            mark = await self._database.read(bags.mark, device.id, device.key)
            if show is not None and _shape(show.device) == _shape(device) and not show.is_over(now):
                same = (show.mark, show.hour) == (mark, hour)
                grown = show.mark.version == mark.version and show.mark.pictures[0] <= mark.pictures[0]
                if same or (grown and time.monotonic() < show.rest_until):
                    show.device, show.behind = device, not same
                    return show
            began = time.monotonic()
            photos = await self._database.read(bags.photos, device.key, half_of(device), filters, now)
            # What was given since the bag was read is only known here.
            known = show.bag if show is not None and show.bag.version == mark.version else None
            known = known or (await self._database.read(bags.read, device.id) if mark.version else None)
            fresh = await self._brought_up(known, device, photos, now)
            if fresh is not known and self._may_write():
                if not await self._database.write(bags.keep, device.id, fresh, known.version if known else 0):
                    continue  # another backend was first
                mark = mark._replace(version=fresh.version)
            made = Show(device, photos, mark, fresh, hour)
            if show is not None and (show.mark.pictures, _shape(show.device)) == (mark.pictures, _shape(device)):
                made.made = show.made  # another round of the same pictures
            seconds = time.monotonic() - began
            if len(photos.photos) > SMALL_LIBRARY:
                made.rest_until = time.monotonic() + seconds / BUSY_SHARE
            return made
        raise Unavailable("another backend changes what this device shows; try again")

    async def _brought_up(self, bag: Bag | None, device: DeviceRow, photos: bags.Photos, now: float) -> Bag:
        interval, ids = device.interval_seconds, frozenset(photos.photos)
        if bag is not None and bag_rules.is_current(bag, interval, ids, photos.halves, now):
            return bag
        library = await self.library(photos, bag_rules.to_be_compared(bag, ids, photos.halves, now))
        if bag is None:
            return await asyncio.to_thread(bag_rules.first_round, self._new_seed(), interval, library, now)
        return await asyncio.to_thread(bag_rules.brought_up, bag, interval, library, now)

    async def library(self, photos: bags.Photos, compared: frozenset[str]) -> Library:
        """What rounds are made of; `compared` are the halves whose colours and times are looked at."""
        facts = await self._database.read(bags.half_facts, sorted(compared)) if len(compared) > 1 else {}
        return Library(photos.photos, {photo: facts.get(photo, _NOTHING_KNOWN) for photo in photos.halves})
