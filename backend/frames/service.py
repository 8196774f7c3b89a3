"""What frames ask of their bags: what is due, what follows, and to be moved on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from backend.database import Database, bags
from backend.database.devices import Device
from backend.frames.cache import ATTEMPTS, FrameStateCache
from backend.frames.entries import EntryMaker, name_of
from backend.frames.positions import PositionWriter
from backend.frames.state import FrameState
from backend.http.middleware import ServingState
from backend.playlist import bag as bag_rules
from backend.playlist.bag import Bag
from backend.playlist.pairs import Entry
from contract.bucket.port import Bucket
from contract.messages.frames import QueueEntry

ENTRIES_KEPT = 512
"""Entries kept in memory for each device, 2 KB each."""
MAX_ENTRIES_RESERVED = 50_000
"""So far ahead of time `after` may step."""
MADE_TOGETHER = 8
"""Entries of a frame without an interval that are made at a time."""
MAX_AFTER = 64
"""Characters."""

Place = tuple[int, Entry]
"""The number of a round, and an entry of it."""


class FrameService:
    """Answers for all devices."""

    def __init__(
        self,
        database: Database,
        shows: FrameStateCache,
        maker: EntryMaker,
        clock: Callable[[], float],
        *,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`clock` gives seconds since the epoch; `may_write` says whether positions may be kept."""
        self._database = database
        self._shows = shows
        self._maker = maker
        self._clock = clock
        self._positions = PositionWriter(database, may_write)

    async def close(self) -> None:
        """Note exactly where each device is."""
        await self._positions.close(self._shows.all())

    async def show(self, device: Device) -> FrameState:
        """What the device shows now."""
        return await self._shows.show(device)

    async def due(self, device: Device, after: str | None) -> tuple[FrameState, QueueEntry] | None:
        """The entry that is due, or the one behind `after`, without moving on; None without photos."""
        for _ in range(ATTEMPTS):
            show = await self.show(device)
            places = await self.upcoming(show, after, 1)
            if not places:
                return None
            if found := await self.entries(show, places):
                return show, found[0]
            show.doubt()  # its picture has gone
        return None

    async def upcoming(self, show: FrameState, after: str | None, count: int) -> list[Place]:
        """Up to `count` entries from the one that is due, or behind `after`; no photo twice."""
        bag, place = await self._start(show, after)
        found: list[Place] = [(bag.epoch, entry) for entry in bag.entries[place : place + count]]
        seen = {photo for _, entry in found for photo in entry}
        if len(found) < count and len(seen) < len(show.photos.photos):
            following = await self._round(show, bag.epoch + 1)
            found += [(following.epoch, entry) for entry in following.entries if seen.isdisjoint(entry)]
        return found[:count]

    async def _start(self, show: FrameState, after: str | None) -> tuple[Bag, int]:
        """The round and the place behind the entry `after`; where that is unknown, what is due."""
        due = show.bag, bag_rules.position(show.bag, self._clock())
        if after is None:
            return due
        epoch, _, image = after.rpartition(".")
        number = int(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) < 10 else show.bag.epoch
        far = 2 + MAX_ENTRIES_RESERVED // max(1, len(show.photos.photos))
        if not image or not show.bag.epoch <= number <= show.bag.epoch + far:
            return due
        bag = await self._round(show, number)
        for place, entry in enumerate(bag.entries):
            if any(photo.startswith(image) for photo in entry):
                return (bag, place + 1) if place + 1 < len(bag.entries) else (await self._round(show, number + 1), 0)
        return due

    async def _round(self, show: FrameState, epoch: int) -> Bag:
        """A round that is under way or has not begun yet."""
        if epoch == show.bag.epoch:
            return show.bag
        if show.library is None:
            show.library = await self._shows.library(show.photos, show.photos.halves)
        library = show.library
        while (made := len(show.ahead)) < epoch - show.bag.epoch:
            last = show.ahead[-1] if show.ahead else show.bag
            following = await asyncio.to_thread(bag_rules.following_round, last, library)
            if len(show.ahead) == made:  # nobody else has made the same meanwhile
                show.ahead.append(following)
        return show.ahead[epoch - show.bag.epoch - 1]

    async def entries(self, show: FrameState, places: Sequence[Place]) -> list[QueueEntry]:
        """The entries at these places; without those whose pictures have gone at this very moment."""
        wanted = [entry for _, entry in places]
        have = {entry: show.made[entry] for entry in wanted if entry in show.made}
        if len(have) < len(places):
            async with show.making:  # who waited here finds what others have made meanwhile
                have |= {entry: show.made[entry] for entry in wanted if entry in show.made}
                have |= await self._make_lacking(show, [entry for entry in wanted if entry not in have])
                show.made |= have  # where there was no room for all, others have been forgotten
        return [
            msgspec.structs.replace(have[entry], entry=name_of(epoch, entry))
            for epoch, entry in places
            if entry in have
        ]

    async def _make_lacking(self, show: FrameState, lacking: Sequence[Entry]) -> dict[Entry, QueueEntry]:
        if not lacking:
            return {}
        photos = [photo for entry in lacking for photo in entry]
        rows = await self._database.read(bags.pictures, show.device.key, photos)
        made = await asyncio.to_thread(self._make, show.device.key, lacking, rows)
        if len(show.made) + len(made) > ENTRIES_KEPT:
            show.made, show.answers = {}, {}
        show.made |= made
        return made

    def _make(
        self, key: str, entries: Sequence[Entry], rows: dict[tuple[str, str], sa.Row[*tuple[Any, ...]]]
    ) -> dict[Entry, QueueEntry]:
        made = ((entry, self._maker.entry(key, entry, rows)) for entry in entries)
        return {entry: found for entry, found in made if found is not None}

    async def take(self, device: Device) -> tuple[FrameState, Place] | None:
        """The next entry of a device without interval, which moves on; None without photos.

        When this returns, it is noted as given, and `made` of the show has it.
        """
        for _ in range(ATTEMPTS + 1):
            show = self._shows.level(device) or await self.show(device)
            bag, noted = show.bag, show.noted
            place = bag.shown
            if place >= len(bag.entries):
                if not bag.entries:
                    return None
                continue  # others took the last ones meanwhile, and a new round begins
            entry = bag.entries[place]
            show.bag = msgspec.structs.replace(bag, shown=place + 1)
            if noted.ahead:  # many ask: what they would wait for is begun before
                noted.taken()
                self._positions.keep_ahead(show)
                if show.library is not None and show.preparing is None and 2 * place > len(bag.entries):
                    show.preparing = asyncio.create_task(self._round(show, bag.epoch + 1))
            if noted.shown <= place:
                await self._positions.keep(show, place + 1)
            if noted.given <= place:
                noted.given = place + 1
            if entry not in show.made:  # its neighbours are asked for soon, and one reading serves all who ask
                first = place // MADE_TOGETHER * MADE_TOGETHER
                together = bag.entries[first : first + MADE_TOGETHER]
                await self.entries(show, [(bag.epoch, one) for one in together])
            if entry in show.made:
                return show, (bag.epoch, entry)
            show.doubt()
        return None

    async def now_and_next(self, device: Device) -> tuple[QueueEntry | None, QueueEntry | None]:
        """What the device shows now, as far as is known here, and what comes then; moves nothing on."""
        show = await self.show(device)
        places: list[Place] = await self.upcoming(show, None, 2)
        if not show.bag.interval:
            given = show.bag.entries[show.bag.shown - 1 : show.bag.shown] if show.bag.shown else ()
            places = [*((show.bag.epoch, entry) for entry in given), *places[:1]]
        made = {place: entry for place in places for entry in await self.entries(show, [place])}
        if not show.bag.interval and not show.bag.shown:
            return None, next(iter(made.values()), None)
        now, following = [*places, None, None][:2]
        return (made.get(now) if now else None), (made.get(following) if following else None)

    def showing(self, show: FrameState) -> str | None:
        """The photo that is on the screen, as far as is known here: of a pair the first."""
        place = bag_rules.position(show.bag, self._clock())
        if not show.bag.interval:
            place -= 1
        return show.bag.entries[place][0] if 0 <= place < len(show.bag.entries) else None

    def until(self, show: FrameState) -> float:
        """When the next entry follows, in seconds since the epoch; 0 without an interval."""
        interval = show.bag.interval
        return float((bag_rules.slot_at(interval, self._clock()) + 1) * interval) if interval else 0.0


def open_frames(
    database: Database, bucket: Bucket, sign: Callable[[str], str], clock: Callable[[], float], standing: ServingState
) -> FrameService:
    """Frames over an opened database; `sign` as for `EntryMaker`."""

    def may_write() -> bool:
        return standing.writing

    shows = FrameStateCache(database, clock, may_write=may_write)
    return FrameService(database, shows, EntryMaker(bucket, sign), clock, may_write=may_write)
