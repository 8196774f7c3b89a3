"""Where a frame without an interval is: noted before it is told, ahead of time only where many ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from backend.database import Database, bags
from backend.playlist.bag import Bag
from backend.positions import MOST_AHEAD, Positions, ahead_after
from backend.shows import Show


class Disk:
    """What a database would keep of one device's bag; a writing takes a turn of the loop."""

    def __init__(self) -> None:
        self.shown = 0
        self.writings = 0

    async def write(self, query: Callable[..., Any], device_id: str, version: int, shown: int) -> None:
        await asyncio.sleep(0)
        self.writings += 1
        assert query in (bags.move, bags.move_back)
        self.shown = max(self.shown, shown) if query is bags.move else min(self.shown, shown)


def place(entries: int) -> tuple[Disk, Positions, Show]:
    disk = Disk()
    bag = Bag(seed="s", interval=0, entries=tuple((str(number),) for number in range(entries)))
    show = Show(cast(Any, SimpleNamespace(id="wall")), cast(Any, None), cast(Any, None), bag, 0)
    return disk, Positions(cast(Database, disk), lambda: True), show


async def ask(positions: Positions, show: Show, disk: Disk, times: int) -> None:
    """Take entries one after the other; each is noted before it is given."""
    import msgspec

    for _ in range(times):
        show.bag = msgspec.structs.replace(show.bag, shown=show.bag.shown + 1)
        own = show.bag.shown
        await positions.keep(show, own)
        assert disk.shown >= own
        await asyncio.sleep(0)


def test_a_frame_that_asks_by_itself_has_exactly_what_it_was_given_noted() -> None:
    disk, positions, show = place(100)

    async def run() -> None:
        for given_so_far in range(1, 11):
            await ask(positions, show, disk, 1)
            assert disk.shown == given_so_far

    asyncio.run(run())
    assert disk.writings == 10


def test_many_that_ask_at_once_share_few_writings_and_an_end_in_order_notes_what_was_given() -> None:
    disk, positions, show = place(10_000)

    async def run() -> None:
        await asyncio.gather(*(ask(positions, show, disk, 50) for _ in range(32)))
        assert show.bag.shown == 32 * 50 <= disk.shown <= 32 * 50 + MOST_AHEAD
        assert disk.writings < 32 * 50 / 20
        await positions.close()

    asyncio.run(run())
    assert disk.shown == 32 * 50


def test_nothing_is_noted_beyond_the_end_of_a_round() -> None:
    disk, positions, show = place(40)

    async def run() -> None:
        await asyncio.gather(*(ask(positions, show, disk, 5) for _ in range(8)))

    asyncio.run(run())
    assert disk.shown == show.bag.shown == 40


@given(st.integers(0, 1000), st.integers(0, MOST_AHEAD))
def test_what_is_noted_ahead_is_bounded_and_ends_when_the_crowd_has_gone(waited: int, before: int) -> None:
    ahead = ahead_after(waited, before)
    assert 0 <= ahead <= MOST_AHEAD
    for _ in range(9):
        ahead = ahead_after(1, ahead)
    assert ahead == 0
