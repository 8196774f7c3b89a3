"""Where frames without an interval are in their rounds: durable before an entry is given, so that none is repeated.

The writing for a frame that asks by itself is waited for each time, and what is noted is exactly what was given. Where
many ask for one device at once, some entries are noted ahead of time, more before those are used up, and once or twice
after that. A crash then skips those that were not given, an end in order takes the note back. All of this is as durable
as the database is: one that does not outlive its process goes on from its latest snapshot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from backend.database import Database, bags
from backend.show import Show, ahead_after

log = logging.getLogger(__name__)


class Positions:
    """Writes them, one writing at a time for each device."""

    def __init__(self, database: Database, may_write: Callable[[], bool]) -> None:
        """`may_write` says whether positions may be kept."""
        self._database = database
        self._may_write = may_write

    async def keep(self, show: Show, shown: int) -> None:
        """Return once it is durable that so many entries of the show's round were given."""
        while show.kept_shown < shown and self._may_write():
            show.waiting += 1
            try:
                await asyncio.shield(self._writing(show))
            finally:
                show.waiting -= 1

    def keep_ahead(self, show: Show) -> None:
        """Have more noted in time where many ask, so that nobody waits for it."""
        left = show.kept_shown - show.bag.shown
        if left <= show.ahead_shown // 2 and show.kept_shown < len(show.bag.entries) and self._may_write():
            self._writing(show).add_done_callback(_told_if_failed)

    def _writing(self, show: Show) -> asyncio.Task[None]:
        if show.keeping is None:
            show.keeping = asyncio.create_task(self._write(show))
        return show.keeping

    async def _write(self, show: Show) -> None:
        bag = show.bag
        noted = show.to_note()
        try:
            await self._database.write(bags.move, show.device.id, bag.version, noted)
            show.kept_shown = noted
            given = show.bag.shown - bag.shown if show.bag.version == bag.version else 0
            show.ahead_shown = ahead_after(max(show.waiting, given), show.ahead_shown)
        finally:
            show.keeping = None

    async def close(self, shows: Iterable[Show]) -> None:
        """Take back what was noted of these and not given."""
        for show in shows:
            if not show.bag.interval and self._may_write():
                await self._database.write(bags.move_back, show.device.id, show.bag.version, show.bag.shown)


def _told_if_failed(writing: asyncio.Task[None]) -> None:
    """Of a writing that nobody may be waiting for; whoever needs it begins another one."""
    if not writing.cancelled() and (error := writing.exception()) is not None:
        log.warning("positions of frames could not be noted ahead of time: %s", error)
