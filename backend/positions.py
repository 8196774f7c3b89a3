"""Where frames without an interval are in their rounds: durable before an entry is given, so that none is repeated.

The writing for a frame that asks by itself is waited for each time, and what is noted is exactly what was given. Where
many ask for one device at once, some entries are noted ahead of time, and once or twice after that: a crash then skips
those that were not given, an end in order takes the note back. All of this is as durable as the database is: one that
does not outlive its process goes on from its latest snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backend.database import Database, bags
from backend.shows import Show

AHEAD_EACH = 8
"""Entries noted ahead for each call that waited for the last writing, if there were several."""
MOST_AHEAD = 256
CALM = 16
"""Of what was noted ahead, so small a part is noted by the next writing that a single call waits for."""


def ahead_after(waited: int, before: int) -> int:
    """How many entries the next writing notes ahead, after one that `waited` calls waited for; pure."""
    return min(MOST_AHEAD, AHEAD_EACH * waited) if waited > 1 else before // CALM


class Positions:
    """Writes them, one writing at a time for each device."""

    def __init__(self, database: Database, may_write: Callable[[], bool]) -> None:
        """`may_write` says whether positions may be kept."""
        self._database = database
        self._may_write = may_write
        self._ahead: dict[str, Show] = {}

    async def keep(self, show: Show, shown: int) -> None:
        """Return once it is durable that so many entries of the show's round were given."""
        while show.kept_shown < shown and self._may_write():
            if show.keeping is None:
                show.keeping = asyncio.create_task(self._write(show))
            show.waiting += 1
            try:
                await asyncio.shield(show.keeping)
            finally:
                show.waiting -= 1

    async def _write(self, show: Show) -> None:
        bag = show.bag
        noted = max(bag.shown, min(bag.shown + show.ahead_shown, len(bag.entries)))
        if noted > bag.shown or show.device.id in self._ahead:  # the show may be another one, of the same round
            self._ahead[show.device.id] = show
        try:
            await self._database.write(bags.move, show.device.id, bag.version, noted)
            show.kept_shown = noted
            show.ahead_shown = ahead_after(show.waiting, show.ahead_shown)
        finally:
            show.keeping = None

    async def close(self) -> None:
        """Take back what was noted and not given."""
        for device_id, show in self._ahead.items():
            if self._may_write():
                await self._database.write(bags.move_back, device_id, show.bag.version, show.bag.shown)
        self._ahead.clear()
