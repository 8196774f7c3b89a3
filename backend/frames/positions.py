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

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from backend.database import Database, bags
from backend.frames.state import FrameState

log = logging.getLogger(__name__)


class PositionWriter:
    """Writes them, one writing at a time for each device."""

    def __init__(self, database: Database, may_write: Callable[[], bool]) -> None:
        """`may_write` says whether positions may be kept."""
        self._database = database
        self._may_write = may_write

    async def keep(self, show: FrameState, shown: int) -> None:
        """Return once it is durable that so many entries of the show's round were given."""
        noted = show.noted
        while noted.shown < shown and self._may_write():
            noted.waiting += 1
            try:
                await asyncio.shield(self._writing(show))
            finally:
                noted.waiting -= 1

    def keep_ahead(self, show: FrameState) -> None:
        """Have more noted in time where many ask, so that nobody waits for it."""
        bag, noted = show.bag, show.noted
        if 2 * (noted.shown - bag.shown) <= noted.ahead and noted.shown < len(bag.entries) and self._may_write():
            self._writing(show)

    def _writing(self, show: FrameState) -> asyncio.Task[None]:
        if show.noted.writing is None:
            show.noted.writing = asyncio.create_task(self._write(show))
            show.noted.writing.add_done_callback(_told_if_failed)
        return show.noted.writing

    async def _write(self, show: FrameState) -> None:
        bag, noted, shown = show.bag, show.noted, show.to_note()
        try:
            await self._database.write(bags.move, show.device.id, bag.version, shown)
            noted.was_written(shown)
        except Exception:
            if show.noted is noted:  # whoever waited gets nothing, and asks again
                left = min(show.bag.shown, max(noted.shown, noted.given))
                show.bag = msgspec.structs.replace(show.bag, shown=left)
            raise
        finally:
            noted.writing = None

    async def close(self, shows: Iterable[FrameState]) -> None:
        """Take back what was noted of these and not given."""
        for show in shows:
            try:
                if show.noted.writing is not None:
                    await asyncio.wait([show.noted.writing])
                bag, noted = show.bag, show.noted
                if not bag.interval and noted.shown > bag.shown and self._may_write():
                    await self._database.write(bags.move_back, show.device.id, bag.version, bag.shown, noted.shown)
            except SQLAlchemyError as error:
                log.warning("%s skips photos that nobody was given: %s", show.device.id, error)


def _told_if_failed(writing: asyncio.Task[None]) -> None:
    """Of a writing that nobody may be waiting for; whoever needs it begins another one."""
    if not writing.cancelled() and (error := writing.exception()) is not None:
        log.warning("where a frame is could not be noted: %s", error)
