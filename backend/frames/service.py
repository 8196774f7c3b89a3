"""Selection of entries: the current one of each frame, those that follow, and the position in the shuffle queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from backend.database import Database, shuffle_queues
from backend.database.devices import Device
from backend.frames.cache import ATTEMPTS, FrameStateCache
from backend.frames.entries import EntryBuilder, Rows, entry_name
from backend.frames.positions import PositionWriter
from backend.frames.state import FrameState
from backend.playlist import shuffle_queue
from backend.playlist.pairs import Entry
from backend.playlist.shuffle_queue import ShuffleQueue
from contract.bucket.port import Bucket
from contract.messages.frames import QueueEntry

MAX_CACHED_ENTRIES = 512
"""Entries cached in memory for each device, 2 KB each."""
MAX_ENTRIES_RESERVED = 50_000
"""The maximum number of entries between the current entry and the entry that `after` names."""
BUILD_BATCH = 8
"""Entries of a device without an interval that are built together."""
MAX_AFTER = 64
"""Maximum length of `after` in characters."""

CycleEntry = tuple[int, Entry]
"""The number of a cycle, and an entry of it."""


class FrameService:
    """Selects and builds the entries of all devices."""

    def __init__(
        self,
        database: Database,
        states: FrameStateCache,
        builder: EntryBuilder,
        clock: Callable[[], float],
        *,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`clock` returns seconds since the epoch; `may_write` returns True if positions may be stored."""
        self._database = database
        self._states = states
        self._builder = builder
        self._clock = clock
        self._positions = PositionWriter(database, may_write)

    async def close(self) -> None:
        """Store the exact position of each device."""
        await self._positions.close(self._states.all())

    async def state(self, device: Device) -> FrameState:
        """Return the device's current state."""
        return await self._states.state(device)

    async def due(self, device: Device, after: str | None) -> tuple[FrameState, QueueEntry] | None:
        """Return the current entry, or the entry that follows `after`, without advancing; None if no photo exists."""
        for _ in range(ATTEMPTS):
            state = await self.state(device)
            upcoming = await self.upcoming(state, after, 1)
            if not upcoming:
                return None
            if entries := await self.entries(state, upcoming):
                return state, entries[0]
            state.invalidate()  # its variant was deleted in the meantime
        return None

    async def upcoming(self, state: FrameState, after: str | None, count: int) -> list[CycleEntry]:
        """Return up to `count` entries without duplicates: from the current entry on, or after the entry `after`."""
        queue, index = await self._start(state, after)
        upcoming: list[CycleEntry] = [(queue.cycle, entry) for entry in queue.entries[index : index + count]]
        seen = {photo for _, entry in upcoming for photo in entry}
        if len(upcoming) < count and len(seen) < len(state.photos.photos):
            following = await self._cycle(state, queue.cycle + 1)
            upcoming += [(following.cycle, entry) for entry in following.entries if seen.isdisjoint(entry)]
        return upcoming[:count]

    async def _start(self, state: FrameState, after: str | None) -> tuple[ShuffleQueue, int]:
        """Return the cycle and the index that follow the entry `after`, or the current ones if `after` is unknown."""
        current = state.queue, shuffle_queue.position(state.queue, self._clock())
        if after is None:
            return current
        cycle_text, _, image = after.rpartition(".")
        is_number = cycle_text.isascii() and cycle_text.isdigit() and len(cycle_text) < 10
        cycle = int(cycle_text) if is_number else state.queue.cycle
        max_cycles = 2 + MAX_ENTRIES_RESERVED // max(1, len(state.photos.photos))
        if not image or not state.queue.cycle <= cycle <= state.queue.cycle + max_cycles:
            return current
        queue = await self._cycle(state, cycle)
        for index, entry in enumerate(queue.entries, 1):
            if any(photo.startswith(image) for photo in entry):
                return (queue, index) if index < len(queue.entries) else (await self._cycle(state, cycle + 1), 0)
        return current

    async def _cycle(self, state: FrameState, cycle: int) -> ShuffleQueue:
        """Return the current cycle or a later one."""
        if cycle == state.queue.cycle:
            return state.queue
        if state.library is None:
            state.library = await self._states.library(state.photos, state.photos.pairable)
        library = state.library
        while (count := len(state.ahead)) < cycle - state.queue.cycle:
            last = state.ahead[-1] if state.ahead else state.queue
            following = await asyncio.to_thread(shuffle_queue.next_cycle, last, library)
            if len(state.ahead) == count:  # no concurrent call has computed the same cycle in the meantime
                state.ahead.append(following)
        return state.ahead[cycle - state.queue.cycle - 1]

    async def entries(self, state: FrameState, wanted: Sequence[CycleEntry]) -> list[QueueEntry]:
        """Return the wanted entries, without those whose variants were deleted in the meantime."""
        photos = [entry for _, entry in wanted]
        built = {entry: state.made[entry] for entry in photos if entry in state.made}
        if len(built) < len(wanted):
            async with state.making:  # a concurrent call may build the same entries
                built |= {entry: state.made[entry] for entry in photos if entry in state.made}
                built |= await self._build_missing(state, [entry for entry in photos if entry not in built])
                state.made |= built  # if the cache was full, the entries found in it were dropped
        return [
            msgspec.structs.replace(built[entry], entry=entry_name(cycle, entry))
            for cycle, entry in wanted
            if entry in built
        ]

    async def _build_missing(self, state: FrameState, missing: Sequence[Entry]) -> dict[Entry, QueueEntry]:
        if not missing:
            return {}
        photos = [photo for entry in missing for photo in entry]
        rows = await self._database.read(shuffle_queues.variants, state.device.key, photos)
        built = await asyncio.to_thread(self._build, state.device.key, missing, rows)
        if len(state.made) + len(built) > MAX_CACHED_ENTRIES:
            state.made, state.answers = {}, {}
        state.made |= built
        return built

    def _build(self, key: str, entries: Sequence[Entry], rows: Rows) -> dict[Entry, QueueEntry]:
        built = ((entry, self._builder.entry(key, entry, rows)) for entry in entries)
        return {entry: result for entry, result in built if result is not None}

    async def take(self, device: Device) -> tuple[FrameState, CycleEntry] | None:
        """Return the next entry of a device without an interval, and advance; None without photos.

        When this returns, the position is stored, and `made` of the state contains the entry.
        """
        for _ in range(ATTEMPTS + 1):
            state = self._states.level(device) or await self.state(device)
            queue, saved = state.queue, state.saved
            index = queue.shown
            if index >= len(queue.entries):
                if not queue.entries:
                    return None
                continue  # concurrent calls took the last entries, and a new cycle begins
            entry = queue.entries[index]
            state.queue = msgspec.structs.replace(queue, shown=index + 1)
            if saved.ahead:  # several clients: begin early what later calls would wait for
                saved.taken()
                self._positions.keep_ahead(state)
                if state.library is not None and state.preparing is None and 2 * index > len(queue.entries):
                    state.preparing = asyncio.create_task(self._cycle(state, queue.cycle + 1))
            if saved.shown <= index:
                await self._positions.keep(state, index + 1)
            if saved.given <= index:
                saved.given = index + 1
            if entry not in state.made:  # build the next entries as well, so that one query serves several calls
                first = index // BUILD_BATCH * BUILD_BATCH
                batch = queue.entries[first : first + BUILD_BATCH]
                await self.entries(state, [(queue.cycle, neighbour) for neighbour in batch])
            if entry in state.made:
                return state, (queue.cycle, entry)
            state.invalidate()
        return None

    async def now_and_next(self, device: Device) -> tuple[QueueEntry | None, QueueEntry | None]:
        """Return the entry on the screen and the next one, without advancing.

        Without an interval, the first is None before the first request of a cycle.
        """
        state = await self.state(device)
        wanted: list[CycleEntry] = await self.upcoming(state, None, 2)
        if not state.queue.interval:
            shown = state.queue.entries[state.queue.shown - 1 : state.queue.shown] if state.queue.shown else ()
            wanted = [*((state.queue.cycle, entry) for entry in shown), *wanted[:1]]
        built = {item: entry for item in wanted for entry in await self.entries(state, [item])}
        if not state.queue.interval and not state.queue.shown:
            return None, next(iter(built.values()), None)
        now, following = [*wanted, None, None][:2]
        return (built.get(now) if now else None), (built.get(following) if following else None)

    def showing(self, state: FrameState) -> str | None:
        """Return the photo on the screen, or the first of a pair; None before the first request of a cycle."""
        index = shuffle_queue.position(state.queue, self._clock())
        if not state.queue.interval:
            index -= 1
        return state.queue.entries[index][0] if 0 <= index < len(state.queue.entries) else None

    def until(self, state: FrameState) -> float:
        """Return when the next entry follows, in seconds since the epoch; 0 without an interval."""
        interval = state.queue.interval
        return float((shuffle_queue.slot_at(interval, self._clock()) + 1) * interval) if interval else 0.0


def open_frames(
    database: Database,
    bucket: Bucket,
    sign: Callable[[str], str],
    clock: Callable[[], float],
    may_write: Callable[[], bool],
) -> FrameService:
    """Create the service for an opened database. `EntryBuilder` describes `sign`; `FrameService` describes the rest."""
    states = FrameStateCache(database, clock, may_write=may_write)
    return FrameService(database, states, EntryBuilder(bucket, sign), clock, may_write=may_write)
