"""Playback positions are stored before an entry is returned, and reserved only for concurrent clients."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.database import Database, shuffle_queues
from backend.frames.positions import PositionWriter
from backend.frames.state import MAX_RESERVED, FrameState, next_reservation
from backend.playlist.shuffle_queue import ShuffleQueue

DEVICE = "wall"


class Place:
    """A database with one cycle of a device; `stored` returns the stored position."""

    def __init__(self, folder: Path, entries: int) -> None:
        self.database = Database(f"sqlite:///{folder}/slideshow.db")
        self.database.migrate()
        self.positions = PositionWriter(self.database, lambda: True)
        self.queue = ShuffleQueue(seed="s", interval=0, entries=tuple((str(number),) for number in range(entries)))
        self.state = self.new_state(self.queue)

    def new_state(self, queue: ShuffleQueue) -> FrameState:
        """Return the state that replaces the current one when photos have changed and the cycle has not."""
        made = FrameState(cast(Any, SimpleNamespace(id=DEVICE)), cast(Any, None), cast(Any, None), queue, 0)
        if queue is not self.queue:
            made.saved = self.state.saved
        return made

    async def begin(self) -> None:
        assert await self.database.write(shuffle_queues.save, DEVICE, self.queue, 0)

    async def stored(self) -> int:
        queue = await self.database.read(shuffle_queues.read, DEVICE)
        assert queue is not None
        return queue.shown

    async def ask(self, times: int, *, look: bool = True) -> None:
        """Take entries one after the other; each position is stored before the entry is returned."""
        for _ in range(times):
            state = self.state
            state.queue = msgspec.structs.replace(state.queue, shown=state.queue.shown + 1)
            own = state.queue.shown
            await self.positions.keep(state, own)
            assert not look or await self.stored() >= own

    async def crowd(self, frames: int, times: int) -> None:
        await asyncio.gather(*(self.ask(times, look=False) for _ in range(frames)))


@pytest.fixture
def place(tmp_path: Path) -> Any:
    made = Place(tmp_path, 5000)
    yield made
    made.database.close()


def test_keep_for_one_client_stores_the_exact_position(place: Place) -> None:
    async def run() -> None:
        await place.begin()
        for given_so_far in range(1, 6):
            await place.ask(1)
            assert await place.stored() == given_so_far

    asyncio.run(run())


def test_close_returns_reservations_of_concurrent_clients(place: Place) -> None:
    async def run() -> None:
        await place.begin()
        await place.crowd(16, 20)
        assert 16 * 20 == place.state.queue.shown < await place.stored() <= 16 * 20 + MAX_RESERVED
        await place.ask(10)
        await place.positions.close([place.state])
        assert await place.stored() == 16 * 20 + 10

    asyncio.run(run())


def test_close_uses_the_latest_state(place: Place) -> None:
    async def run() -> None:
        await place.begin()
        await place.crowd(16, 5)
        place.state = place.new_state(place.state.queue)
        await place.ask(50, look=False)
        await place.positions.close([place.state])
        assert await place.stored() == 16 * 5 + 50

    asyncio.run(run())


def test_keep_stores_nothing_beyond_the_cycle(place: Place) -> None:
    async def run() -> None:
        place.queue = msgspec.structs.replace(place.queue, entries=place.queue.entries[:40])
        place.state = place.new_state(place.queue)
        await place.begin()
        await place.crowd(8, 5)
        assert await place.stored() == place.state.queue.shown == 40
        following = msgspec.structs.replace(place.queue, cycle=2, version=2)
        assert await place.database.write(shuffle_queues.save, DEVICE, following, 1)
        await place.positions.close([place.state])
        assert await place.stored() == 0

    asyncio.run(run())


def test_interval_devices_never_reserve_positions(place: Place) -> None:
    place.state = place.new_state(msgspec.structs.replace(place.queue, interval=600, shown=3))
    place.state.saved.ahead = MAX_RESERVED
    assert place.state.position_to_save() == 3


@given(st.integers(0, 1000), st.integers(0, MAX_RESERVED))
def test_next_reservation_is_bounded_and_decays(together: int, before: int) -> None:
    ahead = next_reservation(together, before)
    assert 0 <= ahead <= MAX_RESERVED
    assert together > 1 or ahead <= before // 2
    for _ in range(3):
        ahead = next_reservation(1, ahead)
    assert ahead == 0
